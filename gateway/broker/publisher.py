"""Publishing that returns when RabbitMQ has the message, and fails within its deadline otherwise.

Strategy: a channel carries one publish at a time, and as many channels as there are publishes in flight are
kept. On a shared channel one publish to a missing exchange makes the broker close the channel, and whatever
the others send on it in that moment is an error on which the broker closes the connection (504); and two
messages of one id swap their outcomes. With a channel of its own a publish can only fail by itself. A channel
whose publish did not come to an end is never used again. An exchange is asked for once, on a channel apart,
before it is published to.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from aio_pika.exceptions import CONNECTION_EXCEPTIONS, DeliveryError, PublishError
from aiormq.exceptions import ChannelNotFoundEntity
from pamqp.commands import Basic

from .connection import Connection, State
from .message import Outgoing, to_amqp
from .wire import BrokerDown, Wire, bounded, explain

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiormq.abc import AbstractChannel

DEFAULT_EXCHANGE: Final = ""


class PublishFailed(Exception):
    """The message was not confirmed. It may still arrive: subscribers drop the second by the event's id."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Unroutable(PublishFailed):
    """The broker returned the message: no queue is bound for it, and there is no alternate exchange."""


class Publisher:
    """Publishes over a connection, whichever is in use; nothing to open or to close.

    `observe` is told the seconds of each confirmed publish; more than `in_flight` at once wait their turn.
    """

    def __init__(
        self, connection: Connection, *, observe: Callable[[float], None] | None = None, in_flight: int = 32
    ) -> None:
        self._connection = connection
        self._observe = observe
        self._slots = asyncio.Semaphore(in_flight)
        self._lanes: _Lanes | None = None

    async def publish(self, outgoing: Outgoing, *, within: float) -> None:
        """Return when the broker has confirmed; else raise PublishFailed, within `within` seconds.

        Fails at once while the connection is down or blocked. Unroutable if the broker returned the message.
        """
        clock = asyncio.get_running_loop().time
        began = clock()
        try:
            await bounded(self._attempt(outgoing), within)
        except TimeoutError as error:
            raise PublishFailed(f"not confirmed within {within:g} s") from error
        except BrokerDown as error:
            raise PublishFailed(error.reason) from error
        except CONNECTION_EXCEPTIONS as error:
            raise PublishFailed(explain(error)) from error
        if self._observe is not None:
            self._observe(clock() - began)

    async def _attempt(self, outgoing: Outgoing) -> None:
        self._usable_wire()
        async with self._slots:
            wire = self._usable_wire()
            if self._lanes is None or self._lanes.wire is not wire:
                self._lanes = _Lanes(wire)
            try:
                await self._lanes.publish(outgoing)
            except ChannelNotFoundEntity:
                if self._connection.declares(outgoing.exchange):  # deleted by someone: the next try finds it
                    await self._connection.redeclare()
                raise

    def _usable_wire(self) -> Wire:
        if self._connection.state is not State.UP:
            raise BrokerDown(self._connection.reason)
        return self._connection.wire()


class _Lanes:
    """The channels of one connection, and the exchanges that are known to be there."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self._idle: list[AbstractChannel] = []
        self._known = {DEFAULT_EXCHANGE}
        self._asking = asyncio.Lock()

    async def publish(self, outgoing: Outgoing) -> None:
        await self._require(outgoing.exchange)
        channel = await self._take()
        settled = False
        try:
            await _publish(channel, outgoing)
            settled = True
        except DeliveryError as error:
            settled = True
            raise _refusal(error) from error
        except ChannelNotFoundEntity:
            self._known.discard(outgoing.exchange)
            raise
        finally:
            if settled:
                self._idle.append(channel)
            else:  # an answer to this publish may still come
                self.wire.discard(channel)

    async def _take(self) -> AbstractChannel:
        while self._idle:
            if not (channel := self._idle.pop()).is_closed:
                return channel
        return await self.wire.channel()

    async def _require(self, exchange: str) -> None:
        if exchange in self._known:
            return
        async with self._asking:
            if exchange in self._known:
                return
            channel = await self.wire.channel()
            try:
                await channel.exchange_declare(exchange, passive=True)
            finally:
                self.wire.discard(channel)
            self._known.add(exchange)


async def _publish(channel: AbstractChannel, outgoing: Outgoing) -> None:
    answer = await channel.basic_publish(
        outgoing.body,
        exchange=outgoing.exchange,
        routing_key=outgoing.routing_key,
        properties=to_amqp(outgoing).properties,
        mandatory=True,
    )
    if not isinstance(answer, Basic.Ack):
        raise PublishFailed(f"answered by {type(answer).__name__} instead of an acknowledgement")


def _refusal(error: DeliveryError) -> PublishFailed:
    if isinstance(error, PublishError):
        return Unroutable(f"returned by the broker: {explain(error)}")
    return PublishFailed("refused by the broker (basic.nack): a queue is full or has no majority")
