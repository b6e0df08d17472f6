"""Load: a provider that POSTs callbacks, and somebody who orders messages. Both never give up on what is theirs.

Strategy: everything has an id of its own, and whatever is done with it goes into the book. A callback is sent again on
anything but 200 with 1000, as a provider does, only sooner; a command is published until the broker has confirmed it.
"""

import asyncio
import contextlib
import json
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime
from typing import Self

import aio_pika
import aiohttp
from aio_pika.exceptions import CONNECTION_EXCEPTIONS

from gateway.tools.simulator import PROFILES, Form, Mo, Outbound, Report
from gateway.tools.simulator.sender import judge
from tests.faults import books
from tests.faults.books import Posted

PATIENCE_SECONDS = 10.0
AGAIN_AFTER_SECONDS = 0.2
COMMAND_WITHIN = 2.0
_WRITE = PROFILES["generic"].write


def callback() -> Outbound:
    """A message or a delivery report, with an id of its own."""
    identity = secrets.token_hex(8)
    at = datetime.now(UTC)
    if int(identity[0], 16) < 8:
        return Mo(transaction_id=identity, linked_id=identity, at=at, text=f"callback {identity}")
    return Report(transaction_id=identity, message_id=identity, at=at)


class Caller:
    """A provider's side of callbacks, to `urls` in turn; `book` gets every POST.

    A connection for each POST, unless they are `kept`: behind a shared port kept ones would all go to one of several
    receivers, and a receiver that was ended would show as errors of connections and not as what it is.
    """

    def __init__(self, book: books.Callbacks, *urls: str, kept: bool = False) -> None:
        self.book = book
        self.urls = urls
        self._kept = kept
        self._turn = 0
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        connector = aiohttp.TCPConnector(limit=0, force_close=not self._kept)
        self._session = aiohttp.ClientSession(
            connector=connector, timeout=aiohttp.ClientTimeout(total=PATIENCE_SECONDS)
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._session is not None
        await self._session.close()

    async def post(self, message: Outbound) -> Posted:
        """POST once."""
        assert self._session is not None
        self._turn += 1
        url = self.urls[self._turn % len(self.urls)]
        written = _WRITE(message, Form())
        clock = asyncio.get_running_loop().time
        began = clock()
        status, acknowledged, waited = None, False, False
        try:
            async with self._session.post(url, data=written.body, headers=written.headers) as response:
                body = await response.read()
                status = response.status
                kind = response.headers.get("Content-Type")
                verdict = judge(
                    message, written, http_status=status, content_type=kind, body=body, empty_accepted=False
                )
                acknowledged = verdict.accepted
        except TimeoutError:
            waited = True
        except (aiohttp.ClientError, OSError):
            pass
        posted = Posted(message.transaction_id, clock() - began, status, acknowledged, began, waited)
        self.book.posted.append(posted)
        return posted

    async def deliver(self, message: Outbound) -> Posted:
        """POST until it is acknowledged."""
        while not (posted := await self.post(message)).acknowledged:
            await asyncio.sleep(AGAIN_AFTER_SECONDS)
        return posted

    @contextlib.asynccontextmanager
    async def load(
        self, *, at_once: int = 4, per_second: float = 100.0, make: Callable[[], Outbound] = callback
    ) -> AsyncIterator[None]:
        """Deliver callbacks all the time; at the end what is under way is delivered first."""
        ending = asyncio.Event()

        async def one() -> None:
            while not ending.is_set():
                await self.deliver(make())
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(ending.wait(), at_once / per_second)

        async with asyncio.TaskGroup() as tasks:
            for _ in range(at_once):
                tasks.create_task(one())
            try:
                yield
            finally:
                ending.set()


class Orderer:
    """Publishes commands for `accounts` in turn, straight to the broker; `book` gets what was confirmed."""

    def __init__(self, book: books.Commands, url: Callable[[], str], accounts: Sequence[str]) -> None:
        self.book = book
        self.accounts = accounts
        self._url = url
        self._turn = 0
        self._connection: aio_pika.abc.AbstractConnection | None = None
        self._exchange: aio_pika.abc.AbstractExchange | None = None
        self._opening = asyncio.Lock()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._drop()

    async def order(self, identity: str = "", account: str = "", **more: object) -> str:
        """Publish a command until it is confirmed; its id."""
        self._turn += 1
        account = account or self.accounts[self._turn % len(self.accounts)]
        identity = identity or f"{account}-{secrets.token_hex(8)}"
        text = {"content_type": "text/plain", "text": "It has arrived."}
        body = json.dumps({"id": identity, "to": ["15553199144"], "parts": [text]} | more).encode()
        while not await self._published(body, account):
            await asyncio.sleep(AGAIN_AFTER_SECONDS)
        self.book.ordered.add(identity)
        return identity

    async def _published(self, body: bytes, account: str) -> bool:
        message = aio_pika.Message(
            body, content_type="application/json", delivery_mode=aio_pika.DeliveryMode.PERSISTENT
        )
        try:
            async with asyncio.timeout(COMMAND_WITHIN):
                async with self._opening:
                    exchange = self._exchange or await self._open()
                await exchange.publish(message, account)
        except (*CONNECTION_EXCEPTIONS, aio_pika.exceptions.AMQPError, OSError, TimeoutError):
            await self._drop()
            return False
        return True

    async def _open(self) -> aio_pika.abc.AbstractExchange:
        self._connection = await aio_pika.connect(self._url())
        channel = await self._connection.channel(publisher_confirms=True, on_return_raises=True)
        self._exchange = await channel.get_exchange("mm7.commands", ensure=False)
        return self._exchange

    async def _drop(self) -> None:
        connection, self._connection, self._exchange = self._connection, None, None
        if connection is not None:
            with contextlib.suppress(Exception):  # whatever it is, a new one is opened
                await asyncio.wait_for(connection.close(), 1)
            # What did not close in time has let go of its socket by now, and would try again when it is forgotten,
            # outside of any loop.
            await connection.close()

    @contextlib.asynccontextmanager
    async def load(self, *, per_second: float = 20.0) -> AsyncIterator[None]:
        """Order all the time; at the end what is under way is confirmed first."""
        ending = asyncio.Event()

        async def go_on() -> None:
            while not ending.is_set():
                await self.order()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(ending.wait(), 1 / per_second)

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(go_on())
            try:
                yield
            finally:
                ending.set()
