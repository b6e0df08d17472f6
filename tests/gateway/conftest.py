"""A receiver on a port of its own, with a publisher that remembers."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import orjson
import pytest
from pamqp.header import ContentHeader

from gateway import server
from gateway.backlog import Backlog
from gateway.broker import Outgoing, Progress, PublishFailed
from gateway.broker.message import to_amqp
from gateway.entries import Entry
from gateway.intake import Intake
from gateway.keeper import Keeper
from gateway.receiver import Receiver
from gateway.settings import Settings
from gateway.stores.media import MediaStore
from gateway.stores.spool import Spool
from gateway.stores.state import State
from gateway.stores.state_memory import MemoryState
from gateway.telemetry.metrics import RECEIVER, Metrics

OPEN = {"profile": "generic", "inbound": {"open": True}}
MAX_FRAME_BYTES = 131072  # RabbitMQ's: a larger header ends the connection


class Recorder:
    """Publishes nowhere, and refuses what AMQP could not carry. `hold` is awaited before anything is confirmed."""

    def __init__(self) -> None:
        self.sent: list[Outgoing] = []
        self.hold: Callable[[], Any] | None = None

    async def publish(self, outgoing: Outgoing, *, within: float) -> None:
        properties = to_amqp(outgoing).properties
        assert len(ContentHeader(body_size=len(outgoing.body), properties=properties).marshal()) < MAX_FRAME_BYTES
        if self.hold:
            await self.hold()
        self.sent.append(outgoing)

    async def publish_all(self, chunk: Sequence[Outgoing], *, within: float) -> Progress:
        for number, each in enumerate(chunk):
            try:
                await self.publish(each, within=within)
            except PublishFailed as error:
                return Progress(number, error.reason)
        return Progress(len(chunk))

    @property
    def events(self) -> list[dict[str, Any]]:
        return [orjson.loads(outgoing.body) for outgoing in self.sent]


@dataclass
class Receiving:
    """A receiver that listens; `media` and `publisher` may be looked at, and told to fail."""

    port: int
    receiver: Receiver
    intake: Intake
    keeper: Keeper
    publisher: Recorder
    media: MediaStore
    state: State
    metrics: Metrics
    session: aiohttp.ClientSession
    stack: AsyncExitStack = field(repr=False)

    async def post(
        self, body: Any, content_type: str | None = "text/xml", *, path: str = "/mm7/open", **headers: str
    ) -> "Answered":
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        skipped = () if content_type else ("Content-Type",)
        given |= {"Content-Type": content_type} if content_type else {}
        url = f"http://127.0.0.1:{self.port}{path}"
        async with self.session.post(url, data=body, headers=given, skip_auto_headers=skipped) as response:
            return Answered(response.status, response.headers, await response.read())

    def draining(self) -> AbstractAsyncContextManager[None]:
        """While the spool is drained."""
        return self.keeper.draining(Backlog(self.intake, self.publisher).publish)

    async def stop(self) -> None:
        """As at SIGTERM: those under way are answered."""
        await self.stack.aclose()


@dataclass
class Answered:
    status: int
    headers: Mapping[str, str]
    body: bytes


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """The settings of whoever runs the tests are not those of the tests."""
    monkeypatch.delenv("MM7_CONFIG", raising=False)


@pytest.fixture
async def receiving() -> AsyncIterator[Callable[..., Any]]:
    """Start a receiver: await receiving(accounts={…}, any_setting=…). Without a spool, unless one is given."""
    async with AsyncExitStack() as stack:

        async def start(
            accounts: Mapping[str, Any] | None = None,
            *,
            spool: Spool[Entry] | None = None,
            state: State | None = None,
            **given: Any,
        ) -> Receiving:
            defaults = {"http_port": 0, "http_host": "127.0.0.1", "media_url": "memory://"}
            settings = Settings(accounts=accounts or {"open": OPEN}, **defaults | given)
            metrics = Metrics(RECEIVER, accounts=settings.accounts, answer_within=settings.answer_within)
            publisher, media = Recorder(), MediaStore(settings.media_url, unavailable=metrics.media_unavailable.inc)
            state = state or MemoryState()
            intake, keeper = Intake(settings, media, state, metrics), Keeper(publisher, spool)
            taking = Receiver(settings, intake, keeper, state, metrics)
            inner = await stack.enter_async_context(AsyncExitStack())
            port = await inner.enter_async_context(server.serving(taking, settings))
            session = await stack.enter_async_context(aiohttp.ClientSession())
            return Receiving(port, taking, intake, keeper, publisher, media, state, metrics, session, inner)

        yield start
