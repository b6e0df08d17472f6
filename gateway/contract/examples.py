"""Examples for the published schemas: commands as users write them, events as the code makes them.

Strategy: an event that is made and not written down cannot go out of date. Times and bytes are fixed, so that one
version always prints the same schemas.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from gateway import mm7, profiles
from gateway.accounts import Account
from gateway.mm7 import smil

from . import callbacks, outcomes
from .callbacks import Receipt
from .commands import Command
from .events import Event
from .outcomes import Result
from .parts import Storage
from .problems import Problem

_PICTURE = b"\x89PNG\r\n\x1a\n"
_SENT_AT = datetime(2026, 1, 15, 9, 30, 0, 414_000, tzinfo=UTC)
_RECEIVED_AT = _SENT_AT + timedelta(seconds=1)
_MESSAGE_ID = "369500617770864640"
_PHONE, _SERVICE = mm7.Address("15553199144"), mm7.Address("111122", "ShortCode")

COMMANDS: tuple[Mapping[str, Any], ...] = (
    {
        "id": "order-4711",
        "operation": "submit",
        "to": ["15553199144"],
        "from": "111122",
        "subject": "Your parcel",
        "parts": [{"content_type": "text/plain", "text": "It has arrived."}],
        "delivery_report": True,
        "expires": "P3D",
        "not_after": "2030-12-01T00:00:00Z",
        "reference": "customer 99",
        "metadata": {"campaign": "spring"},
    },
    {
        "id": "order-4712",
        "to": ["15553199144", "+15553199145"],
        "subject": "Your parcel",
        "parts": [
            {"content_type": "text/plain", "text": "It has arrived."},
            {"content_type": "image/jpeg", "url": "s3://bucket/photo.jpg", "filename": "photo.jpg"},
            {"content_type": "image/png", "data": "iVBORw0KGgo=", "content_id": "map"},
        ],
        "priority": "high",
        "message_class": "informational",
        "charged_party": "sender",
    },
    {"id": "cancel-4711", "operation": "cancel", "message_id": _MESSAGE_ID},
    {
        "id": "replace-4711",
        "operation": "replace",
        "message_id": _MESSAGE_ID,
        "parts": [{"content_type": "text/plain", "text": "It comes tomorrow."}],
        "earliest_delivery": "2030-12-01T08:00:00Z",
    },
    {"id": "cancel-spring", "operation": "extended_cancel", "message_id": "spring"},
    {
        "id": "replace-spring",
        "operation": "extended_replace",
        "message_id": "spring",
        "parts": [{"content_type": "text/plain", "text": "It comes tomorrow."}],
    },
)


def events() -> dict[str, Event]:
    """A whole event of each type."""
    command = Command.model_validate(COMMANDS[0])
    made = [
        _mo(),
        callbacks.reporting_on(
            _callback(_delivery_report()),
            command_id=command.id,
            reference=command.reference,
            metadata=command.metadata,
        ),
        _callback(_read_reply()),
        *(outcomes.event(command, _account(), result) for result in _results()),
        _refused(),
    ]
    return {event.type: event for event in made}


def _mo() -> Event:
    shown = (
        mm7.Part(content_type="image/png", data=_PICTURE, content_id="photo.png"),
        mm7.Part(content_type="text/plain", data=b"Greetings", charset="utf-8", content_id="text.txt"),
    )
    document = mm7.Part(content_type=smil.CONTENT_TYPE, data=smil.build(shown), content_id="smil.xml")
    message = mm7.DeliverReq(
        transaction_id="1000001",
        mm7_version="6.8.0",
        linked_id="1000001",
        sender=_PHONE,
        recipients=mm7.Recipients((_SERVICE,)),
        time_stamp=_SENT_AT.isoformat(),
        priority="Normal",
        subject="From the beach",
        content=mm7.Content("cid:mms-content"),
    )
    return _callback(message, document, *shown)


def _delivery_report() -> mm7.Message:
    return mm7.DeliveryReportReq(
        transaction_id="1000002",
        mm7_version="6.8.0",
        message_id=_MESSAGE_ID,
        sender=_SERVICE,
        recipient=_PHONE,
        date=_SENT_AT.isoformat(),
        mm_status="Retrieved",
        status_text="Success",
    )


def _read_reply() -> mm7.Message:
    return mm7.ReadReplyReq(
        transaction_id="1000003",
        mm7_version="6.8.0",
        message_id=_MESSAGE_ID,
        sender=_SERVICE,
        recipient=_PHONE,
        time_stamp=_SENT_AT.isoformat(),
        mm_status="Read",
    )


def _callback(message: mm7.Message, *parts: mm7.Part) -> Event:
    """The event of a message that has gone over the wire."""
    sent = mm7.encode(message, parts)
    decoded = mm7.decode(sent.content_type, sent.body)
    return callbacks.from_mm7(decoded, _receipt(), Storage(lambda sha256: f"s3://mms/{sha256[:2]}/{sha256}")).event


def _refused() -> Event:
    asked = mm7.Request(operation="DeliverReq", transaction_id="1000004", mm7_version="6.8.0")
    error = mm7.DecodeError("Sender is missing", status=4004, request=asked)
    return callbacks.refused(error, _receipt(), raw=f"s3://mms/00/{'0' * 64}", digest="0" * 64)


def _results() -> tuple[Result, ...]:
    answered: dict[str, Any] = {"attempts": 1, "at": _RECEIVED_AT, "transaction_id": "order-4711"}
    answered |= {"mm7_version": "6.8.0", "namespace": mm7.REL_6_1_4}
    problem = Problem(path="", problem="2003 Address not found")
    return (
        Result(type="mt.accepted", message_id=_MESSAGE_ID, status_code=1000, status_text="Success", **answered),
        Result(
            type="mt.refused",
            reason="provider_refused",
            details=(problem,),
            status_code=2003,
            status_text="Address not found",
            **answered,
        ),
        Result(type="mt.unknown", reason="no answer within 30 s", attempts=1, at=_RECEIVED_AT),
    )


def _receipt() -> Receipt:
    return Receipt(
        account="sinch-us",
        profile_name="sinch",
        profile=profiles.load("sinch"),
        received_at=_RECEIVED_AT,
        headers={"X-Mblox-Carrier-Id": "0001890"},
    )


def _account() -> Account:
    sending = {"url": "https://api.example.net/mm7/v1/", "sender": "111122"}
    return Account.model_validate(
        {"name": "sinch-us", "profile": "sinch", "inbound": {"networks": ["203.0.113.0/24"]}, "outbound": sending}
    )
