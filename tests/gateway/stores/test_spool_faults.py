"""The spool when the disk hangs or fails, files are damaged or in the way, and the broker refuses for ever."""

import asyncio
import json
import os
import shutil
import sqlite3
import struct
import subprocess
import sys
import textwrap
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from gateway.broker import Progress, frames
from gateway.stores import database, drain, journals, leftovers, spool
from gateway.stores import journal as journal_module
from gateway.stores.files import FileLock
from gateway.stores.jobs import Needs
from gateway.stores.journal import Journal, lock_path
from gateway.stores.spool import Spool, SpoolUnavailable


def make(folder: Path, **options) -> Spool[str]:
    return Spool(folder, str.encode, bytes.decode, **options)


class Sink:
    """Takes what is published; `poison` is refused for ever, and takes its whole chunk along."""

    def __init__(self, *poison: str) -> None:
        self.poison = set(poison)
        self.texts: list[str] = []

    async def publish(self, chunk: Sequence[str]) -> Progress:
        if self.poison.intersection(chunk):
            return Progress(0, "channel closed", refused=len(chunk) == 1)
        self.texts += chunk
        return Progress(len(chunk))


@pytest.fixture(autouse=True)
def brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drain, "_REST_SECONDS", 0.01)
    monkeypatch.setattr(drain, "_ADOPT_EVERY", 0.05)


class Stuck:
    """Looking through the folder hangs until it is let go."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.free = threading.Event()
        take = leftovers.take

        def stuck(folder: Path) -> list[Journal]:
            self.free.wait(10)
            return take(folder)

        monkeypatch.setattr(leftovers, "take", stuck)


@pytest.fixture
def stuck(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stuck]:
    one = Stuck(monkeypatch)
    monkeypatch.setattr(spool, "_START_WITHIN", 0.1)
    monkeypatch.setattr(journals, "_LOOK_WITHIN", 0.2)
    yield one
    one.free.set()


async def test_a_disk_that_hangs_keeps_neither_the_start_nor_the_end(tmp_path: Path, stuck: Stuck) -> None:
    began = time.monotonic()
    async with make(tmp_path) as one:
        assert time.monotonic() - began < 1
        await one.append("a", "a 1")
    assert time.monotonic() - began < 2


async def test_what_is_found_after_the_end_is_given_back(tmp_path: Path, stuck: Stuck, monkeypatch, eventually) -> None:
    stuck.free.set()
    async with make(tmp_path) as left:
        await left.append("a", "a 1")
    stuck.free.clear()
    async with make(tmp_path):
        pass
    stuck.free.set()
    path = left._journals.own.path

    def is_free() -> bool:
        lock = FileLock(lock_path(path))
        free = lock.acquire()
        lock.close()
        return free

    assert await eventually(is_free)


HANGS = """
    import asyncio, pathlib, sys, time
    from gateway.stores import leftovers, spool
    leftovers.take = lambda folder: time.sleep(60)
    spool._START_WITHIN = 0.1
    async def main():
        async with spool.Spool(pathlib.Path(sys.argv[1]), str.encode, bytes.decode):
            pass
    asyncio.run(main())
