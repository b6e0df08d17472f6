"""What must hold for any bytes at all: an event or a refusal, in bounded time, that JSON and AMQP can carry."""

import hashlib
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import orjson
from multidict import CIMultiDict
from pamqp.header import ContentHeader

from gateway import answers, http_file, mm7
from gateway.accounts import Account
from gateway.broker.events import outgoing
from gateway.broker.message import to_amqp
from gateway.contract import callbacks
from gateway.contract.callbacks import Receipt
from gateway.contract.events import Event
from gateway.contract.parts import Storage
from tests import published
from workers import outcome

SAMPLES = Path(__file__).parents[1] / "samples"
MAX_SECONDS = 1.0
_FRAME_BYTES = 131072  # RabbitMQ's: a larger header ends the connection
_ACCOUNT = Account.model_validate({"name": "fuzz", "profile": "sinch", "inbound": {"open": True}})


@dataclass(frozen=True)
class Input:
    """What comes in: the Content-Type, None where there is none, and the body."""

    content_type: str | None
    body: bytes


class TooSlow(AssertionError):
    """It took longer than MAX_SECONDS of this thread's own time."""


def seeds() -> list[Input]:
    """All samples, as they came over the wire."""
    files = sorted(path for kind in ("request", "response") for path in SAMPLES.glob(f"*/{kind}.http"))
    found = [http_file.parse(path.read_bytes()) for path in files]
    return [Input(file.headers.get("Content-Type"), file.body) for file in found]


def check(given: Input) -> str:
    """What became of the input: an event's type, `response`, or the refusal's status. Raises for what must not be."""
    began = time.thread_time()
    became = _became(given)
    took = time.thread_time() - began
    if took > MAX_SECONDS:
        raise TooSlow(f"{took:.2f} s for {len(given.body)} bytes")
    return became


def _became(given: Input) -> str:
    headers = CIMultiDict({"X-Mblox-Carrier-Id": given.content_type or ""})
    receipt = Receipt(
        account="fuzz", profile_name="sinch", profile=_ACCOUNT.profile, received_at=datetime.now(UTC), headers=headers
    )
    outcome.read_answer(200, CIMultiDict({"Content-Type": given.content_type or ""}), given.body, _ACCOUNT.profile)
    try:
        decoded = mm7.decode(given.content_type, given.body)
        assert isinstance(decoded, mm7.Decoded)
        assert not set(decoded.quirks) - mm7.QUIRKS.keys()
        callback = callbacks.from_mm7(decoded, receipt, Storage("memory://{}".format))
    except mm7.DecodeError as error:
        event = callbacks.refused(error, receipt, raw="memory://raw", digest=hashlib.sha256(given.body).hexdigest())
        _carried(event)
        assert answers.refused(_ACCOUNT, error, "1").body
        return str(error.status)
    again = callbacks.from_mm7(mm7.decode(given.content_type, given.body), receipt, Storage("memory://{}".format))
    assert again.event == callback.event, "the same bytes give two events"
    _carried(callback.event)
    assert answers.accepted(_ACCOUNT, answers.echo(decoded.message), "1").body
    return callback.event.type


def _carried(event: Event) -> None:
    """Whether JSON can hold the event and AMQP its headers."""
    message = outgoing(event)
    assert published.problems(orjson.loads(message.body)) == []
    header = ContentHeader(body_size=len(message.body), properties=to_amqp(message).properties).marshal()
    assert len(header) < _FRAME_BYTES
