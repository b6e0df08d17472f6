"""The parts of a callback as users see them: text in the event, everything else in the media store."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from gateway import mm7

from .events import Part

MAX_INLINE_TEXT_BYTES = 64 * 1024
# Of all parts: in JSON a byte can become six, the text stands there twice, and the broker takes 16 MiB.
MAX_INLINE_TOTAL_BYTES = 512 * 1024


@dataclass(frozen=True, slots=True)
class Blob:
    """Bytes that must be in the media store before the event that refers to them is published."""

    sha256: str
    content_type: str
    data: bytes


def read(
    parts: Sequence[mm7.Part], quirks: mm7.Quirks, url_of: Callable[[str], str]
) -> Iterator[tuple[Part, Blob | None]]:
    """Each part, and its bytes where the event does not hold all of them; `url_of` tells where the store keeps them."""
    left = MAX_INLINE_TOTAL_BYTES
    for part in parts:
        shown, blob = _part(part, min(left, MAX_INLINE_TEXT_BYTES), quirks, url_of)
        left -= shown.bytes if shown.text is not None else 0
        yield shown, blob


def _part(
    part: mm7.Part, max_inline: int, quirks: mm7.Quirks, url_of: Callable[[str], str]
) -> tuple[Part, Blob | None]:
    """A part as users see it, and its bytes where the event does not hold all of them."""
    digest = hashlib.sha256(part.data).hexdigest()
    text, inline = None, False
    if part.content_type.startswith("text/") and len(part.data) <= max_inline:
        text, inline = part.text()
        if not inline:
            quirks.add("text_encoding_fallback")
    shown = Part(
        content_type=part.content_type,
        charset=part.charset,
        filename=part.filename,
        content_id=part.content_id,
        content_location=part.content_location,
        bytes=len(part.data),
        sha256=digest,
        text=text,
        url=None if inline else url_of(digest),
    )
    return shown, None if inline else Blob(digest, part.content_type, part.data)
