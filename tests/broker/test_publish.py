"""A publish returns when the broker has the message, and says so when it has not."""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from gateway.broker import (
    DEAD,
    EVENTS,
    UNROUTED,
    Connection,
    Inbox,
    Outgoing,
    Publisher,
    PublishFailed,
    Unroutable,
    browse,
    frames,
)
from gateway.stores.spool import Spool

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from conftest import Place

    from gateway.broker import Delivery


async def bodies(place: Place, queue: str) -> list[bytes]:
    async with browse(place.connection, queue) as messages:
        return sorted([each.body async for each in messages])


async def taken(place: Place, queue: str) -> Delivery:
    async with browse(place.connection, queue) as messages:
        delivery = await anext(messages)
        await delivery.ack()
    return delivery


async def test_a_confirmed_message_is_in_its_queue_as_it_was_given(place: Place) -> None:
    seconds: list[float] = []
    place.publisher = Publisher(place.connection, observe=seconds.append)
    at = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)
    await place.publish(
        body=b"\x00\xff",
        content_type="a/b",
        type="mt",
        correlation_id="c",
        headers={"n": 3, "s": "ü"},
        timestamp=at,
    )
    delivery = await taken(place, place.mt)
    assert (delivery.body, delivery.content_type, delivery.type) == (b"\x00\xff", "a/b", "mt")
    assert (delivery.correlation_id, delivery.routing_key) == ("c", place.account)
    assert (delivery.exchange, delivery.redelivered) == ("mm7.commands", False)
    assert (delivery.headers["n"], delivery.headers["s"]) == (3, "ü")
    assert re.fullmatch("[0-9a-f]{32}", delivery.message_id or "")
    assert "traceparent" in delivery.headers
    assert len(seconds) == 1


async def test_what_nobody_is_bound_for_is_kept(place: Place) -> None:
    key = f"mo.received.{place.account}.1"
    await place.publish(EVENTS, key)
    async with browse(place.connection, UNROUTED) as messages:
        async for each in messages:
            if each.routing_key == key:
                await each.ack()
                break
        else:
            pytest.fail("the event is not in mm7.unrouted")


async def test_a_message_that_no_queue_takes_raises(place: Place) -> None:
    with pytest.raises(Unroutable, match="NO_ROUTE"):
        await place.publish("", f"{place.account}.nobody")
    with pytest.raises(Unroutable, match="NO_ROUTE"):  # mm7.dead has no alternate exchange
        await place.publish(DEAD, f"{place.account}.nobody")
    await place.publish()


async def test_the_default_exchange_reaches_a_reply_queue(place: Place) -> None:
    async with Inbox(place.connection) as inbox:
        await place.publish("", inbox.queue, body=b"reply", correlation_id="7")
        reply = await asyncio.wait_for(anext(inbox), 5)
    assert (reply.body, reply.correlation_id) == (b"reply", "7")


async def test_two_in_flight_with_one_body_keep_their_own_outcomes(place: Place) -> None:
    good = [place.publish(body=b"same", correlation_id="same") for _ in range(20)]
    lost = [place.publish("", "no.such.queue", body=b"same", correlation_id="same") for _ in range(20)]
    outcomes = await asyncio.gather(
        *(each for pair in zip(good, lost, strict=True) for each in pair), return_exceptions=True
    )
    assert outcomes[::2] == [None] * 20
    assert all(isinstance(outcome, Unroutable) for outcome in outcomes[1::2])
    assert await bodies(place, place.mt) == [b"same"] * 20


async def test_a_missing_exchange_harms_no_other_publish(place: Place) -> None:
    wire = place.connection.wire()
    good = [place.publish(body=b"%03d" % n) for n in range(200)]
    bad = [place.publish("no.such.exchange") for _ in range(50)]
    outcomes = await asyncio.gather(*good, *bad, return_exceptions=True)
    assert outcomes[:200] == [None] * 200
    assert all(isinstance(outcome, PublishFailed) and "NOT_FOUND" in str(outcome) for outcome in outcomes[200:])
    assert await bodies(place, place.mt) == [b"%03d" % n for n in range(200)]
    assert place.connection.wire() is wire


async def test_an_exchange_deleted_under_its_publishers_harms_no_other_publish(place: Place) -> None:
    doomed = f"mm7.wait.{place.delay.text}"
    await place.publish(doomed)
    wire = place.connection.wire()
    channel = await place.connection.channel()

    good = [place.publish(body=b"%03d" % n) for n in range(200)]
    bad = [place.publish(doomed, body=b"doomed") for _ in range(200)]
    mixed = [each for pair in zip(good, bad, strict=True) for each in pair]
    outcomes = await asyncio.gather(*mixed[:200], channel.exchange_delete(doomed), *mixed[200:], return_exceptions=True)
    failed = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
    assert failed
    assert all(isinstance(outcome, PublishFailed) for outcome in failed)
    assert any("NOT_FOUND" in str(outcome) for outcome in failed)
    assert {b"%03d" % n for n in range(200)} <= set(await bodies(place, place.mt))
    assert place.connection.wire() is wire
    await place.publish(doomed)  # and it is there again


