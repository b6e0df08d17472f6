"""Accounts that can send, and the schemas of what they send."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from lxml import etree

from gateway import mm7
from gateway.accounts import Account

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def make_account() -> Callable[..., Account]:
    def make(
        profile: str = "generic", *, version: str | None = None, namespace: str | None = None, **outbound: Any
    ) -> Account:
        given = {"url": "http://127.0.0.1:9/mm7", "sender": "111122", **outbound}
        return Account.model_validate(
            {"name": "a", "profile": profile, "mm7_version": version, "namespace": namespace, "outbound": given}
        )

    return make


@cache
def schema(folder: Path, release: str) -> etree.XMLSchema:
    class Local(etree.Resolver):
        def resolve(self, url, public_id, context):
            if url == "http://schemas.xmlsoap.org/soap/envelope/":
                return self.resolve_filename(str(folder / "soapEnvelope.xsd"), context)
            return None

    parser = etree.XMLParser(no_network=True)
    parser.resolvers.add(Local())
    return etree.XMLSchema(etree.parse(str(folder / f"{release}.xsd"), parser))


@pytest.fixture
def valid() -> Callable[[bytes], None]:
    """Check a SOAP document's header and payload against the schema of its namespace."""
    folder = os.environ.get("MM7_XSD_DIR")
    if not folder:
        pytest.skip("MM7_XSD_DIR names no folder with the schemas of TS 23.140")

    def check(document: bytes) -> None:
        root = etree.fromstring(document)
        payload = root[1][0]
        release = mm7.release_of(etree.QName(payload).namespace)
        assert release is not None
        for element in (root[0][0], payload):
            schema(Path(folder), release).assertValid(element)

    return check
