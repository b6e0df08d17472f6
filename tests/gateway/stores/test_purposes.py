"""What the state is used for: published callbacks, the ledger of commands, correlation, the rate."""

import asyncio
import time

import pytest

from gateway.stores.correlation import Correlation, Origin
from gateway.stores.ledger import Ledger, Outcome, Sending
from gateway.stores.pace import Pace
from gateway.stores.published import Published
from gateway.stores.state import State, StateUnavailable
from gateway.stores.state_memory import MemoryState


class Broken(MemoryState):
    """A store that is down, `seconds` after it was asked."""

    def __init__(self, seconds: float = 0.0) -> None:
        super().__init__()
        self.seconds = seconds
        self.asked = 0

    async def get(self, key: str, *, within: float = 2.0) -> bytes | None:
        self.asked += 1
        await asyncio.sleep(min(self.seconds, within))
        raise StateUnavailable("down")

    async def put(self, *args: object, **kwargs: object) -> None:
        await self.get("")

    async def pace(self, *args: object, **kwargs: object) -> float:
        await self.get("")
        return 0.0


class Count:
    """Counts calls."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self) -> None:
        self.calls += 1


class Publishing:
    """Records publishes; each takes `seconds` or raises."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds
        self.times = 0
        self.error: Exception | None = None

    async def __call__(self) -> None:
        await asyncio.sleep(self.seconds)
        if self.error:
            raise self.error
        self.times += 1


async def test_a_callback_is_published_once_whichever_receiver_gets_its_retries(state: State, second: State) -> None:
    publish, failures = Publishing(), Count()
    one, two = Published(state, unavailable=failures), Published(second, unavailable=failures)
    assert await one.once("e1", publish)
    assert not await one.once("e1", publish)
    assert not await two.once("e1", publish)
    assert await two.once("e2", publish)
    assert (publish.times, failures.calls) == (2, 0)


async def test_a_callback_whose_publish_failed_is_published_with_its_retry() -> None:
    publish = Publishing()
    published = Published(MemoryState(), unavailable=Count())
    publish.error = RuntimeError("away")
    with pytest.raises(RuntimeError):
        await published.once("e1", publish)
    publish.error = None
    assert await published.once("e1", publish)


async def test_a_retry_that_comes_while_the_first_is_being_published_waits_for_it() -> None:
    publish = Publishing(0.05)
    published = Published(MemoryState(), unavailable=Count())
    results = await asyncio.gather(*(published.once("e1", publish) for _ in range(10)))
    assert sorted(results) == [False] * 9 + [True]
    assert publish.times == 1


async def test_of_those_that_wait_one_goes_on_when_the_first_is_cut_off() -> None:
    publish = Publishing(0.05)
    published = Published(MemoryState(), unavailable=Count())
    first = asyncio.create_task(published.once("e1", publish))
    await asyncio.sleep(0.01)
    others = [asyncio.create_task(published.once("e1", publish)) for _ in range(3)]
    await asyncio.sleep(0)
    first.cancel()
    assert sorted(await asyncio.gather(*others)) == [False, False, True]
    assert publish.times == 1


async def test_a_store_that_is_down_loses_no_callback_and_is_counted() -> None:
    publish, failures = Publishing(), Count()
    published = Published(Broken(), unavailable=failures)
    assert await published.once("e1", publish)
    assert await published.once("e1", publish)
    assert publish.times == 2
    assert failures.calls == 4


async def test_a_store_that_hangs_holds_up_one_callback_in_a_while_not_each() -> None:
    publish = Publishing()
    broken = Broken(seconds=60)
    published = Published(broken, unavailable=Count(), within=0.1)
    began = time.monotonic()
    for n in range(100):
        assert await published.once(f"e{n}", publish)
    assert time.monotonic() - began < 0.5
    assert broken.asked == 1


def sending(worker: str = "w1", attempt: int = 1) -> Sending:
    return Sending(worker=worker, attempt=attempt, began="2026-01-01T00:00:00Z")


async def test_of_two_workers_that_begin_a_command_one_may_send_it(state: State, second: State) -> None:
    one, two = Ledger(state), Ledger(second)
    mine = sending("w1")
    assert await one.begin("a", "c1", mine)
    assert await one.begin("a", "c1", mine), "asked again, after an answer that was lost"
    assert not await two.begin("a", "c1", sending("w2"))
    assert await two.look("a", "c1") == mine
    assert await two.begin("b", "c1", sending("w2")), "another account's command is another command"


