"""Publishing that returns when RabbitMQ has the message, and fails within its deadline otherwise.

Strategy: a channel carries one publish at a time, and as many channels as there are publishes in flight are
kept. On a shared channel one publish to a missing exchange makes the broker close the channel, and whatever
the others send on it in that moment is an error on which the broker closes the connection (504); and two
messages of one id swap their outcomes. With a channel of its own a publish can only fail by itself. A channel
whose publish did not come to an end is never used again. An exchange is asked for once, on a channel apart,
before it is published to. Many that belong together (`publish_all`) go over one channel, none waiting for the
one before: they arrive in their order and share the trouble of any of them, and if the broker closes their
channel, those behind may cost the connection. So a publisher of many is given a connection of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import struct
from typing import TYPE_CHECKING, Final, NamedTuple

from aio_pika.exceptions import CONNECTION_EXCEPTIONS, DeliveryError, PublishError
from aiormq.exceptions import ChannelNotFoundEntity, ChannelPreconditionFailed
from pamqp.commands import Basic

from gateway.telemetry import logs, tracing

from .connection import Connection, State
from .message import Outgoing, to_amqp
from .wire import BrokerDown, Wire, bounded, explain

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from aiormq.abc import AbstractChannel

DEFAULT_EXCHANGE: Final = ""
# What the library raises for a message that it cannot write.
_UNWRITABLE: Final = (TypeError, ValueError, OverflowError, struct.error)

log = logs.get(__name__)


class PublishFailed(Exception):
    """The message was not confirmed. It may still arrive: subscribers drop the second by the event's id."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Unroutable(PublishFailed):
    """The broker returned the message: no queue is bound for it, and there is no alternate exchange."""


class Progress(NamedTuple):
    """How far a chunk got: the first `confirmed` are with the broker. The next is not, because of `reason`; if it was
    `refused`, it never will be.
    """

    confirmed: int
    reason: str = ""
    refused: bool = False


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
        await self._attempt(lambda lanes: lanes.publish(outgoing), {outgoing.exchange}, within)
        seconds = clock() - began
        log.debug("publish.confirmed", exchange=outgoing.exchange, type=outgoing.type, ms=round(seconds * 1000, 1))
        if self._observe is not None:
            self._observe(seconds)

    async def publish_all(self, chunk: Sequence[Outgoing], *, within: float) -> Progress:
        """Publish in order, none waiting for the one before; how far that got, within `within` seconds.

        What stands behind the first that is not confirmed may have arrived all the same. Whether that one was
        `refused` is only said of a chunk of one: a channel that the broker closes does not tell because of which.
        """
        sent: list[asyncio.Task[None]] = []
        exchanges = {each.exchange for each in chunk}
        try:
            await self._attempt(lambda lanes: lanes.publish_all(chunk, sent), exchanges, within)
        except PublishFailed as error:
            refused = isinstance(error.__cause__, ChannelPreconditionFailed)
            return Progress(_confirmed(sent), error.reason, refused=refused and len(chunk) == 1)
        except _UNWRITABLE as error:
            return Progress(_confirmed(sent), f"cannot be written: {error}", refused=len(chunk) == 1)
        return Progress(len(chunk))

    async def _attempt(self, send: Callable[[_Lanes], Awaitable[None]], exchanges: set[str], within: float) -> None:
        """Send over the connection in use. PublishFailed if that was not confirmed, for whatever reason."""
        try:
            await bounded(self._send(send, exchanges), within)
        except TimeoutError as error:
            raise PublishFailed(f"not confirmed within {within:g} s") from error
        except BrokerDown as error:
            raise PublishFailed(error.reason) from error
        except CONNECTION_EXCEPTIONS as error:
            raise PublishFailed(explain(error)) from error

    async def _send(self, send: Callable[[_Lanes], Awaitable[None]], exchanges: set[str]) -> None:
        self._usable_wire()
        async with self._slots:
            wire = self._usable_wire()
            if self._lanes is None or self._lanes.wire is not wire:
                self._lanes = _Lanes(wire)
            try:
                await self._lanes.require(exchanges)
                await send(self._lanes)
            except (ChannelNotFoundEntity, Unroutable):
                self._lanes.forget(exchanges)
                # An exchange of ours, or the queue behind it, was deleted by someone: the next try finds it.
                if any(map(self._connection.declares, exchanges)):
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
        async with self._lane() as channel:
            await _publish(channel, outgoing)

    async def publish_all(self, chunk: Sequence[Outgoing], sent: list[asyncio.Task[None]]) -> None:
        async with self._lane() as channel:
            sent += [asyncio.create_task(_publish(channel, each)) for each in chunk]
            await asyncio.gather(*sent, return_exceptions=True)  # all are answered, also behind one that failed
            for task in sent:
                task.result()

    @contextlib.asynccontextmanager
    async def _lane(self) -> AsyncIterator[AbstractChannel]:
        """Lend a channel to one publish, or to those that belong together."""
        channel = await self._take()
        settled = False
        try:
            yield channel
            settled = True
        except DeliveryError as error:
            settled = True
            raise _refusal(error) from error
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

    async def require(self, exchanges: set[str]) -> None:
        """Ask for the exchanges that are not known to be there."""
        if exchanges <= self._known:
            return
        async with self._asking:
            for exchange in exchanges - self._known:
                channel = await self.wire.channel()
                try:
                    await channel.exchange_declare(exchange, passive=True)
                finally:
                    self.wire.discard(channel)
                self._known.add(exchange)

    def forget(self, exchanges: set[str]) -> None:
        """One of them is not there."""
        self._known -= exchanges - {DEFAULT_EXCHANGE}


async def _publish(channel: AbstractChannel, outgoing: Outgoing) -> None:
    # Not the routing key: an event's ends in an address.
    facts = {"mm7.type": outgoing.type, "messaging.message.body.size": len(outgoing.body)}
    with tracing.sending(outgoing.exchange, outgoing.headers, facts) as headers:
        answer = await channel.basic_publish(
            outgoing.body,
            exchange=outgoing.exchange,
            routing_key=outgoing.routing_key,
            properties=to_amqp(outgoing, headers).properties,
            mandatory=True,
        )
        if not isinstance(answer, Basic.Ack):
            raise PublishFailed(f"answered by {type(answer).__name__} instead of an acknowledgement")


def _confirmed(sent: Sequence[asyncio.Task[None]]) -> int:
    """How many in front have been confirmed."""
    outcomes = (task.done() and not task.cancelled() and task.exception() is None for task in sent)
    return sum(1 for _ in itertools.takewhile(bool, outcomes))


def _refusal(error: DeliveryError) -> PublishFailed:
    if isinstance(error, PublishError):
        return Unroutable(f"returned by the broker: {explain(error)}")
    return PublishFailed("refused by the broker (basic.nack): a queue is full or has no majority")
