"""What happens when the broker is killed, stopped, frozen, full, or throws its clients out."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from gateway.broker import (
    EVENTS,
    BrokerDown,
    Connection,
    Consumer,
    Delivery,
    Inbox,
    Outgoing,
    Publisher,
    PublishFailed,
    State,
    browse,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from conftest import Place
    from rabbitmq import RabbitNode

    Eventually = Callable[..., Awaitable[None]]
    Alarm = Callable[[bool], Awaitable[None]]
    Freeze = Callable[[], None]

RECOVERY_WITHIN = 10.0


@asynccontextmanager
async def takes_at_most(seconds: float) -> AsyncIterator[None]:
    began = time.monotonic()
    yield
    assert time.monotonic() - began < seconds


async def published(place: Place, body: bytes, within: float = RECOVERY_WITHIN) -> None:
    """Publish as soon as that works, with the objects that were there before."""
    deadline = time.monotonic() + within
    while True:
        try:
            return await place.publisher.publish(place.message(body=body), within=1)
        except PublishFailed:
            assert time.monotonic() < deadline, f"no publish within {within} s"
            await asyncio.sleep(0.05)


async def bodies(place: Place) -> list[bytes]:
    async with browse(place.connection, place.mt) as messages:
        return [each.body async for each in messages]


async def test_a_confirmed_message_survives_a_power_cut(fragile: Place, node: RabbitNode) -> None:
    await asyncio.sleep(1.2)  # RabbitMQ forgets a quorum queue that was declared half a second before the power cut
    await fragile.publish(body=b"confirmed")
    await asyncio.to_thread(node.kill)
    await asyncio.to_thread(node.start)
    await fragile.connection.wait_up(RECOVERY_WITHIN)
    assert await bodies(fragile) == [b"confirmed"]


async def test_an_outage_fails_at_once_and_passes_by_itself(
    fragile: Place, node: RabbitNode, eventually: Eventually
) -> None:
    handled: list[bytes] = []

    async def handle(delivery: Delivery) -> None:
        handled.append(delivery.body)
        await delivery.ack()

    consumer = Consumer(fragile.connection, fragile.mt, 5, handle)
    await consumer.start()
    await published(fragile, b"before")
    await asyncio.to_thread(node.stop)
    for _ in range(3):
        async with takes_at_most(1):
            with pytest.raises(PublishFailed):
                await fragile.publisher.publish(fragile.message(), within=5)
    assert fragile.connection.state is State.DOWN
    assert fragile.connection.reason
    with pytest.raises(BrokerDown):
        await fragile.connection.wait_up(0.1)
    await asyncio.to_thread(node.start)
    await published(fragile, b"after")
    await eventually(lambda: handled[:2] == [b"before", b"after"])
    assert set(handled[1:]) == {b"after"}  # it was published until it was confirmed
    await consumer.stop(1)


async def test_an_alarm_blocks_and_clears(fragile: Place, alarm: Alarm, eventually: Eventually) -> None:
    await fragile.publish(body=b"before")
    await alarm(True)
    async with takes_at_most(1):
        with pytest.raises(PublishFailed, match="not confirmed"):
            await fragile.publisher.publish(fragile.message(body=b"late"), within=0.5)
    await eventually(lambda: fragile.connection.state is State.BLOCKED)
    assert "alarm" in fragile.connection.reason
    async with takes_at_most(0.3):
        with pytest.raises(PublishFailed, match="alarm"):
            await fragile.publisher.publish(fragile.message(), within=5)
    await alarm(False)
    await eventually(lambda: fragile.connection.state is State.UP)
    await published(fragile, b"after")
    found = await bodies(fragile)
    assert {b"before", b"after"} <= set(found) <= {b"before", b"late", b"after"}  # what failed may have come too


async def test_a_frozen_broker_is_given_up_and_found_again(
    fragile: Place, node: RabbitNode, freeze: Freeze, eventually: Eventually
) -> None:
    await fragile.publish(body=b"before")
    freeze()
    for _ in range(2):  # on a channel that is there, and on one that would have to be opened
        async with takes_at_most(0.8):
            with pytest.raises(PublishFailed):
                await fragile.publisher.publish(fragile.message(), within=0.5)
    await eventually(lambda: fragile.connection.state is State.DOWN)  # heartbeats would need 33 seconds
    async with takes_at_most(0.3):
        with pytest.raises(PublishFailed, match="did not answer"):
            await fragile.publisher.publish(fragile.message(), within=5)
    node.resume()
    await published(fragile, b"after", within=15)
    assert (await bodies(fragile))[-1] == b"after"


async def test_missed_heartbeats_fail_the_publish_and_cancel_nobody(node: RabbitNode, freeze: Freeze) -> None:
    async with Connection(f"{node.url}?heartbeat=1", "test") as connection:
        await connection.wait_up(5)
        publisher = Publisher(connection)
        async with Inbox(connection) as inbox:
            place = connection.wire()
            message = {"exchange": "", "routing_key": inbox.queue, "body": b"", "content_type": "text/plain"}
            await publisher.publish(_outgoing(message), within=5)
            freeze()
            async with takes_at_most(15):
                with pytest.raises(PublishFailed, match="no sign of life"):
                    await publisher.publish(_outgoing(message), within=30)
            assert place.ended
            node.resume()
            await connection.wait_up(RECOVERY_WITHIN)


async def test_clients_that_are_thrown_out_come_back(fragile: Place, node: RabbitNode, eventually: Eventually) -> None:
    started, release = asyncio.Event(), asyncio.Event()
    outcomes: list[tuple[bool, bool]] = []

    async def handle(delivery: Delivery) -> None:
        started.set()
        await release.wait()
        outcomes.append((delivery.redelivered, await delivery.ack()))

    consumer = Consumer(fragile.connection, fragile.mt, 5, handle)
    await consumer.start()
    async with Inbox(fragile.connection, [f"mo.*.{fragile.account}.*"]) as inbox:
        name = inbox.queue
        await published(fragile, b"work")
        await started.wait()
        await asyncio.to_thread(node.close_connections)
        await eventually(lambda: inbox.queue not in {"", name})
        await eventually(lambda: consumer.queue)
        assert consumer.in_flight >= 1  # the work goes on without its channel
        release.set()
        # its acknowledgement is too late, and says so; the message comes again, after it, not beside it
        await eventually(lambda: outcomes == [(False, False), (True, True)])
        await fragile.publish(EVENTS, f"mo.received.{fragile.account}.1", body=b"event")
        assert (await asyncio.wait_for(anext(inbox), 5)).body == b"event"
    await consumer.stop(1)


async def test_publishes_in_flight_fail_when_the_clients_are_thrown_out(fragile: Place, node: RabbitNode) -> None:
    stop = asyncio.Event()
    confirmed: list[bytes] = []

    async def publish(name: str) -> None:
        number = 0
        while not stop.is_set():
            body = f"{name}-{number}".encode()
            try:
                await fragile.publisher.publish(fragile.message(body=body), within=2)
            except PublishFailed:
                await asyncio.sleep(0.01)
            else:
                confirmed.append(body)
                number += 1
                await asyncio.sleep(0.01)

    publishers = asyncio.gather(*(publish(name) for name in "abcd"))
    await asyncio.to_thread(node.close_connections)
    await fragile.connection.wait_up(RECOVERY_WITHIN)
    await published(fragile, b"last")
    stop.set()
    await publishers
    assert set(confirmed) <= set(await bodies(fragile))


def _outgoing(fields: dict[str, object]) -> Outgoing:
    return Outgoing(**fields)  # type: ignore[arg-type]
