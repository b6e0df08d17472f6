"""The slides of a message, from SMIL documents as phones and relays write them."""

import pytest

from gateway import mm7
from gateway.contract import slides
from gateway.contract.parts import Part
from gateway.contract.slides import Slide
from gateway.mm7 import smil

DOCUMENT = b"""\
<!DOCTYPE smil PUBLIC "-//W3C//DTD SMIL 1.0//EN" "http://www.w3.org/TR/REC-smil/SMIL10.dtd">
<smil><head><layout><root-layout width="160" height="120"/><region id="Image"/></layout></head><body>
<par dur="5000ms"><img src="cid:one.jpg" region="Image"/><text src="hello.txt" region="Text"/></par>
<par dur="00:08"><text src="bye.txt"/></par>
</body></smil>"""


def part(content_type: str, *names: str, data: bytes = b"x") -> mm7.Part:
    content_id, location, filename = (*names, None, None, None)[:3]
    return mm7.Part(
        content_type=content_type, data=data, content_id=content_id, content_location=location, filename=filename
    )


PARTS = [
    part("text/plain", "", "", "bye.txt"),
    part("application/smil", "smil", data=DOCUMENT),
    part("image/jpeg", "<one.jpg>"),
    part("text/plain", "t1", "hello.txt"),
]


def test_slides_name_their_parts_by_place_and_last_as_long_as_the_document_says() -> None:
    quirks = mm7.Quirks()
    assert slides.read(PARTS, quirks) == [Slide(seconds=5.0, parts=[2, 3]), Slide(seconds=8.0, parts=[0])]
    assert list(quirks) == []


def test_no_smil_is_no_slides_and_no_quirk() -> None:
    quirks = mm7.Quirks()
    assert slides.read([PARTS[0]], quirks) is None
    assert list(quirks) == []


@pytest.mark.parametrize(
    "data",
    [b"", b"no xml", b"<html/>", b'<!DOCTYPE smil [<!ENTITY a "b">]><smil><body>&a;</body></smil>', b"\xff\xfe<"],
)
def test_smil_that_cannot_be_read_is_a_quirk(data) -> None:
    quirks = mm7.Quirks()
    assert slides.read([part("application/smil", data=data)], quirks) is None
    assert list(quirks) == ["smil_unreadable"]


def test_a_part_that_is_not_there_is_a_quirk_and_the_others_stay() -> None:
    document = b'<smil><body><par><img src="gone.jpg"/><img src="one.jpg"/></par></body></smil>'
    quirks = mm7.Quirks()
    found = slides.read([part("application/smil", data=document), part("image/jpeg", "one.jpg")], quirks)
    assert found == [Slide(seconds=None, parts=[1])]
    assert list(quirks) == ["smil_unmatched"]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ('<par dur="3s"><img src="a"/></par>', [(3.0, "a")]),
        ('<par><img src="a" dur="2s"/><text src="b" dur="4s"/></par>', [(4.0, "a b")]),
        ('<par dur="indefinite"><img src="a"/></par>', [(None, "a")]),
        ('<par dur="soon"><img src="a"/></par>', [(None, "a")]),
        ('<par dur="7"><img src="a"/></par>', [(7.0, "a")]),
        ('<par dur="1.5min"><img src="a"/></par>', [(90.0, "a")]),
        ('<par dur="01:00:02.5"><img src="a"/></par>', [(3602.5, "a")]),
        ('<seq><par><img src="a"/></par><par><img src="b"/></par></seq>', [(None, "a"), (None, "b")]),
        ('<img src="a" dur="2s"/><text src="b"/>', [(2.0, "a"), (None, "b")]),
        ('<par><a href="x"><img src="a"/></a><switch><text src="b"/></switch></par>', [(None, "a b")]),
        ('<PAR DUR="3s"><IMG SRC="a"/></PAR>', [(None, "")]),
        ('<par><img src="cid:%61%20b"/></par>', [(None, "a b")]),
        ("<par/>", [(None, "")]),
        ("", []),
    ],
)
def test_what_is_shown_together(body, expected) -> None:
    found = smil.read(f'<smil xmlns="http://www.w3.org/2001/SMIL20/Language"><body>{body}</body></smil>'.encode())
    assert [(slide.seconds, " ".join(slide.sources)) for slide in found] == expected


def test_what_we_write_reads_back() -> None:
    parts = [part("image/jpeg", "a"), part("text/plain", "b"), part("audio/amr", "c")]
    assert [slide.sources for slide in smil.read(smil.build(parts))] == [("a", "b"), ("c",)]


def shown(text: str | None, content_type: str = "text/plain") -> Part:
    return Part.model_construct(content_type=content_type, text=text)


def test_text_is_joined_in_the_order_of_the_slides_and_the_rest_behind_it() -> None:
    parts = [shown("rest "), shown("second"), shown("<smil/>", "application/smil"), shown(" first\n"), shown(None)]
    told = [Slide(seconds=None, parts=[3, 2]), Slide(seconds=None, parts=[1, 3])]
    assert slides.text(parts, told) == "first\nsecond\nrest"
    assert slides.text(parts, None) == "rest\nsecond\nfirst"
    assert slides.text([shown("", "text/plain"), shown("a", "text/html")], None) is None
