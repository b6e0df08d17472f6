"""Where an event goes: to the broker, else to the spool, in the time there is; and once."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import orjson
import pytest

from gateway import entries, keeper, mm7
from gateway.broker import Outgoing, Progress, PublishFailed
from gateway.keeper import Keeper
from gateway.stores.correlation import Correlation, Origin
from gateway.stores.spool import Spool, SpoolFull, SpoolUnavailable
from gateway.stores.state import StateUnavailable
from gateway.stores.state_memory import MemoryState


def deliver(transaction_id: str) -> bytes:
    return mm7.encode(mm7.DeliverReq(transaction_id=transaction_id, mm7_version="6.8.0", sender=mm7.Address("1"))).body


def report(message_id: str = "m-1", status: str = "Retrieved") -> bytes:
    return mm7.encode(
        mm7.DeliveryReportReq(
            transaction_id="t-9",
            mm7_version="6.8.0",
            message_id=message_id,
            mm_status=status,
            date="2026-03-16T14:03:51Z",
            recipient=mm7.Address("15553199144"),
            sender=mm7.Address("111122"),
        )
    ).body


class Down:
    """A broker that is away while `away` is set."""

    def __init__(self) -> None:
        self.away = True

    async def __call__(self) -> None:
        if self.away:
            raise PublishFailed("no connection")


class Gone(MemoryState):
    """A store that does not answer while `gone` is set; `asked` counts."""

    gone = True
    asked = 0

    async def get(self, key, **more):
        self.asked += 1
        if self.gone:
            raise StateUnavailable("no connection")
        return await super().get(key, **more)

    async def put(self, key, value, ttl_seconds, **more):
        self.asked += 1
        if self.gone:
            raise StateUnavailable("no connection")
        await super().put(key, value, ttl_seconds, **more)


@pytest.fixture
async def spool(tmp_path: Path):
    async with Spool(tmp_path / "spool", entries.dump, entries.load) as made:
        yield made


def transactions(started) -> list[str]:
    return [event["data"]["transaction_id"] for event in started.publisher.events]


async def test_while_the_broker_is_away_callbacks_are_taken_and_come_out_in_their_order(receiving, spool) -> None:
    started = await receiving(spool=spool)
    down = started.publisher.hold = Down()
    ids = [f"t-{n}" for n in range(20)]
    for each in ids:
        assert (await started.post(deliver(each))).status == 200
    assert (spool.events, started.publisher.sent) == (20, [])
    async with started.draining():
        await asyncio.sleep(0.1)
        assert started.publisher.sent == []
        down.away = False
        async with asyncio.timeout(5):
            while spool.events:
                await asyncio.sleep(0.01)
    assert list(dict.fromkeys(transactions(started))) == ids
    assert (await started.post(deliver("t-20"))).status == 200
    assert transactions(started)[-1] == "t-20"


async def test_new_ones_go_behind_what_waits_of_their_account_and_no_other(receiving, spool) -> None:
    opened = {"profile": "generic", "inbound": {"open": True}}
    started = await receiving({"open": opened, "other": opened}, spool=spool)
    down = started.publisher.hold = Down()
    assert (await started.post(deliver("first"))).status == 200
    down.away = False  # and nobody drains
    assert (await started.post(deliver("second"))).status == 200
    assert (await started.post(deliver("elsewhere"), path="/mm7/other")).status == 200
    assert (transactions(started), spool.events) == (["elsewhere"], 2)


async def test_a_retry_of_what_waits_in_the_spool_is_answered_and_not_spooled_again(receiving, spool) -> None:
    started = await receiving(spool=spool)
    started.publisher.hold = Down()
    answers = [await started.post(deliver("t-1")) for _ in range(3)]
    assert [answer.status for answer in answers] == [200] * 3
    assert spool.events == 1


async def test_a_full_spool_and_no_broker_is_503_and_ready_says_why(receiving, tmp_path) -> None:
    async with Spool(tmp_path / "spool", entries.dump, entries.load, max_bytes=3000) as small:
        started = await receiving(spool=small)
        down = started.publisher.hold = Down()
        statuses = [(await started.post(deliver(f"t-{n}"))).status for n in range(5)]
        assert statuses[0] == 200
        assert statuses[-1] == 503
        assert started.keeper.reason == f"spool: full, with {small.bytes} bytes of 3000"
        down.away = False
        async with started.draining():
            async with asyncio.timeout(5):
                while small.events:
                    await asyncio.sleep(0.01)
            assert (await started.post(deliver("t-9"))).status == 200
        assert set(transactions(started)) == {f"t-{n}" for n in range(5) if statuses[n] == 200} | {"t-9"}


async def test_a_spool_that_has_refused_is_asked_again_after_a_while(receiving, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(keeper, "REFUSED_SECONDS", 0.3)
    async with Spool(tmp_path / "spool", entries.dump, entries.load) as broken:

        async def refuse(*_: object, **__: object) -> None:
            raise SpoolUnavailable("the disk does not answer")

        monkeypatch.setattr(broken, "append", refuse)
        started = await receiving(spool=broken)
        started.publisher.hold = Down()
        assert (await started.post(deliver("t-1"))).status == 503
        assert started.keeper.reason
        await asyncio.sleep(0.4)
        assert not started.keeper.reason, "else a receiver that gets no callbacks is never ready again"


async def test_a_spool_that_fills_is_a_trouble_before_it_refuses_and_full_is_a_reason(receiving, tmp_path) -> None:
    now = [1_000_000.0]
    limits = {"max_bytes": 8000, "max_age_seconds": 1000.0, "clock": lambda: now[0]}
    async with Spool(tmp_path / "spool", entries.dump, entries.load, **limits) as small:
        started = await receiving(spool=small)
        started.publisher.hold = Down()
        assert (await started.post(deliver("t-0"))).status == 200
        assert (started.keeper.troubles, started.keeper.reason) == ([], "")
        now[0] += 801
        assert started.keeper.troubles == ["spool: an event has waited 801 s of 1000"]
        now[0] -= 801
        number = 0
        while small.bytes <= 6400:
            number += 1
            assert (await started.post(deliver(f"t-{number}"))).status == 200
        assert started.keeper.troubles == [f"spool: {small.bytes} bytes of 8000"]
        assert started.keeper.reason == ""
        small.max_bytes = small.bytes
        assert (await started.post(deliver("too many"))).status == 503
        assert started.keeper.reason == f"spool: full, with {small.bytes} bytes of {small.max_bytes}"


async def test_a_spool_full_of_large_entries_is_full_and_one_that_takes_something_is_not(receiving, tmp_path) -> None:
    async with Spool(tmp_path, entries.dump, entries.load, max_bytes=1_000_000) as spool:
        started = await receiving(spool=spool)

        async def kept(size: int) -> bool:
            message = Outgoing(exchange="", routing_key="q", body=b"x" * size, content_type="text/plain")
            try:
                await spool.append("a", message)
            except SpoolFull:
                return False
            return True

        assert [await kept(99_000) for _ in range(12)] == [True] * 10 + [False] * 2
        assert started.keeper.reason.startswith("spool: full, with ")
        assert await kept(1_000)
        assert started.keeper.reason == ""


async def test_what_one_account_has_waited_for_too_long_leaves_the_others_ready(receiving, tmp_path) -> None:
    now = [1_000_000.0]
    async with Spool(tmp_path, entries.dump, entries.load, max_age_seconds=10.0, clock=lambda: now[0]) as spool:
        started = await receiving(spool=spool)
        started.publisher.hold = Down()
        assert (await started.post(deliver("t-0"))).status == 200
        now[0] += 11
        assert (await started.post(deliver("t-1"))).status == 503
        assert started.keeper.reason == ""
        assert started.keeper.troubles == ["spool: an event has waited 11 s of 10"]


async def test_a_broker_that_hangs_leaves_the_spool_time_to_answer(receiving, spool) -> None:
    async def hang() -> None:  # as the publisher does: it fails when its time is over
        await asyncio.sleep(0.5)
        raise PublishFailed("not confirmed within 0.5 s")

    started = await receiving(spool=spool, answer_within=1.0)
    started.publisher.hold = hang
    assert (await started.post(deliver("t-1"))).status == 200
    assert spool.events == 1


async def test_the_publisher_is_given_half_of_the_time_and_without_a_spool_all(tmp_path) -> None:
    given: list[float] = []

    class Watching:
        async def publish(self, outgoing, *, within: float) -> None:
            given.append(within)

    clock = asyncio.get_running_loop().time
    async with Spool(tmp_path, entries.dump, entries.load) as made:
        for spool in (made, None):
            assert await Keeper(Watching(), spool).keep("a", object(), until=clock() + 2) == "broker"
    assert given == [pytest.approx(1, abs=0.2), pytest.approx(2, abs=0.2)]


async def test_a_store_that_is_down_costs_a_duplicate_and_no_callback(receiving) -> None:
    state = Gone()
    started = await receiving(state=state)
    for _ in range(2):
        assert (await started.post(report())).status == 200
    assert len(started.publisher.events) == 2
    assert len({event["id"] for event in started.publisher.events}) == 1
    assert started.receiver.troubles == ["state store: no connection"]
    state.gone = False
    await asyncio.sleep(1.1)  # it is left alone for a moment
    assert (await started.post(report("m-2"))).status == 200
    assert started.receiver.troubles == []
    for use in ("published", "correlation"):
        assert started.metrics.registry.get_sample_value("mm7_state_unavailable_total", {"use": use}) >= 2


async def test_receivers_that_share_a_store_agree(receiving) -> None:
    state = MemoryState()
    one, two = await receiving(state=state), await receiving(state=state)
    assert (await one.post(deliver("t-1"))).status == 200
    assert (await two.post(deliver("t-1"))).status == 200
    assert (len(one.publisher.sent), len(two.publisher.sent)) == (1, 0)


async def test_of_two_that_nothing_tells_apart_none_is_swallowed(receiving) -> None:
    started = await receiving()
    said = mm7.encode(mm7.DeliverReq(mm7_version="6.8.0", sender=mm7.Address("15553199144"), subject="YES")).body
    for _ in range(2):
        assert (await started.post(said)).status == 200
    assert len(started.publisher.events) == 2


async def test_what_was_not_kept_is_not_taken_for_a_duplicate(receiving) -> None:
    started = await receiving()
    down = started.publisher.hold = Down()
    assert (await started.post(deliver("t-1"))).status == 503
    down.away = False
    assert (await started.post(deliver("t-1"))).status == 200
    assert len(started.publisher.sent) == 1


ORIGIN = Origin(command_id="order-1", reference="customer 99", metadata={"campaign": "x"})


@pytest.mark.parametrize("repeated", [False, True])
async def test_a_report_carries_the_command_it_reports_on(receiving, repeated) -> None:
    started = await receiving()
    await Correlation(started.state).remember("open", "m-1", ORIGIN)
    statuses = ["Retrieved", "Deferred"] if repeated else ["Retrieved"]  # out of order, both are told
    for status in statuses:
        assert (await started.post(report(status=status))).status == 200
    for event, sent in zip(started.publisher.events, started.publisher.sent, strict=True):
        data = event["data"]
        assert (data["command_id"], data["reference"], data["metadata"]) == (
            "order-1",
            "customer 99",
            {"campaign": "x"},
        )
        assert sent.correlation_id == "order-1"
    assert [event["data"]["final"] for event in started.publisher.events] == [True, False][: len(statuses)]


async def test_a_report_on_somebody_else_s_message_carries_none(receiving) -> None:
    started = await receiving()
    await Correlation(started.state).remember("other", "m-1", ORIGIN)
    assert (await started.post(report())).status == 200
    [event] = started.publisher.events
    assert (event["data"]["command_id"], event["data"]["metadata"]) == (None, None)
    assert started.publisher.sent[0].correlation_id is None


async def test_the_id_of_a_report_does_not_depend_on_what_is_known_of_its_command(receiving) -> None:
    without, known = await receiving(), await receiving()
    await Correlation(known.state).remember("open", "m-1", ORIGIN)
    for started in (without, known):
        assert (await started.post(report())).status == 200
    assert without.publisher.events[0]["id"] == known.publisher.events[0]["id"]


async def test_settling_ends_when_the_broker_takes_nothing(spool) -> None:
    class Never:
        async def publish(self, outgoing, *, within: float) -> None:
            raise PublishFailed("no connection")

        async def publish_all(self, chunk) -> Progress:
            return Progress(0, "no connection")

    keeping = Keeper(Never(), spool)
    message = Outgoing(exchange="", routing_key="q", body=orjson.dumps({}), content_type="application/json")
    clock = asyncio.get_running_loop().time
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(keeping.draining(Never().publish_all))
        assert await keeping.keep("a", message, until=clock() + 1) == "spool"
        began = clock()
    assert clock() - began < 3
    assert spool.events == 1