async def test_a_queue_of_ours_that_was_deleted_is_there_at_the_next_try(place: Place) -> None:
    channel = await place.connection.channel()
    waits = f"mm7.wait.{place.delay.text}"
    for queue, exchange in ((place.dead, DEAD), (waits, waits)):
        await channel.queue_delete(queue)
        with pytest.raises(Unroutable):
            await place.publish(exchange)
        await place.publish(exchange)
        await asyncio.sleep(1)  # it declares once a second
        await channel.queue_delete(queue)
        chunk = [place.message(exchange)] * 3
        assert (await place.publisher.publish_all(chunk, within=5)).confirmed == 0
        assert (await place.publisher.publish_all(chunk, within=5)).confirmed == 3
        await asyncio.sleep(1)


async def test_what_no_queue_takes_makes_it_declare_once_a_second_and_no_more(place: Place, monkeypatch) -> None:
    declared = []
    declare = place.connection._declare
    monkeypatch.setattr(place.connection, "_declare", lambda wire: declared.append(wire) or declare(wire))
    began = time.monotonic()
    while time.monotonic() - began < 1.5:
        await asyncio.gather(
            *(place.publish(DEAD, "nobody") for _ in range(20)),
            *(place.publish("", "nobody") for _ in range(20)),
            return_exceptions=True,
        )
    assert 2 <= len(declared) <= 2 + time.monotonic() - began - 1


async def test_channels_that_the_broker_closes_do_not_take_the_connection_along(place: Place) -> None:
    wire = place.connection.wire()
    channels = [await place.connection.channel() for _ in range(20)]
    closed = [channel.basic_publish(b"", exchange="no.such.exchange") for channel in channels]
    good = [place.publish(body=b"good") for _ in range(100)]  # opening channels meanwhile
    outcomes = await asyncio.gather(
        *(each for pair in zip(closed, good[:20], strict=True) for each in pair), *good[20:], return_exceptions=True
    )
    assert outcomes.count(None) == 100
    assert (await place.connection.channel()).number > max(each.number for each in channels)  # none is used again
    assert place.connection.wire() is wire


async def test_a_message_that_the_library_cannot_write_is_the_callers_error(place: Place) -> None:
    with pytest.raises((TypeError, ValueError)):
        await place.publish(headers={"n": 2**80})
    await place.publish()


async def test_more_publishes_than_channels_all_arrive(place: Place) -> None:
    place.publisher = Publisher(place.connection, in_flight=2)
    await asyncio.gather(*(place.publish(body=b"%03d" % n) for n in range(100)))
    assert await bodies(place, place.mt) == [b"%03d" % n for n in range(100)]


async def test_a_publish_that_came_to_no_end_leaves_the_next_ones_alone(place: Place) -> None:
    tries = [place.publisher.publish(place.message(body=b"late"), within=0.0001 * n) for n in range(1, 40)]
    outcomes = await asyncio.gather(*tries, return_exceptions=True)
    assert all(outcome is None or isinstance(outcome, PublishFailed) for outcome in outcomes)
    await asyncio.gather(*(place.publish(body=b"good") for _ in range(40)))
    assert (await bodies(place, place.mt)).count(b"good") == 40


async def in_order(place: Place, queue: str) -> list[bytes]:
    async with browse(place.connection, queue) as messages:
        return [each.body async for each in messages]


def numbered(place: Place, numbers: Sequence[int], **more: object) -> list[Outgoing]:
    return [place.message(body=b"%03d" % n, **more) for n in numbers]


async def test_a_chunk_arrives_whole_and_in_its_order(place: Place) -> None:
    for start in (0, 300):
        progress = await place.publisher.publish_all(numbered(place, range(start, start + 300)), within=10)
        assert progress == (300, "", False)
    assert await in_order(place, place.mt) == [b"%03d" % n for n in range(600)]


async def test_a_chunk_says_how_many_in_front_of_one_that_no_queue_takes_were_confirmed(place: Place) -> None:
    lost = place.message("", f"{place.account}.nobody")
    chunk = [*numbered(place, range(40)), lost, *numbered(place, range(40, 60))]
    confirmed, reason, refused = await place.publisher.publish_all(chunk, within=10)
    assert (confirmed, refused) == (40, False)
    assert "NO_ROUTE" in reason
    assert await in_order(place, place.mt) == [b"%03d" % n for n in range(60)], "those behind it arrive all the same"


async def test_a_full_queue_stops_a_chunk_and_is_no_refusal_for_ever(place: Place) -> None:
    channel = await place.connection.channel()
    few = {"x-queue-type": "quorum", "x-max-length": 5, "x-overflow": "reject-publish"}
    await channel.queue_declare(place.probe, durable=True, arguments=few)
    chunk = [place.message("", place.probe, body=b"%03d" % n) for n in range(300)]
    first = await place.publisher.publish_all(chunk, within=10)
    assert 5 <= first.confirmed < 300
    assert "nack" in first.reason
    again = await place.publisher.publish_all(chunk[-1:], within=10)
    assert (again.confirmed, again.refused) == (0, False)


