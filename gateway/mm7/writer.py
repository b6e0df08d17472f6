"""Messages → XML elements. The mirror of `reader`.

Strategy: the table of a class gives the order; an element is written where its value is there and the release of the
message's namespace has it. What the release demands and the message lacks is an error, not a message that a strict
MMSC would refuse. One small writer for each kind of element.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from lxml import etree

from .elements import Element, elements, has, release_of, tokens_only
from .errors import EncodeError
from .messages import SINCE, ErrorRsp, Message, Response
from .soap import SOAP
from .values import Address, PreviousDateTime, Recipients, UserAgent

_DECLARATION = b'<?xml version="1.0" encoding="UTF-8"?>\n'
_NMTOKEN = re.compile(r"[\w.:-]+")  # XML 1.0 §2.3, near enough


@dataclass(frozen=True, slots=True)
class _Scope:
    """Where a message is written: its namespace, and the release that this is (None: no schema has it)."""

    namespace: str | None
    release: str | None

    def child(self, parent: etree._Element, name: str, text: str | None = None) -> etree._Element:
        if self.namespace is None:
            child = etree.SubElement(parent, name)
        else:
            child = etree.SubElement(parent, f"{{{self.namespace}}}{name}", nsmap={None: self.namespace})
        try:
            child.text = text
        except ValueError as error:
            raise EncodeError(f"{name}: {text!r} has a character that XML cannot hold") from error
        return child

    def identifier(self, name: str, text: str) -> str:
        """An identifier as the release allows it. Raises EncodeError."""
        if tokens_only(self.release) and not _NMTOKEN.fullmatch(text):
            raise EncodeError(f"{name}: {text!r} is no NMTOKEN, as {self.release} demands")
        return text


def write(message: Message) -> bytes:
    """The SOAP document of a message. Raises EncodeError for what its release or XML cannot hold."""
    try:
        envelope = _envelope(message)
    except ValueError as error:
        raise EncodeError(f"{message.operation} has a character that XML cannot hold") from error
    return _DECLARATION + etree.tostring(envelope, encoding="UTF-8", xml_declaration=False)


def _envelope(message: Message) -> etree._Element:
    scope = _Scope(message.namespace, release_of(message.namespace))
    if not has(scope.release, SINCE.get(message.operation, "REL-5-MM7-1-0")):
        raise EncodeError(f"{scope.release} has no {message.operation}")
    envelope = etree.Element(f"{{{SOAP}}}Envelope", nsmap={"soap-env": SOAP})
    if message.transaction_id is not None:
        header = etree.SubElement(envelope, f"{{{SOAP}}}Header")
        identifier = message.transaction_id
        if not isinstance(message, Response):  # a response repeats it, whatever it is
            identifier = scope.identifier("TransactionID", identifier)
        transaction_id = scope.child(header, "TransactionID", identifier)
        if not tokens_only(scope.release):
            transaction_id.set(f"{{{SOAP}}}mustUnderstand", "1")
    body = etree.SubElement(envelope, f"{{{SOAP}}}Body")
    parent = _fault(body, message) if isinstance(message, ErrorRsp) else body
    _write_children(scope.child(parent, message.operation), message, scope)
    return envelope


def _fault(body: etree._Element, message: ErrorRsp) -> etree._Element:
    fault = etree.SubElement(body, f"{{{SOAP}}}Fault")
    etree.SubElement(fault, "faultcode").text = f"soap-env:{message.fault_code}"
    etree.SubElement(fault, "faultstring").text = message.fault_string or message.status.text or ""
    return etree.SubElement(fault, "detail")


def _write_children(parent: etree._Element, value: Any, scope: _Scope) -> None:
    """The fields of a message or group as children, in the schema's order."""
    cls: type = type(value)
    for attribute, element in elements(cls):
        content = getattr(value, attribute)
        name = element.name_in(scope.release)
        if name is not None and content is not None and element.written:
            WRITERS[element.kind](parent, name, content, element, scope)
        elif name is not None and element.required_in(scope.release) and scope.release is not None:
            raise EncodeError(f"{cls.__name__} needs {name} in {scope.release}")


def _write_text(parent: etree._Element, name: str, value: object, element: Element, scope: _Scope) -> None:
    text = _plain(value)
    scope.child(parent, name, scope.identifier(name, text) if element.token else text)


def _plain(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _write_address(parent: etree._Element, name: str, value: Address, element: Element, scope: _Scope) -> None:
    if element.plain_in(scope.release):
        scope.child(parent, name, value.value)
    else:
        _addresses(scope.child(parent, name), (value,), scope)


def _addresses(holder: etree._Element, addresses: tuple[Address, ...], scope: _Scope) -> None:
    for address in addresses:
        if not address.kind:
            holder.text = address.value
            continue
        value = address.value
        if address.kind != "RFC2822Address" and tokens_only(scope.release):
            value = scope.identifier(address.kind, value.removeprefix("+"))
        node = scope.child(holder, address.kind, value)
        if address.display_only:
            node.set("displayOnly", "true")
        if has(scope.release, "REL-6-MM7-1-0"):
            for attribute, text in (("addressCoding", address.address_coding), ("id", address.id)):
                if text is not None:
                    node.set(attribute, text)


def _write_recipients(parent: etree._Element, name: str, value: Recipients, _: Element, scope: _Scope) -> None:
    holder = scope.child(parent, name)
    for role, addresses in (("To", value.to), ("Cc", value.cc), ("Bcc", value.bcc)):
        if addresses:
            _addresses(scope.child(holder, role), addresses, scope)


def _write_attributes(parent: etree._Element, name: str, value: Any, _: Element, scope: _Scope) -> None:
    node = scope.child(parent, name)
    cls: type = type(value)
    for attribute, element in elements(cls):
        content = getattr(value, attribute)
        if content is not None:
            node.set(element.name, _plain(content))


def _write_group(parent: etree._Element, name: str, value: object, _: Element, scope: _Scope) -> None:
    _write_children(scope.child(parent, name), value, scope)


def _write_repeated(
    parent: etree._Element, name: str, value: tuple[UserAgent | PreviousDateTime, ...], _: Element, scope: _Scope
) -> None:
    holder = scope.child(parent, name)
    for one in value:
        text = one.value if isinstance(one, PreviousDateTime) else None
        node = scope.child(holder, one.element_name, text)
        if one.sequence is not None:
            node.set("sequence", str(one.sequence))
        if isinstance(one, UserAgent) and one.address is not None:
            _addresses(node, (one.address,), scope)


def _write_conditions(parent: etree._Element, name: str, value: tuple[int, ...], _: Element, scope: _Scope) -> None:
    numbers = [str(number) for number in value]
    if not has(scope.release, "REL-6-MM7-1-4"):  # one release has it as text
        scope.child(parent, name, " ".join(numbers))
        return
    holder = scope.child(parent, name)
    for number in numbers:
        scope.child(holder, "DC", number)


WRITERS: Mapping[str, Callable[[etree._Element, str, Any, Element, _Scope], None]] = {
    "text": _write_text,
    "boolean": _write_text,
    "integer": _write_text,
    "address": _write_address,
    "recipients": _write_recipients,
    "attributes": _write_attributes,
    "group": _write_group,
    "repeated": _write_repeated,
    "conditions": _write_conditions,
}
