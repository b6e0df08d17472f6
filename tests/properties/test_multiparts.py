"""Well-formed multiparts are taken apart as the standard library takes them apart, byte for byte."""

import re
from email import message_from_bytes, policy
from random import Random

from hypothesis import assume, example, given
from hypothesis import strategies as st

from gateway.mm7 import split
from gateway.mm7.headers import read_value
from gateway.mm7.quirks import Quirks
from tests.properties.bounds import bounded
from tests.properties.framing import BOUNDARIES, Frame, multipart
from tests.properties.values import DATA

OF_THE_FRAME = {"boundary_missing", "boundary_mismatch", "closing_delimiter_missing", "part_headers_unfinished"}
NAMES = st.sampled_from(["Content-Type", "Content-ID", "Content-Location", "X-Operator", "Content-Disposition", "Date"])
# In the middle of a line; blanks at its ends and in a row are what folding changes.
VALUES = st.text(st.characters(categories=["L", "N"]) | st.sampled_from("<>@;=\"':/.,()[]?!-_+*%&"), max_size=20)
TOKEN = st.from_regex(r"[a-zA-Z0-9.+_-]{1,12}", fullmatch=True)
QUOTED = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=20)


def _headers(found: list[tuple[str, list[str]]], eol: str, rng: Random) -> bytes:
    """Header lines, each value folded between its words or not."""
    lines = []
    for name, words in found:
        value = words[0] if words else ""
        for word in words[1:]:
            value += rng.choice([" ", f"{eol} ", f"{eol}\t"]) + word
        lines.append(f"{name}: {value}{eol}")
    return "".join(lines).encode() + eol.encode()


def _unfolded(value: str) -> str:
    text = value.encode("utf-8", "surrogateescape").decode()
    return re.sub(r"\r?\n[ \t]+", " ", text).strip()


WORDS = st.lists(VALUES.filter(bool), min_size=1, max_size=4)
SECTIONS = st.lists(
    st.tuples(st.lists(st.tuples(NAMES, WORDS), min_size=1, max_size=4, unique_by=lambda pair: pair[0]), DATA),
    min_size=1,
    max_size=5,
)


@bounded(250)
@given(sections=SECTIONS, boundary=BOUNDARIES, eol=st.sampled_from(["\r\n", "\n"]), seed=st.integers(0, 2**32))
def test_parts_and_headers_are_those_of_the_standard_library(sections, boundary, eol, seed) -> None:
    rng = Random(seed)
    assume(not any(boundary.encode() in data for _, data in sections))
    # A part of a multipart would be taken apart by the one and kept by the other: containers are tested elsewhere.
    assume(
        not any("multipart" in word or "message" in word for fields, _ in sections for _, ws in fields for word in ws)
    )
    # Where lines end in LF, the standard library takes a CR before a delimiter for a part of it; RFC 2046 does not.
    assume(eol == "\r\n" or not any(data.endswith(b"\r") for _, data in sections))
    # `Date: 0` and nothing behind it is, of a sender who forgets blank lines, as likely the text of the part.
    mime = ("Content-", "X-")
    assume(all(data.strip() or all(name.startswith(mime) for name, _ in fields) for fields, data in sections))
    written = [_headers(fields, eol, rng) + data for fields, data in sections]
    frame = Frame("s", None, "utf-8", eol, (boundary,), 1, seed)
    body = multipart(boundary, written, frame, rng)
    head = f'Content-Type: multipart/mixed; boundary="{boundary}"{eol}{eol}'.encode()
    theirs = message_from_bytes(head + body, policy=policy.compat32).get_payload()
    quirks = Quirks()
    ours = split._sections(body, 0, len(body), boundary, quirks)
    assert len(ours) == len(theirs) == len(sections)
    for section, part, (_, data) in zip(ours, theirs, sections, strict=True):
        assert body[section.start : section.end] == data
        assert part._payload.encode("ascii", "surrogateescape") == data
        their_headers = {name.lower(): _unfolded(value) for name, value in part.raw_items()}
        assert dict(section.headers) == their_headers
    assert not quirks.keys() & OF_THE_FRAME


@bounded(150)
@given(parameters=st.dictionaries(TOKEN.map(str.lower), QUOTED, max_size=4), seed=st.integers(0, 2**32))
@example({"boundary": '\\"; x="', "start": "<a;b>"}, 0)
def test_parameters_are_those_of_the_standard_library(parameters, seed) -> None:
    rng = Random(seed)
    value = "multipart/related"
    for name, text in parameters.items():
        escaped = text.replace("\\", "\\\\").replace('"', '\\"')
        bare = re.fullmatch(r"[a-zA-Z0-9.+_-]+", text) and rng.random() < 0.5
        value += rng.choice([";", "; "]) + f"{name}={text if bare else chr(34) + escaped + chr(34)}"
    message = message_from_bytes(f"Content-Type: {value}\r\n\r\n".encode(), policy=policy.compat32)
    kind, read = read_value(value)
    assert (kind, dict(read)) == ("multipart/related", parameters)
    if not any("\\" in text for text in parameters.values()):  # there the standard library loses its way
        assert dict(message.get_params()[1:]) == parameters
