"""The spool when the process is killed, the disk is full or read-only, and the file is torn: never a lie."""

import asyncio
import os
import random
import re
import shutil
import subprocess
import sys
import textwrap
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from gateway.broker import Progress
from gateway.stores import drain, leftovers
from gateway.stores.jobs import Needs
from gateway.stores.spool import Spool, SpoolUnavailable

ROOT = Path(__file__).parents[3]
ROUNDS, AT_ONCE = 4, 4


def message(text: str, size: int = 0) -> str:
    return text + "\0" * size


def make(folder: Path) -> Spool[str]:
    return Spool(folder, str.encode, bytes.decode)


async def published(folder: Path) -> list[str]:
    """All that the next start publishes."""
    texts: list[str] = []

    async def publish(chunk: Sequence[str]) -> Progress:
        texts.extend(text.rstrip("\0") for text in chunk)
        return Progress(len(chunk))

    async with make(folder) as one:
        assert await one.flush(publish)
    return texts


def started(text: str, *arguments: object) -> subprocess.Popen[bytes]:
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", textwrap.dedent(text), *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, env=env)


def told(process: subprocess.Popen[bytes]) -> list[str]:
    """What an ended process has said that it may acknowledge, log lines left out."""
    assert process.stdout is not None
    with process:
        return re.findall(r"^(a\d* \d\d \d+)$", process.stdout.read().decode(), re.MULTILINE)


# Appends for ever, some of it large, and says of each entry when it may be acknowledged.
APPEND = """
    import asyncio, os, pathlib, sys
    from gateway.stores.spool import Spool
    async def main(folder, start, which=""):
        async with Spool(pathlib.Path(folder), str.encode, bytes.decode) as one:
            print(one.events, flush=True)
            async def caller(name):
                for n in range(1_000_000):
                    text = f"{name} {start} {n}"
                    await one.append(name, text + "\\0" * (60_000 if n % 25 == 7 else 1500), within=60)
                    os.write(1, f"{text}\\n".encode())
            await asyncio.gather(*(caller(f"a{which}{n}") for n in range(8)))
    asyncio.run(main(*sys.argv[1:]))
"""


async def test_what_was_appended_survives_kill_nine_at_any_moment_and_nothing_torn_comes_out(tmp_path: Path) -> None:
    chance = random.Random()
    acknowledged: list[str] = []
    for start in range(ROUNDS):
        processes = [started(APPEND, tmp_path, f"{start:02d}", which) for which in range(AT_ONCE)]
        for process in chance.sample(processes, AT_ONCE):
            assert process.stdout is not None
            process.stdout.readline()
            await asyncio.sleep(chance.uniform(0.005, 0.1))
            process.kill()
            acknowledged += told(process)
    assert len(acknowledged) > 10 * ROUNDS * AT_ONCE
    texts = await published(tmp_path)
    assert len(texts) == len(set(texts))
    assert not set(acknowledged) - set(texts), "an acknowledged entry is not there"
    for account in {text.split()[0] for text in texts}:
        numbers = [(start, int(n)) for name, start, n in map(str.split, texts) if name == account]
        assert numbers == sorted(numbers), "out of order"
    assert leftovers.summaries(tmp_path) == []


async def test_a_log_that_ends_at_any_byte_behind_the_acknowledged_holds_the_acknowledged(tmp_path: Path) -> None:
    live, torn = tmp_path / "live", tmp_path / "torn"
    chance = random.Random(7)
    safe: list[tuple[int, int]] = []  # how many were acknowledged, and how long the log was then
    async with make(live) as one:
        log: Path | None = None
        for n in range(60):
            await one.append("a", message(f"a {n}", chance.randrange(6000)))
            (log,) = live.glob("*-wal")
            safe.append((n + 1, log.stat().st_size))
        assert log is not None
        image, whole = tmp_path / "image", log.read_bytes()
        shutil.copytree(live, image)
    for _ in range(60):
        count, size = chance.choice(safe)
        end = size + chance.randrange(5000)
        tail = bytearray(whole[size:end])
        if tail and chance.random() < 0.5:  # what was not synced may be anything
            tail[chance.randrange(len(tail)) :] = chance.randbytes(len(tail))
        shutil.copytree(image, torn)
        for path in torn.iterdir():
            if path.suffix == ".lock" or path.name.endswith("-shm"):
                path.unlink()
            elif path.name.endswith("-wal"):
                path.write_bytes(whole[:size] + tail)
        texts = await published(torn)
        assert texts[:count] == [f"a {n}" for n in range(count)]
        assert texts == [f"a {n}" for n in range(len(texts))]
        shutil.rmtree(torn)


