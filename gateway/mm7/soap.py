"""The SOAP envelope: a document's root → the payload element.

Strategy: elements are matched by the part of their name behind the last colon, because unbound prefixes leave literal
colons in lxml's tags.
"""

from dataclasses import dataclass
from functools import lru_cache

from lxml import etree

from .quirks import Quirks

SOAP = "http://schemas.xmlsoap.org/soap/envelope/"

_CODES_OF_1_2 = {"Sender": "Client", "Receiver": "Server"}


@dataclass(frozen=True, slots=True)
class Envelope:
    """An opened envelope. `payload` is the MM7 element; `fault` the SOAP Fault round it, where there is one."""

    payload: etree._Element | None
    fault: etree._Element | None
    detail: etree._Element | None = None
    body: etree._Element | None = None
    transaction_id: str | None = None
    header_namespace: str | None = None


def local_name(tag: object) -> str:
    """The name behind namespace and prefix; "" for what is no element (an unresolved entity)."""
    return _remembered(tag)[0] if isinstance(tag, str) else ""


def namespace_of(tag: object) -> str | None:
    """The namespace of a tag, without the blanks that some senders leave round it; None where there is none.

    None, too, where it is no URI: no answer could be written in it.
    """
    return _remembered(tag)[1] if isinstance(tag, str) else None


def _remembered(tag: str) -> tuple[str, str | None]:
    """A provider has its few dozens of tags; long ones are an attack, and not remembered."""
    return _split_tag(tag) if len(tag) < 200 else _split_tag.__wrapped__(tag)


@lru_cache(maxsize=1024)
def _split_tag(tag: str) -> tuple[str, str | None]:
    """(local name, namespace)."""
    prefix, _, name = tag.rpartition("}")
    namespace = prefix[1:].strip()
    try:
        etree.Element("x", nsmap={None: namespace})
    except ValueError:
        namespace = ""
    return name.rpartition(":")[2], namespace or None


def open_envelope(root: etree._Element, quirks: Quirks) -> Envelope:
    """Find header, payload and fault below the root. A payload without SOAP is taken as it is."""
    if local_name(root.tag).lower() != "envelope":
        quirks.add("soap_envelope_missing")
        return Envelope(root, None)
    if namespace_of(root.tag) != SOAP and not (namespace_of(root.tag) is None and "unbound_prefix" in quirks):
        quirks.add("soap_namespace")
    identity: tuple[str | None, str | None] = None, None
    body, fault = None, None
    for child in root:
        name = local_name(child.tag).lower()
        if name == "header":
            identity = _transaction_id(child)
        elif name == "body":
            body = child
        elif name == "fault":
            fault = child
            quirks.add("fault_outside_body")
        elif body is None and name.endswith(("req", "rsp")):
            body = root
            quirks.add("soap_body_missing")
    payload = _payload(body, skipped=("header", "body")) if body is not None else None
    if payload is not None and local_name(payload.tag).lower() == "fault":
        fault, payload = payload, None
    detail = None
    if fault is not None:
        detail = next((e for e in fault if local_name(e.tag).lower() == "detail"), None)
        payload = _payload(detail) if detail is not None else None
    return Envelope(payload, fault, detail, body, *identity)


def _transaction_id(header: etree._Element) -> tuple[str | None, str | None]:
    """(TransactionID, its namespace) of a SOAP Header."""
    found = next((e for e in header.iter() if local_name(e.tag).lower() == "transactionid"), None)
    return ((found.text or "").strip() or None, namespace_of(found.tag)) if found is not None else (None, None)


def _payload(parent: etree._Element, skipped: tuple[str, ...] = ()) -> etree._Element | None:
    """The message among its siblings (one vendor puts a request of its own beside it), else the first of them."""
    children = [child for child in parent if local_name(child.tag).lower() not in skipped]
    named = (c for c in children if local_name(c.tag).lower().endswith(("req", "rsp", "fault")))
    return next(named, children[0] if children else None)


def fault_strings(fault: etree._Element | None) -> tuple[str, str | None]:
    """(faultcode without its prefix, faultstring) of a SOAP Fault, of SOAP 1.1 or 1.2."""
    texts = {local_name(e.tag).lower(): _first_text(e) for e in fault} if fault is not None else {}
    code = local_name(texts.get("faultcode") or texts.get("code") or "")
    return _CODES_OF_1_2.get(code, code) or "Server", texts.get("faultstring") or texts.get("reason") or None


def _first_text(node: etree._Element) -> str:
    return next((text.strip() for text in node.itertext() if text.strip()), "")