"""


def test_a_process_ends_though_its_disk_hangs(tmp_path: Path) -> None:
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    command = [sys.executable, "-c", textwrap.dedent(HANGS), str(tmp_path)]
    assert subprocess.run(command, timeout=10, env=env, check=False).returncode == 0


async def test_a_journal_that_cannot_be_locked_keeps_no_other_from_being_taken(tmp_path: Path) -> None:
    (tmp_path / "00000000000000000009-bad.spool").touch()
    (tmp_path / "00000000000000000009-bad.lock").mkdir()
    for n in range(2):
        async with make(tmp_path) as left:
            left._journals.own.path = tmp_path / f"{8 + 2 * n:020d}-good.spool"  # before it and behind it
            left._journals.own = Journal(left._journals.own.path)
            await left.append(f"a{n}", "x")
            await left._journals.own._database.close()
            left._journals.own.lock.close()
    sink = Sink()
    async with make(tmp_path) as one:
        assert await one.flush(sink.publish)
    assert sink.texts == ["x", "x"]
    assert [row.problem != "" for row in leftovers.summaries(tmp_path)] == [True], "and the list says so"


def failure(code: int) -> Callable[[sqlite3.Connection], None]:
    def work(_: sqlite3.Connection) -> None:
        error = sqlite3.OperationalError("as SQLite says it")
        error.sqlite_errorcode = code
        raise error

    return work


async def test_damage_that_many_meet_is_told_once_and_holds_up_no_answer(tmp_path: Path) -> None:
    async with make(tmp_path) as one:
        await one.append("a", "a 1")
        thread = one._journals.own._database
        thread.submit(lambda _: time.sleep(0.05), Needs.ALONE)
        thread.submit(failure(sqlite3.SQLITE_CORRUPT), Needs.WRITE)
        began = time.monotonic()
        with capture_logs() as logs:
            appends = [asyncio.create_task(one.append("a", "a 2")) for _ in range(20)]
            await asyncio.sleep(0)
            thread.submit(lambda _: time.sleep(0.7), Needs.ALONE)  # and the damaged disk is slow
            results = await asyncio.gather(*appends, return_exceptions=True)
            await one.append("a", "a 3")
        assert time.monotonic() - began < 0.6
        assert {type(result) for result in results} == {SpoolUnavailable}
        assert [entry["event"] for entry in logs] == ["spool.damaged"]
        assert one.events == 1
    assert [row.problem for row in leftovers.summaries(tmp_path)] == ["", "damaged: put aside"]


async def test_what_was_acknowledged_is_behind_no_hole_that_a_failed_fsync_has_left(
    tmp_path: Path, monkeypatch
) -> None:
    """A failed fsync may have lost what stands in the log. The next entry counts only once that is in the file."""
    monkeypatch.setattr(database, "BUSY_WITHIN", 0.1)
    async with make(tmp_path / "spool") as one:
        for n in range(3):
            await one.append("a", f"a {n}")
        own = one._journals.own
        # A reader of the file keeps the log from being brought home when the file is closed.
        with sqlite3.connect(own.path) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM entries").fetchone()
            await asyncio.wait({own._database.submit(failure(sqlite3.SQLITE_IOERR_FSYNC), Needs.SYNC).future})
            with pytest.raises(SpoolUnavailable, match="its log is in doubt"):
                await one.append("a", "a 3", within=5)
            reader.execute("COMMIT")
        reader.close()
        await one.append("a", "a 4")
        shutil.copytree(tmp_path / "spool", tmp_path / "without")
        for path in (tmp_path / "without").glob("*-wal"):
            path.unlink()
        with sqlite3.connect(tmp_path / "without" / own.path.name) as file:
            assert file.execute("SELECT count(*) FROM entries").fetchone() >= (3,)
        file.close()


FAILING_SYNC = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <unistd.h>
static int call(const char *name, int fd) {
  if (access("fail", F_OK) == 0) { errno = EIO; return -1; }
  return ((int (*)(int))dlsym(RTLD_NEXT, name))(fd);
}
int fsync(int fd) { return call("fsync", fd); }
int fdatasync(int fd) { return call("fdatasync", fd); }
"""
SYNCS = """
    import asyncio, pathlib
    from gateway.stores.spool import Spool, SpoolUnavailable
    async def main(fail):
        async with Spool(pathlib.Path("spool"), str.encode, bytes.decode) as one:
            for n in range(12):
                fail.touch() if n % 4 else fail.unlink(missing_ok=True)
                try:
                    await one.append("a", f"a {n}")
                    print("acknowledged", n)
                except SpoolUnavailable as error:
                    print("refused", n)
            fail.unlink()
            await one.append("a", "a 12")
    asyncio.run(main(pathlib.Path("fail")))
"""


