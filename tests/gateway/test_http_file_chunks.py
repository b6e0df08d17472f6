"""Captured bodies that came in chunks."""

import pytest

from gateway import http_file

HEAD = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("captured", "body"),
    [
        (b"5\r\nhello\r\n0\r\n\r\n", b"hello"),
        (b"2;a=b\r\nhe\r\n3 \r\nllo\r\n0\r\nTrailer: x\r\n\r\n", b"hello"),
        (b"2\nhe\n3\nllo\n0\n", b"hello"),
        (b"A\r\n0123456789\r\n0\r\n\r\n", b"0123456789"),
        (b"0\r\n\r\n", b""),
        (b"<a/>", b"<a/>"),
        (b"5\r\nhel", b"5\r\nhel"),
        (b"5\r\nhello\r\nno chunk", b"5\r\nhello\r\nno chunk"),
        (b"", b""),
    ],
)
def test_chunks_are_put_together_and_what_has_none_stays(captured, body) -> None:
    assert http_file.parse(HEAD + captured).body == body


def test_a_body_that_only_looks_like_chunks_is_left_alone() -> None:
    assert http_file.parse(b"POST / HTTP/1.1\r\n\r\n1\r\nx\r\n0\r\n\r\n").body == b"1\r\nx\r\n0\r\n\r\n"
