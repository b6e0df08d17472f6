"""The spool: what is in it is published, in order, once it can be."""

import asyncio
import contextlib
import dataclasses
import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.broker import Outgoing, Progress, frames
from gateway.stores import drain, journal, leftovers, spool
from gateway.stores.spool import Spool, SpoolFull, SpoolUnavailable


def message(text: str, size: int = 0) -> Outgoing:
    return Outgoing(exchange="mm7.events", routing_key="k", body=text.encode() + bytes(size), content_type="text/plain")


def make(folder: Path, **options) -> Spool[Outgoing]:
    return Spool(folder, frames.dump, frames.load, **options)


def files(folder: Path) -> list[Path]:
    return list(folder.iterdir())


class Broker:
    """Records what is published; `failing` accounts are refused. The account is the text up to the first space."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds
        self.up = True
        self.failing: set[str] = set()
        self.poison: set[str] = set()
        self.texts: list[str] = []
        self.fail: Callable[[str], bool] = lambda _: False

    async def publish(self, chunk: Sequence[Outgoing]) -> Progress:
        for n, outgoing in enumerate(chunk):
            text = outgoing.body.rstrip(b"\0").decode()
            await asyncio.sleep(self.seconds)
            if text in self.poison:
                return Progress(0, "channel closed", refused=len(chunk) == 1)
            if not self.up or text.split()[0] in self.failing or self.fail(text):
                return Progress(n, "away")
            self.texts.append(text)
        return Progress(len(chunk))

    def of(self, account: str) -> list[str]:
        return [text for text in self.texts if text.split()[0] == account]


@asynccontextmanager
async def draining(one: Spool[Outgoing], broker: Broker) -> AsyncIterator[None]:
    task = asyncio.create_task(one.drain(broker.publish))
    try:
        yield
    finally:
        assert not task.done(), "it goes on until it is cancelled"
        task.cancel()
        await asyncio.wait({task})


@pytest.fixture(autouse=True)
def brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drain, "_REST_SECONDS", 0.02)
    monkeypatch.setattr(drain, "_ADOPT_EVERY", 0.05)


async def test_what_was_appended_is_published_in_order_and_gone(tmp_path: Path, eventually) -> None:
    broker = Broker()
    async with make(tmp_path / "spool") as one:
        for n in range(250):
            await one.append("a", message(f"a {n}"))
        assert one.events == 250
        assert one.holds("a")
        assert not one.holds("b")
        async with draining(one, broker):
            assert await eventually(lambda: not one.events)
        assert broker.texts == [f"a {n}" for n in range(250)]
        assert (one.holds("a"), one.bytes, one.oldest_seconds) == (False, 0, 0.0)
    assert list((tmp_path / "spool").iterdir()) == [], "an empty spool leaves no file behind"


async def test_a_spool_that_was_not_used_makes_no_file(tmp_path: Path) -> None:
    async with make(tmp_path / "spool") as one:
        assert await one.flush(Broker().publish)
    assert not (tmp_path / "spool").exists()


async def test_many_at_once_share_their_syncs_and_all_are_there(tmp_path: Path) -> None:
    async with make(tmp_path) as one:
        await asyncio.gather(*(one.append(f"a{n % 7}", message(f"{n}", 1500)) for n in range(1000)))
        assert one.events == 1000
    assert sum(row.entries for row in leftovers.summaries(tmp_path)) == 1000


async def test_the_next_start_takes_over_and_publishes_the_older_first(tmp_path: Path, eventually) -> None:
    broker = Broker()
    for start in range(3):
        async with make(tmp_path) as one:
            assert one.events == 10 * start
            for n in range(10):
                await one.append("a", message(f"a {start} {n}"))
    async with make(tmp_path) as one:
        assert one.holds("a")
        await one.append("a", message("a 3 0"))
        async with draining(one, broker):
            assert await eventually(lambda: not one.events)
            assert await eventually(lambda: len(list(tmp_path.glob("*.spool"))) == 1), "empty ones are deleted"
    assert broker.texts == [*(f"a {start} {n}" for start in range(3) for n in range(10)), "a 3 0"]
    assert not files(tmp_path)


async def test_two_on_one_folder_keep_out_of_each_others_files_and_the_living_inherits(
    tmp_path: Path, eventually
) -> None:
    broker, other = Broker(), Broker()
    async with make(tmp_path) as living:
        async with make(tmp_path) as dying:
            await living.append("a", message("a living"))
            await dying.append("a", message("a dying"))
            await living._journals.adopt()
            assert (living.events, dying.events) == (1, 1)
        async with draining(living, broker):
            assert await eventually(lambda: len(broker.texts) == 2)
    assert sorted(broker.texts) == ["a dying", "a living"]
    assert not other.texts


async def test_an_account_that_fails_stops_at_once_and_holds_up_no_other(tmp_path: Path, eventually) -> None:
    broker = Broker()
    broker.failing = {"a"}
    async with make(tmp_path) as one:
        for n in range(20):
            await one.append("a", message(f"a {n}"))
            await one.append("b", message(f"b {n}"))
        async with draining(one, broker):
            assert await eventually(lambda: not one.holds("b"))
            await one.append("b", message("b new"))
            assert await eventually(lambda: broker.of("b")[-1:] == ["b new"])
            assert broker.of("a") == []
            assert one.holds("a")
            broker.failing = set()
            assert await eventually(lambda: not one.holds("a"))
        assert broker.of("a") == [f"a {n}" for n in range(20)]


async def test_a_slow_account_holds_up_no_other(tmp_path: Path, eventually) -> None:
    release = asyncio.Event()
    texts: list[str] = []

    async def publish(chunk: Sequence[Outgoing]) -> Progress:
        if chunk[0].body.startswith(b"slow"):
            await release.wait()
        texts.extend(outgoing.body.decode() for outgoing in chunk)
        return Progress(len(chunk))

    async with make(tmp_path) as one:
        await one.append("slow", message("slow"))
        task = asyncio.create_task(one.drain(publish))
        for n in range(5):
            await one.append("quick", message(f"quick {n}"))
            assert await eventually(lambda: not one.holds("quick"))
        assert len(texts) == 5
        release.set()
        assert await eventually(lambda: not one.events)
        task.cancel()
        await asyncio.wait({task})


async def test_order_holds_per_account_with_failures_and_new_ones_coming(tmp_path: Path, eventually) -> None:
    broker = Broker()
    chance = random.Random(4711)
    broker.fail = lambda _: chance.random() < 0.1
    taken = {account: [f"{account} {n}" for n in range(150)] for account in "abc"}
    async with make(tmp_path) as one, draining(one, broker):

        async def callbacks(account: str) -> None:
            for text in taken[account]:
                # As a receiver does it: behind those that wait, else straight to the broker.
                if not one.holds(account) and (await broker.publish([message(text)])).confirmed:
                    continue
                await one.append(account, message(text))

        await asyncio.gather(*(callbacks(account) for account in taken))
        assert await eventually(lambda: not one.events)
    for account, texts in taken.items():
        assert broker.of(account) == texts


async def test_a_process_that_ends_while_draining_leaves_the_rest_and_publishes_nothing_twice(
    tmp_path: Path, eventually
) -> None:
    broker = Broker(seconds=0.002)
    async with make(tmp_path) as one:
        for n in range(100):
            await one.append("a", message(f"a {n}"))
        async with draining(one, broker):
            assert await eventually(lambda: len(broker.texts) > 30)
    assert len(broker.texts) < 100
    async with make(tmp_path) as one, draining(one, broker):
        assert await eventually(lambda: not one.events)
    assert broker.texts == [f"a {n}" for n in range(100)]


async def test_full_by_bytes_refuses_the_new_and_keeps_the_old(tmp_path: Path, eventually) -> None:
    broker = Broker()
    async with make(tmp_path, max_bytes=20_000) as one:
        results = await asyncio.gather(
            *(one.append("a", message("a", 1500)) for _ in range(30)), return_exceptions=True
        )
        assert 10 <= results.count(None) <= 13
        assert all(isinstance(result, SpoolFull) for result in results if result is not None)
        assert one.bytes <= 20_000
        async with draining(one, broker):
            assert await eventually(lambda: not one.events)
        await one.append("a", message("a", 1500))
        assert len(broker.texts) == results.count(None)


async def test_full_by_age_refuses_that_account_alone_and_drops_nothing(tmp_path: Path, clock, eventually) -> None:
    broker = Broker()
    async with make(tmp_path, max_age_seconds=3600, clock=clock) as one:
        await one.append("a", message("a 1"))
        await one.append("b", message("b 1"))
        clock.offset = 1800
        await one.flush(broker.publish)
        await one.append("a", message("a 2"))
        clock.offset = 1800 + 3601
        assert one.oldest_seconds == pytest.approx(3601, abs=1)
        with pytest.raises(SpoolFull, match="a for 3601 s"):
            await one.append("a", message("a 3"))
        await one.append("b", message("b 2"))
        await one.flush(broker.publish)
        assert sorted(broker.texts) == ["a 1", "a 2", "b 1", "b 2"]


async def test_a_clock_that_is_set_back_changes_no_order_and_refuses_nothing(tmp_path: Path, clock) -> None:
    broker = Broker()
    async with make(tmp_path, max_age_seconds=3600, clock=clock) as one:
        for n, offset in enumerate((0, -86400, -3, -1e9)):
            clock.offset = offset
            await one.append("a", message(f"a {n}"))
        assert one.oldest_seconds == 0
        await one.flush(broker.publish)
    assert broker.texts == [f"a {n}" for n in range(4)]


async def test_flush_publishes_once_through_and_says_whether_all_went(tmp_path: Path) -> None:
    broker = Broker()
    broker.failing = {"b"}
    async with make(tmp_path) as one:
        for account in ("a", "b", "c"):
            await one.append(account, message(f"{account} 1"))
        assert not await one.flush(broker.publish)
        assert broker.texts == ["a 1", "c 1"]
        broker.failing = set()
        assert await one.flush(broker.publish)
        assert broker.texts == ["a 1", "c 1", "b 1"]


async def test_the_list_shows_those_in_use_and_those_left_behind(tmp_path: Path) -> None:
    assert leftovers.summaries(tmp_path / "none") == []
    async with make(tmp_path) as one:
        await one.append("a", message("a 1"))
        await one.append("b", message("b 1"))
        await one.append("a", message("a 2"))
    async with make(tmp_path / "other") as other:
        await other.append("a", message("a 3"))
        rows = leftovers.summaries(tmp_path) + leftovers.summaries(tmp_path / "other")
    assert [(row.account, row.entries, row.in_use) for row in rows] == [
        ("a", 2, False),
        ("b", 1, False),
        ("a", 1, True),
    ]
    assert all(row.bytes > 50 and row.oldest and abs((datetime.now(UTC) - row.oldest).seconds) < 60 for row in rows)


async def test_entries_of_several_megabytes_fit_and_give_the_disk_back(tmp_path: Path, eventually) -> None:
    broker = Broker()
    async with make(tmp_path) as one:
        await asyncio.gather(*(one.append("a", message(f"a {n}", 8_000_000), within=20) for n in range(3)))
        assert one.bytes > 24_000_000
        assert await one.flush(broker.publish)
        assert sorted(broker.texts) == ["a 0", "a 1", "a 2"]

        def size() -> int:
            return sum(path.stat().st_size for path in tmp_path.iterdir())

        assert size() > 8_000_000
        async with draining(one, broker):
            assert await eventually(lambda: size() < 1_000_000)
        await one.append("a", message("a 4"))
        assert await one.flush(broker.publish)


async def test_a_damaged_entry_is_put_aside_and_the_others_are_published(tmp_path: Path) -> None:
    broker = Broker()
    frame = frames.dump(message("a bad"))
    texts = iter(["a 0", "bad", "a 2"])

    def dump(_: Outgoing) -> bytes:
        text = next(texts)
        return frame[:-1] + b"X" if text == "bad" else frames.dump(message(text))

    async with Spool(tmp_path, dump, frames.load) as one:
        for _ in range(3):
            await one.append("a", message("whatever"))
        assert await one.flush(broker.publish)
        assert broker.texts == ["a 0", "a 2"]
        assert one.events == 0
    rows = leftovers.summaries(tmp_path)
    assert [(row.entries, row.problem) for row in rows] == [(0, "damaged: put aside")]


async def test_a_damaged_journal_is_put_aside_and_the_start_goes_on(tmp_path: Path) -> None:
    (tmp_path / "00000000000000000001-abcd.spool").write_bytes(b"what a crash of the disk has left of it" * 200)
    async with make(tmp_path) as one:
        await one.append("a", message("a 1"))
        assert one.events == 1
    problems = [row.problem for row in leftovers.summaries(tmp_path)]
    assert problems == ["", "damaged: put aside"]


async def test_a_file_that_was_deleted_under_way_is_made_again(tmp_path: Path) -> None:
    broker = Broker()
    async with make(tmp_path) as one:
        await one.append("a", message("a lost"))
        for path in files(tmp_path):
            path.unlink()
        with contextlib.suppress(SpoolUnavailable):
            await one.append("a", message("a 1"))
        await one.append("a", message("a 2"))
        assert len(leftovers.summaries(tmp_path)) == 1
        for _ in range(3):
            await one.flush(broker.publish)
        assert broker.texts[-1] == "a 2"
        assert "a lost" not in broker.texts
        assert not one.holds("a")


async def test_left_over_locks_are_swept(tmp_path: Path) -> None:
    (tmp_path / "0-dead.lock").touch()
    async with make(tmp_path) as one:
        assert not files(tmp_path)
        await one.append("a", message("a"))


async def test_a_caller_that_gives_up_leaves_the_counts_true(tmp_path: Path, eventually) -> None:
    broker = Broker()
    async with make(tmp_path) as one:
        tasks = [asyncio.create_task(one.append("a", message(f"a {n}"))) for n in range(200)]
        await asyncio.sleep(0.001)
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert await eventually(lambda: not any(held.pending for held in one._journals.own.held.values()))
        assert one.events == sum(row.entries for row in leftovers.summaries(tmp_path)) >= results.count(None)
        assert await one.flush(broker.publish)
        assert not one.holds("a")


def test_every_field_of_a_message_comes_back() -> None:
    full = Outgoing(
        exchange="mm7.events",
        routing_key="mo.received.a.1",
        body=b"\x00\xffbody",
        content_type="application/cloudevents+json",
        type="mo.received",
        headers={"ce-id": "x", "number": 2**40, "odd": "\udcff"},
        correlation_id="c1",
        timestamp=datetime(2026, 1, 1, tzinfo=UTC),
        expiration=60_000,
    )
    assert all(getattr(full, field.name) != field.default for field in dataclasses.fields(full)), "a new field?"
    for one in (full, message("")):
        assert frames.load(frames.dump(one)) == one


def test_a_frame_with_any_byte_changed_or_missing_is_refused() -> None:
    frame = frames.dump(message("hello"))
    for n in range(len(frame)):
        with pytest.raises(ValueError):
            frames.load(frame[:n])
        with pytest.raises(ValueError):
            frames.load(frame[:n] + bytes([frame[n] ^ 0x10]) + frame[n + 1 :])


def test_the_limits_of_a_chunk_leave_room_for_the_largest_message() -> None:
    assert journal._CHUNK_BYTES < spool.MAX_BYTES
