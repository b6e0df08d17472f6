"""Multipart bodies taken apart, as real senders put them together."""

import base64

import pytest

from gateway import mm7

TYPE = 'multipart/related; type="text/xml"; boundary="b"'
TEXT = b"Content-Type: text/plain\r\nContent-ID: <c>\r\n\r\nhello"


def datas(body: bytes, content_type: str | None = TYPE) -> list[bytes]:
    return [part.data for part in mm7.decode(content_type, body).parts]


def test_a_part_is_all_that_its_headers_say(multipart) -> None:
    head = (
        b'Content-Type: Text/Plain; Charset="ISO-8859-1"; name="a.txt"\r\nContent-ID: <one@x>\r\n'
        b"Content-Location: a.txt\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
    )
    [part] = mm7.decode(TYPE, multipart(head + b"caf=E9=\r\n!")).parts
    assert part == mm7.Part(
        content_type="text/plain",
        charset="ISO-8859-1",
        filename="a.txt",
        content_id="one@x",
        content_location="a.txt",
        data=b"caf\xe9!",
    )
    assert part.text() == ("café!", True)


@pytest.mark.parametrize("newline", [b"\r\n", b"\n"])
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"x",
        b"x\n",
        b"\n",
        b"\n\n",
        b"--",
        b"--bx",
        b"x\n--",
        b"a --b\nc",
        b"\r",
        bytes(range(256)),
        b"--b--x",
        b"\x00--b",
    ],
)
def test_the_bytes_between_delimiters_are_the_part_s_exactly(multipart, body, newline) -> None:
    sent = b"Content-Type: application/octet-stream\n\n".replace(b"\n", newline) + body
    whole = b"--b" + newline + b"Content-Type: text/xml" + newline * 2 + b"@" + newline + b"--b" + newline
    whole = whole.replace(b"@", multipart().split(b"\r\n\r\n", 1)[1].rpartition(b"\r\n--b--")[0])
    assert datas(whole + sent + newline + b"--b--" + newline) == [body]


@pytest.mark.parametrize(
    "change",
    [
        lambda body: b"\r\n\r\n" + body,
        lambda body: b"a preamble\r\n" + body,
        lambda body: body + b"an epilogue --b\r\n--c\r\n",
        lambda body: body.replace(b"--b\r\n", b"--b \t\r\n"),
        lambda body: body.removesuffix(b"\r\n"),
        lambda body: b"\xef\xbb\xbf\n" + body,
    ],
)
def test_what_stands_round_the_delimiters_does_not_count(multipart, change) -> None:
    assert datas(change(multipart(TEXT, TEXT))) == [b"hello", b"hello"]


@pytest.mark.parametrize(
    "boundary", ["b", "=_Part 1", "----=_Part_1_2.3", "--", "a'()+_,-./:=?", "x" * 70, "[a-z]+", "ü"]
)
def test_any_boundary_is_taken_as_it_is(multipart, boundary) -> None:
    body = multipart(TEXT).replace(b"--b", b"--" + boundary.encode())
    decoded = mm7.decode(f'multipart/related; boundary="{boundary}"', body)
    assert [part.data for part in decoded.parts] == [b"hello"]
    assert decoded.quirks == ("content_unreferenced",)


@pytest.mark.parametrize(
    "content_type",
    [
        "multipart/related",
        "MULTIPART/RELATED;BOUNDARY=b",
        "multipart/related; boundary=",
        "multipart/related; boundary=other",
        "multipart/related; boundary=\udcff\udcfe",
        'multipart/related; boundary="b',
        "multipart/related; boundary=b ; start=",
        "multipart/mixed;; charset ; boundary=b",
        "text/html",
        "text/xml",
        "application/octet-stream",
        "nonsense",
        "",
        None,
    ],
)
def test_the_delimiters_of_the_body_are_found_whatever_the_header_says(multipart, content_type) -> None:
    assert datas(multipart(TEXT, TEXT), content_type) == [b"hello", b"hello"]


@pytest.mark.parametrize("start", ["<soap>", "soap", "cid:soap", "<cid:soap>", " soap "])
def test_the_start_parameter_finds_the_root_wherever_it_stands(deliver, start) -> None:
    root = b"Content-Type: text/plain\r\nContent-ID: <soap>\r\n\r\n" + deliver()
    body = b"--b\r\n" + TEXT + b"\r\n--b\r\n" + root + b"\r\n--b--"
    decoded = mm7.decode(f'{TYPE}; start="{start}"', body)
    assert [part.data for part in decoded.parts] == [b"hello"]
    form = () if start == "<soap>" else ("start_form",)
    assert decoded.quirks == (*form, "content_unreferenced")


@pytest.mark.parametrize(
    "head", [b"Content-Type: text/xml\n\n", b"Content-Type: application/octet-stream\n\n \n", b"\n"]
)
def test_without_a_start_the_root_is_the_first_part_that_is_xml(deliver, head) -> None:
    assert datas(b"--b\n" + TEXT + b"\n--b\n" + head + deliver() + b"\n--b--") == [b"hello"]


def test_without_any_xml_the_first_part_is_taken_for_the_root_and_refused() -> None:
    with pytest.raises(mm7.DecodeError, match="no XML"):
        mm7.decode(TYPE, b"--b\n" + TEXT + b"\n--b--")


def test_a_multipart_without_any_delimiter_is_refused() -> None:
    with pytest.raises(mm7.DecodeError, match="no XML"):
        mm7.decode(TYPE, b"nothing here")


