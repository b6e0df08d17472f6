"""An account that can send, deliveries of its commands, and recorders in the place of broker, provider and media."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from gateway.accounts import Account
from gateway.broker import Delay, Delivery, Outgoing, PublishFailed
from gateway.contract.events import TYPES, Event
from gateway.telemetry.metrics import Metrics
from workers import submit
from workers.memory import Memory
from workers.outcome import Outcome
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
        self.blobs: dict[str, bytes | Exception] = {}

    async def get(self, url: str) -> bytes:
        found = self.blobs[url]
        if isinstance(found, Exception):
            raise found
        return found


class Desk:
    """A submitter with recorders on all sides. `steps` is what happened, in its order."""

    def __init__(self, account: Account, delays: str = "10s 60s") -> None:
        self.steps: list[str] = []
        self.broker, self.provider, self.media = Broker(self.steps), Provider(self.steps), Media()
        self.metrics, self.memory = Metrics(), Memory()
        waits = [Delay.parse(text) for text in delays.split()]
        self.submitter = Submitter(
            account,
            waits,
            self.provider,
            self.broker,
            self.media,
            self.metrics,
            self.memory,  # type: ignore[arg-type]
        )

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
    monkeypatch.setattr(submit, "PAUSE_SECONDS", 0)


@pytest.fixture
def make_account() -> Callable[..., Account]:
    def make(profile: str = "generic", **outbound: Any) -> Account:
        given = {"url": "http://127.0.0.1:9/mm7", "sender": "111122", "rate": 10_000, **outbound}
        return Account.model_validate({"name": "sinch-us", "profile": profile, "outbound": given})

    return make


@pytest.fixture
def make_desk(make_account: Callable[..., Account]) -> Callable[..., Desk]:
    def make(profile: str = "generic", *, delays: str = "10s 60s", **outbound: Any) -> Desk:
        return Desk(make_account(profile, **outbound), delays)

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
