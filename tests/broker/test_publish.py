"""A publish returns when the broker has the message, and says so when it has not."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from gateway.broker import DEAD, EVENTS, UNROUTED, Inbox, Publisher, PublishFailed, Unroutable, browse

if TYPE_CHECKING:
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
