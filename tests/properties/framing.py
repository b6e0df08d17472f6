"""A second writer of MM7 over HTTP, with none of the codec's code: every frame that the specifications leave open.

Strategy: a `Frame` says how to write and a message what; random frames of one message must all be read alike. What the
codec's own writer always does the same way — prefixes, boundaries, encodings, line ends — is drawn here.
"""

import base64
import re
from dataclasses import dataclass
from random import Random
from xml.sax.saxutils import escape

from hypothesis import strategies as st

from gateway import mm7

SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
CHARSETS = ("utf-8", "us-ascii", "iso-8859-1", "utf-16", "euc-kr", "gb2312", "koi8-r", "gbk")
PREFIXES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_.-]{0,8}", fullmatch=True).filter(
    lambda name: not name.lower().startswith("xml")
)
_BOUNDARY_LAST = "abcXYZ0189'()+_,-./:=?"
BOUNDARIES = st.builds(
    "{}{}{}".format,
    st.sampled_from(_BOUNDARY_LAST),
    st.text(f"{_BOUNDARY_LAST} ", max_size=66),
    st.sampled_from(_BOUNDARY_LAST),
)


@dataclass(frozen=True)
class Frame:
    """One way to write a message. `seed` decides what is drawn for each element and each header."""

    soap: str
    prefix: str | None
    charset: str
    eol: str
    boundaries: tuple[str, ...]
    depth: int
    seed: int


FRAMES = st.builds(
    Frame,
    soap=PREFIXES.map("s{}".format),
    prefix=st.none() | PREFIXES.map("m{}".format),
    charset=st.sampled_from(CHARSETS),
    eol=st.sampled_from(["\r\n", "\n"]),
    # Where one is the beginning of another, or of its closing line, nobody can tell them apart.
    boundaries=st.lists(BOUNDARIES, min_size=4, max_size=4).filter(
        lambda found: not any(a.startswith(b) for a in found for b in found if a is not b)
    ),
    depth=st.integers(1, 3),
    seed=st.integers(0, 2**32),
)


class _Xml:
    """Elements with white space, comments and CDATA wherever they may stand."""

    def __init__(self, frame: Frame) -> None:
        self.rng = Random(frame.seed)
        self.charset = frame.charset
        self.prefix = f"{frame.prefix}:" if frame.prefix else ""

    def blank(self) -> str:
        return self.rng.choice(["", " ", "\n", "\r\n\t", "<!-- a comment -->", "\n<?an instruction?>"])

    def text(self, value: str) -> str:
        if self.rng.random() < 0.3 and "]]>" not in value and "\r" not in value and _fits(value, self.charset):
            return f"<![CDATA[{value}]]>"
        return escape(value, {"\r": "&#13;"})

    def quoted(self, value: str) -> str:
        mark = self.rng.choice("\"'")
        return mark + escape(value, {mark: f"&#{ord(mark)};", "\n": "&#10;", "\t": "&#9;", "\r": "&#13;"}) + mark

    def element(self, name: str, inner: str, attributes: str = "") -> str:
        tag = self.prefix + name
        if not inner and self.rng.random() < 0.5:
            return f"<{tag}{attributes}{self.rng.choice(['', ' '])}/>"
        return f"<{tag}{attributes}{self.rng.choice(['', chr(10)])}>{inner}</{tag} >"

    def address(self, found: mm7.Address) -> str:
        shown = f" displayOnly={self.quoted(self.rng.choice(['true', '1']))}" if found.display_only else ""
        return self.blank() + self.element(found.kind, self.text(found.value), shown) + self.blank()

    def recipients(self, found: mm7.Recipients) -> str:
        roles = [("To", found.to), ("Cc", found.cc), ("Bcc", found.bcc)]
        some = [self.element(role, "".join(map(self.address, who))) + self.blank() for role, who in roles if who]
        return self.element("Recipients", self.blank() + "".join(some))

    def payload(self, message: mm7.DeliverReq, declared: str) -> str:
        children = [self.element("MM7Version", f"{self.rng.choice(['', ' ', chr(10)])}{message.mm7_version}")]
        if message.linked_id:
            children.append(self.element("LinkedID", self.text(message.linked_id)))
        if message.sender:
            children.append(self.element("Sender", self.address(message.sender)))
        children.append(self.recipients(message.recipients or mm7.Recipients()))
        if message.subject:
            children.append(self.element("Subject", self.text(message.subject)))
        if message.content:
            children.append(self.element("Content", "", f" href={self.quoted(message.content.href or '')}"))
        self.rng.shuffle(children)
        inner = "".join(self.blank() + child + self.blank() for child in children)
        return self.element("DeliverReq", inner, f" {declared}")


def envelope(message: mm7.DeliverReq, frame: Frame) -> bytes:
    """The SOAP document, in the frame's charset."""
    xml = _Xml(frame)
    attribute = f"xmlns:{frame.prefix}" if frame.prefix else "xmlns"
    declared = f'{attribute}="{message.namespace}"'
    payload = xml.payload(message, declared)
    named = xml.element("TransactionID", xml.text(message.transaction_id or ""), f" {declared}")
    soap, blank = frame.soap, xml.blank
    document = (
        f'<{soap}:Envelope xmlns:{soap}="{SOAP}">{blank()}<{soap}:Header>{blank()}{named}</{soap}:Header>'
        f"{blank()}<{soap}:Body>{blank()}{payload}{blank()}</{soap}:Body>{blank()}</{soap}:Envelope>{blank()}"
    )
    told = frame.charset != "utf-8" or xml.rng.random() < 0.5
    head = f'<?xml version="1.0" encoding="{frame.charset}"?>' if told else ""
    written = (one if _fits(one, frame.charset) else f"&#{ord(one)};" for one in head + document)
    return "".join(written).encode(frame.charset)


