"""Callbacks → events: what a provider has told us, in the users' words. Pure."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from gateway import mm7
from gateway.profiles import Profile

from . import addresses, identity, parts, slides, times, values
from .addresses import Address
from .data import Data
from .events import Event
from .parts import Blob, Part, Storage
from .received import CallbackRefused, DrReceived, MoReceived, RrReceived
from .slides import Slide

MAX_SUBJECT_LENGTH = 128  # it becomes a part of the routing key, which AMQP limits to 255 bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """Whose callback it is and how it came. `headers` are the HTTP request's, looked up without regard to case."""

    account: str
    profile_name: str
    profile: Profile
    received_at: datetime
    headers: Mapping[str, str]

    def carrier_id(self) -> str | None:
        """What the provider's header says of the carrier, as it is."""
        found = (self.headers.get(name) for name in self.profile.carrier_headers)
        first = next((value.strip() for value in found if value and value.strip()), None)
        return first.encode("utf-8", "replace").decode() if first else None  # a header may hold bytes that are no text


@dataclass(frozen=True, slots=True)
class Callback:
    """An event, and what has to be stored first. `told_apart`: whether a repetition of it can be told from another
    callback that says the same.
    """

    event: Event
    blobs: tuple[Blob, ...]
    told_apart: bool


def from_mm7(decoded: mm7.Decoded, receipt: Receipt, storage: Storage) -> Callback:
    """The event of a decoded request.

    Raises mm7.DecodeError 4003 for an operation that is no callback.
    """
    message = decoded.message
    build = _BUILDERS.get(message.operation)
    if build is None:
        request = mm7.Request(
            operation=message.operation,
            transaction_id=message.transaction_id,
            namespace=message.namespace,
            mm7_version=message.mm7_version,
        )
        raise mm7.DecodeError(
            f"{message.operation} is no callback", status=4003, request=request, quirks=decoded.quirks
        )
    quirks = mm7.Quirks(dict.fromkeys(decoded.quirks))
    pairs = list(parts.read(decoded.parts, quirks, storage))
    received_at = times.rfc3339(receipt.received_at)
    common: dict[str, Any] = {
        "account": receipt.account,
        "profile": receipt.profile_name,
        "operation": message.operation,
        "transaction_id": message.transaction_id,
        "mm7_version": message.mm7_version,
        "namespace": message.namespace,
        "received_at": received_at,
        "extensions": dict(message.extensions),
    }
    content = _Content([part for part, _ in pairs], slides.read(decoded.parts, quirks))
    data, service, time = build(message, content, receipt, quirks, common)
    event = Event.of(
        data,
        id=identity.event_id(receipt.account, message, content.parts),
        subject=service.address if service and len(service.address) <= MAX_SUBJECT_LENGTH else None,
        time=time or received_at,
    )
    return Callback(event, tuple(blob for _, blob in pairs if blob is not None), identity.told_apart(message))


@dataclass(frozen=True, slots=True)
class _Content:
    parts: list[Part]
    slides: list[Slide] | None


def _time(raw: str | None, quirks: mm7.Quirks) -> tuple[str | None, str | None]:
    """(RFC 3339, raw text where it could not be read, or leaves open what time zone it means)."""
    time, zoned = times.parse(raw)
    if time is None:
        if raw:
            quirks.add("time_unreadable")
        return None, raw
    if not times.is_date_time((raw or "").strip()):
        quirks.add("time_format")
    if not zoned:
        quirks.add("time_without_zone")
    return times.rfc3339(time), None if zoned else raw


