"""One channel that consumes one queue: from the first delivery to the end, which always has a reason.

Strategy: consuming is done on the library's lower layer, which hands over a delivery as it is, tells when the
broker cancels a consumer, and acknowledges by number on the very channel that delivered. Deliveries may come
before the consumer is known to be there: they are held until `begin`, so that none is begun on a channel that
is given up. A subscription is never repaired: the `Consumer` opens the next.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Final

from aio_pika.exceptions import CONNECTION_EXCEPTIONS

from .message import from_amqp
from .wire import BrokerDown, bounded, explain

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aiormq.abc import AbstractChannel, DeliveredMessage
    from pamqp.commands import Basic

    from .message import Delivery
    from .wire import Wire

    Prepare = Callable[[AbstractChannel], Awaitable[str]]

_ANSWER_WITHIN: Final = 5.0
FAILURES: Final = (*CONNECTION_EXCEPTIONS, BrokerDown, TimeoutError)


async def acknowledge(channel: AbstractChannel, tag: int) -> bool:
    """Acknowledge one delivery of the channel; whether that went out."""
    try:
        await bounded(channel.basic_ack(tag), _ANSWER_WITHIN)
    except FAILURES:
        return False
    return True


class Subscription:
    """A channel with a consumer on it. `ended` is set at its end, and `reason` then says why."""

    def __init__(self, wire: Wire, channel: AbstractChannel) -> None:
        self._wire = wire
        self._channel = channel
        self._tag = ""
        self._begun = asyncio.Event()
        self.queue = ""
        self.unacked = 0
        self.delivered = 0
        self.ended = asyncio.Event()
        self.reason = ""

    @classmethod
    async def open(
        cls, wire: Wire, prepare: Prepare, prefetch: int, arrived: Callable[[Subscription, Delivery], None]
    ) -> Subscription:
        """Consume the queue that `prepare` names, at most `prefetch` deliveries at a time.

        Raises one of FAILURES.
        """
        channel = await wire.channel()
        subscription = cls(wire, channel)
        try:
            await bounded(subscription._consume(prepare, prefetch, arrived), _ANSWER_WITHIN)
        except BaseException:
            wire.discard(channel)
            raise
        return subscription

    async def _consume(
        self, prepare: Prepare, prefetch: int, arrived: Callable[[Subscription, Delivery], None]
    ) -> None:
        channel = self._channel
        channel.closing.add_done_callback(self._closed)
        channel.on_consumer_cancel_callbacks.add(self._cancelled)
        self.queue = await prepare(channel)
        await channel.basic_qos(prefetch_count=prefetch)
        answer = await channel.basic_consume(self.queue, partial(self._receive, arrived))
        self._tag = answer.consumer_tag or ""

    async def _receive(self, arrived: Callable[[Subscription, Delivery], None], message: DeliveredMessage) -> None:
        await self._begun.wait()
        self.unacked += 1
        self.delivered += 1
        arrived(self, from_amqp(message, partial(self._ack, message.delivery_tag or 0)))

    async def _ack(self, tag: int) -> bool:
        went_out = await acknowledge(self._channel, tag)
        self.unacked -= went_out
        return went_out

    def begin(self) -> None:
        """Hand over deliveries."""
        self._begun.set()

    def end(self, reason: str) -> None:
        """Give the subscription up; the first reason stays."""
        self.reason = self.reason or reason
        self.ended.set()

    def _closed(self, closing: asyncio.Future[None]) -> None:
        self.end(explain(None if closing.cancelled() else closing.exception()))

    def _cancelled(self, _: Basic.Cancel) -> None:
        self.end("cancelled by the broker")

    async def waiting(self) -> int:
        """Count the messages that are ready in the queue. Raises one of FAILURES."""
        answer = await bounded(self._channel.queue_declare(self.queue, passive=True), _ANSWER_WITHIN)
        return answer.message_count or 0

    async def cancel(self) -> None:
        """Ask for no more deliveries; those that were delivered can still be acknowledged."""
        self.end("stopped")
        try:
            await bounded(self._channel.basic_cancel(self._tag), _ANSWER_WITHIN)
        except FAILURES:  # then nothing is delivered on it any more
            return

    def close(self) -> None:
        """Close the channel: what is not acknowledged goes back to the queue, as one delivery more."""
        self._wire.discard(self._channel)
