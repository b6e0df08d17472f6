"""Hostile multiparts: bounded in parts, nesting, headers and time."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from gateway import mm7
from gateway.mm7 import split

MEGABYTES = 10 * 1024 * 1024
ROOT = f'<DeliverReq xmlns="{mm7.REL_6_1_4}"><Sender>1</Sender></DeliverReq>'.encode()
TYPE = "multipart/related; boundary=b"


@contextmanager
def within(seconds: float) -> Iterator[None]:
    began = time.perf_counter()
    yield
    assert time.perf_counter() - began < seconds


def body_of(*parts: bytes) -> bytes:
    sections = [b"Content-Type: text/xml\n\n" + ROOT, *parts]
    return b"".join(b"--b\n" + section + b"\n" for section in sections) + b"--b--"


def refusal(body: bytes, content_type: str = TYPE) -> mm7.DecodeError:
    with within(10), pytest.raises(mm7.DecodeError) as caught:
        mm7.decode(content_type, body)
    return caught.value


def nested(levels: int, leaf: bytes = b"\nx") -> bytes:
    for level in range(levels):
        mark = b"%d-" % level
        leaf = b"Content-Type: multipart/mixed; boundary=%s\n\n--%s\n%s\n--%s--" % (mark, mark, leaf, mark)
    return leaf


def test_as_many_parts_as_allowed_are_read_and_one_more_is_refused() -> None:
    inner = b"Content-Type: multipart/mixed; boundary=c\n\n" + b"--c\n\nx\n" * split.MAX_PARTS + b"--c--"
    assert len(mm7.decode(TYPE, body_of(inner)).parts) == split.MAX_PARTS
    assert refusal(body_of(inner, b"\nx")).status == 2004
    assert refusal(body_of(inner.replace(b"--c--", b"--c\n\nx\n--c--"))).status == 2004
    assert len(mm7.decode(TYPE, body_of(*[b"\nx"] * split.MAX_PARTS)).parts) == split.MAX_PARTS
    error = refusal(body_of(*[b"\nx"] * (split.MAX_PARTS + 1)))
    assert (error.status, error.request.operation) == (2004, "DeliverReq")


def test_a_refused_message_with_too_many_parts_is_a_request_where_its_envelope_was_read() -> None:
    inner = b"Content-Type: multipart/mixed; boundary=c\n\n" + b"--c\n\nx\n" * (split.MAX_PARTS + 1) + b"--c--"
    error = refusal(body_of(inner))
    assert (error.status, error.request.operation) == (2004, "DeliverReq")


def test_nesting_is_read_to_its_limit_and_refused_beyond() -> None:
    assert [part.data for part in mm7.decode(TYPE, body_of(nested(split.MAX_NESTING - 1))).parts] == [b"x"]
    assert refusal(body_of(nested(split.MAX_NESTING))).status == 2004


HEAVY = {
    "5,000 nested multiparts": body_of(nested(5000)),
    "100,000 parts": body_of(*[b"\nx"] * 100_000),
    "100,000 nested parts": body_of(b"Content-Type: multipart/mixed; boundary=c\n\n" + b"--c\n\nx\n" * 100_000),
    "empty multiparts": body_of(
        *[
            b"Content-Type: multipart/mixed; boundary=c\n\n"
            + b"".join(
                b"--c\nContent-Type: multipart/mixed; boundary=d\n\n"
                + b"--d\nContent-Type: multipart/mixed; boundary=e\n\n" * 20
                for _ in range(90)
            )
        ]
        * 90
    ),
    "delimiters in a line": body_of(b"\n" + b"--b" * (MEGABYTES // 3)),
    "lines like delimiters": body_of(b"\n" + b"\n--bx" * (MEGABYTES // 5)),
    "dashes": body_of(b"\n" + b"-" * MEGABYTES),
    "lines of dashes": body_of(b"Content-Type: multipart/mixed; boundary=none\n\n" + b"--\n" * (MEGABYTES // 3)),
    "line breaks": body_of(b"Content-Type: multipart/mixed\n\n" + b"\n" * MEGABYTES),
    "header lines": body_of(b"X-A: b\n" * (MEGABYTES // 7)),
    "other header lines": body_of(*[b"A:b\n" * 2000 + b"\nx"] * 90),
    "folded lines": body_of(b"X-A: b\n" + b" c\n" * (MEGABYTES // 3)),
    "a header without end": body_of(b"X-A: " + b"b" * MEGABYTES),
    "parameters": body_of(b"Content-Type: a/b" + b';a="' * 2000 + b"\n\nx"),
    "blanks in base64": body_of(b"Content-Transfer-Encoding: base64\n\n" + b"a " * (MEGABYTES // 2)),
    "quoted-printable": body_of(b"Content-Transfer-Encoding: quoted-printable\n\n" + b"=" * MEGABYTES),
    "encoded words": body_of(b"Content-Disposition: a; filename==?utf-8?q?" + b"=?" * 4000 + b"\n\nx"),
}


@pytest.mark.parametrize("case", HEAVY)
def test_a_heavy_multipart_takes_no_time(case) -> None:
    with within(10):
        try:
            decoded = mm7.decode(TYPE, HEAVY[case])
        except mm7.DecodeError as error:
            assert error.status == 2004
        else:
            assert len(decoded.parts) <= split.MAX_PARTS


@pytest.mark.parametrize(
    "body",
    [
        b"\n" * MEGABYTES,
        b" " * MEGABYTES,
        b"--" * (MEGABYTES // 2),
        b"-\n" * (MEGABYTES // 2),
        b"--\n" * (MEGABYTES // 3),
        b"\0" * MEGABYTES,
    ],
)
@pytest.mark.parametrize(
    "content_type", ["multipart/related", TYPE, "text/xml", "", "multipart/related; boundary=" + "(" * 4000]
)
def test_ten_megabytes_of_nothing_take_no_time(content_type, body) -> None:
    assert refusal(body, content_type).status in (2004, 2007, 4004)


@pytest.mark.parametrize("parameter", ["boundary", "start", "charset", "type"])
@pytest.mark.parametrize(
    "value", ["\x00", "\udcff", "é" * 2000, '"' * 2000, "\\" * 2001, "<" * 2000, "*'" * 1000, "=?utf-8?q?" * 300]
)
def test_any_content_type_is_survived(parameter, value) -> None:
    for content_type in (
        f"multipart/related; {parameter}={value}",
        f'multipart/related; {parameter}*="{value}"',
        value,
    ):
        assert [part.data for part in mm7.decode(content_type, body_of(b"\nx")).parts] == [b"x"]
