"""Binary WAP multiparts taken apart: bytes → the header block of each part, as MIME would write it, and its span.

WAP-230-WSP-20010705: §8.1.2 (uintvar), §8.4.1.1 and §8.4.1.2 (names and values of headers), §8.4.2.1 to §8.4.2.4
(texts, numbers, lengths, parameters), §8.4.2.24 (Content-Type), §8.5 (the multipart); its tables 38, 39 and 40, and
WINA's list that continues 40, for the assigned numbers; MIBenum is IANA's number of a charset (RFC 3808).

Strategy: all lengths are checked before any header is looked at. A value's first octet tells where the value ends,
whatever the header is, so what is not needed is stepped over. What does not come out even is not read at all.
"""

import re
from collections.abc import Mapping
from urllib.parse import quote

MAX_HEADER_BYTES = 8 * 1024  # of one part, as in MIME
MAX_FIELDS = 20  # headers of one part, or parameters of one header
_SMALLEST_ENTRY = 3  # two lengths and a Content-Type, an octet each

Value = int | bytes | str
# Headers with lower-case names, and where the content begins and ends.
Entry = tuple[Mapping[str, str], int, int]

_UNKNOWN_TYPE = "application/octet-stream"
_MEDIA_TYPES = {
    0x02: "text/html",
    0x03: "text/plain",
    0x06: "text/x-vcalendar",
    0x07: "text/x-vcard",
    0x08: "text/vnd.wap.wml",
    0x0C: "multipart/mixed",
    0x0F: "multipart/alternative",
    0x14: "application/vnd.wap.wmlc",
    0x1D: "image/gif",
    0x1E: "image/jpeg",
    0x1F: "image/tiff",
    0x20: "image/png",
    0x21: "image/vnd.wap.wbmp",
    0x23: "application/vnd.wap.multipart.mixed",
    0x26: "application/vnd.wap.multipart.alternative",
    0x27: "application/xml",
    0x28: "text/xml",
    0x29: "application/vnd.wap.wbxml",
    0x33: "application/vnd.wap.multipart.related",
    0x3B: "application/xhtml+xml",
    0x3C: "application/wml+xml",
    0x3D: "text/css",
    0x3E: "application/vnd.wap.mms-message",
    0x45: "application/vnd.wap.xhtml+xml",
    0x48: "application/vnd.oma.drm.message",
    0x49: "application/vnd.oma.drm.content",
    0x4A: "application/vnd.oma.drm.rights+xml",
    0x4B: "application/vnd.oma.drm.rights+wbxml",
    0x0305: "text/calendar",
}
_CHARSETS = {
    3: "us-ascii",
    **{number: f"iso-8859-{number - 3}" for number in range(4, 14)},
    17: "shift_jis",
    18: "euc-jp",
    36: "ks_c_5601-1987",
    37: "iso-2022-kr",
    38: "euc-kr",
    39: "iso-2022-jp",
    106: "utf-8",
    **{number: f"iso-8859-{number - 96}" for number in range(109, 113)},
    113: "gbk",
    114: "gb18030",
    1000: "utf-16",  # ISO-10646-UCS-2
    1013: "utf-16be",
    1014: "utf-16le",
    1015: "utf-16",
    2025: "gb2312",
    2026: "big5",
    2084: "koi8-r",
    2088: "koi8-u",
    **{number: f"windows-{number - 1000}" for number in range(2250, 2259)},
    2259: "tis-620",
}
_BYTE_ORDER_MARKS = (b"\xff\xfe", b"\xfe\xff")
_HEADERS = {0x0E: "content-location", 0x2E: "content-disposition", 0x40: "content-id", 0x45: "content-disposition"}
_DISPOSITIONS = {0: "form-data", 1: "attachment", 2: "inline"}
_QUALITY = 0x00  # the one parameter whose value is no value like the others, but a uintvar
_PARAMETERS = {
    0x01: "charset",
    0x05: "name",
    0x06: "filename",
    0x09: "type",
    0x0A: "start",
    0x17: "name",
    0x18: "filename",
    0x19: "start",
}
# These are texts and nothing else: the octet 127 that has to stand before what is beyond ASCII may be missing.
_TEXTS = {"content-id", "content-location", "filename", "name", "start"}
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~\w-]+", re.ASCII)
_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")


def read(data: bytes, at_most: int) -> list[Entry]:
    """The entries of a multipart, those past `at_most` unread; none where it is empty or not well-formed."""
    try:
        return [(_headers(block, data[start : start + 2]), start, end) for block, start, end in _frames(data, at_most)]
    except (IndexError, ValueError):
        return []


def _frames(data: bytes, at_most: int) -> list[tuple[bytes, int, int]]:
    """The header block, and where the content begins and ends, of each entry."""
    count, at = _uintvar(data, 0)
    if count * _SMALLEST_ENTRY > len(data) - at:
        raise ValueError("more entries than there are bytes for")
    frames = []
    for _ in range(min(count, at_most)):
        header_bytes, at = _uintvar(data, at)
        data_bytes, at = _uintvar(data, at)
        start = at + header_bytes
        if header_bytes > MAX_HEADER_BYTES or start + data_bytes > len(data):
            raise ValueError("an entry is longer than it can be")
        frames.append((data[at:start], start, start + data_bytes))
        at = start + data_bytes
    if count <= at_most and data[at:].strip():  # a line break of the MIME round it may be left
        raise ValueError("bytes that are in no entry")
    return frames


