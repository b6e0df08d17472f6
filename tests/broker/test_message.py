"""What holds for every message, whoever builds it."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import aio_pika
import pytest

from gateway.broker import Delivery, Outgoing
from gateway.broker.message import MAX_BODY_BYTES, to_amqp

PLAIN = {"exchange": "e", "routing_key": "k", "body": b"b", "content_type": "text/plain"}


def test_each_attempt_has_an_id_of_its_own() -> None:
    outgoing = Outgoing(**PLAIN)
    assert re.fullmatch("[0-9a-f]{32}", to_amqp(outgoing).message_id or "")
    assert to_amqp(outgoing).message_id != to_amqp(outgoing).message_id


def test_a_message_is_persistent_and_says_who_sent_it() -> None:
    message = to_amqp(Outgoing(**PLAIN, type="mo.received", timestamp=datetime(2026, 1, 1, tzinfo=UTC)))
    assert message.delivery_mode is aio_pika.DeliveryMode.PERSISTENT
    assert (message.app_id, message.type) == ("mm7-gateway", "mo.received")


def test_a_trace_is_begun_where_there_is_none_and_kept_where_there_is() -> None:
    begun = to_amqp(Outgoing(**PLAIN)).headers["traceparent"]
    assert re.fullmatch("00-[0-9a-f]{32}-[0-9a-f]{16}-01", str(begun))
    assert to_amqp(Outgoing(**PLAIN, headers={"traceparent": "t"})).headers["traceparent"] == "t"


@pytest.mark.parametrize(
    "field",
    [
        {"routing_key": "ä" * 128},
        {"type": "t" * 256},
        {"correlation_id": "c" * 256},
        {"body": bytes(MAX_BODY_BYTES + 1)},
    ],
    ids=lambda field: next(iter(field)),
)
def test_what_could_never_be_published_is_refused_when_it_is_made(field: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="over"):
        Outgoing(**(PLAIN | field))


def test_the_body_is_not_shown() -> None:
    assert "secret" not in repr(Outgoing(**(PLAIN | {"body": b"secret"})))
    assert "secret" not in repr(Delivery(body=b"secret"))


async def test_an_acknowledgement_is_sent_once() -> None:
    sent = []

    async def send_ack() -> bool:
        sent.append(1)
        return True

    delivery = Delivery(body=b"", send_ack=send_ack)
    assert [await delivery.ack(), await delivery.ack()] == [True, True]
    assert sent == [1]
