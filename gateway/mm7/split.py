"""Multipart bodies taken apart: bytes → parts (RFC 2046; TS 23.140 §8.7.1 for their order). Its mirror is `join`.

Strategy: spans of the one body are handed on, and only the leaves are copied out. What a sender got wrong about the
boundary is read off the body itself. A binary WAP multipart is another way to write sections down. Limits stand before
recursion.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from . import delimiters, wap
from .errors import DecodeError
from .headers import MAX_HEADER_BYTES, Headers, bare_id, decode_words, is_well_formed, read_block, read_value
from .parts import Part, transfer_decode
from .quirks import Quirks

MAX_PARTS = 100
MAX_NESTING = 5
_MOST_READ = MAX_PARTS + 2  # the SOAP document, as many parts, and one too many
_CONTENT_ID = re.compile(r"<[^<>\s]+>")


@dataclass(frozen=True, slots=True)
class Section:
    """A span of the body: its headers, and where its content begins and ends."""

    headers: Headers
    start: int
    end: int

    @property
    def media_type(self) -> tuple[str, Mapping[str, str]]:
        """Content-Type and its parameters; text/plain where there is none (RFC 2045 §5.2)."""
        return read_value(self.headers.get("content-type") or "text/plain")


@dataclass(frozen=True, slots=True)
class Split:
    """A body taken apart: the SOAP document and the sections beside it."""

    root: bytes
    charset: str | None
    attachments: tuple[Section, ...] = ()
    body: bytes = field(default=b"", repr=False)


def split(content_type: str | None, body: bytes, quirks: Quirks) -> Split:
    """Separate the SOAP document from what comes with it. Nothing nested is looked at yet."""
    kind, parameters = read_value(content_type or "")
    if not kind:
        quirks.add("content_type_missing")
    elif not is_well_formed(content_type or ""):
        quirks.add("content_type_malformed")
    start = _first_line(body)
    if not kind.startswith("multipart/") and body[start : start + 2] != b"--":
        if kind not in ("", "text/xml"):
            quirks.add("content_type_unexpected")
        return Split(body, parameters.get("charset"))
    if body[start : start + 1] == b"<":
        quirks.add("body_without_multipart")
        return Split(body, parameters.get("charset"))
    if not kind.startswith("multipart/"):
        quirks.add("content_type_unexpected")
    # With too many of them the SOAP document is read all the same: the answer has to echo it. `leaves` refuses.
    sections = _sections(body, 0, len(body), parameters.get("boundary"), quirks)
    if not sections:
        return Split(body, parameters.get("charset"))
    root = _root(body, sections, parameters.get("start"), quirks)
    media_type, root_parameters = root.media_type
    data = transfer_decode(body[root.start : root.end], root.headers, quirks)
    charset = root_parameters.get("charset") if media_type != "text/plain" else None
    return Split(data, charset, tuple(s for s in sections if s is not root), body)


def _first_line(body: bytes) -> int:
    """Where the first line begins that is not blank (a byte order mark counts as blank)."""
    start = 3 if body.startswith(b"\xef\xbb\xbf") else 0
    return len(body) - len(body[start:].lstrip())


def _root(body: bytes, sections: Sequence[Section], start: str | None, quirks: Quirks) -> Section:
    """The section that holds the SOAP document: named by start, else the first that is XML, else the first."""
    wanted = bare_id(start)
    likely = [section for section in sections if _looks_like_xml(body, section)] or sections
    if wanted is not None:
        if (start or "").strip() != f"<{wanted}>":
            quirks.add("start_form")
        for section in sections:
            if bare_id(section.headers.get("content-id")) == wanted and (section in likely):
                return section
        quirks.add("start_unmatched")
    return likely[0]


def _looks_like_xml(body: bytes, section: Section) -> bool:
    kind, _ = section.media_type
    return kind.endswith("xml") or body[section.start : section.start + 64].lstrip(b"\xef\xbb\xbf\r\n\t ")[:1] == b"<"


def _sections(body: bytes, start: int, end: int, boundary: str | None, quirks: Quirks) -> list[Section]:
    """The sections between the delimiters, by the declared boundary or, failing that, by the one the body shows."""
    spans: list[tuple[int, int]] = []
    if boundary:
        declared = b"--" + boundary.strip().encode("utf-8", "surrogateescape")
        spans = delimiters.spans(body, start, end, declared, _MOST_READ, quirks)
    if not spans:
        shown = delimiters.shown(body, start, end)
        if shown is None:
            return []
        quirks.add("boundary_mismatch" if boundary else "boundary_missing")
        spans = delimiters.spans(body, start, end, shown, _MOST_READ, quirks)
    sections = []
    for first, last in spans:
        headers, content = read_block(body, first, last, quirks)
        _check(headers, quirks)
        sections.append(Section(headers, content, last))
    return sections


def _check(headers: Headers, quirks: Quirks) -> None:
    """What a part's headers have that they should not."""
    if not is_well_formed(headers.get("content-type", "")):
        quirks.add("content_type_malformed")
    if "transfer-encoding" in headers:
        quirks.add("part_transfer_encoding")
    content_id = headers.get("content-id", "").strip()
    if content_id and not _CONTENT_ID.fullmatch(content_id):
        quirks.add("content_id_form")


