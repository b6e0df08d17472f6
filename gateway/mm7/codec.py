"""decode and encode: the codec's two directions, each on one screen."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast
from urllib.parse import unquote

from lxml import etree

from . import documents, join, reader, soap, split, writer
from .elements import release_of
from .errors import DecodeError, EncodeError, Request
from .headers import bare_id, comparable
from .message import operation_name
from .messages import (
    MESSAGES,
    ErrorRsp,
    Message,
    RSErrorRsp,
)
from .parts import Part
from .quirks import Quirks
from .values import Status

_BY_NAME: Mapping[str, type[Message]] = {name.lower(): cls for name, cls in MESSAGES.items()}
# Without these a request says nothing that could be passed on; all else may be absent.
_INDISPENSABLE: Mapping[str, tuple[str, ...]] = {
    "DeliverReq": ("sender",),
    "SubmitReq": ("recipients",),
    "CancelReq": ("message_id",),
    "ReplaceReq": ("message_id",),
    "DeliveryReportReq": ("message_id", "mm_status"),
    "ReadReplyReq": ("message_id", "mm_status"),
}
# RFC 2392 §2, and the characters that it wants percent-encoded.
_HREF = re.compile(r"cid:[^\s<>\"]*", re.IGNORECASE)
# Elements that one operation alone has among requests that providers send; in this order.
_TOLD_BY: Sequence[tuple[str, frozenset[str]]] = (
    ("DeliveryReportReq", frozenset({"messageid", "mmstatus"})),
    ("SubmitReq", frozenset({"senderidentification", "recipients"})),
    ("DeliverReq", frozenset({"mm7version", "sender"})),
    ("SubmitRsp", frozenset({"mm7version", "status"})),
)
_VERSIONS = frozenset(["5.3.0", "5.5.0", "5.6.0", "5.8.0", "5.10.0", "6.3.0", "6.4.0", "6.5.0", "6.6.0", "6.8.0"])
_MAX_NAME_LENGTH = 64
_PREFIXES_LOST = {"unbound_prefix", "xml_recovered"}  # and with them the namespaces


@dataclass(frozen=True, slots=True)
class Decoded:
    """A message with the parts that came with it, and the names of what had to be put up with."""

    message: Message
    parts: tuple[Part, ...] = ()
    quirks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Encoded:
    """What goes into an HTTP message: its Content-Type and its body."""

    content_type: str
    body: bytes


def decode(content_type: str | None, body: bytes) -> Decoded:
    """Read an HTTP body of either direction.

    Raises DecodeError; its `request` has an operation once an MM7 message was found, and is None where there is
    nothing to echo.
    """
    quirks = Quirks()
    request = None
    try:
        pieces = split.split(content_type, body, quirks)
        envelope = soap.open_envelope(documents.parse(pieces.root, pieces.charset, quirks), quirks)
        envelope = _wrapped(envelope, quirks)
        request = _identify(envelope, quirks)
        message = _read(envelope, request, pieces.root, quirks)
        parts = split.leaves(pieces, quirks)
    except DecodeError as error:
        asked = request or error.request
        raise DecodeError(error.text, status=error.status, request=asked, quirks=tuple(quirks)) from error
    _check_content(message, parts, pieces, quirks)
    return Decoded(message, parts, tuple(quirks))


def _wrapped(envelope: soap.Envelope, quirks: Quirks) -> soap.Envelope:
    """The envelope with the operation's element round its children, where that is missing and can be told."""
    payload, body = envelope.payload, envelope.body
    if (
        payload is None
        or body is None
        or envelope.fault is not None
        or soap.local_name(payload.tag).lower() in _BY_NAME
    ):
        return envelope
    texts = {soap.local_name(child.tag).lower(): (child.text or "").strip() for child in body}
    name = next((operation for operation, telling in _TOLD_BY if telling <= texts.keys()), None)
    if name is None:
        return envelope
    if name == "DeliveryReportReq" and texts["mmstatus"].lower() in ("read", "deleted"):
        name = "ReadReplyReq"
    quirks.add("operation_missing")
    namespace = soap.namespace_of(payload.tag)
    whole = etree.Element(etree.QName(namespace, name))
    whole.extend(list(body))
    return replace(envelope, payload=whole)


