"""One connection of the library, from its opening to its end: every step with a deadline that holds.

Strategy: the library may hold back a cancellation (it queues a closing frame first, and waits while that
queue is full) and may raise a bare CancelledError that nobody asked for (missed heartbeats). So its calls run
in tasks of their own: `bounded` waits for such a task and leaves it behind at the deadline, and a
CancelledError inside it is the library's for certain, because ours would have ended the waiting. And we hold
the socket, so that a peer which answers nothing can be cut off.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, Final, TypeVar

import aio_pika
import aiormq
from aiormq.connection import TCPTransportFactory, TLSTransportFactory

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from aiormq.abc import AbstractChannel
    from yarl import URL

T = TypeVar("T")

OPEN_WITHIN: Final = 5.0
CHANNEL_WITHIN: Final = 5.0
_POLITE_CLOSE_WITHIN: Final = 3.0


class BrokerDown(Exception):
    """There is no working connection to the broker."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


async def bounded(call: Awaitable[T], within: float) -> T:
    """Await a call of the library for at most `within` seconds, whatever it does with its cancellation.

    Raises BrokerDown if the library cancelled itself, TimeoutError at the deadline, else what the call
    raises.
    """
    task = asyncio.ensure_future(call)
    task.add_done_callback(look)
    try:
        done, _ = await asyncio.wait({task}, timeout=within)
    finally:
        task.cancel()  # nothing, if it is done
    if not done:
        raise TimeoutError("no answer in time")
    try:
        return task.result()
    except asyncio.CancelledError as error:
        raise BrokerDown(explain(error)) from error


def look(task: asyncio.Future[Any]) -> None:
    """Take note of the outcome of a task that may have been left behind, or asyncio would complain of it."""
    if not task.cancelled():
        task.exception()


def explain(error: BaseException | None) -> str:
    """Say in a few words why a connection or a call ended, without the address and its credentials."""
    if isinstance(error, asyncio.CancelledError):
        return "no sign of life from the broker"
    if isinstance(error, aiormq.ChannelInvalidStateError):  # its text shows the object
        return "the channel is closed"
    words = " ".join(each for each in getattr(error, "args", ()) if isinstance(each, str))
    return words or (type(error).__name__ if error else "closed")


