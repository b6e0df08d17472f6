"""Every delivery is worked on, acknowledged once it is done, and delivered again otherwise."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from pamqp.commands import Basic

from gateway.broker import (
    COMMANDS,
    DEAD,
    UNROUTED,
    BrokerDown,
    Connection,
    Consumer,
    Delivery,
    Inbox,
    Queue,
    Topology,
    browse,
    tail,
    wait,
    waiting,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from conftest import Place

    Eventually = Callable[..., Awaitable[None]]


class Recorder:
    """Handles by noting and acknowledging; the first body of `crashes` makes it fail."""

    def __init__(self, *crashes: bytes) -> None:
        self.seen: list[Delivery] = []
        self.crashes = crashes

    @property
    def bodies(self) -> list[bytes]:
        return [each.body for each in self.seen]

    async def __call__(self, delivery: Delivery) -> None:
        self.seen.append(delivery)
        if delivery.body in self.crashes:
            raise ValueError(delivery.body)
        await delivery.ack()


async def first(place: Place, queue: str, within: float = 10) -> Delivery:
    async with asyncio.timeout(within):
        while True:
            async with browse(place.connection, queue) as messages:
                async for each in messages:
                    if place.account in each.routing_key or queue != UNROUTED:  # others' may be there
                        await each.ack()
                        return each
            await asyncio.sleep(0.05)


async def test_a_command_keeps_its_key_through_the_wait(place: Place) -> None:
    await place.publish(wait(place.delay), body=b"later", headers={"attempt": 2})
    back = await first(place, place.mt)
    assert (back.routing_key, back.body, back.headers["attempt"]) == (place.account, b"later", 2)


async def test_what_expires_for_an_account_without_a_queue_is_kept(place: Place) -> None:
    gone = f"{place.account}-gone"
    await place.publish(wait(place.delay), gone)
    assert (await first(place, UNROUTED)).routing_key == gone


async def test_a_rejected_message_is_in_the_dead_letters(place: Place) -> None:
    await place.publish(body=b"bad")
    channel = await place.connection.channel()
    message = await channel.basic_get(place.mt)
    await channel.basic_nack(message.delivery_tag or 0, requeue=False)
    assert (await first(place, place.dead)).body == b"bad"


async def test_a_dead_letter_is_published_by_its_account(place: Place) -> None:
    await place.publish(DEAD, body=b"dead", headers={"cause": "bad_command"})
    for _ in range(25):  # more often than any default limit: looking does not use it up
        async with browse(place.connection, place.dead) as messages:
            assert [each.headers["cause"] async for each in messages] == ["bad_command"]
    assert (await first(place, place.dead)).body == b"dead"


async def test_what_was_looked_at_is_back_in_its_order_when_the_look_is_over(place: Place) -> None:
    bodies = [b"%d" % n for n in range(20)]
    for body in bodies:
        await place.publish(DEAD, body=body)
    for _ in range(20):
        async with browse(place.connection, place.dead) as messages:
            assert [each.body async for each in messages] == bodies
    async with browse(place.connection, place.dead) as messages:
        assert [await each.ack() async for each in messages if each.body in bodies[::2]] == [True] * 10
    async with browse(place.connection, place.dead) as messages:
        assert [each.body async for each in messages] == bodies[1::2]
    assert await waiting(place.connection, place.dead) == 10


async def test_deliveries_are_handled_and_taken_out(place: Place, eventually: Eventually) -> None:
    handle = Recorder()
    consumer = Consumer(place.connection, place.mt, 5, handle)
    await consumer.start()
    await asyncio.gather(*(place.publish(body=b"%d" % n) for n in range(20)))
    await eventually(lambda: len(handle.seen) == 20 and not consumer.in_flight)
    await consumer.stop(1)
    assert sorted(handle.bodies) == sorted(b"%d" % n for n in range(20))
    assert await waiting(place.connection, place.mt) == 0


async def test_no_more_handlers_than_asked_for_run_at_once(place: Place, eventually: Eventually) -> None:
    running, most, done = 0, 0, 0

    async def handle(delivery: Delivery) -> None:
        nonlocal running, most, done
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.01)
        await delivery.ack()
        running -= 1
        done += 1

    consumer = Consumer(place.connection, place.mt, 3, handle)
    await asyncio.gather(*(place.publish() for _ in range(15)))
    await consumer.start()
    await eventually(lambda: done == 15)
    await consumer.stop(1)
    assert most == 3


async def test_a_crash_delivers_again_and_holds_nothing_up(place: Place, eventually: Eventually) -> None:
    handle = Recorder(b"poison")
    consumer = Consumer(place.connection, place.mt, 1, handle, crash_pause=0.2)
    await place.publish(body=b"poison")
    await asyncio.gather(*(place.publish(body=b"%d" % n) for n in range(5)))
    await consumer.start()
    await eventually(lambda: handle.bodies.count(b"poison") >= 3 and len(set(handle.bodies)) == 6)
    assert handle.bodies.count(b"poison") < 6  # no loop without a pause
    handle.crashes = ()
    tries = handle.bodies.count(b"poison")
    await eventually(lambda: handle.bodies.count(b"poison") == tries + 1 and not consumer.in_flight)
    await consumer.stop(1)
    assert all(each.redelivered for each in handle.seen if each.body == b"poison" and each is not handle.seen[0])
    assert await waiting(place.connection, place.mt) == 0


async def test_a_crash_leaves_the_work_beside_it_alone(place: Place, eventually: Eventually) -> None:
    release = asyncio.Event()
    acked: list[bool] = []
    crashes = 0

    async def handle(delivery: Delivery) -> None:
        nonlocal crashes
        if delivery.body == b"poison" and not release.is_set():
            crashes += 1
            raise ValueError
        if delivery.body == b"slow":
            await release.wait()
        acked.append(await delivery.ack())

    consumer = Consumer(place.connection, place.mt, 5, handle, crash_pause=0.1)
    await place.publish(body=b"slow")
    await place.publish(body=b"poison")
    await consumer.start()
    await eventually(lambda: crashes == 1)
    await place.publish(body=b"next")
    await eventually(lambda: len(acked) == 1)
    release.set()
    await eventually(lambda: len(acked) == 3)
    await consumer.stop(1)
    assert acked == [True] * 3
    assert await waiting(place.connection, place.mt) == 0


async def test_a_message_that_always_crashes_ends_in_the_dead_letters(place: Place, eventually: Eventually) -> None:
    handle = Recorder(b"poison")
    consumer = Consumer(place.connection, place.mt, 5, handle, crash_pause=0.01)
    await place.publish(body=b"poison")
    await consumer.start()
    dead = await first(place, place.dead)
    await consumer.stop(1)
    assert dead.body == b"poison"
    assert handle.bodies.count(b"poison") == 21  # the first delivery, and the limit's 20
    await eventually(lambda: consumer.in_flight == 0)


async def test_a_handler_that_forgets_to_acknowledge_is_a_crash(place: Place, eventually: Eventually) -> None:
    seen: list[bool] = []

    async def handle(delivery: Delivery) -> None:
        seen.append(delivery.redelivered)
        if len(seen) > 1:
            await delivery.ack()

    consumer = Consumer(place.connection, place.mt, 1, handle, crash_pause=0.05)
    await place.publish()
    await consumer.start()
    await eventually(lambda: seen == [False, True])
    await consumer.stop(1)


async def test_stopping_lets_the_work_at_hand_finish(place: Place, eventually: Eventually) -> None:
    started = asyncio.Event()
    acked: list[bool] = []

    async def handle(delivery: Delivery) -> None:
        started.set()
        await asyncio.sleep(0.3)
        acked.append(await delivery.ack())

    consumer = Consumer(place.connection, place.mt, 1, handle)
    await place.publish(body=b"1")
    await place.publish(body=b"2")
    await consumer.start()
    await started.wait()
    await consumer.stop(5)
    assert (acked, consumer.in_flight) == ([True], 0)
    assert (await first(place, place.mt)).body == b"2"


async def test_work_that_outlasts_the_grace_is_cancelled_and_delivered_again(place: Place) -> None:
    started, cancelled = asyncio.Event(), asyncio.Event()

    async def handle(_: Delivery) -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    consumer = Consumer(place.connection, place.mt, 1, handle)
    await place.publish(body=b"long")
    await consumer.start()
    await started.wait()
    await consumer.stop(0.1)
    assert cancelled.is_set()
    assert (await first(place, place.mt)).redelivered


async def test_a_consumer_outlives_the_deletion_of_its_queue(place: Place, eventually: Eventually) -> None:
    handle = Recorder()
    consumer = Consumer(place.connection, place.mt, 5, handle)
    await consumer.start()
    await consumer.wait_subscribed(5)
    channel = await place.connection.channel()
    await channel.queue_delete(place.mt)
    await eventually(lambda: not consumer.queue)
    assert place.connection.wire()
    await consumer.wait_subscribed(10)
    await place.publish(body=b"after")
    await eventually(lambda: handle.bodies == [b"after"])
    await consumer.stop(1)


async def test_a_message_of_a_careless_publisher_is_handled(place: Place, eventually: Eventually) -> None:
    channel = await place.connection.channel()
    handle = Recorder()
    consumer = Consumer(place.connection, place.mt, 5, handle)
    await consumer.start()
    await channel.basic_publish(b"bare", exchange=COMMANDS, routing_key=place.account, properties=Basic.Properties())
    await eventually(lambda: handle.bodies == [b"bare"] and not consumer.in_flight)
    assert (handle.seen[0].content_type, handle.seen[0].headers) == (None, {})
    await consumer.stop(1)
    assert await waiting(place.connection, place.mt) == 0


class Absurd(datetime):
    """A time that fits AMQP's 64 bits and nothing else."""

    def timestamp(self) -> float:
        return 2.0**62


