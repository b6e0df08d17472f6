"""The parts of a callback as users see them: text in the event, everything else in the media store."""

import base64
import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import puremagic
from pydantic import BaseModel, Field

from gateway import mm7

from .data import Base64, Sha256

MAX_INLINE_TEXT_BYTES = 64 * 1024
# Of all parts: in JSON a byte can become six, the text stands there twice, and the broker takes 16 MiB.
MAX_INLINE_TOTAL_BYTES = 512 * 1024
_SNIFFED_BYTES = 4096
_ALIASES = {
    "image/jpg": "image/jpeg",
    "image/pjpeg": "image/jpeg",
    "audio/mp3": "audio/mpeg",
    "audio/x-wav": "audio/wav",
}
_MAX_NAME_LENGTH = 200
_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]|[<>:\"|?*]")


class Part(BaseModel):
    """One attachment: text is inline, everything else is in the media store under `url`."""

    content_type: str = Field(description="As declared, in lower case and without parameters.")
    detected_type: str | None = Field(description="What the content looks like, where that is another type.")
    charset: str | None = Field(description="As declared, of text.")
    filename: str | None = Field(description="Without path and control characters: safe to store it under.")
    filename_raw: str | None = Field(description="As it was sent, where that is something else.")
    content_id: str | None = Field(description="Content-ID, without its angle brackets.")
    content_location: str | None = Field(description="Content-Location: the name that SMIL may use.")
    bytes: int = Field(description="Size of the content, in bytes, transfer encoding removed.")
    sha256: Sha256 = Field(description="Of the content, in hexadecimal.")
    text: str | None = Field(description="Decoded text of `text/*` up to 64 KiB (65536 bytes).")
    data: Base64 | None = Field(description="The content in base64, up to MM7_MEDIA_INLINE_MAX_BYTES: by default 0.")
    url: str | None = Field(description="Where the content is stored; null where `text` or `data` holds all of it.")
    signed_url: str | None = Field(None, description="A link that is valid for a while, where the store can sign.")


@dataclass(frozen=True, slots=True)
class Blob:
    """Bytes that must be in the media store before the event that refers to them is published."""

    sha256: str
    content_type: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Storage:
    """`url_of` tells where the store keeps a digest; binaries up to `inline_bytes` stay in the event."""

    url_of: Callable[[str], str]
    inline_bytes: int = 0


def read(parts: Sequence[mm7.Part], quirks: mm7.Quirks, storage: Storage) -> Iterator[tuple[Part, Blob | None]]:
    """Each part, and its bytes where the event does not hold all of them."""
    left = MAX_INLINE_TOTAL_BYTES
    for part in parts:
        shown, blob = _part(part, left, quirks, storage)
        left -= shown.bytes if shown.text is not None or shown.data is not None else 0
        yield shown, blob


def _part(part: mm7.Part, left: int, quirks: mm7.Quirks, storage: Storage) -> tuple[Part, Blob | None]:
    digest, size = hashlib.sha256(part.data).hexdigest(), len(part.data)
    text, data, whole = None, None, False
    if part.content_type.startswith("text/") and size <= min(left, MAX_INLINE_TEXT_BYTES):
        text, whole = part.text()
        if not whole:
            quirks.add("text_encoding_fallback")
    elif storage.inline_bytes and size <= min(left, storage.inline_bytes):
        data, whole = base64.b64encode(part.data).decode(), True
    filename = safe_name(part.filename)
    if filename != part.filename:
        quirks.add("filename_unsafe")
    shown = Part(
        content_type=part.content_type,
        detected_type=detected(part),
        charset=part.charset,
        filename=filename,
        filename_raw=part.filename if filename != part.filename else None,
        content_id=part.content_id,
        content_location=part.content_location,
        bytes=size,
        sha256=digest,
        text=text,
        data=data,
        url=None if whole else storage.url_of(digest),
    )
    return shown, None if whole else Blob(digest, part.content_type, part.data)


def safe_name(name: str | None) -> str | None:
    """The last step of a path, without what a file system or a terminal would take for something else."""
    last = _UNSAFE.sub("_", (name or "").replace("\\", "/").rpartition("/")[2]).strip(" .")
    stem, dot, extension = last.rpartition(".")
    if len(last) > _MAX_NAME_LENGTH:
        last = f"{(stem or extension)[: _MAX_NAME_LENGTH - 10]}{dot}{extension[:9]}"
    return last or None


def detected(part: mm7.Part) -> str | None:
    """What the content begins like, where that is known and another type than is declared. It only informs."""
    if part.content_type.startswith("text/") or not part.data:
        return None
    head = part.data[:_SNIFFED_BYTES]
    if head.startswith((b"#!AMR\n", b"#!AMR-WB\n")):  # which the library knows without its type
        found = "audio/amr-wb" if head.startswith(b"#!AMR-WB") else "audio/amr"
    else:
        try:
            found = next((each.mime_type for each in puremagic.magic_string(head) if "/" in each.mime_type), "")
        except (puremagic.PureError, ValueError):
            return None
    declared = _ALIASES.get(part.content_type, part.content_type)
    return found if found and found not in (declared, "application/octet-stream") else None
