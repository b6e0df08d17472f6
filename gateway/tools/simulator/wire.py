"""Building blocks of what goes over the wire: templates filled in, multiparts put together by hand.

Strategy: `mm7.encode` writes only what is right. Providers' own shapes are strings with placeholders, line by
line: a line whose value is None is left out, a line whose value is a tuple stands once for each.
"""

import html
import mimetypes
import re
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import product
from pathlib import PurePath

from gateway import mm7

Values = Mapping[str, str | tuple[str, ...] | None]
Section = tuple[str, bytes]

_PLACEHOLDER = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Callback:
    """One HTTP request of a provider; Content-Type is among the headers. `answered_by`: operations."""

    headers: Mapping[str, str]
    body: bytes
    answered_by: tuple[str, ...]


def fill(template: str, values: Values) -> str:
    """The template with its `{name}` placeholders replaced by XML-escaped values."""
    return "\n".join(filled for line in template.splitlines() for filled in _fill_line(line, values))


def _fill_line(line: str, values: Values) -> Iterator[str]:
    names = list(dict.fromkeys(_PLACEHOLDER.findall(line)))
    for chosen in product(*(_choices(values[name]) for name in names)):
        given = dict(zip(names, chosen, strict=True))
        yield _PLACEHOLDER.sub(lambda match, given=given: html.escape(given[match[1]]), line)  # type: ignore[misc]


def _choices(value: str | tuple[str, ...] | None) -> tuple[str, ...]:
    if value is None:
        return ()
    return value if isinstance(value, tuple) else (value,)


def boundary() -> str:
    """A fresh boundary in the form of Java's MIME library, which both providers' examples show."""
    return f"----=_Part_{secrets.randbelow(200_000)}_{secrets.randbelow(2**31)}.{time.time_ns() // 1_000_000}"


def multipart(delimiter: str, sections: Sequence[Section], *, blank_line: bool = True) -> bytes:
    """The sections (header lines, body) between delimiters; `blank_line`: between a header and its body."""
    gap = b"\r\n\r\n" if blank_line else b"\r\n"
    line = b"--" + delimiter.encode()
    chunks = [line + b"\r\n" + crlf(head) + gap + data + b"\r\n" for head, data in sections]
    return b"".join([*chunks, line, b"--\r\n"])


def crlf(head: str) -> bytes:
    """Header lines of a template with the line ends of MIME."""
    return head.strip("\n").replace("\n", "\r\n").encode()


def utc(at: datetime) -> str:
    """`2014-04-14T16:15:23.414Z`."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def part_names(parts: Sequence[mm7.Part]) -> list[str]:
    """`image_0.png`, `text_0.txt`: what a provider calls the parts, counted by their kind."""
    counted: dict[str, int] = {}
    names = []
    for part in parts:
        kind = part.content_type.partition("/")[0]
        number = counted.get(kind, 0)
        counted[kind] = number + 1
        names.append(f"{kind}_{number}{_suffix(part)}")
    return names


def _suffix(part: mm7.Part) -> str:
    given = PurePath(part.filename or "").suffix
    return given if given.isascii() and given else mimetypes.guess_extension(part.content_type) or ""
