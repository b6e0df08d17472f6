"""Header blocks of parts and their values, well and badly written."""

import pytest

from gateway import mm7
from gateway.mm7 import headers
from gateway.mm7.quirks import Quirks


def block(data: bytes) -> tuple[dict[str, str], bytes, list[str]]:
    quirks = Quirks()
    found, body = headers.read_block(data, 0, len(data), quirks)
    return dict(found), data[body:], list(quirks)


@pytest.mark.parametrize(
    ("data", "fields", "body", "quirks"),
    [
        (b"A: 1\r\nB : 2\r\n\r\nbody", {"a": "1", "b": "2"}, b"body", []),
        (b"A:1\n \t \nbody", {"a": "1"}, b"body", []),
        (b"Content-A: 1;\r\n  b=2\r\n\tc\r\n\r\n", {"content-a": "1; b=2 c"}, b"", []),
        (b"\r\nbody", {}, b"body", []),
        (b"", {}, b"", []),
        (b"Content-ID: a", {"content-id": "a"}, b"", []),
        (b"Content-ID: a\nContent-ID: b\n\n", {"content-id": "a"}, b"", []),
        (b"Content-Type: x\nhello", {"content-type": "x"}, b"hello", ["part_headers_unfinished"]),
        (
            b"Content-Type: x\n\x89PNG: \r\n\x00",
            {"content-type": "x"},
            b"\x89PNG: \r\n\x00",
            ["part_headers_unfinished"],
        ),
        (b"Content-Type: x\nNote: call me", {"content-type": "x"}, b"Note: call me", ["part_headers_unfinished"]),
        (b"Content-Type: x\nNote: call me\n", {"content-type": "x"}, b"Note: call me\n", ["part_headers_unfinished"]),
        (
            b"Content-Type: x\nNote: call me\n\n",
            {"content-type": "x"},
            b"Note: call me\n\n",
            ["part_headers_unfinished"],
        ),
        (
            b"Content-Type: x\nNote: call me\nat home\n",
            {"content-type": "x"},
            b"Note: call me\nat home\n",
            ["part_headers_unfinished"],
        ),
        (b"Content-Type: x\nTo: be\nOr: not", {"content-type": "x"}, b"To: be\nOr: not", ["part_headers_unfinished"]),
        (b"Content-Type: x\nDate: now\n\nbody", {"content-type": "x", "date": "now"}, b"body", []),
        (
            b"Content-Type: x\nA: 1\nB: 2\n folded\n\nbody",
            {"content-type": "x", "a": "1", "b": "2 folded"},
            b"body",
            [],
        ),
        (b" indented\n\nbody", {}, b" indented\n\nbody", ["part_headers_unfinished"]),
        (b"Content-Type: \xe9\n\n", {"content-type": "é"}, b"", []),
        (
            "Content-Type: a; b=“c”\n d=„e”\n\n".encode(),
            {"content-type": 'a; b="c" d="e"'},
            b"",
            ["typographic_quotes"],
        ),
        ("Content-Type: é\n\n“hi”".encode(), {"content-type": "é"}, "“hi”".encode(), []),
        ("Content-Type: x\n“hi”".encode(), {"content-type": "x"}, "“hi”".encode(), ["part_headers_unfinished"]),
    ],
)
def test_a_block_ends_at_the_first_blank_line_or_at_the_first_line_that_is_no_header(
    data, fields, body, quirks
) -> None:
    assert block(data) == (fields, body, quirks)


def test_too_many_bytes_of_headers_are_refused() -> None:
    for lines in (b"X-A: b\n" * 2000, b"X-A: b\n" + b" folded\n" * 2000, b"X-A: " + b"b" * 20_000 + b"\n"):
        with pytest.raises(mm7.DecodeError, match="bytes of headers") as caught:
            block(lines + b"\nbody")
        assert caught.value.status == 2004


def test_a_long_first_line_that_is_no_header_is_the_body() -> None:
    line = b"Note: " + b"x" * 20_000
    assert block(line) == ({}, line, ["part_headers_unfinished"])