@pytest.mark.parametrize("encoding", ["base64", "BASE64 ", "quoted-printable"])
def test_the_root_s_transfer_encoding_is_removed(deliver, multipart, encoding) -> None:
    text = base64.encodebytes(deliver()) if "6" in encoding else deliver().replace(b"=", b"=3D")
    root = f"Content-Type: text/xml\nContent-Transfer-Encoding: {encoding}\n\n".encode() + text
    assert datas(b"--b\n" + root + b"\n--b\n" + TEXT + b"\n--b--") == [b"hello"]


@pytest.mark.parametrize("encoding", [b"7bit", b"8bit", b"binary", b"", b"x-uuencode", b"chunked"])
def test_other_transfer_encodings_change_nothing(multipart, encoding) -> None:
    part = b"Content-Transfer-Encoding: " + encoding + b"\nTransfer-Encoding: chunked\n\nYWJj"
    assert datas(multipart(part)) == [b"YWJj"]


@pytest.mark.parametrize(
    ("text", "data"), [(b"YWJj", b"abc"), (b" YW\r\n\tJj \r\n", b"abc"), (b"YWJ", b"YWJ"), (b"Y*Jj", b"Y*Jj")]
)
def test_what_is_no_base64_is_kept_as_it_is(multipart, text, data) -> None:
    assert datas(multipart(b"Content-Transfer-Encoding: base64\n\n" + text)) == [data]


def test_parts_in_parts_are_flattened_in_their_order(multipart) -> None:
    inner = b"Content-Type: multipart/alternative; boundary=d\n\n--d\n\n2\n--d\n\n3\n--d--\n"
    middle = b"Content-Type: multipart/mixed; boundary=c\n\n--c\n\n1\n--c\n" + inner + b"\n--c\n\n4\n--c--\n"
    assert datas(multipart(middle, b"\n5")) == [b"1", b"2", b"3", b"4", b"5"]


def test_a_part_s_own_boundary_may_be_wrong_too(multipart) -> None:
    body = multipart(
        b"Content-Type: multipart/mixed; boundary=wrong\n\n--c\n\n1\n--c--",
        b"Content-Type: multipart/mixed\n\n--d\n\n2",
    )
    decoded = mm7.decode(TYPE, body)
    assert [part.data for part in decoded.parts] == [b"1", b"2"]
    assert {"boundary_mismatch", "boundary_missing", "closing_delimiter_missing"} < set(decoded.quirks)


def test_a_multipart_without_parts_is_kept_whole_and_an_empty_one_is_nothing(multipart) -> None:
    whole = mm7.decode(TYPE, multipart(b"Content-Type: multipart/mixed; boundary=c\n\nno delimiter"))
    assert [(part.content_type, part.data) for part in whole.parts] == [("multipart/mixed", b"no delimiter")]
    assert datas(multipart(b"Content-Type: multipart/mixed; boundary=c\n\n", TEXT)) == [b"hello"]


def test_a_wap_multipart_that_is_not_well_formed_stays_one_part(multipart) -> None:
    [part] = mm7.decode(TYPE, multipart(b"Content-Type: application/vnd.wap.multipart.related\n\n\x02\x00")).parts
    assert (part.content_type, part.data) == ("application/vnd.wap.multipart.related", b"\x02\x00")


@pytest.mark.parametrize(
    ("href", "content_id", "quirks"),
    [
        ("cid:c", "<c>", ()),
        ("cid: c", "<c>", ("href_form",)),
        ("cid c", "<c>", ("href_form",)),
        ("c", "<c>", ("href_form",)),
        ("cid:&lt;c&gt;", "c", ("content_id_form", "href_form")),
        ("CID:c", " < c > ", ("content_id_form",)),
        ("cid:a%20b", "<a b>", ("content_id_form",)),
        ("cid:a%20b", "<a%20b>", ()),
        ("cid:&lt;x&gt;-&lt;y&gt;", "<<x>-<y>>", ("content_id_form", "href_form")),
    ],
)
def test_content_finds_its_part_however_the_two_are_written(deliver, multipart, href, content_id, quirks) -> None:
    root = deliver(f'<Content href="{href}"/>')
    part = f"Content-Type: text/plain\nContent-ID: {content_id}\n\nhello".encode()
    assert mm7.decode(TYPE, multipart(part, root=root)).quirks == quirks


def test_content_may_refer_to_a_location_or_to_a_part_in_a_part(deliver, multipart) -> None:
    located = mm7.decode(TYPE, multipart(b"Content-Location: a.smil\n\nx", root=deliver('<Content href="a.smil"/>')))
    nested = b"Content-Type: multipart/mixed; boundary=c\n\n--c\nContent-ID: <in>\n\nx\n--c--"
    inside = mm7.decode(TYPE, multipart(nested, root=deliver('<Content href="cid:in"/>')))
    assert (located.quirks, inside.quirks) == (("href_form", "content_by_name"), ())


@pytest.mark.parametrize(
    "content", ["<Content/>", '<Content href=""/>', '<Content href="cid:"/>', '<Content href="cid:z"/>']
)
def test_content_that_refers_to_nothing_loses_no_part(deliver, multipart, content) -> None:
    decoded = mm7.decode(TYPE, multipart(TEXT, root=deliver(content)))
    assert [part.data for part in decoded.parts] == [b"hello"]
    assert decoded.quirks == ("content_unmatched",)


def test_blanks_at_the_ends_of_quoted_printable_lines_are_not_content(multipart) -> None:
    head = b"Content-Type: text/plain\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
    body = multipart(head + b"ab= \r\ncd \t\r\ne=20")
    assert datas(body) == [b"abcd\r\ne "]
