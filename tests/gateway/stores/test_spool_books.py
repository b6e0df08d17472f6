"""The spool's books: what is counted, held and put aside when a disk fails, hangs, or a person has to look."""

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.broker import Progress, PublishFailed
from gateway.keeper import Keeper, NotKept
from gateway.stores import database, drain, leftovers
from gateway.stores.jobs import Needs
from gateway.stores.journal import DAMAGED
from gateway.stores.spool import Spool, SpoolUnavailable
from tests.gateway.stores.test_spool_faults import Sink, failure, make


@pytest.fixture(autouse=True)
def brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drain, "_REST_SECONDS", 0.01)
    monkeypatch.setattr(drain, "_ADOPT_EVERY", 0.05)


@asynccontextmanager
async def draining(one: Spool[str], sink: Sink) -> AsyncIterator[None]:
    task = asyncio.create_task(one.drain(sink.publish))
    yield
    task.cancel()
    await asyncio.wait({task})


async def with_two_set_apart(one: Spool[str], eventually) -> None:
    await asyncio.gather(*(one.append("a", f"a {n}") for n in range(4)))
    async with draining(one, Sink("a 1", "a 2")):
        assert await eventually(lambda: not one.events)


def put_aside(folder: Path) -> list[Path]:
    return list(folder.glob(f"*{DAMAGED}"))


@pytest.fixture
def failing_sync(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """While it is set, a transaction is written and its fsync fails."""
    failing = threading.Event()
    transact = database.Database._transact

    def written_and_failed(self: database.Database, jobs: list, needs: Needs) -> list:
        results = transact(self, jobs, needs)
        if failing.is_set() and needs is Needs.SYNC:
            failure(sqlite3.SQLITE_IOERR_FSYNC)(None)
        return results

    monkeypatch.setattr(database.Database, "_transact", written_and_failed)
    return failing


async def test_entries_whose_fsync_failed_hide_none_that_was_acknowledged(
    tmp_path: Path, failing_sync: threading.Event, eventually
) -> None:
    sink = Sink()
    async with make(tmp_path) as one:
        await one.append("a", "a 0")
        assert await one.flush(sink.publish)
        failing_sync.set()
        refused = await asyncio.gather(*(one.append("a", f"refused {n}") for n in range(3)), return_exceptions=True)
        failing_sync.clear()
        assert {type(each) for each in refused} == {SpoolUnavailable}
        for n in range(1, 3):
            await one.append("a", f"a {n}")
        async with draining(one, sink):
            assert await eventually(lambda: "a 2" in sink.texts)
            assert await eventually(lambda: not one.holds("a"))
    assert [text for text in sink.texts if text.startswith("a")] == ["a 0", "a 1", "a 2"]
    assert leftovers.summaries(tmp_path) == []


async def test_what_is_acknowledged_behind_a_failed_fsync_is_held_until_it_is_out(
    tmp_path: Path, failing_sync: threading.Event
) -> None:
    """Where it was taken for gone, a new event would have overtaken it."""
    published: list[tuple[str, bool]] = []
    async with make(tmp_path) as one:

        async def publish(chunk: Sequence[str]) -> Progress:
            published.extend((text, one.holds("a")) for text in chunk)
            return Progress(len(chunk))

        failing_sync.set()
        for n in range(5):
            with pytest.raises(SpoolUnavailable):
                await one.append("a", f"refused {n}")
        failing_sync.clear()
        await one.append("a", "a 1")
        await one.flush(publish)
        assert published[-1] == ("a 1", True)
        assert {held for _, held in published} == {True}
        assert not one.holds("a")


async def test_an_entry_whose_fsync_failed_and_that_is_alone_is_found(
    tmp_path: Path, failing_sync: threading.Event, eventually
) -> None:
    sink = Sink()
    async with make(tmp_path) as one:
        failing_sync.set()
        with pytest.raises(SpoolUnavailable):
            await one.append("a", "refused")
        failing_sync.clear()
        assert not one.holds("a"), "the broker is asked first"
        async with draining(one, sink):
            assert await eventually(lambda: sink.texts == ["refused"])


class Broker:
    """The keeper's: away until it is `up`."""

    up = False

    async def publish(self, _: str, *, within: float) -> None:
        if not self.up:
            raise PublishFailed("down")


async def test_while_the_disk_hangs_the_broker_is_asked_again(tmp_path: Path) -> None:
    clock = asyncio.get_running_loop().time
    free = threading.Event()
    broker = Broker()
    async with make(tmp_path) as one:
        keeper = Keeper(broker, one)
        one._journals.own._database.submit(lambda _: free.wait(10), Needs.ALONE)
        with pytest.raises(NotKept):
            await keeper.keep("a", "a 1", until=clock() + 0.1)
        broker.up = True
        assert await keeper.keep("a", "a 2", until=clock() + 0.1) == "broker"
        free.set()


async def test_what_lands_after_its_caller_has_given_up_is_held(tmp_path: Path, eventually) -> None:
    async with make(tmp_path) as one:
        await one.append("b", "b 1")
        with sqlite3.connect(one._journals.own.path, isolation_level=None) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(SpoolUnavailable):
                await one.append("a", "a 1", within=0.1)
            assert not one.holds("a")
            assert one.bytes == len("a 1") + len("b 1"), "it may still come: the room is taken"
            other.execute("COMMIT")
        other.close()
        assert await eventually(lambda: one.holds("a"))
        assert one.events == 2


async def test_what_was_set_apart_stays_in_the_books_until_a_person_has_taken_it_away(
    tmp_path: Path, eventually
) -> None:
    async with make(tmp_path) as one:
        await with_two_set_apart(one, eventually)
        assert one.set_apart == 2, "entries of a file that is in use"
        await one._journals.own.recount()
        assert one.set_apart == 2
    async with make(tmp_path) as one:
        assert one.set_apart == 1, "a file"
        async with draining(one, Sink()):
            (tmp_path / "00000000000000000001-abcd.spool").write_bytes(b"what the disk has left of it" * 300)
            assert await eventually(lambda: one.set_apart == 2)
            for path in put_aside(tmp_path):
                path.unlink()
            assert await eventually(lambda: not one.set_apart)


async def test_a_file_that_was_put_aside_is_taken_over_once_it_has_its_old_name(tmp_path: Path, eventually) -> None:
    """The operator's recipe, of deploy/README.md."""
    async with make(tmp_path) as one:
        await with_two_set_apart(one, eventually)
    (path,) = put_aside(tmp_path)
    with sqlite3.connect(path) as file:
        file.execute("INSERT INTO entries (account, arrived, frame) SELECT account, arrived, frame FROM damaged")
        file.execute("DELETE FROM damaged")
    file.close()
    sink = Sink()
    async with make(tmp_path) as one, draining(one, sink):
        path.rename(path.with_name(path.name.removesuffix(DAMAGED)))
        assert await eventually(lambda: sink.texts == ["a 1", "a 2"])
    assert leftovers.summaries(tmp_path) == []
