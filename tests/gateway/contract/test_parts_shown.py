"""What an event says of a part beside its content: a name that is safe, and what the bytes look like."""

import base64

import pytest

from gateway import mm7
from gateway.contract.parts import MAX_INLINE_TOTAL_BYTES, Storage, detected, read, safe_name

PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(13)
JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01" + bytes(20)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, None),
        ("photo.jpg", "photo.jpg"),
        ("Grüße 1.jpg", "Grüße 1.jpg"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\me\\photo.jpg", "photo.jpg"),
        ("..", None),
        ("/", None),
        ("a\x00b\r\n.jpg", "a_b__.jpg"),
        ("evil\u202egpj.exe", "evil_gpj.exe"),
        ('a"b<c>:d|e?f*.png', "a_b_c__d_e_f_.png"),
        ("x" * 300 + ".jpg", "x" * 190 + ".jpg"),
        ("x" * 300, "x" * 190 + "x" * 9),
    ],
)
def test_a_file_name_is_safe_to_store_under(given, expected) -> None:
    assert safe_name(given) == expected
    assert safe_name(expected) == expected


@pytest.mark.parametrize(
    ("declared", "data", "expected"),
    [
        ("image/png", PNG, None),
        ("image/jpeg", PNG, "image/png"),
        ("application/octet-stream", JPEG, "image/jpeg"),
        ("image/jpg", JPEG, None),
        ("image/jpeg", b"GIF89a" + bytes(20), "image/gif"),
        ("application/octet-stream", b"#!AMR\n" + bytes(20), "audio/amr"),
        ("audio/amr", b"#!AMR\n" + bytes(20), None),
        ("text/plain", PNG, None),
        ("image/jpeg", b"", None),
        ("image/jpeg", b"\x01\x02", None),
    ],
)
def test_what_it_looks_like_is_told_where_it_is_something_else(declared, data, expected) -> None:
    assert detected(mm7.Part(content_type=declared, data=data)) == expected


def shown(part: mm7.Part, inline_bytes: int = 0):
    quirks = mm7.Quirks()
    [(found, blob)] = read([part], quirks, Storage("memory:///{}".format, inline_bytes))
    return found, blob, list(quirks)


def test_a_name_that_was_changed_is_kept_raw_and_a_quirk() -> None:
    found, _, quirks = shown(mm7.Part(content_type="image/png", data=PNG, filename="../a.png"))
    assert (found.filename, found.filename_raw, quirks) == ("a.png", "../a.png", ["filename_unsafe"])


@pytest.mark.parametrize(("limit", "inline"), [(0, False), (len(PNG) - 1, False), (len(PNG), True)])
def test_small_binaries_stand_in_the_event_where_that_is_asked_for(limit, inline) -> None:
    found, blob, _ = shown(mm7.Part(content_type="image/png", data=PNG), limit)
    assert (blob is None, found.url is None) == (inline, inline)
    assert (base64.b64decode(found.data) == PNG) if inline else (found.data is None)


def test_all_that_stands_in_an_event_has_a_limit() -> None:
    parts = [mm7.Part(content_type="image/png", data=bytes(100_000))] * 8
    pairs = list(read(parts, mm7.Quirks(), Storage("memory:///{}".format, 200_000)))
    assert sum(part.bytes for part, _ in pairs if part.data) <= MAX_INLINE_TOTAL_BYTES
    assert all((part.data is None) == (blob is not None) == (part.url is not None) for part, blob in pairs)