async def test_a_message_that_the_library_cannot_read_ends_in_the_dead_letters(
    place: Place, eventually: Eventually
) -> None:
    topology = Topology(
        queues=(
            Queue(
                place.probe,
                {
                    "x-queue-type": "quorum",
                    "x-delivery-limit": 1,
                    "x-dead-letter-exchange": "",
                    "x-dead-letter-routing-key": place.dead,
                },
            ),
        )
    )
    handle = Recorder()
    channel = await place.connection.channel()
    async with Connection(place.url, "reader", topology) as connection:
        await connection.wait_up(5)
        consumer = Consumer(connection, place.probe, 5, handle)
        await consumer.start()
        absurd = Absurd(2026, 1, 1, tzinfo=UTC)
        await channel.basic_publish(
            b"?", routing_key=place.probe, properties=Basic.Properties(timestamp=absurd, message_id="1")
        )
        async with asyncio.timeout(10):
            while not await waiting(place.connection, place.dead):
                await asyncio.sleep(0.05)
        await consumer.wait_subscribed(10)
        await place.publish("", place.probe, body=b"next")
        await eventually(lambda: handle.bodies == [b"next"])
        await consumer.stop(1)


async def test_messages_that_wait_and_do_not_come_bring_a_new_connection(place: Place, eventually: Eventually) -> None:
    handle = Recorder()
    consumer = Consumer(place.connection, place.mt, 5, handle, look_every=0.2)
    await consumer.start()
    await consumer.wait_subscribed(5)
    subscription = consumer._subscription
    assert subscription
    await subscription._channel.basic_cancel(subscription._tag)
    before = place.connection.wire()
    await place.publish(body=b"stalled")
    await eventually(lambda: handle.bodies == [b"stalled"])
    assert place.connection.wire() is not before
    await consumer.stop(1)


