"""What is published and what is delivered, as values: callers never see a class of aio-pika.

Strategy: what must hold for every message is not a parameter. Each attempt gets a random `message_id`,
because the library matches a returned message to its publish by that id and would mix up two of the same;
messages are persistent; and a message without a `traceparent` header gets one, so that a trace can be
followed past the broker.
"""

from __future__ import annotations

import secrets
import time
import uuid
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import aio_pika

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from datetime import datetime

    from aiormq.abc import DeliveredMessage

APP_ID: Final = "mm7-gateway"
# What every supported RabbitMQ takes: 4.x refuses more by closing the channel.
MAX_BODY_BYTES: Final = 16 * 1024 * 1024
_SHORT_BYTES: Final = 255  # AMQP's short string: routing key, type, correlation id


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """A message to publish; the default exchange "" sends to the queue named by the key.

    `expiration`: milliseconds that it stays in a queue, where that is less than the queue's own.
    ValueError if it could never be published: a body over 16 MiB, or a key, type, content type or correlation
    id over 255 bytes.
    """

    exchange: str
    routing_key: str
    body: bytes = field(repr=False)
    content_type: str
    type: str | None = None
    headers: Mapping[str, str | int] = field(default_factory=dict)
    correlation_id: str | None = None
    timestamp: datetime | None = None
    expiration: int | None = None

    def __post_init__(self) -> None:
        """Refuse what the broker could only answer by closing the channel."""
        if len(self.body) > MAX_BODY_BYTES:
            raise ValueError(f"a message of {len(self.body)} bytes is over the broker's {MAX_BODY_BYTES}")
        for name in ("exchange", "routing_key", "content_type", "type", "correlation_id"):
            if len((getattr(self, name) or "").encode()) > _SHORT_BYTES:
                raise ValueError(f"{name} is over {_SHORT_BYTES} bytes")


def to_amqp(outgoing: Outgoing, headers: Mapping[str, str | int] | None = None) -> aio_pika.Message:
    """Make the library's message for one attempt; `headers` go out in the place of its own."""
    headers = dict(outgoing.headers if headers is None else headers)
    headers.setdefault("traceparent", _traceparent())
    return aio_pika.Message(
        outgoing.body,
        headers=headers,  # type: ignore[arg-type]  # dict is invariant; str and int are field values
        content_type=outgoing.content_type,
        type=outgoing.type,
        correlation_id=outgoing.correlation_id,
        timestamp=outgoing.timestamp,
        expiration=None if outgoing.expiration is None else timedelta(milliseconds=outgoing.expiration),
        app_id=APP_ID,
        message_id=uuid.uuid4().hex,
        delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
    )


def _traceparent() -> str:
    # Sampled (01): a subscriber whose sampler follows its parent then records as it would without the header.
    return f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"


async def _not_acked() -> bool:
    return False


@dataclass(slots=True, eq=False, kw_only=True)
class Delivery:
    """A message that was delivered and must be acknowledged, once what it asks for is safe.

    `arrived`: when, by the clock `time.monotonic`.
    """

    body: bytes = field(repr=False)
    content_type: str | None = None
    headers: Mapping[str, object] = field(default_factory=dict)
    type: str | None = None
    message_id: str | None = None
    correlation_id: str | None = None
    reply_to: str | None = None
    redelivered: bool = False
    routing_key: str = ""
    exchange: str = ""
    arrived: float = field(default_factory=time.monotonic, repr=False)
    send_ack: Callable[[], Awaitable[bool]] = field(default=_not_acked, repr=False)
    _acked: bool | None = field(default=None, init=False, repr=False)

    async def ack(self) -> bool:
        """Acknowledge; whether that went out. It did not if the channel is gone: the broker delivers again.

        Never raises, and the second time only repeats the answer.
        """
        if self._acked is None:
            self._acked = False
            self._acked = await self.send_ack()
        return self._acked

    @property
    def acked(self) -> bool:
        """Whether an acknowledgement was tried."""
        return self._acked is not None


def from_amqp(message: DeliveredMessage, send_ack: Callable[[], Awaitable[bool]]) -> Delivery:
    """Make a delivery of what the library received, whoever published it."""
    properties = message.header.properties
    return Delivery(
        body=message.body,
        content_type=properties.content_type,
        headers=properties.headers or {},
        type=properties.message_type,
        message_id=properties.message_id,
        correlation_id=properties.correlation_id,
        reply_to=properties.reply_to,
        redelivered=bool(message.redelivered),
        routing_key=message.routing_key or "",
        exchange=message.exchange or "",
        send_ack=send_ack,
    )
