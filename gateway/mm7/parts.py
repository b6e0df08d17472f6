"""One attachment of a message, and the transfer encoding round it."""

import base64
import binascii
import quopri
import re
from collections.abc import Mapping
from dataclasses import dataclass

from . import charsets
from .quirks import Quirks

# Blanks that relays have left at the ends of lines are not content (RFC 2045 §6.7, rule 3).
_PADDING = re.compile(rb"[ \t]+(?=\r?\n|\Z)")


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
        return quopri.decodestring(_PADDING.sub(b"", data))
    if encoding != "base64":
        return data
    try:
        return base64.b64decode(data.translate(None, b" \t\r\n"), validate=True)
    except binascii.Error:
        quirks.add("bad_transfer_encoding")
        return data