class _Socket(aiormq.TransportFactory):
    """Opens the connection as the library would, and keeps hold of it."""

    def __init__(self, url: URL) -> None:
        self._inner = TLSTransportFactory() if url.scheme == "amqps" else TCPTransportFactory()
        self._writer: asyncio.StreamWriter | None = None

    async def create(self, url: URL, **kwargs: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, self._writer = await self._inner.create(url, **kwargs)
        return reader, self._writer

    def cut(self) -> None:
        if self._writer is not None:
            self._writer.transport.abort()


async def _drop(connection: aio_pika.Connection, socket: _Socket) -> None:
    socket.cut()
    with contextlib.suppress(Exception):  # it only has to be marked as closed
        await bounded(connection.close(), 1.0)


class Wire:
    """An open connection. It is never repaired: when it has ended, another one is opened."""

    def __init__(self, connection: aio_pika.Connection, socket: _Socket) -> None:
        if connection.transport is None:
            raise BrokerDown("closed while opening")
        self._connection = connection
        self._socket = socket
        self._raw = connection.transport.connection
        self._ending = self._raw.closing
        self._numbers = self._raw.connection_tune.channel_max or 65535
        self._number = 0
        self._cut_because = ""
        self._discarding: set[asyncio.Task[None]] = set()

    @classmethod
    async def open(cls, url: URL, name: str) -> Wire:
        """Connect, or raise BrokerDown within OPEN_WITHIN seconds."""
        socket = _Socket(url)
        connection = aio_pika.Connection(url, client_properties={"connection_name": name})
        connection.kwargs["transport_factory"] = socket
        try:
            await bounded(connection.connect(), OPEN_WITHIN)
            return cls(connection, socket)
        except asyncio.CancelledError:
            await _drop(connection, socket)
            raise
        except Exception as error:  # what a peer that is no broker can make the library raise has no bounds
            await _drop(connection, socket)
            raise BrokerDown(explain(error)) from error

    @property
    def blocked(self) -> bool:
        """Whether the broker has stopped reading from us (memory or disk alarm).

        The library keeps no public flag, only `ready()`, which waits until the connection is not blocked. One
        step of that coroutine, taken by hand, tells which: it ends if there is nothing to wait for. Exact at
        any moment, which a task that polls is not, and without private names.
        """
        ready = self._raw.ready()
        try:
            ready.send(None)
        except StopIteration:
            return False
        ready.close()
        return True

    @property
    def ended(self) -> bool:
        """Whether the connection is gone."""
        return self._ending.done()

    async def wait_ended(self, within: float) -> bool:
        """Wait until the connection is gone, at most `within` seconds; whether it is."""
        await asyncio.wait({self._ending}, timeout=within)
        return self.ended

    @property
    def why_ended(self) -> str:
        """The reason of the end, in words."""
        if self._cut_because or not self._ending.done() or self._ending.cancelled():
            return self._cut_because or explain(None)
        return explain(self._ending.exception())

    async def channel(self) -> AbstractChannel:
        """Open a channel: publishes on it are confirmed, and fail if they are returned.

        On the library's lower layer, aiormq: each channel of the upper one leaves 4 KiB with the connection until
        that ends, so that an hour of failing publishes would fill the memory.
        """
        if self.ended:
            raise BrokerDown(self.why_ended)
        opening = asyncio.ensure_future(self._open_channel())
        opening.add_done_callback(look)
        try:
            return await asyncio.shield(opening)
        except asyncio.CancelledError:
            opening.add_done_callback(self._unclaimed)
            raise

    async def _open_channel(self) -> AbstractChannel:
        """Open a channel, to its own deadline even if the caller's is shorter.

        Unless it is blocked, a broker that does not answer this is frozen, or the two sides disagree on which
        numbers are free; every later channel would fail likewise, and heartbeats would tell after 33 seconds.
        """
        opening = self._raw.channel(self._free_number(), publisher_confirms=True, on_return_raises=True)
        try:
            return await bounded(opening, CHANNEL_WITHIN)
        except TimeoutError:
            if not self.blocked:
                self.cut("the broker did not answer")
            raise

    def _free_number(self) -> int:
        """Choose a number that has long not been used.

        The library takes a number for free as soon as the broker closes its channel, before it has confirmed that
        (a confirmation which it drops if it has much to write). The broker would close the whole connection for
        opening it again, or never answer.
        """
        for _ in range(self._numbers):
            self._number = self._number % self._numbers + 1
            if self._number not in self._raw.channels:
                return self._number
        raise BrokerDown(f"all {self._numbers} channels of the connection are in use")

    def _unclaimed(self, opening: asyncio.Future[AbstractChannel]) -> None:
        if not opening.cancelled() and opening.exception() is None:
            self.discard(opening.result())

    def discard(self, channel: AbstractChannel) -> None:
        """Close a channel in the background; what it delivered and is not acknowledged is delivered again."""
        task = asyncio.ensure_future(self._discard(channel))
        self._discarding.add(task)
        task.add_done_callback(self._discarding.discard)

    async def _discard(self, channel: AbstractChannel) -> None:
        with contextlib.suppress(Exception):  # the channel or the connection is gone: as good as closed
            await bounded(channel.close(None), CHANNEL_WITHIN)

    def cut(self, reason: str) -> None:
        """Drop the connection without a word."""
        self._cut_because = self._cut_because or reason
        self._socket.cut()

    async def close(self) -> None:
        """Close politely, and cut what does not answer. Takes at most 4 seconds."""
        with contextlib.suppress(Exception):  # every way to fail ends in the cut
            await bounded(self._connection.close(), _POLITE_CLOSE_WITHIN)
        self.cut("closed")
        await self.wait_ended(1.0)