def _same_named(message: mm7.Message, model: type[Data], taken: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that message and event have under the same name."""
    return {
        f.name: getattr(message, f.name)
        for f in fields(message)
        if f.name in model.model_fields and f.name not in taken
    }


Built = tuple[Data, Address | None, str | None]  # data, the service's own address, the provider's time


def _mo(message: Any, content: _Content, receipt: Receipt, quirks: mm7.Quirks, common: dict[str, Any]) -> Built:
    if isinstance(message, mm7.SubmitReq):
        quirks.add("submit_as_deliver")
        identification = message.sender_identification or mm7.SenderIdentification()
        common |= {"vaspid": identification.vaspid, "vasid": identification.vasid, "ua_capabilities": None}
        common |= {
            "reply_charging": values.reply_charging(message.reply_charging),
            "earliest_delivery_time": values.utc(message.earliest_delivery_time),
            "expiry_date": values.utc(message.expiry_date),
        }
        sender = identification.sender_address
    else:
        common |= {"ua_capabilities": values.ua(message.ua_capabilities)} | values.forwarded(message)
        sender = message.sender
    sent_at, sent_at_raw = _time(message.time_stamp, quirks)
    common |= {
        "sender": values.address(sender),
        "recipients": addresses.recipients(message.recipients),
        "priority": values.words(message.priority),
        "message_class": values.words(getattr(message, "message_class", None)),
        "charged_party": values.words(getattr(message, "charged_party", None)),
        "sent_at": sent_at,
        "sent_at_raw": sent_at_raw,
        "carrier_id": receipt.carrier_id(),
        "text": slides.text(content.parts, content.slides),
        "parts": content.parts,
        "slides": content.slides,
        "quirks": list(quirks),
    }
    data = MoReceived(**_same_named(message, MoReceived, common), **common)
    return data, next((a for a in data.recipients if not a.display_only), None), sent_at


def _report(message: Any, receipt: Receipt, quirks: mm7.Quirks, common: dict[str, Any], raw_time: str | None) -> None:
    reported_at, reported_at_raw = _time(raw_time, quirks)
    common |= {
        "sender": values.address(message.sender),
        "recipient": values.address(message.recipient),
        "raw_status": message.mm_status,
        "reported_at": reported_at,
        "reported_at_raw": reported_at_raw,
        "carrier_id": receipt.carrier_id(),
        "command_id": None,
        "reference": None,
        "metadata": None,
        "quirks": list(quirks),
    }


def _check_status(message: Any, known: frozenset[str], common: dict[str, Any], quirks: mm7.Quirks) -> None:
    if message.mm_status not in known:
        quirks.add("status_nonstandard")
        common["quirks"] = list(quirks)


def _dr(message: Any, content: _Content, receipt: Receipt, quirks: mm7.Quirks, common: dict[str, Any]) -> Built:  # noqa: ARG001
    _report(message, receipt, quirks, common, message.date)
    status, final = mm7.delivery_status(message.mm_status)
    _check_status(message, mm7.MM_STATUS, common, quirks)
    common |= {"status": status, "final": final, "status_extension": message.mm_status_extension}
    common |= {"ua_capabilities": values.ua(message.ua_capabilities)}
    data = DrReceived(**_same_named(message, DrReceived, common), **common)
    return data, data.sender, data.reported_at


def _rr(message: Any, content: _Content, receipt: Receipt, quirks: mm7.Quirks, common: dict[str, Any]) -> Built:  # noqa: ARG001
    _report(message, receipt, quirks, common, message.time_stamp)
    status, final = mm7.read_status(message.mm_status)
    _check_status(message, mm7.READ_MM_STATUS, common, quirks)
    common |= {"status": status, "final": final, "status_extension": None, "ua_capabilities": None}
    data = RrReceived(**_same_named(message, RrReceived, common), **common)
    return data, data.sender, data.reported_at


_BUILDERS: Mapping[str, Callable[..., Built]] = {
    "DeliverReq": _mo,
    "SubmitReq": _mo,
    "DeliveryReportReq": _dr,
    "ReadReplyReq": _rr,
}


def reporting_on(event: Event, *, command_id: str, reference: str | None, metadata: dict[str, Any] | None) -> Event:
    """The event of a report, with what is known of the command it reports on. Its id stays."""
    known = {"command_id": command_id, "reference": reference, "metadata": metadata}
    return event.model_copy(update={"data": event.data.model_copy(update=known)})


def refused(error: mm7.DecodeError, receipt: Receipt, *, raw: str, digest: str) -> Event:
    """The event of a callback that could not be used; `raw` is where the request is stored, `digest` is of its body."""
    request = error.request or mm7.Request(namespace=None)
    received_at = times.rfc3339(receipt.received_at)
    data = CallbackRefused(
        account=receipt.account,
        profile=receipt.profile_name,
        operation=request.operation,
        transaction_id=request.transaction_id,
        mm7_version=request.mm7_version,
        namespace=request.namespace,
        received_at=received_at,
        quirks=list(error.quirks),
        status_code=error.status,
        status_text=mm7.status_text(error.status),
        reason=error.text,
        raw=raw,
    )
    event_id = hashlib.sha256(f"{receipt.account} refused {digest}".encode()).hexdigest()[:32]
    return Event.of(data, id=event_id, subject=None, time=received_at)
