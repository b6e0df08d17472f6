"""`mm7 demo`: the main job on real input; it ends by itself and leaves nothing running."""

import asyncio
import re
import signal
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="looks for processes in /proc")


def left(folder: Path) -> list[str]:
    """The processes that have this folder as their working directory."""
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdecimal():
            try:
                if (process / "cwd").readlink() == folder:
                    found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode())
            except OSError:
                continue
    return found


@pytest.fixture
async def cleaned(broker):
    yield
    await broker.remove("demo-sinch", "demo-vibes", delays=("1s", "5s"))


@pytest.mark.usefixtures("cleaned")
async def test_the_demo_shows_the_main_job_and_ends(mm7, amqp_url, tmp_path):
    done = await mm7("demo", AMQP_URL=amqp_url)
    assert (done.code, done.err) == (0, "")
    assert left(tmp_path) == []
    place = re.search(r"the picture: (\d+) × (\d+) pixels, .*, in (\S+)\n", done.out)
    assert place
    stored = (tmp_path / place[3]).read_bytes()
    assert stored.startswith(b"\x89PNG")
    assert [int(place[1]), int(place[2])] == [int.from_bytes(stored[at : at + 4]) for at in (16, 20)]
    for words in ("mo.received", "mt.accepted", "dr.received", "How long it took", "How to go on"):
        assert words in done.out


@pytest.mark.usefixtures("cleaned")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
async def test_a_demo_that_is_interrupted_ends_what_it_has_started(
    mm7_process, amqp_url, tmp_path, number, code, eventually
):
    process = await mm7_process("demo", AMQP_URL=amqp_url)
    await eventually(lambda: len(left(tmp_path)) == 3, 20)
    process.send_signal(number)
    _, err = await asyncio.wait_for(process.communicate(), 40)
    assert process.returncode == code
    assert b"Traceback" not in err
    assert left(tmp_path) == []


@pytest.mark.usefixtures("cleaned")
async def test_the_demo_stays_until_ctrl_c(mm7_process, amqp_url, tmp_path):
    process = await mm7_process("demo", "--stay", AMQP_URL=amqp_url)
    assert process.stdout is not None
    seen = ""
    async with asyncio.timeout(30):
        while "Ctrl-C ends everything" not in seen:
            line = (await process.stdout.readline()).decode()
            if not line and process.returncode is not None:
                break
            seen += line
    if "Ctrl-C" not in seen:
        assert process.stderr is not None
        error = (await process.stderr.read()).decode()
        assert "Traceback" not in error
        assert "cannot" in error or "not ready" in error
        pytest.skip(f"one of its fixed ports is taken here: {error}")
    assert "mm7 send --account demo-sinch" in seen
    process.send_signal(signal.SIGINT)
    _, err = await asyncio.wait_for(process.communicate(), 40)
    assert (process.returncode, err, left(tmp_path)) == (0, b"", [])
