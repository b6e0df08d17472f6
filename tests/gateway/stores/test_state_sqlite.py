"""The SQLite state store and what can become of its file: several processes, a full disk, damage, kill -9."""

import asyncio
import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from gateway.stores import database, state_sqlite
from gateway.stores.files import FileLock
from gateway.stores.state import StateUnavailable, open_state, sqlite_path

ROOT = Path(__file__).parents[3]


def program(text: str, *arguments: object) -> list[str]:
    return [sys.executable, "-c", textwrap.dedent(text), *map(str, arguments)]


def started(*arguments: object, text: str) -> subprocess.Popen[bytes]:
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(program(text, *arguments), stdout=subprocess.PIPE, env=env)


COMPETE = """
    import asyncio, sys
    from gateway.stores.state import open_state
    async def main(path, me):
        state = open_state(f"sqlite://{path}")
        won = []
        for n in range(300):
            if await state.add(f"k{n}", me.encode(), 60, durable=n % 10 == 0) is None:
                won.append(n)
        turns = await asyncio.gather(*(state.turn("rate", 50) for _ in range(25)))
        await state.close()
        print(*won)
    asyncio.run(main(*sys.argv[1:]))
"""


async def test_two_processes_on_one_file_agree_on_who_was_first(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    processes = [started(path, name, text=COMPETE) for name in ("one", "two")]
    outputs = [process.communicate(timeout=30)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    wins = [set(map(int, output.split())) for output in outputs]
    assert wins[0] | wins[1] == set(range(300))
    assert not wins[0] & wins[1]
    state = open_state(f"sqlite://{path}")
    for name, won in zip((b"one", b"two"), wins, strict=True):
        for n in won:
            assert await state.get(f"k{n}") == name
    await state.close()


WRITE = """
    import asyncio, sys
    from gateway.stores.state import open_state
    async def main(path):
        state = open_state(f"sqlite://{path}")
        async def write(n):
            await state.put(f"k{n}", b"x" * 500, 60)
            sys.stdout.write(f"{n}\\n"); sys.stdout.flush()
        for start in range(0, 100000, 20):
            await asyncio.gather(*(write(n) for n in range(start, start + 20)))
    asyncio.run(main(*sys.argv[1:]))
"""


async def test_what_was_put_survives_kill_nine(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    for delay in (0.05, 0.12, 0.2):
        process = started(path, text=WRITE)
        assert process.stdout is not None
        lines = [process.stdout.readline()]
        await asyncio.sleep(delay)
        process.kill()
        lines += process.stdout.read().splitlines()
        process.wait()
        process.stdout.close()
        state = open_state(f"sqlite://{path}")
        numbers = [int(line) for line in lines]
        assert len(numbers) > 20
        values = await asyncio.gather(*(state.get(f"k{n}") for n in numbers))
        assert set(values) == {b"x" * 500}
        await state.close()


async def test_a_full_disk_says_unavailable_and_recovers(disk) -> None:
    state = open_state(f"sqlite://{disk.path}/state.db")
    await state.put("before", b"1", 60)
    disk.fill()
    began = time.monotonic()
    puts = [state.put(f"k{n}", bytes(4000), 60) for n in range(200)]
    results = await asyncio.gather(*puts, return_exceptions=True)
    assert any(isinstance(result, StateUnavailable) and "full" in str(result) for result in results)
    assert time.monotonic() - began < 5
    assert await state.get("before") == b"1"
    disk.clear()
    await state.put("after", b"2", 60)
    assert await state.get("before") == b"1"
    assert await state.get("after") == b"2"
    await state.close()


async def test_a_read_only_disk_says_unavailable_and_recovers(disk) -> None:
    disk.read_only(True)
    state = open_state(f"sqlite://{disk.path}/folder/state.db")
    with pytest.raises(StateUnavailable, match=r"[Rr]ead-only"):
        await state.put("a", b"1", 60)
    with pytest.raises(StateUnavailable):
        await state.check()
    disk.read_only(False)
    await state.check()
    await state.close()


LIMITED = """
    import asyncio, resource, sys
    from gateway.stores.state import StateUnavailable, open_state
    async def main(path):
        state = open_state(f"sqlite://{path}")
        await state.put("first", b"1", 60)
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, -1))
        try:
            for n in range(1000):
                await state.put(f"k{n}", bytes(4000), 60)
        except StateUnavailable:
            print(n, await state.get("first"), await state.get(f"k{n - 1}") == bytes(4000))
        resource.setrlimit(resource.RLIMIT_FSIZE, (-1, -1))
        await state.put("last", b"1", 60)
        await state.close()
    asyncio.run(main(*sys.argv[1:]))
"""


def test_a_file_that_may_not_grow_says_unavailable(tmp_path: Path) -> None:
    output = started(tmp_path / "state.db", text=LIMITED).communicate(timeout=20)[0].decode().split()
    assert int(output[0]) > 5
    assert output[1:] == ["b'1'", "True"]


@pytest.mark.parametrize(
    "damage", [b"this is no database, it is a text of some length", b"SQLite format 3\0" + bytes(5000)]
)
async def test_a_damaged_file_says_unavailable(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / "state.db").write_bytes(damage)
    state = open_state(f"sqlite://{tmp_path}/state.db")
    with pytest.raises(StateUnavailable, match=r"state\.db"):
        await state.put("a", b"1", 60)
    await state.close()
    assert (tmp_path / "state.db").read_bytes() == damage, "it is left for a person to look at"


async def test_a_file_that_was_deleted_is_made_again_and_never_written_to_as_a_ghost(tmp_path: Path) -> None:
    state = open_state(f"sqlite://{tmp_path}/folder/state.db")
    await state.put("a", b"1", 60)
    for path in (tmp_path / "folder").iterdir():
        path.unlink()
    (tmp_path / "folder").rmdir()
    with contextlib.suppress(StateUnavailable):  # once, perhaps
        await state.put("b", b"2", 60)
    await state.put("c", b"3", 60)
    other = open_state(f"sqlite://{tmp_path}/folder/state.db")
    assert await other.get("c") == b"3"
    await state.close()
    await other.close()


async def test_a_frozen_process_that_holds_the_file_costs_a_deadline_and_no_hang(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "BUSY_WITHIN", 0.3)
    state = open_state(f"sqlite://{tmp_path}/state.db")
    await state.put("a", b"1", 60)
    lock = FileLock(tmp_path / "state.db.lock")
    assert lock.acquire()
    began = time.monotonic()
    with pytest.raises(StateUnavailable, match="no answer within"):
        await state.put("b", b"1", 60, within=0.2)
    assert time.monotonic() - began < 0.5
    with pytest.raises(StateUnavailable, match="another process"):
        await state.put("c", b"1", 60)
    lock.release()
    await state.put("d", b"1", 60)
    assert await state.get("b") is None, "what its caller has given up is not done afterwards"
    lock.close()
    await state.close()


async def test_a_transaction_of_another_tool_costs_a_deadline_and_no_hang(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "BUSY_WITHIN", 0.2)
    state = open_state(f"sqlite://{tmp_path}/state.db")
    await state.put("a", b"1", 60)
    with contextlib.closing(sqlite3.connect(tmp_path / "state.db", isolation_level=None)) as tool:
        tool.execute("BEGIN IMMEDIATE")
        with pytest.raises(StateUnavailable):
            await state.put("b", b"1", 60)
        tool.execute("ROLLBACK")
    await state.put("b", b"2", 60)
    await state.close()


async def test_what_is_over_is_removed_from_the_file(tmp_path: Path, clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state_sqlite, "_PRUNE_EVERY", 0.0)
    state = open_state(f"sqlite://{tmp_path}/state.db", clock=clock)
    await asyncio.gather(*(state.put(f"old{n}", b"1", 60) for n in range(2000)))
    clock.offset = 61
    for n in range(10):
        await state.put(f"new{n}", b"1", 60)
    await state.close()
    with contextlib.closing(sqlite3.connect(tmp_path / "state.db")) as connection:
        assert connection.execute("SELECT count(*) FROM entries").fetchone() == (10,)


async def test_a_queue_that_is_full_refuses_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "QUEUE_LIMIT", 100)
    state = open_state(f"sqlite://{tmp_path}/state.db")
    results = await asyncio.gather(
        *(state.add(f"k{n}", b"", 60, within=20) for n in range(120)), return_exceptions=True
    )
    refused = [result for result in results if isinstance(result, StateUnavailable)]
    assert len(refused) == 20
    assert await state.get("k") is None
    await state.close()


def test_a_program_that_does_not_close_the_store_ends_all_the_same(tmp_path: Path) -> None:
    text = """
        import asyncio, sys
        from gateway.stores.state import open_state
        async def main(path):
            await open_state(f"sqlite://{path}").put("a", b"1", 60)
        asyncio.run(main(*sys.argv[1:]))
    """
    with started(tmp_path / "state.db", text=text) as process:
        assert process.wait(timeout=10) == 0


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///var/lib/mm7/state.db", "/var/lib/mm7/state.db"),
        ("sqlite:////var/lib/state.db", "/var/lib/state.db"),
        ("sqlite:///a%20b/state.db", "/a b/state.db"),
    ],
)
def test_a_sqlite_url_names_an_absolute_path(url: str, path: str) -> None:
    assert sqlite_path(url) == path


def test_a_killed_holder_lets_go_of_its_lock(tmp_path: Path) -> None:
    text = """
        import pathlib, sys, time
        from gateway.stores.files import FileLock
        lock = FileLock(pathlib.Path(sys.argv[1]))
        print(lock.acquire(), flush=True)
        time.sleep(60)
    """
    holder = started(tmp_path / "lock", text=text)
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"True\n"
    lock = FileLock(tmp_path / "lock")
    assert not lock.acquire(within=0.05)
    assert not lock.is_held()
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    holder.stdout.close()
    assert lock.acquire(within=1)
    assert lock.is_held()
    lock.close()
