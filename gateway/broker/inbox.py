"""Reading along: a temporary queue of our own, and a look into a queue that leaves everything where it is."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Final

from .consumer import Consumer
from .message import from_amqp
from .subscription import FAILURES, acknowledge
from .topology import EVENTS
from .wire import BrokerDown, bounded, explain

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable
    from types import TracebackType
    from typing import Self

    from aiormq.abc import AbstractChannel

    from .connection import Connection
    from .message import Delivery

_PREFETCH: Final = 100
_READY_WITHIN: Final = 10.0
_ANSWER_WITHIN: Final = 5.0


class Inbox:
    """A queue that lives as long as its connection, bound to mm7.events by `patterns`, or to nothing.

    `async with` returns when it is bound; then `queue` is its name, for a `reply_to`. Iterating acknowledges
    what it yields. After a reconnect the queue is made again under another name, and what came between is
    missed.
    """

    def __init__(self, connection: Connection, patterns: Iterable[str] = ()) -> None:
        self._patterns = tuple(patterns)
        self._box: asyncio.Queue[Delivery] = asyncio.Queue(maxsize=1)
        self._consumer = Consumer(connection, self._declare, _PREFETCH, self._put)

    @property
    def queue(self) -> str:
        """The name of the queue at this moment; empty while there is none."""
        return self._consumer.queue

    async def _declare(self, channel: AbstractChannel) -> str:
        queue = (await channel.queue_declare("", exclusive=True, auto_delete=True)).queue or ""
        for pattern in self._patterns:
            await channel.queue_bind(queue, EVENTS, pattern)
        return queue

    async def _put(self, delivery: Delivery) -> None:
        await self._box.put(delivery)
        await delivery.ack()

    async def __aenter__(self) -> Self:
        """Bind; BrokerDown after 10 seconds in vain."""
        await self._consumer.start()
        try:
            await self._consumer.wait_subscribed(_READY_WITHIN)
        except BaseException:
            await self._consumer.stop(0)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop, and let the queue go."""
        await self._consumer.stop(0)

    def __aiter__(self) -> Self:
        """Iterate for ever."""
        return self

    async def __anext__(self) -> Delivery:
        """Wait for the next one."""
        return await self._box.get()


async def tail(connection: Connection, patterns: Iterable[str] = ("#",)) -> AsyncIterator[Delivery]:
    """Follow the events whose keys match one of `patterns`, from now on, for ever."""
    async with Inbox(connection, patterns) as inbox:
        async for delivery in inbox:
            yield delivery


@asynccontextmanager
async def browse(connection: Connection, queue: str) -> AsyncIterator[AsyncIterator[Delivery]]:
    """Look at the messages that are in `queue`, one after the other; it ends when there is no more.

    What is acknowledged inside is taken out; all else is back in the queue when it ends, marked as redelivered: in
    its order where the look went to the queue's end, else behind what was not looked at. BrokerDown if there is no
    such queue or no connection.
    """
    wire = connection.wire()
    channel = await connection.channel()
    try:
        yield _get(channel, queue)
    finally:
        with suppress(*FAILURES):  # then it is back as soon as the broker has noticed
            await bounded(_give_back(channel), _ANSWER_WITHIN)
        wire.discard(channel)


async def _give_back(channel: AbstractChannel) -> None:
    """Return all that is not acknowledged, in its order: a channel that only closes returns it late, and shuffled."""
    await channel.basic_nack(0, multiple=True, requeue=True)  # no loop: nothing consumes a queue that is looked into
    await channel.close(None)


async def waiting(connection: Connection, queue: str) -> int:
    """How many messages may be had of `queue` just now: those that somebody looks at are not counted.

    BrokerDown if there is no such queue or no connection.
    """
    wire = connection.wire()
    channel = await connection.channel()
    try:
        return (await bounded(channel.queue_declare(queue, passive=True), _ANSWER_WITHIN)).message_count or 0
    except FAILURES as error:
        raise BrokerDown(explain(error)) from error
    finally:
        wire.discard(channel)


async def _get(channel: AbstractChannel, queue: str) -> AsyncIterator[Delivery]:
    while True:
        try:
            message = await bounded(channel.basic_get(queue), _ANSWER_WITHIN)
        except FAILURES as error:
            raise BrokerDown(explain(error)) from error
        if message.delivery_tag is None:  # basic.get-empty
            return
        yield from_amqp(message, partial(acknowledge, channel, message.delivery_tag))
