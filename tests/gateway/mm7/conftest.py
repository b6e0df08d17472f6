"""The smallest envelopes, to be bent by tests."""

from collections.abc import Callable

import pytest

from gateway import mm7

SOAP = "http://schemas.xmlsoap.org/soap/envelope/"


def _envelope(payload: str, *, header: str = "", soap: str = SOAP) -> str:
    return f'<s:Envelope xmlns:s="{soap}"><s:Header>{header}</s:Header><s:Body>{payload}</s:Body></s:Envelope>'


@pytest.fixture
def deliver() -> Callable[..., bytes]:
    """deliver("<Subject>x</Subject>"): a DeliverReq with these children more, without any quirk."""

    def make(children: str = "", *, namespace: str = mm7.REL_6_1_4, sender: str | None = None) -> bytes:
        identity = f'<TransactionID xmlns="{namespace}">t-1</TransactionID>'
        who = "<Sender><Number>15550001111</Number></Sender>" if sender is None else sender
        body = f"<MM7Version>6.8.0</MM7Version>{who}{children}"
        return _envelope(f'<DeliverReq xmlns="{namespace}">{body}</DeliverReq>', header=identity).encode()

    return make


@pytest.fixture
def envelope() -> Callable[..., str]:
    """envelope(payload): a SOAP envelope round any payload."""
    return _envelope


@pytest.fixture
def multipart(deliver) -> Callable[..., bytes]:
    """multipart("headers\\n\\nbody", …): a DeliverReq and these parts, between delimiters `--b`."""

    def make(*parts: bytes, root: bytes | None = None) -> bytes:
        document = deliver() if root is None else root
        sections = [b"Content-Type: text/xml\r\n\r\n" + document, *parts]
        return b"".join(b"--b\r\n" + section + b"\r\n" for section in sections) + b"--b--\r\n"

    return make
