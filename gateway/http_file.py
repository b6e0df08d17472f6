"""An HTTP message in a file, head and body: as we keep it, and as a proxy or a provider's documentation shows it.

Strategy: lines are headers until the blank line; where that is missing, until the first line that begins a body
(`<` or `--`). Folded headers are unfolded, and a head that stands twice counts once: documentation has both. The body
is all the rest, whatever Content-Length says; one that came in chunks is put together.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from multidict import CIMultiDict

_START = re.compile(r"(?:[A-Z]+ \S+ HTTP/\d(?:\.\d)?|HTTP/\d(?:\.\d)? \d{3}\b.*)")
_STATUS = re.compile(r"HTTP/\S+ (\d{3})")
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*(?:;[^\r\n]*)?\r?\n")
# What would give credentials away, and what says how the body came over the wire.
_NOT_KEPT = {"authorization", "proxy-authorization", "cookie", "transfer-encoding"}
_HEADER = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+)[ \t]*:[ \t]*(.*)")


@dataclass(frozen=True, slots=True)
class HttpFile:
    """`status` is None for a request; `start` is empty for a body of which nobody knows how it came."""

    start: str
    headers: CIMultiDict[str]
    body: bytes

    @property
    def status(self) -> int | None:
        """The HTTP status of a response."""
        match = _STATUS.match(self.start)
        return int(match[1]) if match else None


def write(start: str, headers: Iterable[tuple[str, str]], body: bytes) -> bytes:
    """A whole HTTP message, as `parse` reads it, without credentials. A header's bytes stay as they came."""
    lines = [start, *(f"{name}: {value}" for name, value in headers if name.lower() not in _NOT_KEPT)]
    return "\r\n".join([*lines, "", ""]).encode("utf-8", "surrogateescape") + body


def parse(data: bytes) -> HttpFile:
    """Read a whole HTTP message. Raises ValueError for what does not begin with a request or status line."""
    position, start = 0, ""
    headers: CIMultiDict[str] = CIMultiDict()
    last = None
    while position < len(data):
        end = data.find(b"\n", position)
        end = len(data) if end < 0 else end + 1
        line = data[position:end].decode("utf-8", "surrogateescape").rstrip("\r\n")
        if not start and not line.strip():
            position = end
            continue
        if _START.fullmatch(line):
            start, last = line, None
            headers.clear()
        elif not start:
            raise ValueError("the file does not begin with a request line (POST / HTTP/1.1) or a status line")
        elif not line.strip():
            return HttpFile(start, headers, _joined(data[end:], headers))
        elif line[0] in " \t" and last:
            headers[last] = f"{headers[last]} {line.strip()}"
        elif (match := _HEADER.fullmatch(line)) and not line.startswith("--"):
            last = match[1]
            headers[last] = match[2].rstrip()
        else:
            return HttpFile(start, headers, data[position:])
        position = end
    if not start:
        raise ValueError("the file is empty")
    return HttpFile(start, headers, b"")


def _joined(body: bytes, headers: CIMultiDict[str]) -> bytes:
    """A body without the chunks that it came in (RFC 9112 §7.1); as it is where the capture has none."""
    if headers.get("Transfer-Encoding", "").strip().lower() != "chunked":
        return body
    pieces: list[bytes] = []
    position = 0
    while match := _CHUNK.match(body, position):
        size = int(match[1], 16)
        if size == 0:
            return b"".join(pieces)
        pieces.append(body[match.end() : match.end() + size])
        position = match.end() + size
        position += 2 if body.startswith(b"\r\n", position) else 1
    return body


def of_body(body: bytes, content_type: str | None) -> HttpFile:
    """A body that was captured without its head."""
    headers: CIMultiDict[str] = CIMultiDict({"Content-Type": content_type} if content_type else {})
    return HttpFile("", headers, body)