@pytest.mark.parametrize(
    ("value", "kind", "parameters"),
    [
        ("", "", {}),
        ("text/plain", "text/plain", {}),
        ("Text/XML ; CharSet = UTF-8 ", "text/xml", {"charset": "UTF-8"}),
        ('a/b; c="d;e=f"; g=h', "a/b", {"c": "d;e=f", "g": "h"}),
        (r'a/b; c="d\"e\\f"', "a/b", {"c": 'd"e\\f'}),
        ("image/gif;", "image/gif", {}),
        ("a/b;; ;c;d=e", "a/b", {"d": "e"}),
        ("a/b; c=", "a/b", {"c": ""}),
        ('a/b; c="d', "a/b", {"c": "d"}),
        ('a/b; c=d"', "a/b", {"c": "d"}),
        ('a/b; c="', "a/b", {"c": ""}),
        ('a/b; c=“d”; e=“f"', "a/b", {"c": "d", "e": "f"}),
        ("a/b; c=1; C=2", "a/b", {"c": "1"}),
        ("a/b;c=d/e", "a/b", {"c": "d/e"}),
        ("a/b; name*=utf-8''%c3%a9%20x", "a/b", {"name": "é x"}),
        ("a/b; name*=iso-8859-1'en'%e9", "a/b", {"name": "é"}),
        ("a/b; name*=%c3%a9", "a/b", {"name": "é"}),
        ("a/b; name*=''%c3%a9", "a/b", {"name": "é"}),
        ("a/b; name*=utf-8''%ff", "a/b", {"name": "%ff"}),
        ("a/b; name*=none''%41", "a/b", {"name": "%41"}),
        ("a/b; name*=utf-7''%2b%32%41%41%2d", "a/b", {"name": "%2b%32%41%41%2d"}),
    ],
)
def test_a_value_is_read_with_its_parameters(value, kind, parameters) -> None:
    assert mm7.read_value(value) == (kind, parameters)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (None, None),
        ("a.jpg", "a.jpg"),
        ("=?utf-8?B?w6kuanBn?=", "é.jpg"),
        ("=?iso-8859-1?Q?=E9?= x", "é x"),
        ("=?none?B?w6k=?=", "=?none?B?w6k=?="),
        ("=?utf-8?B?a?=", "=?utf-8?B?a?="),
        ("=?utf-8?Q?=ff?=", "=?utf-8?Q?=ff?="),
        ("=?unicode_escape?Q?=5cud800?=", "=?unicode_escape?Q?=5cud800?="),
        ("=?utf-7?Q?+2AA-?=", "=?utf-7?Q?+2AA-?="),
        ("=?", "=?"),
    ],
)
def test_encoded_words_in_file_names_are_read_where_they_can_be(written, read) -> None:
    assert headers.decode_words(written) == read


@pytest.mark.parametrize(
    ("written", "bare"),
    [
        (None, None),
        ("", None),
        ("<>", None),
        ("cid:", None),
        ("<a@b>", "a@b"),
        (" < a > ", "a"),
        ("cid:<a>", "a"),
        ("cid a", "a"),
    ],
)
def test_a_bare_id_is_what_two_spellings_have_in_common(written, bare) -> None:
    assert mm7.bare_id(written) == bare


@pytest.mark.parametrize(
    ("head", "filename"),
    [
        ("Content-Disposition: attachment; filename=a.txt", "a.txt"),
        ('Content-Type: text/plain; name="b.txt"\nContent-Disposition: inline', "b.txt"),
        ("Content-Type: text/plain; filename=c.txt", "c.txt"),
        ('Content-Disposition: inline; filename="null"', None),
        ("Content-Disposition: inline; filename*=utf-8''%c3%a9.txt", "é.txt"),
        ("Content-Disposition: inline; filename==?utf-8?B?a?=", "=?utf-8?B?a?="),
        ("Content-Type: text/plain", None),
    ],
)
def test_a_part_s_file_name_is_found(multipart, head, filename) -> None:
    [part] = mm7.decode("multipart/related; boundary=b", multipart(f"{head}\n\nhello".encode())).parts
    assert (part.filename, part.data) == (filename, b"hello")