def synced(folder: Path) -> str:
    """What a process says whose fsyncs fail now and then."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("making fsync fail needs a C compiler (what follows from it is tested without)")
    (folder / "shim.c").write_text(FAILING_SYNC)
    subprocess.run([compiler, "-shared", "-fPIC", "-o", "shim.so", "shim.c", "-ldl"], check=True, cwd=folder)
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3]), "LD_PRELOAD": str(folder / "shim.so")}
    command = [sys.executable, "-c", textwrap.dedent(SYNCS)]
    return subprocess.run(command, cwd=folder, env=env, check=True, timeout=20, capture_output=True, text=True).stdout


async def test_an_entry_whose_fsync_fails_is_refused_and_those_round_it_stay(tmp_path: Path) -> None:
    lines = synced(tmp_path).splitlines()
    told = [line.split() for line in lines if line.startswith(("acknowledged", "refused"))]
    assert told == [["refused" if n % 4 else "acknowledged", str(n)] for n in range(12)]
    sink = Sink()
    async with make(tmp_path / "spool") as one:
        assert await one.flush(sink.publish)
    assert {"a 0", "a 4", "a 8", "a 12"} <= set(sink.texts)
    assert sink.texts == sorted(sink.texts, key=lambda text: int(text.split()[1]))


async def test_a_file_that_was_deleted_takes_no_later_entry_along(tmp_path: Path) -> None:
    async with make(tmp_path) as one:
        for n in range(3):
            await one.append("a", f"a {n}")
        own = one._journals.own
        entries = await own.oldest("a", 10)
        shutil.rmtree(tmp_path)
        own._database.submit(lambda _: time.sleep(0.05), Needs.ALONE)
        appending = asyncio.create_task(one.append("a", "a new"))
        await asyncio.sleep(0)
        own.published(entries)  # which were confirmed just now
        await appending
        sink = Sink()
        assert await one.flush(sink.publish) or await one.flush(sink.publish)
    assert sink.texts == ["a new"]


async def test_what_was_published_and_could_not_be_removed_is_held_no_more(tmp_path: Path, monkeypatch) -> None:
    async with make(tmp_path) as one:
        for n in range(3):
            await one.append("a", f"a {n}")
        with monkeypatch.context() as patch:
            patch.setattr(journal_module, "_REMOVE", "DELETE FROM nowhere WHERE account = ? AND id <= ?")
            assert await one.flush(Sink().publish)
            await one._journals.own.recount()
            assert not one.holds("a")
        one._journals.own.tidy()
        await one._journals.own.recount()
    assert leftovers.summaries(tmp_path) == []


async def test_a_clock_that_is_set_back_between_two_starts_changes_no_order(tmp_path: Path, monkeypatch) -> None:
    now = time.time_ns()
    for n, hours in enumerate((0, -5, -2, -9)):
        monkeypatch.setattr(journal_module.time, "time_ns", lambda hours=hours: now + hours * 3600 * 10**9)
        async with make(tmp_path) as one:
            await one.append("a", f"a {n}")
    sink = Sink()
    async with make(tmp_path) as one:
        assert await one.flush(sink.publish)
    assert sink.texts == [f"a {n}" for n in range(4)]


async def test_an_entry_that_is_refused_for_ever_lets_the_others_pass_and_is_kept(tmp_path: Path, eventually) -> None:
    sink = Sink("a 50", "a 77", "a 99")
    async with make(tmp_path) as one:
        await asyncio.gather(*(one.append("a", f"a {n}") for n in range(100)))
        task = asyncio.create_task(one.drain(sink.publish))
        assert await eventually(lambda: not one.events)
        task.cancel()
        await asyncio.wait({task})
        rows = leftovers.summaries(tmp_path)
        assert [(row.entries, row.in_use, row.problem) for row in rows] == [(3, True, "cannot be published: kept")]
    assert sink.texts == [f"a {n}" for n in range(100) if n not in (50, 77, 99)]
    assert [row.problem for row in leftovers.summaries(tmp_path)] == ["damaged: put aside"]


@pytest.mark.parametrize("error", [asyncio.CancelledError, TypeError, KeyError])
async def test_whatever_a_publish_raises_is_not_the_end_of_the_drain(tmp_path: Path, eventually, error) -> None:
    sink = Sink()
    raised = []

    async def publish(chunk: Sequence[str]) -> Progress:
        if not raised:
            raised.append(1)
            raise error
        return await sink.publish(chunk)

    async with make(tmp_path) as one:
        await one.append("a", "a 1")
        task = asyncio.create_task(one.drain(publish))
        assert await eventually(lambda: not one.events)
        assert not task.done()
        task.cancel()
        await asyncio.wait({task})
    assert sink.texts == ["a 1"]


async def test_a_publish_that_hangs_keeps_the_end_waiting_for_a_moment_only(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(drain, "_END_WITHIN", 0.2)
    asked = asyncio.Event()

    async def publish(_: Sequence[str]) -> Progress:
        asked.set()
        await asyncio.sleep(60)
        return Progress(0)

    async with make(tmp_path) as one:
        await one.append("a", "a 1")
        task = asyncio.create_task(one.drain(publish))
        await asked.wait()
        began = time.monotonic()
        task.cancel()
        await asyncio.wait({task})
    assert time.monotonic() - began < 1
    assert len(leftovers.summaries(tmp_path)) == 1


async def test_a_folder_may_be_named_relative_to_where_one_is(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = Path("some/spool")
    sink = Sink()
    async with make(folder) as one:
        await one.append("a", "a 1")
    assert [row.entries for row in leftovers.summaries(folder)] == [1]
    async with make(folder) as one:
        assert await one.flush(sink.publish)
    assert sink.texts == ["a 1"]
    assert leftovers.summaries(folder) == []


async def test_where_no_thread_can_be_started_the_entry_is_refused(tmp_path: Path, monkeypatch) -> None:
    def cannot(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    async with make(tmp_path) as one:
        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", cannot)
            with pytest.raises(SpoolUnavailable, match="new thread"):
                await one.append("a", "a 1")
        await one.append("a", "a 2")


async def test_the_list_is_true_while_others_write_and_publish(tmp_path: Path) -> None:
    sink = Sink()
    async with make(tmp_path) as one:
        task = asyncio.create_task(one.drain(sink.publish))
        taken = 0
        deadline = time.monotonic() + 0.5
        while time.monotonic() < deadline:
            await asyncio.gather(*(one.append(f"a{n}", f"{taken + n}") for n in range(10)))
            taken += 10
            rows = await asyncio.to_thread(leftovers.summaries, tmp_path)
            assert {row.problem for row in rows} <= {""}
            assert {row.in_use for row in rows} <= {True}
        assert await one.flush(sink.publish)
        task.cancel()
        await asyncio.wait({task})
    assert set(sink.texts) == {str(n) for n in range(taken)}


async def test_a_disk_that_hangs_in_the_middle_keeps_the_end_waiting_for_a_moment_only(
    tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setattr(journal_module, "_CLOSE_WITHIN", 0.1)
    free = threading.Event()
    async with make(tmp_path) as one:
        await one.append("a", "a 1")
        hanging = one._journals.own._database.submit(lambda _: free.wait(10), Needs.ALONE)
        began = time.monotonic()
    assert time.monotonic() - began < 1
    free.set()
    await asyncio.wait({hanging.future})
    assert [row.entries for row in leftovers.summaries(tmp_path)] == [1]


async def test_what_a_flush_cannot_publish_is_given_back(tmp_path: Path) -> None:
    for name in ("a", "b"):
        async with make(tmp_path) as left:
            await left.append(name, f"{name} 1")

    async def publish(chunk: Sequence[str]) -> Progress:
        return Progress(0, "away") if chunk[0] == "a 1" else Progress(len(chunk))

    async with make(tmp_path) as one:
        assert not await one.flush(publish)
        assert one.events == 1
    assert [(row.account, row.in_use) for row in leftovers.summaries(tmp_path)] == [("a", False)]
    sink = Sink()
    async with make(tmp_path) as one:
        assert await one.flush(sink.publish)
    assert sink.texts == ["a 1"]


async def test_neither_threads_nor_files_stay_behind(tmp_path: Path, eventually) -> None:
    async def round_trip(n: int) -> None:
        async with make(tmp_path) as one:
            await one.append("a", "a 1")
            if n % 3 == 0:
                one._journals.own._database.submit(failure(sqlite3.SQLITE_CORRUPT), Needs.WRITE)
                with pytest.raises(SpoolUnavailable):
                    await one.append("a", "a 2")
            if n % 2:
                await one.flush(Sink().publish)
            task = asyncio.create_task(one.drain(Sink().publish))
            await asyncio.sleep(0.001 * n)
            task.cancel()
            await asyncio.wait({task})

    def open_files() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    await round_trip(0)
    threads, opened = threading.active_count(), open_files()
    for n in range(24):
        await round_trip(n)
    assert await eventually(lambda: threading.active_count() <= threads)
    assert open_files() <= opened


@pytest.mark.parametrize("head", [{}, [], {"timestamp": None}, {"timestamp": 5}, {"timestamp": None, "colour": "red"}])
def test_a_frame_of_another_version_is_damaged_and_no_crash(head: object) -> None:
    encoded = json.dumps(head).encode()
    frame = struct.pack(">4sII", b"MM7\x01", zlib.crc32(encoded), len(encoded)) + encoded
    with pytest.raises(ValueError):
        frames.load(frame)
