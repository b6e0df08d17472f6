"""MIME header blocks and their values, as real senders write them (RFC 2045, RFC 2046, RFC 2231).

Strategy: a block is read line by line and ends at the first blank line; where there is none before the first line that
is no header, the body begins at that line. Values are split by one expression that takes quoted, half quoted and
unquoted parameters alike; typographic quotes are straightened first.
"""

import re
from collections.abc import Mapping
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from functools import lru_cache
from urllib.parse import unquote_to_bytes

from . import charsets
from .errors import DecodeError
from .quirks import Quirks

MAX_HEADER_BYTES = 8 * 1024

Headers = Mapping[str, str]

_FIELD = re.compile(r"([!-9;-~]+)[ \t]*:[ \t]*(.*)", re.DOTALL)
# Where the blank line is missing, only these can be told from text that happens to hold a colon.
_PART_FIELD = re.compile(r"(?:content-[a-z-]+|mime-version|transfer-encoding|x-[\w-]+)[ \t]*:", re.IGNORECASE)
_PARAMETER = re.compile(r';\s*([^=;\s"]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^;]*)')
_TYPOGRAPHIC = str.maketrans(dict.fromkeys("“”„‟", '"'))
_BRACKETS = str.maketrans("", "", "<> \t")
_ESCAPED = re.compile(r"\\(.)")
_CONTINUATION = re.compile(r"[\w*-]+[ \t]*=.*")
# Well-formed parameters (RFC 2045 §5.1): a token, or a quoted string.
_WELL_FORMED = re.compile(r"""[^;]*(?:;\s*[^\s=;"]+=(?:"(?:[^"\\]|\\.)*"|[^\s"(),/:;<=>?@\[\\\]]+)\s*)*""")


def read_block(data: bytes, start: int, end: int, quirks: Quirks) -> tuple[Headers, int]:
    """Headers (lower-case names, first one wins) of the part in data[start:end], and where its body begins.

    Raises DecodeError 2004 past MAX_HEADER_BYTES.
    """
    fields: dict[str, str] = {}
    last, complete = None, False
    position = start
    while position < end:
        line_end = data.find(b"\n", position, end) + 1 or end
        line = _decode(data[position : min(line_end, position + MAX_HEADER_BYTES)].rstrip(b"\r\n"))
        if not line.strip():
            return fields, line_end
        if line[0] in " \t" and last is not None:
            fields[last] += " " + _straighten(line.strip(), quirks)
        elif last is not None and fields[last].endswith(";") and _CONTINUATION.fullmatch(line):
            quirks.add("header_folding")
            fields[last] += " " + _straighten(line.strip(), quirks)
        elif (match := _FIELD.fullmatch(line)) and (
            _PART_FIELD.match(line) or complete or (complete := _ends_with_blank(data, line_end, end))
        ):
            last = match[1].lower()
            fields.setdefault(last, _straighten(match[2].rstrip(), quirks))
        else:
            quirks.add("part_headers_unfinished")
            return fields, position
        position = line_end
        if position - start > MAX_HEADER_BYTES:
            raise DecodeError(f"a part has more than {MAX_HEADER_BYTES} bytes of headers", status=2004)
    return fields, end


def _ends_with_blank(data: bytes, start: int, end: int) -> bool:
    """Whether only header lines stand between here and a blank line with something behind it.

    With nothing behind it what looks like a header is the body: `Note: call me` as the last line of a part.
    """
    end = min(end, start + MAX_HEADER_BYTES)
    while (line_end := data.find(b"\n", start, end)) >= 0:
        line = data[start:line_end]
        start = line_end + 1
        if not line.strip():
            return bool(data[start:end].strip())
        if not (line[:1] in b" \t" or _FIELD.fullmatch(line.decode("latin-1"))):
            return False
    return False


def _decode(line: bytes) -> str:
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        return line.decode("latin-1")


def _straighten(text: str, quirks: Quirks) -> str:
    straight = text if text.isascii() else text.translate(_TYPOGRAPHIC)
    if straight != text:
        quirks.add("typographic_quotes")
    return straight


@lru_cache(maxsize=256)
def read_value(value: str) -> tuple[str, Mapping[str, str]]:
    """(value, parameters) of `text/xml; charset="utf-8"`; value and parameter names in lower case."""
    head, semicolon, tail = (value if value.isascii() else value.translate(_TYPOGRAPHIC)).partition(";")
    parameters: dict[str, str] = {}
    for name, raw in _PARAMETER.findall(semicolon + tail):
        text = raw.strip()
        if text.startswith('"'):
            text = _ESCAPED.sub(r"\1", text[1:-1] if text.endswith('"') and len(text) > 1 else text[1:])
        elif text.endswith('"'):
            text = text[:-1]
        if name.endswith("*"):  # RFC 2231: charset'language'percent-encoded
            *declared, encoded = text.split("'", 2)
            text = _percent_decode(encoded, declared[0] if declared else "")
        parameters.setdefault(name.lower().rstrip("*"), text)
    return head.strip().lower(), parameters


@lru_cache(maxsize=256)
def is_well_formed(value: str) -> bool:
    """Whether the parameters of a Content-Type are formed as RFC 2045 says."""
    return _WELL_FORMED.fullmatch(value) is not None


def _percent_decode(encoded: str, charset: str) -> str:
    try:
        return charsets.decode(unquote_to_bytes(encoded.encode("utf-8", "surrogateescape")), charset or "utf-8")
    except (UnicodeDecodeError, LookupError):
        return encoded


def decode_words(text: str | None) -> str | None:
    """RFC 2047 words (`=?utf-8?B?…?=`), which some phones put into file names, as text."""
    if text is None or "=?" not in text:
        return text
    try:
        decoded = str(make_header(decode_header(text)))
        decoded.encode()  # some codecs give half a surrogate pair, which nothing can hold
    except (HeaderParseError, ValueError, LookupError):
        return text
    return decoded


def comparable(value: str | None) -> str:
    """A Content-ID, or what refers to one, without anything that may stand round it: `<<a>-<b>>` is `a-b`."""
    return (bare_id(value) or "").translate(_BRACKETS)


def bare_id(value: str | None) -> str | None:
    """A Content-ID, href or start parameter without `cid:`, brackets and blanks; None where nothing is left."""
    if value is None:
        return None
    text = value.strip().removeprefix("<").removesuffix(">").strip()
    if text[:4].lower() in ("cid:", "cid "):
        text = text[4:].strip().removeprefix("<").removesuffix(">").strip()
    return text or None