async def test_an_inbox_gets_the_events_of_its_patterns_in_order(place: Place) -> None:
    async with Inbox(place.connection, [f"mo.*.{place.account}.*", f"dr.*.{place.account}.*"]) as inbox:
        for n, kind in enumerate(("mo", "rr", "dr")):
            await place.publish("mm7.events", f"{kind}.received.{place.account}.1", body=b"%d" % n)
        async with asyncio.timeout(5):
            assert [(await anext(inbox)).body for _ in range(2)] == [b"0", b"2"]
    assert (await first(place, UNROUTED)).body == b"1"


async def test_following_begins_now_and_goes_on(place: Place, eventually: Eventually) -> None:
    seen: list[bytes] = []

    async def follow() -> None:
        async for each in tail(place.connection, [f"mo.received.{place.account}.#"]):
            seen.append(each.body)  # noqa: PERF401 - it never ends

    follower = asyncio.create_task(follow())
    async with asyncio.timeout(5):
        while not seen:
            await place.publish("mm7.events", f"mo.received.{place.account}.1", body=b"first")
    await place.publish("mm7.events", f"mo.received.{place.account}.1", body=b"last")
    await eventually(lambda: seen[-1] == b"last")
    follower.cancel()
    with pytest.raises(asyncio.CancelledError):
        await follower
    async with browse(place.connection, UNROUTED) as messages:
        async for each in messages:
            if place.account in each.routing_key:
                await each.ack()


async def test_looking_into_a_queue_that_is_not_there_says_so(place: Place) -> None:
    with pytest.raises(BrokerDown, match="NOT_FOUND"):
        async with browse(place.connection, f"{place.account}.none") as messages:
            await anext(messages)
    with pytest.raises(BrokerDown, match="NOT_FOUND"):
        await waiting(place.connection, f"{place.account}.none")