def leaves(split_body: Split, quirks: Quirks) -> tuple[Part, ...]:
    """The attachments in their order, multiparts inside multiparts flattened. An empty multipart is none.

    Raises DecodeError 2004 past MAX_PARTS parts or MAX_NESTING levels.
    """
    if len(split_body.attachments) > MAX_PARTS:
        raise DecodeError(f"the message has more than {MAX_PARTS} parts", status=2004)
    parts: list[Part] = []
    for section in split_body.attachments:
        for part in _flatten(split_body.body, section, 1, quirks):
            parts.append(part)
            if len(parts) > MAX_PARTS:
                raise DecodeError(f"the message has more than {MAX_PARTS} parts", status=2004)
    return tuple(part for part in parts if part.data or not part.content_type.startswith("multipart/"))


def _flatten(body: bytes, section: Section, level: int, quirks: Quirks) -> Iterator[Part]:
    opened = _open(body, section, quirks)
    if opened is None:
        yield _part(body, section, quirks)
        return
    if level >= MAX_NESTING:
        raise DecodeError(f"multiparts are nested deeper than {MAX_NESTING} levels", status=2004)
    content, inner = opened
    if len(inner) > MAX_PARTS:
        raise DecodeError(f"a multipart has more than {MAX_PARTS} parts", status=2004)
    _, parameters = section.media_type
    start = bare_id(parameters.get("start"))
    if start is not None and start not in (bare_id(s.headers.get("content-id")) for s in inner):
        quirks.add("start_unmatched")
    elif start is not None and parameters["start"].strip() != f"<{start}>":
        quirks.add("start_form")
    if not inner:
        yield _part(body, section, quirks)
    for nested in inner:
        yield from _flatten(content, nested, level + 1, quirks)


def _open(body: bytes, section: Section, quirks: Quirks) -> tuple[bytes, list[Section]] | None:
    """What a multipart holds: its bytes, and the sections of these; None for all that is not to be opened."""
    kind, parameters = section.media_type
    if kind.startswith("multipart/"):
        return body, _sections(body, section.start, section.end, parameters.get("boundary"), quirks)
    if not kind.startswith("application/vnd.wap.multipart."):
        return None
    content = transfer_decode(body[section.start : section.end], section.headers, quirks)
    if entries := [Section(*entry) for entry in wap.read(content, _MOST_READ)]:
        quirks.add("wap_multipart")
        for entry in entries:
            _check(entry.headers, quirks)
        return content, entries
    if content[:MAX_HEADER_BYTES].lstrip()[:2] == b"--":
        quirks.add("wap_multipart_as_mime")
        return content, _sections(content, 0, len(content), parameters.get("boundary"), quirks)
    quirks.add("wap_multipart_unreadable")
    return None


def _part(body: bytes, section: Section, quirks: Quirks) -> Part:
    kind, parameters = section.media_type
    _, disposition = read_value(section.headers.get("content-disposition", ""))
    filename = decode_words(disposition.get("filename") or parameters.get("name") or parameters.get("filename"))
    if filename == "null":
        quirks.add("filename_null")
    return Part(
        content_type=kind,
        data=transfer_decode(body[section.start : section.end], section.headers, quirks),
        charset=parameters.get("charset"),
        filename=None if filename == "null" else filename,
        content_id=bare_id(section.headers.get("content-id")),
        content_location=section.headers.get("content-location", "").strip() or None,
    )


def container_names(split_body: Split) -> tuple[list[str | None], list[str | None]]:
    """The Content-IDs and the Content-Locations of the sections beside the SOAP document, containers included."""
    headers = [section.headers for section in split_body.attachments]
    return [one.get("content-id") for one in headers], [one.get("content-location") for one in headers]
