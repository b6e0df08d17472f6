"""Transfer encodings are taken off in pieces, with the same result as at once, and in a time that grows with the size."""

import base64
import os
import quopri
import time

import pytest

from gateway.mm7 import parts
from gateway.mm7.quirks import Quirks

CONTENT = os.urandom(1000)
TEXT = "Grüße = 50 %   \n\t\nzwei  \n".encode() * 30
PIECES = [1, 3, 4, 7, 64, 65, 76, 77, 78, 1000, 100_000]


def decoded(data, encoding):
    quirks = Quirks()
    found = parts.transfer_decode(data, {"content-transfer-encoding": encoding}, quirks)
    return found, list(quirks)


@pytest.fixture(params=PIECES)
def piece(request, monkeypatch):
    monkeypatch.setattr(parts, "_PIECE_BYTES", request.param)


@pytest.mark.parametrize("size", [0, 1, 2, 3, 57, 58, 999, 1000])
def test_base64_gives_the_content_wherever_it_is_cut(piece, size):
    content = CONTENT[:size]
    for written in (base64.b64encode(content), base64.encodebytes(content).replace(b"\n", b" \r\n")):
        assert decoded(written, "base64") == (content, [])


@pytest.mark.parametrize(
    "written",
    [b"QUJD=QUJD", b"QUI=QUJD" * 20, b"QUJDR" * 3, b"QUJD" * 30 + b"Q", b"QUJD" * 30 + b"QQ=", b"Q*JD" + b"QUJD" * 30],
)
def test_what_is_no_base64_is_kept_as_it_is_wherever_it_is_cut(piece, written):
    assert decoded(written, "base64") == (written, ["bad_transfer_encoding"])


def test_quoted_printable_gives_the_content_wherever_it_is_cut(piece):
    written = quopri.encodestring(TEXT, quotetabs=True)
    assert decoded(written, "quoted-printable") == (TEXT, [])
    padded = written.replace(b"\n", b" \t \n")
    assert decoded(padded, "quoted-printable") == (TEXT, [])


def test_a_megabyte_of_blanks_is_no_way_to_stop_a_receiver():
    began = time.perf_counter()
    assert decoded(b" " * 1_000_000 + b"x", "quoted-printable")[0] == b" " * 1_000_000 + b"x"
    assert time.perf_counter() - began < 2
