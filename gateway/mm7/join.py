"""Multipart bodies put together: parts → bytes (TS 23.140 §8.7.1). Its mirror is `split`.

Strategy: boundaries are digests of what they separate, so the same message always gives the same bytes.
"""

import hashlib
import re
from collections.abc import Sequence

from .errors import EncodeError
from .parts import Part

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def join(root: bytes, content_id: str, parts: Sequence[Part]) -> tuple[str, bytes]:
    """(Content-Type, body) of multipart/related: the SOAP document first, then all parts in one container.

    The container is multipart/related where it holds a SMIL document, else multipart/mixed. Boundaries are derived
    from what they separate, so the same message always gives the same bytes.
    """
    smil = next((p for p in parts if p.content_type == "application/smil"), None)
    inner_boundary = _boundary(b"content", parts)
    outer_boundary = _boundary(b"message" + root, parts)
    container = f'multipart/mixed; boundary="{inner_boundary}"'
    if smil is not None:
        container = (
            f'multipart/related; type="application/smil"; start="<{smil.content_id}>"; boundary="{inner_boundary}"'
        )
    root_head = "Content-Type: text/xml; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\nContent-ID: <soap-start>"
    content_head = f"Content-Type: {container}\r\nContent-ID: <{content_id}>"
    content = _assemble(inner_boundary, [(_part_head(part), part.data) for part in parts])
    body = _assemble(outer_boundary, [(root_head, root), (content_head, content)])
    return f'multipart/related; type="text/xml"; start="<soap-start>"; boundary="{outer_boundary}"', body


def _part_head(part: Part) -> str:
    values = (part.content_type, part.charset, part.filename, part.content_id, part.content_location)
    for value in values:
        if value and _CONTROL.search(value):  # a line break would begin a header of its own
            raise EncodeError(f"a part's header cannot hold {value!r}")
    parameters = f"; charset={part.charset}" if part.charset else ""
    if part.filename:
        escaped = part.filename.replace("\\", "\\\\").replace('"', '\\"')
        parameters += f'; name="{escaped}"'
    lines = [f"Content-Type: {part.content_type}{parameters}", "Content-Transfer-Encoding: binary"]
    if part.content_id:
        lines.append(f"Content-ID: <{part.content_id}>")
    if part.content_location:
        lines.append(f"Content-Location: {part.content_location}")
    return "\r\n".join(lines)


def _assemble(boundary: str, sections: Sequence[tuple[str, bytes]]) -> bytes:
    delimiter = b"--" + boundary.encode()
    chunks = []
    for head, data in sections:
        chunks += [delimiter, b"\r\n", head.encode(), b"\r\n\r\n", data, b"\r\n"]
    return b"".join([*chunks, delimiter, b"--\r\n"])


def _boundary(seed: bytes, parts: Sequence[Part]) -> str:
    """A boundary that no part contains: it would have to hold a digest of itself."""
    digest = hashlib.sha256(seed)
    for part in parts:
        digest.update(part.data)
    return f"mm7-{digest.hexdigest()[:32]}"
