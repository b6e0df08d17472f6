"""One attachment of a message, and the transfer encoding round it."""

import binascii
import quopri
import re
from collections.abc import Mapping
from dataclasses import dataclass

from . import charsets
from .quirks import Quirks

# At a time: one call for ten megabytes would keep all other threads of the program waiting for 40 ms and more.
_PIECE_BYTES = 64 * 1024
# Blanks that relays have left at the ends of lines are not content (RFC 2045 §6.7, rule 3). A run of them is looked at
# once, from its first: from each of them a megabyte of blanks would take hours.
_PADDING = re.compile(rb"(?<![ \t])[ \t]++(?=\r?\n|\Z)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One attachment, transfer encoding removed. `content_type` is lower case and without parameters."""

    content_type: str
    data: bytes
    charset: str | None = None
    filename: str | None = None
    content_id: str | None = None
    content_location: str | None = None

    def text(self) -> tuple[str, bool]:
        """The bytes as text, and whether they really were in the declared charset (UTF-8 where none is)."""
        try:
            return charsets.decode(self.data, self.charset or "utf-8").removeprefix("\ufeff"), True
        except (UnicodeDecodeError, LookupError):
            return self.data.decode("utf-8", "replace"), False


def transfer_decode(data: bytes, headers: Mapping[str, str], quirks: Quirks) -> bytes:
    """The content without its Content-Transfer-Encoding; raw, with a quirk, where it is not in it."""
    encoding = headers.get("content-transfer-encoding", "").strip().lower()
    if encoding == "quoted-printable":
        return _from_quoted_printable(data)
    if encoding != "base64":
        return data
    try:
        return _from_base64(data)
    except binascii.Error:
        quirks.add("bad_transfer_encoding")
        return data


def _from_base64(data: bytes) -> bytes:
    """Raises binascii.Error."""
    decoded: list[bytes] = []
    rest = b""
    for at in range(0, len(data), _PIECE_BYTES):
        text = rest + data[at : at + _PIECE_BYTES].translate(None, b" \t\r\n")
        ready = max(len(text) // 4 - 1, 0) * 4  # the end stays back: padding is judged with what stands round it
        if b"=" in text[:ready]:
            raise binascii.Error("data after the padding")
        decoded.append(binascii.a2b_base64(text[:ready], strict_mode=True))
        rest = text[ready:]
    decoded.append(binascii.a2b_base64(rest, strict_mode=True))
    return b"".join(decoded)


def _from_quoted_printable(data: bytes) -> bytes:
    decoded: list[bytes] = []
    at = 0
    while at < len(data):
        end = data.find(b"\n", at + _PIECE_BYTES) + 1 or len(data)
        decoded.append(quopri.decodestring(_PADDING.sub(b"", data[at:end])))
        at = end
    return b"".join(decoded)
