"""XML documents: bytes → root element.

Strategy: one hardened parser reads strictly. Only what it refuses goes through repair — false encodings, typographic
quotes, bare ampersands — and at last through a recovering parser; every repair is a named quirk.
"""

import re
from collections.abc import Callable

from lxml import etree

from . import charsets
from .errors import DecodeError
from .quirks import Quirks

MAX_ENVELOPE_BYTES = 256 * 1024  # lxml caps neither siblings nor attributes; the largest seen in the wild is 6 KiB

_TYPOGRAPHIC = re.compile("[“”„‟]")
_ATTRIBUTE = re.compile('=\\s*[“”„‟"]([^“”„‟"<>]*)[“”„‟"]')
_TAG = re.compile(r"<[^<>]*>")
# Entities other than XML's own five count as bare: without a DTD nothing declares them.
_BARE_AMPERSAND = re.compile(r"&(?!(?:lt|gt|amp|quot|apos|#\d+|#x[0-9a-fA-F]+);)")
_BARE_LESS_THAN = re.compile(r"<(?![A-Za-z_:/!?])")
# What no XML document can hold (XML 1.0 §2.2), as it is or by its number.
_ILLEGAL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_CDATA = re.compile(r"(<!\[CDATA\[|\]\]>)")
_ENTITY = re.compile(r"&(lt|gt|amp|quot|apos);")
_NUMBER_OF = {"lt": 60, "gt": 62, "amp": 38, "quot": 34, "apos": 39}
_REFERENCE = re.compile(r"&#(?:0*(\d+)|x0*([0-9a-fA-F]+));")
_DECLARATION = re.compile(r"\A\s*<\?xml\b[^>]*\?>\s*")
_DECLARED = re.compile(r"encoding\s*=\s*[\"'“”]([A-Za-z0-9._-]+)")
# Atomic groups: without them every way to group n instructions is tried, 2^n of them.
_PROLOG_DOCTYPE = re.compile(rb"\A(?>\s|\xef\xbb\xbf|<\?.*?\?>|<!--.*?-->)*+<!DOCTYPE", re.DOTALL | re.IGNORECASE)
_BLANK_NAMESPACE = re.compile(rb"""\sxmlns(?::[^\s=]+)?\s*=\s*(?:"(?:\s[^"]*|[^"]*\s)"|'(?:\s[^']*|[^']*\s)')""")
_MESSAGE_CLOSED = re.compile(rb"</[^<>]*(?:Req|Rsp|Fault|Envelope)\s*>", re.IGNORECASE)
_UNBOUND_PREFIX, _NAMESPACE_NAME, _TAG_MISMATCH, _NAMESPACE_URI = 201, 202, 76, 99  # libxml2's error numbers


def _parser(*, recover: bool, encoding: str | None = None) -> etree.XMLParser:
    return etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        attribute_defaults=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
        recover=recover,
        encoding=encoding,
    )


def parse(data: bytes, charset: str | None, quirks: Quirks) -> etree._Element:
    """The root element of an XML document.

    Raises DecodeError 4004 for what is no XML or carries a DOCTYPE, 2007 for what is too large.
    """
    if len(data) > MAX_ENVELOPE_BYTES:
        raise DecodeError(f"the envelope has {len(data)} bytes, at most {MAX_ENVELOPE_BYTES} are read", status=2007)
    stripped = data.strip()
    if _PROLOG_DOCTYPE.match(stripped):
        raise DecodeError("a DOCTYPE is not allowed", status=4004)
    contradicted = charset is not None and _contradicted(stripped, charset)
    if contradicted:
        quirks.add("charset_contradiction")
    try:
        root = etree.fromstring(stripped, _parser(recover=False, encoding=_decided(stripped) if contradicted else None))
    except (etree.XMLSyntaxError, ValueError):
        root = _repair(stripped, charset, quirks)
    if root.getroottree().docinfo.doctype:  # UTF-16 hides it from the look at the bytes
        raise DecodeError("a DOCTYPE is not allowed", status=4004)
    if data[:1].isspace() and stripped.startswith(b"<?xml"):
        quirks.add("blank_before_declaration")
    return root


def _contradicted(data: bytes, charset: str) -> bool:
    """Whether the declaration names another encoding than the Content-Type."""
    declared = _DECLARED.search(data[:200].decode("utf-8", "replace"))
    return declared is not None and not charsets.same(declared[1], charset)


def _decided(data: bytes) -> str | None:
    """UTF-8 where the bytes are that beyond ASCII: hardly any text of another encoding is by accident."""
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return None
    return None if data.isascii() else "utf-8"


def _repair(data: bytes, charset: str | None, quirks: Quirks) -> etree._Element:
    """Second pass, after the strict parser has refused."""
    encoded = _escape(_straighten(_text(data, charset, quirks), quirks), quirks).encode("utf-8")
    if _PROLOG_DOCTYPE.match(encoded):
        raise DecodeError("a DOCTYPE is not allowed", status=4004)
    try:
        return etree.fromstring(encoded, _parser(recover=False, encoding="utf-8"))
    except etree.XMLSyntaxError as error:
        return _recover(encoded, error, quirks)