async def test_a_command_that_has_an_outcome_is_not_begun_again(state: State) -> None:
    ledger = Ledger(state)
    mark = sending()
    await ledger.begin("a", "c1", mark)
    assert await ledger.finish("a", "c1", mark, b'{"accepted": 1}') == b'{"accepted": 1}'
    assert await ledger.finish("a", "c1", mark, b'{"accepted": 1}') == b'{"accepted": 1}'
    assert not await ledger.begin("a", "c1", sending("w2"))
    assert await ledger.look("a", "c1") == Outcome(b'{"accepted": 1}')
    assert await ledger.look("a", "c2") is None


async def test_a_command_that_was_not_sent_may_be_begun_again(state: State) -> None:
    ledger = Ledger(state)
    first, other = sending(), sending("w2", 2)
    await ledger.begin("a", "c1", first)
    await ledger.forget("a", "c1", other)
    assert await ledger.look("a", "c1") == first, "only its own mark is taken away"
    await ledger.forget("a", "c1", first)
    assert await ledger.begin("a", "c1", other)


async def test_sender_and_heir_agree_on_one_outcome_whoever_comes_first(state: State, second: State) -> None:
    one, two = Ledger(state), Ledger(second)
    for n in range(20):
        mark = sending()
        await one.begin("a", f"c{n}", mark)
        told = await asyncio.gather(
            one.finish("a", f"c{n}", mark, b"accepted"), two.inherit("a", f"c{n}", mark, b"unknown")
        )
        assert told[0] == told[1]


async def test_an_heir_writes_over_the_mark_that_it_has_seen_and_over_no_other(state: State) -> None:
    ledger = Ledger(state)
    left, newer = sending(), sending("w2", 2)
    assert await ledger.inherit("a", "c1", left, b"unknown") is None
    await ledger.begin("a", "c1", newer)
    assert await ledger.inherit("a", "c1", left, b"unknown") is None
    assert await ledger.look("a", "c1") == newer
    assert await ledger.inherit("a", "c1", newer, b"unknown") == b"unknown"
    assert await ledger.finish("a", "c1", newer, b"accepted") == b"unknown"
    assert await ledger.inherit("a", "c1", newer, b"other") == b"unknown"


async def test_an_outcome_is_known_although_the_store_has_forgotten_the_mark(state: State) -> None:
    ledger = Ledger(state)
    mark = sending()
    assert await ledger.finish("a", "c1", mark, b"accepted") == b"accepted"
    assert not await ledger.begin("a", "c1", sending())
    await ledger.begin("a", "c2", sending("w2"))
    assert await ledger.finish("a", "c2", mark, b"accepted") == b"accepted"


async def test_a_worker_is_alive_until_its_last_beat_is_old(clock) -> None:
    ledger = Ledger(MemoryState(clock=clock))
    assert not await ledger.is_alive("w1")
    await ledger.beat("w1")
    assert await ledger.is_alive("w1")
    clock.offset = 11
    assert not await ledger.is_alive("w1")


async def test_a_report_finds_its_command_with_all_that_it_carries(state: State) -> None:
    correlation = Correlation(state)
    origin = Origin(command_id="c1", reference="order 1", metadata={"campaign": "x", "n": 1})
    await correlation.remember("a", "m1", origin)
    assert await correlation.find("a", "m1") == origin
    assert await correlation.find("b", "m1") is None


async def test_a_report_that_comes_first_waits_for_its_command_but_not_for_ever() -> None:
    correlation = Correlation(MemoryState())
    await correlation.expect("a", 30)
    waiting = asyncio.create_task(correlation.find("a", "m1", wait_seconds=5))
    await asyncio.sleep(0.05)
    await correlation.remember("a", "m1", Origin(command_id="c1"))
    assert await waiting == Origin(command_id="c1")
    began = time.monotonic()
    assert await correlation.find("a", "m2", wait_seconds=0.1) is None
    assert 0.09 < time.monotonic() - began < 0.5


async def test_a_report_does_not_wait_where_nothing_is_being_submitted(clock) -> None:
    correlation = Correlation(MemoryState(clock=clock))
    await correlation.expect("b", 30)
    began = time.monotonic()
    assert await correlation.find("a", "m1", wait_seconds=5) is None
    await correlation.expect("a", 30)
    clock.offset = 32
    assert await correlation.find("a", "m1", wait_seconds=5) is None
    assert time.monotonic() - began < 1


