"""An account that can send, deliveries of its commands, and recorders in the place of broker, provider and media."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from gateway.accounts import Account
from gateway.broker import Delay, Delivery, Outgoing, PublishFailed
from gateway.contract.events import TYPES, Event
from gateway.stores.correlation import Correlation
from gateway.stores.ledger import Ledger
from gateway.stores.pace import Pace
from gateway.stores.state import State, StateUnavailable
from gateway.stores.state_memory import MemoryState
from gateway.telemetry.metrics import WORKER, Metrics
from workers import once, outbox, pulse, submit
from workers.contents import Contents
from workers.fetch import Fetcher
from workers.once import Once
from workers.outbox import Outbox
from workers.outcome import Outcome
from workers.pulse import Pulse
from workers.rules import Rules
from workers.submit import Submitter

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.outbound import HttpRequest

COMMAND = {"id": "order-1", "to": ["15553199144"], "subject": "Your parcel"}
ACCEPTED = Outcome(kind="accepted", reason="1000 Success", status_code=1000, status_text="Success", message_id="m-1")


class Broker:
    """Records what is confirmed; `failures` are raised first, one a publish; `refuse` by exchange, for ever."""

    def __init__(self, steps: list[str]) -> None:
        self.steps = steps
        self.sent: list[Outgoing] = []
        self.failures: list[Exception] = []
        self.refuse: dict[str, Exception] = {}

    async def publish(self, outgoing: Outgoing, *, within: float) -> None:
        assert within > 0
        await asyncio.sleep(0)
        if self.failures:
            raise self.failures.pop(0)
        if (refusal := self.refuse.get(outgoing.exchange)) is not None:
            raise refusal
        self.sent.append(outgoing)
        self.steps.append(outgoing.exchange or f"reply {outgoing.routing_key}")

    def to(self, exchange: str) -> list[Outgoing]:
        return [each for each in self.sent if each.exchange == exchange]

    @property
    def events(self) -> list[Event]:
        """The events published, each read back and checked against its model."""
        events = [Event.model_validate_json(each.body) for each in self.to("mm7.events")]
        for event in events:
            TYPES[event.type].model_validate(event.data)
        return events


class Provider:
    """Answers each POST with the next of `outcomes`, the last one for ever; waits for `gate` before."""

    def __init__(self, steps: list[str]) -> None:
        self.steps = steps
        self.posts: list[HttpRequest] = []
        self.outcomes: list[Outcome | Exception] = [ACCEPTED]
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self, request: HttpRequest) -> Outcome:
        self.posts.append(request)
        self.steps.append("POST")
        await self.gate.wait()
        outcome = self.outcomes.pop(0) if len(self.outcomes) > 1 else self.outcomes[0]
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


class Media:
    """Gives what is in `blobs`, and raises what is an exception there."""

    def __init__(self) -> None:
        self.url = "s3://bucket"
        self.blobs: dict[str, bytes | Exception] = {}

    async def get(self, url: str) -> bytes:
        found = self.blobs[url]
        if isinstance(found, Exception):
            raise found
        return found


class Store(State):
    """A store that can be `down`. `fails` and `loses` name next calls that are not done, or done without an answer.

    The answers of those in `holds` come when the gate opens.
    """

    def __init__(self) -> None:
        self.offset = 0.0  # of its clock
        self.down = False
        self.fails: list[str] = []
        self.loses: list[str] = []
        self.holds: list[str] = []
        self.gate = asyncio.Event()
        self.calls: list[str] = []
        self._store = MemoryState(clock=lambda: time.time() + self.offset)

    async def _do(self, name: str, key: str, *args: Any, **kwargs: Any) -> Any:
        await asyncio.sleep(0)
        call = f"{name} {key.partition(':')[0]}"
        self.calls.append(call)
        if self.down or call in self.fails:
            self.fails = [each for each in self.fails if each != call]
            raise StateUnavailable("down")
        found = await getattr(self._store, name)(key, *args, **kwargs)
        if call in self.holds:
            await self.gate.wait()
        if call in self.loses:
            self.loses.remove(call)
            raise StateUnavailable("no answer")
        return found

    async def get(self, *args: Any, **kwargs: Any) -> Any:
        return await self._do("get", *args, **kwargs)

    async def put(self, *args: Any, **kwargs: Any) -> Any:
        return await self._do("put", *args, **kwargs)

    async def swap(self, *args: Any, **kwargs: Any) -> Any:
        return await self._do("swap", *args, **kwargs)

    async def delete(self, *args: Any, **kwargs: Any) -> Any:
        return await self._do("delete", *args, **kwargs)

    async def pace(self, *args: Any, **kwargs: Any) -> Any:
        return await self._do("pace", *args, **kwargs)

    async def close(self) -> None:
        pass


class Desk:
    """A worker with recorders on all sides. `steps` is what happened, in its order; `beside`: it shares all but itself."""

    def __init__(
        self, account: Account, delays: str = "10s 60s", beside: Desk | None = None, state: State | None = None
    ) -> None:
        self.steps: list[str] = beside.steps if beside else []
        self.broker = beside.broker if beside else Broker(self.steps)
        self.provider = beside.provider if beside else Provider(self.steps)
        self.media = beside.media if beside else Media()
        self.state: Any = state or (beside.state if beside else Store())
        self.metrics, self.ledger = Metrics(WORKER, accounts=[account.name]), Ledger(self.state)
        self.fetcher = Fetcher(Rules())
        self.contents = Contents(
            self.media,  # type: ignore[arg-type]
            self.state,
            self.fetcher,
            unavailable=self.unavailable("fetched"),
        )
        self.correlation = Correlation(self.state)
        self.pulse = Pulse(self.ledger, unavailable=self.unavailable("ledger"))
        self.pace = Pace(
            self.state, f"rate:{account.name}", account.outbound.rate, unavailable=self.unavailable("rate")
        )
        self.submitter = Submitter(
            account,
            [Delay.parse(text) for text in delays.split()],
            self.provider,
            Outbox(account.name, self.broker, self.metrics),
            partial(self.contents.of, account=account),
            self.metrics,
            Once(self.ledger, self.pulse, unavailable=self.unavailable("ledger")),
            self.correlation,
            self.pace,
        )

    def unavailable(self, use: str) -> Callable[[], None]:
        return self.metrics.state_unavailable.labels(use).inc

    def delivery(self, body: object = None, **properties: Any) -> Delivery:
        """A command as it is delivered; `body` is bytes, or what is laid over an ordinary command."""

        async def ack() -> bool:
            self.steps.append("ack")
            return True

        raw = body if isinstance(body, bytes) else json.dumps({**COMMAND, **(body or {})}).encode()  # type: ignore[dict-item]
        properties.setdefault("content_type", "application/json")
        return Delivery(body=raw, send_ack=ack, **properties)

    async def handle(self, body: object = None, **properties: Any) -> Delivery:
        delivery = self.delivery(body, **properties)
        await self.submitter.handle(delivery)
        return delivery

    def counted(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(name, {"account": "sinch-us", **labels}) or 0.0


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(once, "PAUSE_SECONDS", 0)
    monkeypatch.setattr(once, "POLL_SECONDS", 0.001)
    monkeypatch.setattr(pulse, "STEADY_SECONDS", 0)
    monkeypatch.setattr(outbox, "PAUSE_SECONDS", 0)
    monkeypatch.setattr(submit, "REMEMBER_PAUSE_SECONDS", 0)


@pytest.fixture
def make_account() -> Callable[..., Account]:
    def make(profile: str = "generic", **outbound: Any) -> Account:
        given = {"url": "http://127.0.0.1:9/mm7", "sender": "111122", "rate": 10_000, **outbound}
        return Account.model_validate({"name": "sinch-us", "profile": profile, "outbound": given})

    return make


@pytest.fixture
def make_desk(make_account: Callable[..., Account]) -> Callable[..., Desk]:
    def make(
        profile: str = "generic",
        *,
        delays: str = "10s 60s",
        beside: Desk | None = None,
        state: State | None = None,
        **outbound: Any,
    ) -> Desk:
        return Desk(make_account(profile, **outbound), delays, beside, state)

    return make


@pytest.fixture
async def desk(make_desk: Callable[..., Desk]) -> Desk:
    return make_desk()


@pytest.fixture
def outcome_of() -> Callable[..., Outcome]:
    def make(kind: str, **fields: Any) -> Outcome:
        return Outcome(kind=kind, reason=fields.pop("reason", f"it is {kind}"), **fields)  # type: ignore[arg-type]

    return make


@pytest.fixture
def failing() -> PublishFailed:
    return PublishFailed("not confirmed")


@pytest.fixture
def redis_url() -> str:
    url = os.environ.get("MM7_TEST_REDIS_URL")
    if not url:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(
            "MM7_TEST_REDIS_URL names no Redis: `make test` starts one"
        )
    return url


@pytest.fixture
def unique() -> str:
    """A command's id that no other run has."""
    return f"order-{secrets.token_hex(6)}"
