"""An account of each test's own, on the broker of MM7_AMQP_URL or on the private node whose faults it may cause."""

from __future__ import annotations

import asyncio
import secrets
import time
from typing import TYPE_CHECKING

import pytest

from gateway.broker import (
    Connection,
    Delay,
    Outgoing,
    Publisher,
    build,
    dead_queue,
    mt_queue,
    wait,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from rabbitmq import RabbitNode

UP_WITHIN = 10.0


class Place:
    """An account of its own on the broker, with its queues; a delay of its own too."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.account = f"test-{secrets.token_hex(4)}"
        self.delay = Delay.parse(f"{200 + secrets.randbelow(300)}ms")
        self.topology = build({self.account: [self.delay]})
        self.mt = mt_queue(self.account)
        self.dead = dead_queue(self.account)
        self.probe = f"{self.account}.probe"
        self.connection = Connection(url, "test", self.topology)
        self.publisher = Publisher(self.connection)

    def message(self, exchange: str = "mm7.commands", key: str = "", **more: object) -> Outgoing:
        fields = {"body": b"body", "content_type": "text/plain"} | more
        return Outgoing(exchange=exchange, routing_key=key or self.account, **fields)  # type: ignore[arg-type]

    async def publish(self, exchange: str = "mm7.commands", key: str = "", **more: object) -> None:
        await self.publisher.publish(self.message(exchange, key, **more), within=5)

    async def remove(self) -> None:
        channel = await self.connection.channel()
        for name in (wait(self.delay), self.mt, self.dead, self.probe):
            await channel.queue_delete(name)
        await channel.exchange_delete(wait(self.delay))


@pytest.fixture
async def place(amqp_url: str) -> AsyncIterator[Place]:
    """An account on the broker that is not to be harmed, its topology declared; removed afterwards."""
    place = Place(amqp_url)
    async with place.connection as connection:
        await connection.wait_up(UP_WITHIN)
        yield place
        await connection.wait_up(UP_WITHIN)
        await place.remove()


@pytest.fixture
async def fragile(node: RabbitNode) -> AsyncIterator[Place]:
    """An account on the private node.

    Not removed: deleting an at-least-once queue in the second after RabbitMQ 3.10 has started can end the supervisor
    of its dead-letter workers, and then every queue of the kind answers with INTERNAL_ERROR until the next start.
    """
    place = Place(node.url)
    async with place.connection as connection:
        await connection.wait_up(UP_WITHIN)
        yield place


@pytest.fixture
def eventually() -> Callable[[Callable[[], object], float], Awaitable[None]]:
    """Wait until something is so, or fail at a deadline."""

    async def wait_for(condition: Callable[[], object], within: float = 10.0) -> None:
        deadline = time.monotonic() + within
        while not condition():
            assert time.monotonic() < deadline, f"not within {within} s"
            await asyncio.sleep(0.02)

    return wait_for