async def test_that_messages_are_submitted_is_said_once_a_second_though_the_store_be_down() -> None:
    broken = Broken()
    correlation = Correlation(broken)
    with pytest.raises(StateUnavailable):
        await correlation.expect("a", 30)
    for _ in range(10):
        await correlation.expect("a", 30)
    assert broken.asked == 1


async def test_a_replay_is_begun_over_the_outcome_that_it_is_to_undo_and_over_no_other(state: State) -> None:
    ledger = Ledger(state)
    first = sending()
    replay = Sending(worker="w1", attempt=1, began="now", replay="token", before="first")
    await ledger.begin("a", "c1", first)
    assert not await ledger.begin("a", "c1", replay), "it is being sent"
    await ledger.finish("a", "c1", first, b"first")
    assert await ledger.begin("a", "c1", replay)
    assert not await ledger.begin("a", "c1", sending("w2"))
    assert await ledger.look("a", "c1") == replay
    await ledger.forget("a", "c1", replay)
    assert await ledger.look("a", "c1") == Outcome(b"first"), "nothing was sent"
    assert await ledger.begin("a", "c1", replay)
    assert await ledger.finish("a", "c1", replay, b"second") == b"second"
    assert not await ledger.begin("a", "c1", replay)


@pytest.mark.parametrize("stands", [b"first", None])
async def test_a_replays_outcome_is_known_although_the_store_has_forgotten_its_mark(
    state: State, stands: bytes | None
) -> None:
    ledger = Ledger(state)
    if stands:
        await ledger.finish("a", "c1", sending(), stands)
    replay = Sending(worker="w1", attempt=1, began="now", replay="token", before="first")
    assert await ledger.finish("a", "c1", replay, b"second") == b"second"
    assert await ledger.look("a", "c1") == Outcome(b"second")


async def test_a_worker_that_has_said_goodbye_is_not_alive(state: State) -> None:
    ledger = Ledger(state)
    await ledger.beat("w1")
    await ledger.leave("w1")
    assert not await ledger.is_alive("w1")


async def sent(*paces: Pace, times: int) -> list[float]:
    loop = asyncio.get_running_loop()
    stamps: list[float] = []

    async def one(n: int) -> None:
        await paces[n % len(paces)].turn()
        stamps.append(loop.time())

    await asyncio.gather(*(one(n) for n in range(times)))
    return stamps


async def test_the_rate_holds_for_all_workers_together_and_evenly(state: State, second: State) -> None:
    failures = Count()
    stamps = await sent(*(Pace(s, "a", 50, unavailable=failures) for s in (state, second)), times=40)
    assert 0.7 < stamps[-1] - stamps[0] < 1.3
    spans = [later - earlier for earlier, later in zip(stamps, stamps[10:], strict=False)]
    assert min(spans) > 0.1, "ten turns take 0.2 s; a busy machine wakes late now and then, and is no burst"
    assert failures.calls == 0


async def test_a_store_that_is_down_leaves_a_worker_its_own_rate() -> None:
    failures = Count()
    stamps = await sent(Pace(Broken(), "a", 50, unavailable=failures), times=20)
    assert 0.3 < stamps[-1] - stamps[0] < 0.8
    assert failures.calls == 20


async def test_slowing_down_holds_for_all_workers_with_or_without_a_store(state: State, second: State) -> None:
    for stores in ((state, second), (Broken(), Broken())):
        one, two = (Pace(each, "a", 1000, unavailable=Count()) for each in stores)
        await one.slow_down(0.3)
        began = time.monotonic()
        await (two if isinstance(stores[0], State) and not isinstance(stores[0], Broken) else one).turn()
        assert time.monotonic() - began > 0.25


async def test_turns_that_were_given_before_we_were_found_too_fast_are_taken_anew() -> None:
    pace = Pace(MemoryState(), "a", 20, unavailable=Count())
    began = time.monotonic()
    waiting = [asyncio.create_task(pace.turn()) for _ in range(4)]
    await asyncio.sleep(0.02)
    await pace.slow_down(0.4)
    stamps = []
    for task in asyncio.as_completed(waiting):
        await task
        stamps.append(time.monotonic() - began)
    assert stamps[0] < 0.1, "that one had begun"
    assert min(stamps[1:]) >= 0.41
