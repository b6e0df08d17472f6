"""The parts that a SMIL document shows."""

import pytest

from gateway.mm7 import smil


@pytest.mark.parametrize(
    ("document", "names"),
    [
        ("<smil/>", set()),
        ('<smil><body><par><img src="cid:a"/><text src=" cid:b "/><audio src=""/></par></body></smil>', {"a", "b"}),
        ('<SMIL xmlns="http://www.w3.org/2001/SMIL20/Language"><img src="a.jpg"/></SMIL>', {"a.jpg"}),
    ],
)
def test_they_are_named_without_cid(document, names) -> None:
    assert smil.references(document.encode()) == names


@pytest.mark.parametrize(
    "document", ["", "hello", "<html/>", '<!DOCTYPE smil [<!ENTITY a "b">]><smil/>', "<!DOCTYPE html><smil/>"]
)
def test_what_is_no_smil_is_an_error(document) -> None:
    with pytest.raises(ValueError, match="no SMIL document"):
        smil.references(document.encode())
