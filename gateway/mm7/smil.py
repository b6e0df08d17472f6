"""SMIL, the order in which a phone shows the parts (OMA MMS conformance: one `par` a slide, two regions)."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import unquote

from lxml import etree

from . import documents, soap
from .errors import DecodeError
from .headers import bare_id
from .parts import Part
from .quirks import Quirks

CONTENT_TYPE = "application/smil"
_MEDIA = {"image": "img", "video": "video", "audio": "audio"}
_SLIDE_SECONDS = 5
_TIMED = frozenset({"text", "img", "video", "audio", "ref", "animation", "textstream", "brush"})
_CLOCK = re.compile(r"(?:(?:(\d+):)?([0-5]\d):)?(\d+(?:\.\d+)?)(h|min|s|ms)?")  # SMIL 2.0, Clock-value
_DOCTYPE = re.compile(rb"<!DOCTYPE\s+smil\b[^\[<>]*>", re.IGNORECASE)  # phones write one; with declarations it is none
_UNITS = {"h": 3600.0, "min": 60.0, "s": 1.0, "ms": 0.001, None: 1.0}


@dataclass(frozen=True, slots=True)
class Slide:
    """What is shown together: the names of its parts, without `cid:`; for `seconds`, where the document says."""

    seconds: float | None
    sources: tuple[str, ...]


def read(document: bytes) -> list[Slide]:
    """The slides of a SMIL document in their order. Raises ValueError for what is no SMIL."""
    root = _root(document)
    bodies = (node for node in root if soap.local_name(node.tag).lower() == "body")
    return list(_slides(next(bodies, root)))


def _slides(sequence: etree._Element) -> Iterator[Slide]:
    """A `par` is a slide, and so is a medium that stands alone; all else is looked into."""
    for node in sequence.iterchildren(etree.Element):
        name = soap.local_name(node.tag).lower()
        if name == "par" or name in _TIMED:
            media = [each for each in node.iter(etree.Element) if each.get("src")]
            own = _seconds(node.get("dur"))
            theirs = [seconds for each in media if (seconds := _seconds(each.get("dur"))) is not None]
            yield Slide(own if own is not None else max(theirs, default=None), _names(media))
        elif name not in ("head", "layout"):
            yield from _slides(node)


def _names(media: Sequence[etree._Element]) -> tuple[str, ...]:
    found = (bare_id(unquote(node.get("src", ""))) for node in media)
    return tuple(name for name in found if name)


def _seconds(value: str | None) -> float | None:
    """`5s`, `5000ms`, `00:05`; None for `indefinite` and for what is no time."""
    match = _CLOCK.fullmatch((value or "").strip().lower())
    if match is None:
        return None
    hours, minutes, count, unit = match.groups()
    return round(int(hours or 0) * 3600 + int(minutes or 0) * 60 + float(count) * _UNITS[unit], 3)


def build(parts: Sequence[Part]) -> bytes:
    """A SMIL document with one slide for each picture or clip and its text; parts are named by their Content-ID."""
    smil = etree.Element("smil")
    layout = etree.SubElement(etree.SubElement(smil, "head"), "layout")
    etree.SubElement(layout, "root-layout", width="100%", height="100%")
    etree.SubElement(layout, "region", id="Image", left="0", top="0", width="100%", height="70%", fit="meet")
    etree.SubElement(layout, "region", id="Text", left="0", top="70%", width="100%", height="30%", fit="scroll")
    body = etree.SubElement(smil, "body")
    for slide in slides(parts):
        par = etree.SubElement(body, "par", dur=f"{_SLIDE_SECONDS}s")
        for part in slide:
            kind = part.content_type.partition("/")[0]
            element = etree.SubElement(par, _MEDIA.get(kind, "text"), src=f"cid:{part.content_id}")
            if kind != "audio":
                element.set("region", "Image" if kind in _MEDIA else "Text")
    return etree.tostring(smil, encoding="UTF-8", xml_declaration=False)


def references(document: bytes) -> set[str]:
    """The names of parts that a SMIL document refers to, without `cid:`. Raises ValueError for what is no SMIL."""
    return set(_names([*_root(document).iter(etree.Element)]))


def _root(document: bytes) -> etree._Element:
    try:
        root = documents.parse(_DOCTYPE.sub(b"", document, count=1), "utf-8", Quirks())
    except DecodeError as error:
        raise ValueError(f"no SMIL document: {error.text}") from None
    if soap.local_name(root.tag).lower() != "smil":
        raise ValueError(f"no SMIL document: it begins with <{soap.local_name(root.tag)}>")
    return root


def slides(parts: Sequence[Part]) -> list[list[Part]]:
    """Each medium opens a slide; a text joins the slide before it where that has none, else it opens its own."""
    found: list[list[Part]] = []
    for part in parts:
        kind = part.content_type.partition("/")[0]
        if kind == "text" and found and not any(p.content_type.startswith("text/") for p in found[-1]):
            found[-1].append(part)
        elif kind == "text" or kind in _MEDIA:
            found.append([part])
    return found
