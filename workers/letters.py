"""The messages that a worker writes about a command: tried again, dead, replied. Pure."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime

import orjson

from gateway.broker import DEAD, Delivery, Outgoing, wait
from gateway.broker.message import MAX_BODY_BYTES
from gateway.contract import headers as own
from gateway.contract import times
from gateway.contract.commands import EVENT_PREFIXES
from gateway.contract.events import Event
from gateway.telemetry import tracing
from gateway.telemetry.tracing import Trace

from .outcome import Kind
from .retry import Again, Attempt

_HEADER_LENGTH = 500
_HISTORY_LENGTH, _HISTORY_REASON_LENGTH = 20, 100
_CARRIED_BYTES = 64 * 1024  # all headers have to fit into one AMQP frame, of 128 KiB at most
_SHORT_BYTES = 255  # of a queue's name
_LAST_ATTEMPT: Mapping[str, Kind] = {"provider_refused": "refused", "attempts_exhausted": "later"}
_KEPT = (own.REPLAY, own.REPLAY_OF, own.REPLAYS, own.COMMAND_ID, own.REPLY_TO)  # whatever else there is no room for
_WRITTEN_ANEW = (own.HISTORY, own.NOT_BEFORE, *own.OF_DEATH)

Headers = dict[str, str | int]


def attempts(delivery: Delivery) -> int:
    """How often the provider has been asked already."""
    found = delivery.headers.get(own.ATTEMPTS)
    return found if isinstance(found, int) and found >= 0 else 0


def command_id(delivery: Delivery) -> str | None:
    """The id of a command that does not name one itself: kept from its first attempt, else the AMQP message_id."""
    found = delivery.headers.get(own.COMMAND_ID) or delivery.message_id
    return str(found) if found else None


def replay(delivery: Delivery) -> str | None:
    """The token of a command that somebody has replayed on purpose: it is sent once more."""
    return _short_text(delivery.headers.get(own.REPLAY))


def replay_of(delivery: Delivery) -> str | None:
    """The id of the outcome that a replay is to undo."""
    return _short_text(delivery.headers.get(own.REPLAY_OF))


def not_before(delivery: Delivery) -> datetime | None:
    """Until when the provider wants no attempt."""
    found = delivery.headers.get(own.NOT_BEFORE)
    return times.parse(found)[0] if isinstance(found, str) else None


def trace(delivery: Delivery) -> Trace:
    """The trace that the command belongs to, as headers: of the message itself, else of the CloudEvent that it is.

    CloudEvents' extension "distributed tracing": in AMQP headers with its prefix, or an attribute of the event.
    """
    for prefix in ("", *EVENT_PREFIXES):
        if found := tracing.given({name: delivery.headers.get(f"{prefix}{name}") for name in tracing.NAMES}):
            return found
    if "cloudevents" not in (delivery.content_type or "") or len(delivery.body) > MAX_BODY_BYTES:
        return {}
    try:
        event = orjson.loads(delivery.body)
    except orjson.JSONDecodeError:
        return {}
    return tracing.given(event) if isinstance(event, dict) else {}


def again(delivery: Delivery, account: str, identity: str, decided: Again, *, share: float = 1.0) -> Outgoing:
    """The command on its way into the wait queue of the delay, from where it comes back by itself.

    `share` of the delay is enough where the provider did not name it.
    """
    headers = _carried(delivery, decided.attempt)
    headers |= {own.ATTEMPTS: decided.attempts, own.COMMAND_ID: identity, own.REASON: _short(decided.reason)}
    if decided.not_before:
        headers[own.NOT_BEFORE] = times.rfc3339(decided.not_before)
    expiration = None if decided.exact else max(1, int(decided.delay.seconds * 1000 * share))
    return _copy(delivery, wait(decided.delay.text), account, headers, expiration)


def dead(delivery: Delivery, account: str, event: Event) -> Outgoing:
    """The command as a dead letter, with what became of it in headers: all of that is in its outcome event."""
    data = event.data
    details = getattr(data, "details", ())
    cause = "; ".join(f"{p.path}: {p.problem}" if p.path else p.problem for p in details) or data.reason
    kind = "unknown" if event.type == "mt.unknown" else _LAST_ATTEMPT.get(data.reason)
    last = Attempt(event.time, kind, data.status_code, cause) if kind else None
    headers = _carried(delivery, last) | {
        own.ATTEMPTS: data.attempts,
        own.OUTCOME: event.type,
        own.REASON: _short(data.reason),
        own.CAUSE: _short(cause),
        own.EVENT_ID: event.id,
        own.AT: event.time,
    }
    if data.command_id:
        headers[own.COMMAND_ID] = data.command_id
    if data.status_code is not None:
        headers |= {own.STATUS_CODE: data.status_code, own.STATUS_TEXT: _short(data.status_text or "")}
    return _copy(delivery, DEAD, account, headers)


def reply(delivery: Delivery, message: Outgoing) -> Outgoing | None:
    """The outcome to the command's reply_to, with its correlation_id; None where it named no queue."""
    queue = _short_text(delivery.reply_to or delivery.headers.get(own.REPLY_TO))
    if queue is None:
        return None
    return Outgoing(
        exchange="",
        routing_key=queue,
        body=message.body,
        content_type=message.content_type,
        type=message.type,
        headers=message.headers,
        correlation_id=delivery.correlation_id or message.correlation_id,
        timestamp=message.timestamp,
    )


def _history(delivery: Delivery, attempt: Attempt | None) -> str | None:
    """The attempts so far and this one, the newest of them, as JSON."""
    try:
        found = orjson.loads(str(delivery.headers.get(own.HISTORY)))
    except orjson.JSONDecodeError:
        found = []
    entries = [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []
    if attempt:
        entries.append(asdict(attempt) | {"reason": attempt.reason[:_HISTORY_REASON_LENGTH]})
    return orjson.dumps(entries[-_HISTORY_LENGTH:]).decode() if entries else None


def _carried(delivery: Delivery, attempt: Attempt | None) -> Headers:
    """The command's own headers, and what would be lost with its properties; the broker's stay behind."""
    given = {name: value for name, value in delivery.headers.items() if name not in _WRITTEN_ANEW}
    if delivery.reply_to:
        given[own.REPLY_TO] = delivery.reply_to
    first = {name: given[name] for name in _KEPT if name in given}
    headers: Headers = {}
    room = _CARRIED_BYTES
    for name, value in (first | {own.HISTORY: _history(delivery, attempt)} | given).items():
        if isinstance(value, (str, int)) and not name.startswith("x-"):
            size = len(name.encode()) + len(str(value).encode())
            if size <= room:
                room -= size
                headers[name] = value
    return headers


def _copy(delivery: Delivery, exchange: str, key: str, headers: Headers, expiration: int | None = None) -> Outgoing:
    return Outgoing(
        exchange=exchange,
        routing_key=key,
        body=delivery.body[:MAX_BODY_BYTES],  # RabbitMQ 3.10 delivers more than it can be given back by all
        content_type=delivery.content_type or "application/json",
        type=delivery.type,
        headers=headers,
        correlation_id=delivery.correlation_id,
        expiration=expiration,
    )


def _short(text: str) -> str:
    return text[:_HEADER_LENGTH]


def _short_text(value: object) -> str | None:
    return value if isinstance(value, str) and 0 < len(value.encode()) <= _SHORT_BYTES else None