# The broker closes the channel for a CC header that is no list, as it does for a body over its limit.
POISON = {"CC": "no list"}


async def test_a_message_that_the_broker_never_takes_is_told_from_those_round_it(place: Place, eventually) -> None:
    poison = place.message(headers=POISON)
    chunk = [*numbered(place, range(3)), poison, *numbered(place, range(3, 6))]
    mixed = await place.publisher.publish_all(chunk, within=10)
    assert mixed.confirmed <= 3
    assert not mixed.refused, "it may have been any of them"
    wire = place.connection.wire()
    with contextlib.suppress(AssertionError):  # those behind it cost the connection, if the library was quick
        await eventually(lambda: wire.ended, 0.3)
    await place.connection.wait_up(5)
    wire = place.connection.wire()
    alone = await place.publisher.publish_all([poison], within=10)
    assert (alone.confirmed, alone.refused) == (0, True)
    assert "PRECONDITION_FAILED" in alone.reason
    assert (await place.publisher.publish_all(numbered(place, range(3)), within=10)).confirmed == 3
    assert place.connection.wire() is wire, "alone it costs nothing but its channel"


async def test_a_message_that_the_library_cannot_write_is_refused_and_stops_its_chunk(place: Place) -> None:
    bad = place.message(headers={"n": 2**80})
    assert (await place.publisher.publish_all([*numbered(place, range(3)), bad], within=10))[::2] == (3, False)
    assert (await place.publisher.publish_all([bad], within=10))[::2] == (0, True)


async def test_a_chunk_to_a_missing_exchange_is_not_refused_for_ever(place: Place) -> None:
    confirmed, reason, refused = await place.publisher.publish_all([place.message("no.such.exchange")], within=10)
    assert (confirmed, refused) == (0, False)
    assert "NOT_FOUND" in reason


async def test_a_chunk_ends_at_its_deadline_and_what_it_says_was_confirmed_is_there(place: Place) -> None:
    for n in (1, 2, 4, 8, 16, 30):
        began = time.monotonic()
        progress = await place.publisher.publish_all(numbered(place, range(300)), within=0.002 * n)
        assert time.monotonic() - began < 0.002 * n + 0.5
        here = (await in_order(place, place.mt))[: progress.confirmed]
        assert here == [b"%03d" % each for each in range(progress.confirmed)]
        channel = await place.connection.channel()
        while (await channel.queue_purge(place.mt)).message_count:
            await asyncio.sleep(0.05)


async def test_chunks_and_single_publishes_leave_each_other_alone(place: Place) -> None:
    chunks = [place.publisher.publish_all(numbered(place, range(n, n + 50)), within=10) for n in range(0, 500, 50)]
    bad = [place.publish("no.such.exchange") for _ in range(10)]
    good = [place.publish(body=b"single") for _ in range(10)]
    outcomes = await asyncio.gather(
        *(each for group in zip(chunks, bad, good, strict=True) for each in group), return_exceptions=True
    )
    assert outcomes[::3] == [(50, "", False)] * 10
    assert all(isinstance(outcome, PublishFailed) for outcome in outcomes[1::3])
    assert outcomes[2::3] == [None] * 10
    arrived = [int(body) for body in await in_order(place, place.mt) if body != b"single"]
    for start in range(0, 500, 50):
        assert [n for n in arrived if start <= n < start + 50] == list(range(start, start + 50))


async def test_without_a_connection_nothing_of_a_chunk_is_confirmed(amqp_url: str) -> None:
    connection = Connection(amqp_url, "never started")
    outgoing = Outgoing(exchange="", routing_key="q", body=b"", content_type="text/plain")
    progress = await Publisher(connection).publish_all([outgoing], within=1)
    assert progress == (0, "not started", False)


async def test_a_spool_is_drained_in_order_whatever_becomes_of_the_connection(place: Place, tmp_path: Path) -> None:
    async with Spool(tmp_path, frames.dump, frames.load) as spool:
        await asyncio.gather(*(spool.append("a", each) for each in numbered(place, range(900))))
        task = asyncio.create_task(spool.drain(lambda chunk: place.publisher.publish_all(chunk, within=5)))
        deadline = time.monotonic() + 20
        below = 800
        while spool.events and time.monotonic() < deadline:
            if spool.events < below:
                below -= 300
                place.connection.reset("a test")
            await asyncio.sleep(0.002)
        task.cancel()
        await asyncio.wait({task})
        assert not spool.events
    await place.connection.wait_up(10)
    arrived = await in_order(place, place.mt)
    assert list(dict.fromkeys(arrived)) == [b"%03d" % n for n in range(900)], "repetitions left out"
