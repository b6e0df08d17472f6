"""The messages that a worker writes about a command: tried again, dead, replied. Pure.

Attempts are counted in a header of our own: the broker's x-death starts anew with every publish (RabbitMQ 4).
"""

from collections.abc import Mapping

from gateway.broker import DEAD, Delivery, Outgoing, wait
from gateway.broker.message import MAX_BODY_BYTES
from gateway.contract.events import Event
from gateway.contract.outcomes import Result

from .retry import Again

ATTEMPTS, COMMAND_ID, REPLY_TO = "mm7-attempts", "mm7-command-id", "mm7-reply-to"
_HEADER_LENGTH = 500
_CARRIED_BYTES = 64 * 1024  # all headers have to fit into one AMQP frame, of 128 KiB at most
_QUEUE_NAME_BYTES = 255
_TRACEPARENT_LENGTH = 255  # that of W3C has 55 characters


def attempts(delivery: Delivery) -> int:
    """How often the provider has been asked already."""
    found = delivery.headers.get(ATTEMPTS)
    return found if isinstance(found, int) and found >= 0 else 0


def command_id(delivery: Delivery) -> str | None:
    """The id of a command that does not name one itself: kept from its first attempt, else the AMQP message_id."""
    found = delivery.headers.get(COMMAND_ID) or delivery.message_id
    return str(found) if found else None


def traceparent(delivery: Delivery) -> str | None:
    """The trace that the command belongs to."""
    found = delivery.headers.get("traceparent")
    return found if isinstance(found, str) and len(found) <= _TRACEPARENT_LENGTH else None


def again(delivery: Delivery, account: str, identity: str, decided: Again) -> Outgoing:
    """The command on its way into the wait queue of the delay, from where it comes back by itself."""
    headers = _carried(delivery)
    headers |= {ATTEMPTS: decided.attempts, COMMAND_ID: identity, "mm7-reason": _short(decided.reason)}
    return _copy(delivery, wait(decided.delay.text), account, headers)


def dead(delivery: Delivery, account: str, event: Event, result: Result) -> Outgoing:
    """The command as a dead letter, with what became of it in headers."""
    cause = "; ".join(f"{p.path}: {p.problem}" if p.path else p.problem for p in result.details)
    headers = _carried(delivery) | {
        ATTEMPTS: result.attempts,
        "mm7-outcome": result.type,
        "mm7-reason": _short(result.reason),
        "mm7-cause": _short(cause or result.reason),
        "mm7-event-id": event.id,
        "mm7-at": event.time,
    }
    if event.data.command_id:
        headers[COMMAND_ID] = event.data.command_id
    if result.status_code is not None:
        headers |= {"mm7-status-code": result.status_code, "mm7-status-text": _short(result.status_text or "")}
    return _copy(delivery, DEAD, account, headers)


def reply(delivery: Delivery, message: Outgoing) -> Outgoing | None:
    """The outcome to the command's reply_to, with its correlation_id; None where it named no queue."""
    queue = delivery.reply_to or delivery.headers.get(REPLY_TO)
    if not isinstance(queue, str) or not 0 < len(queue.encode()) <= _QUEUE_NAME_BYTES:
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


def _carried(delivery: Delivery) -> dict[str, str | int]:
    """The command's own headers, and what would be lost with its properties; the broker's stay behind."""
    headers: dict[str, str | int] = {}
    room = _CARRIED_BYTES
    for name, value in delivery.headers.items():
        if isinstance(value, (str, int)) and not name.startswith("x-"):
            room -= len(name.encode()) + len(str(value).encode())
            if room >= 0:
                headers[name] = value
    if delivery.reply_to:
        headers[REPLY_TO] = delivery.reply_to
    return headers


def _copy(delivery: Delivery, exchange: str, key: str, headers: Mapping[str, str | int]) -> Outgoing:
    return Outgoing(
        exchange=exchange,
        routing_key=key,
        body=delivery.body[:MAX_BODY_BYTES],  # RabbitMQ 3.10 delivers more than it can be given back by all
        content_type=delivery.content_type or "application/json",
        type=delivery.type,
        headers=headers,
        correlation_id=delivery.correlation_id,
    )


def _short(text: str) -> str:
    return text[:_HEADER_LENGTH]
