"""Any message of any operation in any release is read back as it was written, and valid in its schema."""

import os
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from gateway import mm7
from tests.properties import values
from tests.properties.bounds import bounded

SOAP = "http://schemas.xmlsoap.org/soap/envelope/"


@cache
def _schema(release: str) -> etree.XMLSchema:
    folder = Path(os.environ["MM7_XSD_DIR"])

    class Resolver(etree.Resolver):
        def resolve(self, url, _public_id, context):
            return self.resolve_filename(str(folder / "soapEnvelope.xsd"), context) if url == SOAP else None

    parser = etree.XMLParser()
    parser.resolvers.add(Resolver())
    return etree.XMLSchema(etree.parse(folder / f"{release}.xsd", parser))


@pytest.mark.parametrize(("release", "name"), values.CASES)
@bounded(4)
@given(data=st.data())
def test_what_is_written_is_read_back_the_same_and_is_valid_where_schemas_are_there(release, name, data) -> None:
    message = data.draw(values.messages(name, release))
    parts = ()
    if getattr(message, "content", None):
        parts = tuple(data.draw(st.lists(values.parts(), min_size=1, max_size=3)))
    encoded = mm7.encode(message, parts)
    assert mm7.decode(encoded.content_type, encoded.body) == mm7.Decoded(message, parts)
    assert mm7.encode(message, parts) == encoded
    if os.environ.get("MM7_XSD_DIR"):
        envelope = etree.fromstring(mm7.encode(message).body)
        for wanted in (name, "TransactionID"):
            [element] = envelope.findall(f".//{{{mm7.SCHEMA}{release}}}{wanted}")
            _schema(release).assertValid(element)