def _escape(text: str, quirks: Quirks) -> str:
    """Text whose bare & and < are escaped, except in CDATA sections, with U+FFFD for what XML cannot hold."""
    pieces = _CDATA.split(_replace(_ILLEGAL, "\ufffd", text, "illegal_character", quirks))
    for index in range(0, len(pieces), 2):  # text and CDATA's marks take turns
        if index and pieces[index - 1] != "]]>":
            continue
        piece = _replace(_REFERENCE, _legal, pieces[index], "illegal_character", quirks)
        piece = _replace(_BARE_AMPERSAND, "&#38;", piece, "bare_ampersand", quirks)
        piece = _replace(_BARE_LESS_THAN, "&#60;", piece, "bare_less_than", quirks)
        # By their numbers: libxml2 drops the named ones behind the first error of a document.
        pieces[index] = _ENTITY.sub(lambda match: f"&#{_NUMBER_OF[match[1]]};", piece)
    return "".join(pieces)


def _replace(
    pattern: re.Pattern[str], by: str | Callable[[re.Match[str]], str], text: str, quirk: str, quirks: Quirks
) -> str:
    replaced = pattern.sub(by, text)
    if replaced != text:
        quirks.add(quirk)
    return replaced


def _legal(reference: re.Match[str]) -> str:
    """A character reference as it is, or U+FFFD where it names what XML cannot hold."""
    digits, base = (reference[1], 10) if reference[1] else (reference[2], 16)
    number = int(digits, base) if len(digits) < 8 else 0  # int() of a megabyte of digits is an attack
    return reference.group() if number <= 0x10FFFF and not _ILLEGAL.match(chr(number)) else "\ufffd"


def _recover(encoded: bytes, cause: etree.XMLSyntaxError, quirks: Quirks) -> etree._Element:
    parser = _parser(recover=True, encoding="utf-8")
    try:
        root = etree.fromstring(encoded, parser)
    except etree.XMLSyntaxError:  # pragma: no cover  # no input is known that a recovering parser raises on
        root = None
    if root is None or b"<" not in encoded:
        raise DecodeError(f"no XML document: {(cause.msg or '')[:200]}", status=4004) from cause
    met = {entry.type for entry in parser.error_log}
    if met & {_UNBOUND_PREFIX, _NAMESPACE_NAME}:
        quirks.add("unbound_prefix")
    if blank := _NAMESPACE_URI in met and _BLANK_NAMESPACE.search(encoded) is not None:
        quirks.add("namespace_blank")
    harmless = {_UNBOUND_PREFIX, _NAMESPACE_NAME, _NAMESPACE_URI} | (
        {_TAG_MISMATCH} if _UNBOUND_PREFIX in met else set()
    )
    if met - harmless or not (met & {_UNBOUND_PREFIX, _NAMESPACE_NAME} or blank):
        quirks.add("xml_recovered")
    return root


def _text(data: bytes, charset: str | None, quirks: Quirks) -> str:
    """Decoded text without its XML declaration: by what the bytes are, then by what they claim to be."""
    head = data[:200]
    if head.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in head[:4]:
        declared, candidates = "utf-16", ["utf-16"]
    else:
        match = _DECLARED.search(head.decode("utf-8", "replace"))
        declared = match[1] if match else charset or "utf-8"
        names = [declared, charset or "utf-8", "utf-8"]
        candidates = [name for name in names if not name.lower().startswith(("utf-16", "utf-32", "ucs"))]
        if len(candidates) < len(names):
            quirks.add("encoding_mismatch")
    # Twice: what is UTF-8 is, nearly always, in the supersets of the Korean and Chinese charsets too.
    for narrow in (True, False):
        for name in candidates:
            try:
                text = charsets.decode(data, name, narrow=narrow)
            except (UnicodeDecodeError, LookupError):
                continue
            if not charsets.same(name, declared):
                quirks.add("encoding_mismatch")
            return _DECLARATION.sub("", text.removeprefix("\ufeff"))
    quirks.add("encoding_mismatch")
    quirks.add("encoding_fallback")
    return _DECLARATION.sub("", data.decode("latin-1"))


def is_cut_off(data: bytes) -> bool:
    """Whether no message is closed in the document: a recovering parser closes them by itself."""
    return b"\0" not in data[:4] and not _MESSAGE_CLOSED.search(data)


def _straighten(text: str, quirks: Quirks) -> str:
    """Typographic quotes inside tags become straight; those in the text between tags stay."""
    if not _TYPOGRAPHIC.search(text):
        return text

    def straighten_tag(match: re.Match[str]) -> str:
        return _ATTRIBUTE.sub(r'="\1"', match.group())

    straight = _TAG.sub(straighten_tag, text)
    if straight != text:
        quirks.add("typographic_quotes")
    return straight