def _uintvar(data: bytes, at: int) -> tuple[int, int]:
    """A number of up to five octets, seven bits in each, and what follows it."""
    number = 0
    for octet in data[at : at + 5]:
        at += 1
        number = number << 7 | octet & 0x7F
        if not octet & 0x80:
            return number, at
    raise ValueError("a number does not end")


def _headers(block: bytes, head: bytes) -> dict[str, str]:
    """The headers of an entry; `head` is how its content begins."""
    media_type, parameters, at = _content_type(block)
    if parameters.get("charset") == "utf-16" and head not in _BYTE_ORDER_MARKS:
        parameters["charset"] = "utf-16be"  # big-endian unless it says otherwise (RFC 2781 §4.3); Python's is not
    headers = {"content-type": _written(media_type, parameters)}
    page = 1
    for _ in range(MAX_FIELDS + 1):
        if at == len(block):
            return headers
        first = block[at]
        if not first:
            raise ValueError("a header has no name")
        if first < 0x20 or first == 0x7F:  # another code page, in which the numbers mean other headers
            page, at = (block[at + 1], at + 2) if first == 0x7F else (first, at + 1)
            continue
        name, at = _value(block, at)
        known = name.lower() if isinstance(name, str) else _HEADERS.get(_number(name)) if page == 1 else None
        value, at = _value(block, at, text=not isinstance(name, str) and known in _TEXTS)
        shown = _disposition(value) if known == "content-disposition" else value
        if known is not None and isinstance(shown, str):
            headers.setdefault(known, shown)
    raise ValueError("more headers than there can be")


def _content_type(block: bytes) -> tuple[str, dict[str, str], int]:
    """The media type, its parameters, and where the headers begin."""
    value, at = _value(block, 0)
    if not isinstance(value, bytes):
        return _media_type(value), {}, at
    media_type, inner = _value(value, 0)
    return _media_type(media_type), _parameters(value, inner), at


def _disposition(value: Value) -> str | None:
    if not isinstance(value, bytes):
        return value if isinstance(value, str) else _DISPOSITIONS.get(value)
    word, at = _value(value, 0)
    shown = word if isinstance(word, str) else _DISPOSITIONS.get(_number(word))
    return _written(shown or "attachment", _parameters(value, at))


def _parameters(block: bytes, at: int) -> dict[str, str]:
    found: dict[str, str] = {}
    for _ in range(MAX_FIELDS + 1):
        if at == len(block):
            return found
        token, at = _value(block, at)
        name = token.lower() if isinstance(token, str) else _PARAMETERS.get(_number(token), "")
        if token == _QUALITY:
            _, at = _uintvar(block, at)
            continue
        value, at = _value(block, at, text=not isinstance(token, str) and name in _TEXTS)
        shown = _parameter(name, value)
        if shown is not None and _TOKEN.fullmatch(name):
            found.setdefault(name, shown)
    raise ValueError("more parameters than there can be")


def _parameter(name: str, value: Value) -> str | None:
    """What MIME has for a parameter's value; None where it says nothing."""
    if isinstance(value, str):
        return value
    if name == "type":
        return _media_type(value)
    if name == "charset":
        number = _number(value)
        return _CHARSETS.get(number, f"mibenum-{number}") if number else None  # 0 is any charset
    return str(_number(value)) if value != b"" else None


def _media_type(value: Value) -> str:
    return value if isinstance(value, str) else _MEDIA_TYPES.get(_number(value), _UNKNOWN_TYPE)


def _number(value: int | bytes) -> int:
    return value if isinstance(value, int) else int.from_bytes(value)


def _value(block: bytes, at: int, *, text: bool = False) -> tuple[Value, int]:
    """A value of whatever kind, and what follows it: a number of seven bits, so many octets, or a text."""
    first = block[at]
    if first & 0x80 and not text:
        return first & 0x7F, at + 1
    if first > 0x1F:
        end = block.index(0, at)
        return _text(block[at:end]), end + 1
    length, at = _uintvar(block, at + 1) if first == 0x1F else (first, at + 1)
    if at + length > len(block):
        raise ValueError("a value is longer than it can be")
    return block[at : at + length], at + length


def _text(raw: bytes) -> str:
    """A text without what stands before it: a quotation mark, or the octet 127 where it begins beyond ASCII."""
    quoted = raw.startswith(b'"')
    raw = raw[1:].removesuffix(b'"') if quoted else raw.removeprefix(b"\x7f")
    if _CONTROL.search(raw):
        raise ValueError("a text has control characters")
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _written(value: str, parameters: Mapping[str, str]) -> str:
    """A header's value and parameters in MIME's writing; RFC 2231's for what is no token."""
    shown = (
        f"{name}={text}" if _TOKEN.fullmatch(text) else f"{name.rstrip('*')}*=utf-8''{quote(text, safe='')}"
        for name, text in parameters.items()
    )
    return "; ".join((value, *shown))