def _fits(text: str, charset: str) -> bool:
    """Whether the charset has every character. Eight bytes are Python's own way to spell rare Hangul in EUC-KR."""
    try:
        return all(len(character.encode(charset)) < 8 for character in text)
    except UnicodeEncodeError:
        return False


def headers(fields: list[tuple[str, str]], frame: Frame, rng: Random) -> bytes:
    """Header lines in any order and letters, folded after any semicolon."""
    fields = list(fields)
    fields += rng.sample(
        [("MIME-Version", "1.0"), ("X-Anything", "a; b=c"), ("Content-Language", "en")], rng.randrange(3)
    )
    rng.shuffle(fields)
    lines = []
    for name, value in fields:
        spelt = rng.choice([str, str.lower, str.upper])(name)
        pieces = re.split(r"; (?=[^\"]*(?:\"[^\"]*\"[^\"]*)*$)", value)
        joined = pieces[0]
        for piece in pieces[1:]:
            joined += rng.choice(["; ", ";", f";{frame.eol}\t", f";{frame.eol}  ", " ; "]) + piece
        lines.append(f"{spelt}:{rng.choice([' ', '', '  ', chr(9)])}{joined}")
    return frame.eol.join(lines).encode() + frame.eol.encode() * 2


def _quoted_printable(data: bytes, eol: bytes, rng: Random) -> bytes:
    """RFC 2045 §6.7: line breaks in the data as what they are, soft ones anywhere."""
    pieces = []
    for byte in data:
        pieces.append(bytes([byte]) if chr(byte).isalnum() and byte < 128 else b"=%02X" % byte)
        if rng.random() < 0.02:
            pieces.append(b"=" + eol)
    return b"".join(pieces)


def transferred(data: bytes, frame: Frame, rng: Random) -> tuple[list[tuple[str, str]], bytes]:
    """The data in any transfer encoding, with the header that says so; none for what needs none."""
    eol = frame.eol.encode()
    kind = rng.choice(["base64", "quoted-printable", "binary", "8bit", None])
    if kind == "base64":
        data = base64.encodebytes(data).replace(b"\n", eol)
    elif kind == "quoted-printable":
        data = _quoted_printable(data, eol, rng)
    return ([("Content-Transfer-Encoding", rng.choice([str, str.upper])(kind))] if kind else []), data


def multipart(boundary: str, sections: list[bytes], frame: Frame, rng: Random) -> bytes:
    """Sections between delimiters, with a preamble, an epilogue and transport padding now and then."""
    eol = frame.eol.encode()
    line = b"--" + boundary.encode()
    before = rng.choice([b"", eol, b"This is a multipart message." + eol])
    after = rng.choice([b"", eol, eol + b"an epilogue" + eol])
    padding = rng.choice([b"", b"", b" ", b"\t"])
    return (
        before + b"".join(line + padding + eol + section + eol for section in sections) + line + b"--" + padding + after
    )


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def part(found: mm7.Part, frame: Frame, rng: Random) -> bytes:
    value = found.content_type
    if found.charset:
        value += f"; charset={rng.choice([str, _quoted])(found.charset)}"
    disposition = None
    if found.filename:
        if rng.random() < 0.5:
            value += f"; name={_quoted(found.filename)}"
        else:
            disposition = f"attachment; filename={_quoted(found.filename)}"
    fields = [("Content-Type", value)]
    fields += [("Content-Disposition", disposition)] if disposition else []
    fields += [("Content-ID", f"<{found.content_id}>")] if found.content_id else []
    fields += [("Content-Location", found.content_location)] if found.content_location else []
    more, data = transferred(found.data, frame, rng)
    return headers(fields + more, frame, rng) + data


def write(message: mm7.DeliverReq, parts: tuple[mm7.Part, ...], frame: Frame) -> tuple[str, bytes]:
    """(Content-Type, body) of a message with its parts, `depth` multiparts deep; the bare document without parts."""
    rng = Random(frame.seed)
    document = envelope(message, frame)
    charset = f"; charset={frame.charset}" if rng.random() < 0.5 else ""
    if not parts:
        return f"text/xml{charset}", document
    outer, *inner = frame.boundaries
    content = [part(found, frame, rng) for found in parts]
    for boundary in inner[: frame.depth - 1]:
        value = f'multipart/{rng.choice(["mixed", "related", "alternative"])}; boundary="{boundary}"'
        content = [headers([("Content-Type", value)], frame, rng) + multipart(boundary, content, frame, rng)]
    more, data = transferred(document, frame, rng)
    if rng.random() < 0.5:
        root = headers([("Content-Type", f"text/xml{charset}"), ("Content-ID", "<the-root>"), *more], frame, rng) + data
        start = '; start="<the-root>"'
        sections = content[:]
        sections.insert(rng.randrange(len(content) + 1), root)
    else:
        root = headers([("Content-Type", f"text/xml{charset}"), *more], frame, rng) + data
        start, sections = "", [root, *content]
    body = multipart(outer, sections, frame, rng)
    return f'multipart/related; type="text/xml"{start}; boundary="{outer}"', body