def _identify(envelope: soap.Envelope, quirks: Quirks) -> Request:
    """What an answer has to echo. Raises DecodeError 4004 where there is no MM7 message."""
    payload = envelope.payload
    name = soap.local_name(payload.tag) if payload is not None else None
    known = _BY_NAME.get((name or "").lower())
    name = name[:_MAX_NAME_LENGTH] if name else None  # it goes into answers, events and logs
    if payload is None or (envelope.fault is not None and known is None):
        if envelope.fault is None:
            nothing = Request(transaction_id=envelope.transaction_id, namespace=envelope.header_namespace)
            known_by_id = nothing if envelope.transaction_id else None
            raise DecodeError("the SOAP Body holds no message", status=4004, request=known_by_id)
        return Request(operation=RSErrorRsp.__name__, transaction_id=envelope.transaction_id, namespace=None)
    namespace = soap.namespace_of(payload.tag)
    if known is None and envelope.transaction_id is None and not _is_mm7(namespace):
        raise DecodeError(f"<{name}> is no MM7 message", status=4004)
    if known is not None and name != operation_name(known):
        quirks.add("name_case")
    if namespace is None:
        quirks.add("namespace_missing")
    elif release_of(namespace) is None:
        quirks.add("namespace_unknown")
    if envelope.transaction_id is None:
        quirks.add("transaction_id_missing")
    elif namespace != envelope.header_namespace and namespace and not quirks.keys() & _PREFIXES_LOST:
        quirks.add("header_namespace")
    if known is not None and (version := _version(payload)) and version not in _VERSIONS:
        quirks.add("version_unknown")
    return Request(
        operation=operation_name(known) if known else name,
        transaction_id=envelope.transaction_id,
        namespace=_echoed(known, namespace, envelope.header_namespace),
        mm7_version=_version(payload),
    )


def _echoed(known: type[Message] | None, namespace: str | None, header_namespace: str | None) -> str | None:
    """The namespace to answer in; never that of a message that is not MM7's."""
    if known is not None or _is_mm7(namespace):
        return namespace or header_namespace
    return header_namespace if _is_mm7(header_namespace) else None


def _is_mm7(namespace: str | None) -> bool:
    return namespace is not None and ("mm7" in namespace.lower() or "23.140" in namespace)


def _version(payload: etree._Element) -> str | None:
    found = (child.text for child in payload if soap.local_name(child.tag).lower() == "mm7version")
    return next(((text or "").strip() or None for text in found), None)


def _read(envelope: soap.Envelope, request: Request, root: bytes, quirks: Quirks) -> Message:
    if "xml_recovered" in quirks and documents.is_cut_off(root):
        raise DecodeError("the envelope is cut off", status=2007)
    cls = MESSAGES.get(request.operation or "")
    if cls is None:
        raise DecodeError(f"the operation {request.operation} is not supported", status=4003)
    identity: dict[str, Any] = {"transaction_id": request.transaction_id, "namespace": request.namespace}
    if envelope.fault is not None:
        return _read_fault(envelope, cls, identity, quirks)
    assert envelope.payload is not None  # _identify has found the operation in it
    message = reader.read(envelope.payload, cls, quirks, **identity)
    missing = [name for name in _INDISPENSABLE.get(cls.__name__, ()) if getattr(message, name) is None]
    if missing:
        raise DecodeError(f"{cls.__name__} has no {' and no '.join(missing)}", status=4004)
    return message


def _read_fault(envelope: soap.Envelope, cls: type[Message], identity: dict[str, Any], quirks: Quirks) -> Message:
    """A Fault with an MM7 message in its detail, or with anything else, which is read as RSErrorRsp."""
    code, text = soap.fault_strings(envelope.fault)
    if envelope.payload is None or soap.local_name(envelope.payload.tag).lower() not in _BY_NAME:
        holder = reader.holder_of_status(envelope.detail) if envelope.detail is not None else None
        if holder is None:
            return RSErrorRsp(**identity, status=Status(text=text), fault_code=code, fault_string=text)
        quirks.add("operation_missing")
        found = reader.read(holder, RSErrorRsp, quirks, **identity)
        return replace(cast("RSErrorRsp", found), fault_code=code, fault_string=text)
    message = reader.read(envelope.payload, cls, quirks, **identity)
    return replace(message, fault_code=code, fault_string=text) if isinstance(message, ErrorRsp) else message


def _check_content(message: Message, parts: Sequence[Part], pieces: split.Split, quirks: Quirks) -> None:
    """Whether Content and the parts agree; the parts are passed on in any case."""
    content = getattr(message, "content", None)
    if content is None:
        if parts:
            quirks.add("content_unreferenced")
    elif not parts:
        quirks.add("content_missing")
    else:
        if content.href and not _HREF.fullmatch(content.href):
            quirks.add("href_form")
        # An href may be percent-encoded (RFC 2392 §2).
        wanted = {comparable(content.href), comparable(unquote(content.href or ""))} - {""}
        ids, others = split.container_names(pieces)
        if wanted & {comparable(name) for name in (*ids, *(part.content_id for part in parts))}:
            return
        named = (*others, *(part.content_location for part in parts), *(part.filename for part in parts))
        quirks.add("content_by_name" if wanted & {comparable(name) for name in named} else "content_unmatched")


def encode(message: Message, parts: Sequence[Part] = ()) -> Encoded:
    """Write an HTTP body of either direction: text/xml alone, or multipart/related where there are parts.

    Raises EncodeError for a value that XML cannot hold, or parts that no Content refers to.
    """
    root = writer.write(message)
    if not parts:
        return Encoded("text/xml; charset=utf-8", root)
    content = getattr(message, "content", None)
    content_id = bare_id(content.href) if content else None
    if content_id is None:
        raise EncodeError(f"{message.operation} has parts, and no Content refers to them")
    return Encoded(*join.join(root, content_id, parts))
