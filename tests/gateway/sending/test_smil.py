"""SMIL: which parts stand on which slide."""

import pytest
from lxml import etree

from gateway.mm7 import smil
from gateway.mm7.parts import Part


def part(kind: str, name: str) -> Part:
    return Part(content_type=kind, data=b"", content_id=name)


TEXT, OTHER, IMAGE = part("text/plain", "t"), part("text/plain", "t2"), part("image/png", "i")
VIDEO, AUDIO, PDF = part("video/mp4", "v"), part("audio/amr", "a"), part("application/pdf", "p")


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([], []),
        ([TEXT], ["t"]),
        ([IMAGE], ["i"]),
        ([IMAGE, TEXT], ["i t"]),
        ([TEXT, IMAGE], ["t", "i"]),
        ([TEXT, OTHER], ["t", "t2"]),
        ([IMAGE, TEXT, OTHER], ["i t", "t2"]),
        ([IMAGE, TEXT, VIDEO, OTHER], ["i t", "v t2"]),
        ([AUDIO, TEXT], ["a t"]),
        ([PDF], []),
        ([IMAGE, PDF, TEXT], ["i t"]),
    ],
)
def test_each_medium_has_a_slide_and_a_text_joins_it(parts: list[Part], expected: list[str]) -> None:
    assert [" ".join(str(p.content_id) for p in slide) for slide in smil.slides(parts)] == expected


def test_the_document_names_parts_by_their_content_id_and_places_them() -> None:
    root = etree.fromstring(smil.build([IMAGE, TEXT, AUDIO, VIDEO]))
    regions = {element.get("id") for element in root.iter("region")}
    shown = [[(e.tag, e.get("src"), e.get("region")) for e in par] for par in root.iter("par")]
    assert shown == [
        [("img", "cid:i", "Image"), ("text", "cid:t", "Text")],
        [("audio", "cid:a", None)],
        [("video", "cid:v", "Image")],
    ]
    assert regions == {"Image", "Text"}
    assert all(par.get("dur") for par in root.iter("par"))
