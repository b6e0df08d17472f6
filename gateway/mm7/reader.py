"""XML elements → messages. The mirror of `writer`.

Strategy: the children of a payload are looked up by their name in the table of its class; order does not matter, nor
do upper and lower case. What no table knows is kept in `extensions`. One small reader for each kind of element.
"""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from lxml import etree

from .elements import Element, elements, release_of
from .message import Message
from .messages import Response
from .quirks import Quirks
from .scalars import boolean, integer
from .soap import local_name, namespace_of
from .values import Address, PreviousDateTime, Recipients, Status, UserAgent

ADDRESS_KINDS: Mapping[str, Any] = {name.lower(): name for name in ("Number", "ShortCode", "RFC2822Address")}
_STATUS_NAMES = {"statuscode", "statustext", "details", "detail"}


def read(payload: etree._Element, cls: type[Message], quirks: Quirks, **envelope: str | None) -> Message:
    """The message in a payload element; `envelope` gives transaction_id and namespace."""
    if issubclass(cls, Response):
        _put_status_in_shape(payload, quirks)
    values, extensions = read_children(payload, cls, quirks, release_of(envelope.get("namespace")))
    return cls(**envelope, extensions=extensions, **values)


def _put_status_in_shape(payload: etree._Element, quirks: Quirks) -> None:
    """StatusCode and its like straight in the response, or a code as the text of Status, are put where they belong."""
    status = next((child for child in payload if local_name(child.tag).lower() == "status"), None)
    namespace = namespace_of(payload.tag)
    if status is None:
        loose = [child for child in payload if local_name(child.tag).lower() in _STATUS_NAMES]
        if loose:
            quirks.add("status_shape")
            status = etree.Element(etree.QName(namespace, "Status"))
            payload.insert(payload.index(loose[0]), status)
            status.extend(loose)
    elif len(status) == 0 and (status.text or "").strip():
        quirks.add("status_shape")
        etree.SubElement(status, etree.QName(namespace, "StatusCode")).text = status.text


def holder_of_status(detail: etree._Element) -> etree._Element | None:
    """The element in a Fault's detail that holds Status, or StatusCode; None where there is neither."""
    code = next((node for node in detail.iter() if local_name(node.tag).lower() == "statuscode"), None)
    parent = code.getparent() if code is not None else None
    return parent.getparent() if parent is not None and local_name(parent.tag).lower() == "status" else parent


def read_children(
    parent: etree._Element, cls: type, quirks: Quirks, release: str | None
) -> tuple[dict[str, Any], dict[str, str]]:
    """(attribute → value, unknown element → its text) of the children of an element."""
    table = _by_name(cls)
    namespace, last = namespace_of(parent.tag), 0
    values: dict[str, Any] = {}
    extensions: dict[str, str] = {}
    for child in parent:
        name = local_name(child.tag)
        found = table.get(name.lower())
        if found is None:
            if name:
                quirks.add("unknown_element")
                extensions.setdefault(name, _text(child))
            continue
        attribute, element, place = found
        if name != element.name or release in element.renamed:
            _check_name(name, element, release, quirks)
        if namespace_of(child.tag) != namespace and "unbound_prefix" not in quirks:
            quirks.add("children_namespace")
        if place < last and not issubclass(cls, Status):  # the children of Status are in any order
            quirks.add("element_order")
        last = place
        if attribute not in values:
            values[attribute] = _read_one(child, element, quirks, release, extensions)
        elif element.kind == "recipients":
            values[attribute] = _merge(values[attribute], _recipients(child, element, quirks))
        else:
            quirks.add("repeated_element")
    return values, extensions


def _read_one(
    child: etree._Element, element: Element, quirks: Quirks, release: str | None, extensions: dict[str, str]
) -> Any:
    """The value of an element; what is unknown or unreadable in it goes into the extensions."""
    if element.kind == "group":
        assert element.group is not None  # the table gives every group its class
        values, more = read_children(child, element.group, quirks, release)
        for name, text in more.items():
            extensions.setdefault(name, text)
        return element.group(**values)
    value = READERS[element.kind](child, element, quirks)
    if value is None and element.kind in ("boolean", "integer") and (text := _text(child)):
        extensions.setdefault(local_name(child.tag), text)
    if element.kind == "address" and value is not None and not value.kind and not element.plain_in(release):
        quirks.add("address_untyped")
    return value


def _check_name(name: str, element: Element, release: str | None, quirks: Quirks) -> None:
    others = {element.name, *element.also, *element.renamed.values()}
    if name not in others:
        quirks.add("name_case")
    elif name != element.name_in(release) and not (release is None and name in element.renamed.values()):
        quirks.add("name_variant")


@cache
def _by_name(cls: type) -> dict[str, tuple[str, Element, int]]:
    return {
        name.lower(): (attribute, element, place)
        for place, (attribute, element) in enumerate(elements(cls))
        for name in (element.name, *element.also)
    }


