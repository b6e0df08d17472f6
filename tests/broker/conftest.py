"""A real RabbitMQ for these tests: the one of MM7_AMQP_URL, and a private node whose faults they may cause.

Without a broker the tests are skipped, with the reason; where CI is set they fail instead.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

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
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

    from rabbitmq import RabbitNode

UP_WITHIN = 10.0


def no_broker(reason: str) -> NoReturn:
    """Skip at home, fail in CI."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def one_node() -> Iterator[RabbitNode]:
    """A private node for the whole run."""
    try:
        from problems import NoServer, StartFailed
        from rabbitmq import RabbitNode
    except ImportError as error:
        no_broker(f"the set-up scripts are not there: {error}")
    try:
        node = RabbitNode.create()
        node.start()
    except (NoServer, StartFailed) as error:
        no_broker(f"no private RabbitMQ node: {error}")
    yield node
    node.destroy()


@pytest.fixture
def node(one_node: RabbitNode) -> Iterator[RabbitNode]:
    """The private node, running and well; what a test does to it is undone."""
    yield one_node
    one_node.resume()
    if not _listens(one_node.port):
        one_node.kill()
        one_node.start()


@pytest.fixture
def alarm(node: RabbitNode) -> Iterator[Callable[[bool], Awaitable[None]]]:
    """Raise and clear the node's memory alarm."""

    async def switch(on: bool) -> None:
        await asyncio.to_thread(node.alarm, on)

    yield switch
    node.alarm(False)


@pytest.fixture
def freeze(node: RabbitNode) -> Callable[[], None]:
    """Freeze the node, and return when it has stood still: a signal takes a moment."""
    pid = (node.data_dir / "rabbitmq.pid").read_text().strip()

    def stop() -> None:
        node.pause()
        while Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "T":
            time.sleep(0.001)

    return stop


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


@pytest.fixture(scope="session")
def amqp_url(request: pytest.FixtureRequest) -> str:
    """A broker to work with, not to harm."""
    if url := os.environ.get("MM7_AMQP_URL"):
        return url
    node: RabbitNode = request.getfixturevalue("one_node")
    return node.url


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
