"""SMIL, the order in which a phone shows the parts (OMA MMS conformance: one `par` a slide, two regions)."""

from collections.abc import Sequence

from lxml import etree

from . import documents, soap
from .errors import DecodeError
from .headers import bare_id
from .parts import Part
from .quirks import Quirks

CONTENT_TYPE = "application/smil"
_MEDIA = {"image": "img", "video": "video", "audio": "audio"}
_SLIDE_SECONDS = 5


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
    try:
        root = documents.parse(document, "utf-8", Quirks())
    except DecodeError as error:
        raise ValueError(f"no SMIL document: {error.text}") from None
    if soap.local_name(root.tag).lower() != "smil":
        raise ValueError(f"no SMIL document: it begins with <{soap.local_name(root.tag)}>")
    found = (bare_id(node.get("src")) for node in root.iter() if node.get("src"))
    return {name for name in found if name}


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