def _text(node: etree._Element) -> str:
    """All text below an element: Details, for one, holds text or elements."""
    if len(node) == 0:
        return (node.text or "").strip()
    return " ".join(t.strip() for t in node.itertext() if t.strip())


def _read_text(node: etree._Element, _element: Element, _quirks: Quirks) -> str | None:
    return _text(node) or None


def _read_boolean(node: etree._Element, _element: Element, quirks: Quirks) -> bool | None:
    return boolean(_text(node), quirks)


def _read_integer(node: etree._Element, _element: Element, quirks: Quirks) -> int | None:
    return integer(_text(node), quirks)


def _addresses(node: etree._Element, quirks: Quirks) -> list[Address]:
    """The addresses in an element: those in elements of their own, else its bare text."""
    found = _named_addresses(node, quirks)
    if not found and (bare := _text(node)):
        return [Address(bare, "")]
    return found


def _named_addresses(node: etree._Element, quirks: Quirks) -> list[Address]:
    found = []
    for child in node:
        name = local_name(child.tag)
        kind = ADDRESS_KINDS.get(name.lower())
        value = _text(child)
        if kind is None or not value:
            continue
        if name != kind:
            quirks.add("name_case")
        attributes = _attributes(child, ("displayOnly", "addressCoding", "id"), quirks)
        shown = boolean(attributes.get("displayonly"), quirks)
        found.append(Address(value, kind, bool(shown), attributes.get("addresscoding"), attributes.get("id")))
    return found


def _attributes(node: etree._Element, known: tuple[str, ...], quirks: Quirks) -> dict[str, str]:
    """The attributes by their names in lower case; prefixed ones (`mm7:href`) count too."""
    found = {}
    for name, text in node.attrib.items():
        local = local_name(name)
        if local in known:
            if local != name:
                quirks.add("name_variant")
        elif local.lower() in (one.lower() for one in known):
            quirks.add("name_case")
        found[local.lower()] = text
    return found


def _read_address(node: etree._Element, _element: Element, quirks: Quirks) -> Address | None:
    return next(iter(_addresses(node, quirks)), None)


def _recipients(node: etree._Element, _element: Element, quirks: Quirks) -> Recipients:
    roles: dict[str, list[Address]] = {"to": [], "cc": [], "bcc": []}
    with_role = [child for child in node if local_name(child.tag).lower() in roles]
    # Number, or bare text, straight in Recipients is read as To.
    roles["to"] += _named_addresses(node, quirks) if with_role else _addresses(node, quirks)
    for child in with_role:
        roles[local_name(child.tag).lower()] += _addresses(child, quirks)
    if any(not address.kind for addresses in roles.values() for address in addresses):
        quirks.add("address_untyped")
    return Recipients(*(tuple(addresses) for addresses in roles.values()))


def _merge(one: Recipients, two: Recipients) -> Recipients:
    return Recipients(one.to + two.to, one.cc + two.cc, one.bcc + two.bcc)


def _read_attributes(node: etree._Element, element: Element, quirks: Quirks) -> object:
    """A value whose fields are XML attributes; prefixed ones (`mm7:href`) count too."""
    assert element.group is not None  # the table gives every attributes element its class
    given = _attributes(node, tuple(spec.name for _, spec in elements(element.group)), quirks)
    values: dict[str, Any] = {}
    for attribute, spec in elements(element.group):
        text = given.get(spec.name.lower())
        values[attribute] = ATTRIBUTE_READERS[spec.kind](text, quirks)
    return element.group(**values)


def _read_repeated(node: etree._Element, element: Element, quirks: Quirks) -> tuple[UserAgent | PreviousDateTime, ...]:
    """User agents or times, each with its sequence number."""
    found: list[UserAgent | PreviousDateTime] = []
    for child in node:
        name = local_name(child.tag).lower()
        sequence = integer(child.get("sequence"), quirks)
        if name == "useragent":
            found.append(UserAgent(next(iter(_addresses(child, quirks)), None), sequence))
        elif name == "datetime":
            found.append(PreviousDateTime(_text(child) or None, sequence))
    return tuple(one for one in found if isinstance(one, element.group or object))


def _read_conditions(node: etree._Element, _element: Element, quirks: Quirks) -> tuple[int, ...]:
    """The numbers in DC elements, or in the text that one release has instead."""
    texts = [_text(child) for child in node] or _text(node).split()
    numbers = (integer(text, quirks) for text in texts)
    return tuple(number for number in numbers if number is not None)


ATTRIBUTE_READERS: Mapping[str, Callable[[str | None, Quirks], Any]] = {
    "text": lambda text, _quirks: (text or "").strip() or None,
    "boolean": boolean,
    "integer": integer,
}
READERS: Mapping[str, Callable[[etree._Element, Element, Quirks], Any]] = {
    "text": _read_text,
    "boolean": _read_boolean,
    "integer": _read_integer,
    "address": _read_address,
    "recipients": _recipients,
    "attributes": _read_attributes,
    "repeated": _read_repeated,
    "conditions": _read_conditions,
}
