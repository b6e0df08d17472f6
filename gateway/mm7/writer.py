"""Messages → XML elements. The mirror of `reader`.

Strategy: the table of a class gives the order; an element is written where its value is there and the release of the
message's namespace has it. One small writer for each kind of element.
"""

from collections.abc import Callable, Mapping
from typing import Any

from lxml import etree

from .elements import elements, release_of
from .errors import EncodeError
from .messages import ErrorRsp, Message
from .soap import SOAP
from .values import Address, Recipients

_DECLARATION = b'<?xml version="1.0" encoding="UTF-8"?>\n'


def write(message: Message) -> bytes:
    """The SOAP document of a message. Raises EncodeError for a value that XML cannot hold."""
    try:
        envelope = _envelope(message)
    except ValueError as error:
        raise EncodeError(f"{message.operation} has a character that XML cannot hold") from error
    return _DECLARATION + etree.tostring(envelope, encoding="UTF-8", xml_declaration=False)


def _envelope(message: Message) -> etree._Element:
    envelope = etree.Element(f"{{{SOAP}}}Envelope", nsmap={"soap-env": SOAP})
    if message.transaction_id is not None:
        header = etree.SubElement(envelope, f"{{{SOAP}}}Header")
        transaction_id = _child(header, message.namespace, "TransactionID", message.transaction_id)
        transaction_id.set(f"{{{SOAP}}}mustUnderstand", "1")
    body = etree.SubElement(envelope, f"{{{SOAP}}}Body")
    parent = _fault(body, message) if isinstance(message, ErrorRsp) else body
    payload = _child(parent, message.namespace, message.operation)
    write_children(payload, message, message.namespace)
    return envelope


def _fault(body: etree._Element, message: ErrorRsp) -> etree._Element:
    fault = etree.SubElement(body, f"{{{SOAP}}}Fault")
    etree.SubElement(fault, "faultcode").text = f"soap-env:{message.fault_code}"
    etree.SubElement(fault, "faultstring").text = message.fault_string or message.status.text or ""
    return etree.SubElement(fault, "detail")


def write_children(parent: etree._Element, value: Any, namespace: str | None) -> None:
    """The fields of a message or group as children, in the schema's order."""
    release = release_of(namespace)
    cls: type = type(value)
    for attribute, element in elements(cls):
        content = getattr(value, attribute)
        name = element.name_in(release)
        if content is not None and name is not None:
            WRITERS[element.kind](parent, namespace, name, content)


def _child(parent: etree._Element, namespace: str | None, name: str, text: str | None = None) -> etree._Element:
    if namespace is None:
        child = etree.SubElement(parent, name)
    else:
        child = etree.SubElement(parent, f"{{{namespace}}}{name}", nsmap={None: namespace})
    try:
        child.text = text
    except ValueError as error:
        raise EncodeError(f"{name}: {text!r} has a character that XML cannot hold") from error
    return child


def _write_text(parent: etree._Element, namespace: str | None, name: str, value: object) -> None:
    _child(parent, namespace, name, _plain(value))


def _plain(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _write_addresses(parent: etree._Element, namespace: str | None, name: str, *addresses: Address) -> None:
    holder = _child(parent, namespace, name)
    for address in addresses:
        if not address.kind:
            holder.text = address.value
            continue
        node = _child(holder, namespace, address.kind, address.value)
        for attribute, text in (
            ("displayOnly", "true" if address.display_only else None),
            ("addressCoding", address.address_coding),
            ("id", address.id),
        ):
            if text is not None:
                node.set(attribute, text)


def _write_recipients(parent: etree._Element, namespace: str | None, name: str, value: Recipients) -> None:
    holder = _child(parent, namespace, name)
    for role, addresses in (("To", value.to), ("Cc", value.cc), ("Bcc", value.bcc)):
        if addresses:
            _write_addresses(holder, namespace, role, *addresses)


def _write_attributes(parent: etree._Element, namespace: str | None, name: str, value: Any) -> None:
    node = _child(parent, namespace, name)
    cls: type = type(value)
    for attribute, element in elements(cls):
        content = getattr(value, attribute)
        if content is not None:
            node.set(element.name, _plain(content))


def _write_group(parent: etree._Element, namespace: str | None, name: str, value: object) -> None:
    write_children(_child(parent, namespace, name), value, namespace)


WRITERS: Mapping[str, Callable[[etree._Element, str | None, str, Any], None]] = {
    "text": _write_text,
    "boolean": _write_text,
    "integer": _write_text,
    "address": _write_addresses,
    "recipients": _write_recipients,
    "attributes": _write_attributes,
    "group": _write_group,
}