async def test_a_full_disk_says_so_keeps_what_it_took_and_goes_on_when_there_is_room(disk) -> None:
    taken: list[str] = []
    async with make(disk.path / "spool") as one:
        await one.append("a", message("a first"))
        taken.append("a first")
        disk.fill()
        refused = 0
        for n in range(300):
            try:
                await one.append("a", message(f"a {n}", 4000))
                taken.append(f"a {n}")
            except SpoolUnavailable:
                refused += 1
        assert refused > 50
        assert one.events == len(taken)
        disk.clear()
        await one.append("a", message("a last"))
        taken.append("a last")
    texts = await published(disk.path / "spool")
    assert [text for text in texts if text in taken] == taken
    assert len(texts) == len(set(texts))


async def test_on_a_full_disk_it_is_published_and_not_again_and_again(
    disk, monkeypatch: pytest.MonkeyPatch, eventually
) -> None:
    monkeypatch.setattr(drain, "_ADOPT_EVERY", 0.05)
    texts: list[str] = []

    async def publish(chunk: Sequence[str]) -> Progress:
        texts.extend(text.rstrip("\0") for text in chunk)
        return Progress(len(chunk))

    folder = disk.path / "spool"
    async with make(folder) as left:
        for n in range(50):
            await left.append("a", message(f"a {n}"))
    async with make(folder) as one:
        disk.fill()
        task = asyncio.create_task(one.drain(publish))
        assert await eventually(lambda: not one.events)
        await asyncio.sleep(0.3)  # several rounds of looking for more to take over
        assert texts == [f"a {n}" for n in range(50)]
        disk.clear()
        assert await eventually(lambda: not list(folder.glob("*.spool")))
        task.cancel()
        await asyncio.wait({task})
    assert len(texts) == 50


async def test_a_read_only_disk_says_so_and_the_start_goes_on(disk) -> None:
    disk.read_only(True)
    async with make(disk.path / "spool") as one:
        with pytest.raises(SpoolUnavailable, match=r"[Rr]ead-only"):
            await one.append("a", message("a 1"))
        assert not one.holds("a")
        disk.read_only(False)
        await one.append("a", message("a 2"))
    assert await published(disk.path / "spool") == ["a 2"]


async def test_a_folder_that_cannot_be_made_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    async with make(tmp_path / "file" / "spool") as one:
        with pytest.raises(SpoolUnavailable):
            await one.append("a", message("a 1"))


LIMITED = """
    import asyncio, os, pathlib, resource, sys
    from gateway.stores.spool import Spool, SpoolUnavailable
    async def main(folder):
        async with Spool(pathlib.Path(folder), str.encode, bytes.decode) as one:
            limit, refused = 150_000, 0
            for n in range(200):
                resource.setrlimit(resource.RLIMIT_FSIZE, (limit, -1))
                try:
                    await one.append("a", f"a 00 {n}" + "\\0" * (n % 13 * 500))
                    os.write(1, f"a 00 {n}\\n".encode())
                except SpoolUnavailable:
                    refused += 1
                    limit += 777  # so that writes are cut off at any byte
            assert refused > 20, refused
            resource.setrlimit(resource.RLIMIT_FSIZE, (-1, -1))
    asyncio.run(main(*sys.argv[1:]))
"""


async def test_writes_that_are_cut_off_at_any_byte_are_refused_and_hurt_no_other(tmp_path: Path) -> None:
    with started(LIMITED, tmp_path) as process:
        taken = told(process)
    assert process.returncode == 0
    texts = await published(tmp_path)
    assert taken
    assert not set(taken) - set(texts)
    assert len(texts) == len(set(texts))


async def test_a_disk_that_hangs_costs_the_deadline_and_no_more(tmp_path: Path) -> None:
    async with make(tmp_path) as one:
        await one.append("a", message("a 0"))
        hold = one._journals.own._database.submit(lambda _: time.sleep(0.6), Needs.ALONE)
        began = time.monotonic()
        with pytest.raises(SpoolUnavailable, match="no answer within"):
            await one.append("a", message("a 1"), within=0.1)
        assert time.monotonic() - began < 0.3
        await hold.future
        await one.append("a", message("a 2"))
    assert await published(tmp_path) == ["a 0", "a 2"], "what was refused in time is not written later"


async def test_a_receiver_that_was_killed_is_inherited_by_the_living_one(
    tmp_path: Path, monkeypatch, eventually
) -> None:
    monkeypatch.setattr(drain, "_ADOPT_EVERY", 0.05)
    texts: list[str] = []

    async def publish(chunk: Sequence[str]) -> Progress:
        texts.extend(text.rstrip("\0") for text in chunk)
        return Progress(len(chunk))

    process = started(APPEND, tmp_path, "00")
    assert process.stdout is not None
    process.stdout.readline()
    async with make(tmp_path) as living:
        task = asyncio.create_task(living.drain(publish))
        await asyncio.sleep(0.3)
        assert living.events == 0, "what a living one holds is its own"
        assert [row.in_use for row in leftovers.summaries(tmp_path)] == [True] * 8
        process.kill()
        lines = told(process)
        assert lines
        assert await eventually(lambda: set(lines) <= set(texts))
        task.cancel()
        await asyncio.wait({task})
    assert len(texts) == len(set(texts))
