"""Binary WAP multiparts, octet by octet (WAP-230-WSP §8.5), and whatever else may be sent under their name."""

import time
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import mm7
from gateway.mm7 import split, wap
from tests.properties.bounds import bounded

TYPE = 'multipart/related; type="text/xml"; boundary="b"'
CONTAINER = b"Content-Type: application/vnd.wap.multipart.related\r\n"


def uintvar(number: int) -> bytes:
    octets = [number & 0x7F]
    while number := number >> 7:
        octets.insert(0, number & 0x7F | 0x80)
    return bytes(octets)


def entry(header_block: bytes, data: bytes = b"x") -> bytes:
    return uintvar(len(header_block)) + uintvar(len(data)) + header_block + data


def of(*entries: bytes) -> bytes:
    return uintvar(len(entries)) + b"".join(entries)


def lengthy(value: bytes) -> bytes:
    """A value with its length in front (§8.4.2.2): one octet, or 31 and a uintvar."""
    return (bytes([len(value)]) if len(value) <= 30 else b"\x1f" + uintvar(len(value))) + value


def part(data: bytes = b"x", content_type: str = "text/plain", **fields) -> mm7.Part:
    return mm7.Part(content_type=content_type, data=data, **fields)


PLAIN = b"\x83"
# What a header block says of a part whose content is `x`; the octets by their clause.
BLOCKS = {
    "constrained, well known: 0x80 | 0x03 (§8.4.2.24)": (PLAIN, part()),
    "well known: image/gif": (b"\x9d", part(content_type="image/gif")),
    "well known: image/jpeg": (b"\x9e", part(content_type="image/jpeg")),
    "well known: image/png": (b"\xa0", part(content_type="image/png")),
    "well known: text/x-vCard": (b"\x87", part(content_type="text/x-vcard")),
    "well known: XHTML": (b"\xc5", part(content_type="application/vnd.wap.xhtml+xml")),
    "well known to others: 0x7f": (b"\xff", part(content_type="application/octet-stream")),
    "constrained, text": (b"audio/AMR\0", part(content_type="audio/amr")),
    "constrained, text with parameters as in MIME": (b"text/plain; charset=koi8-r\0", part(charset="koi8-r")),
    "general, well known, no parameter: length 1": (b"\x01\x83", part()),
    "general, text": (lengthy(b"application/smil\0"), part(content_type="application/smil")),
    "general, registered in two octets: 0x0305": (b"\x03\x02\x03\x05", part(content_type="text/calendar")),
    "charset UTF-8: 0x80 | 106 (§8.4.2.3)": (b"\x03\x83\x81\xea", part(charset="utf-8")),
    "charset US-ASCII: 0x80 | 3": (b"\x03\x83\x81\x83", part(charset="us-ascii")),
    "charset ISO-8859-1: 0x80 | 4": (b"\x03\x83\x81\x84", part(charset="iso-8859-1")),
    "charset ISO-8859-15: 111": (b"\x03\x83\x81\xef", part(charset="iso-8859-15")),
    "charset Shift_JIS: 17": (b"\x03\x83\x81\x91", part(charset="shift_jis")),
    "charset windows-1252: 2252 in two octets": (b"\x05\x83\x81\x02\x08\xcc", part(charset="windows-1252")),
    "any charset: 0x80": (b"\x03\x83\x81\x80", part()),
    "a charset of no table: 3000": (b"\x05\x83\x81\x02\x0b\xb8", part(charset="mibenum-3000")),
    "charset as text": (lengthy(b"\x83\x81utf-8\0"), part(charset="utf-8")),
    "charset by its untyped name": (lengthy(b"\x83Charset\0\xea"), part(charset="utf-8")),
    "name, before 1.4: 0x05": (lengthy(b"\x83\x85a.txt\0"), part(filename="a.txt")),
    "name, 1.4: 0x17, quoted": (lengthy(b'\x83\x97"a b.txt\0'), part(filename="a b.txt")),
    "name quoted at both ends": (lengthy(b'\x83\x97"a;b=".txt"\0'), part(filename='a;b=".txt')),
    "name beyond ASCII, 127 in front": (lengthy(b"\x83\x97\x7f\xc3\xa9.txt\0"), part(filename="é.txt")),
    "name in Latin-1": (lengthy(b"\x83\x85a\xe9.txt\0"), part(filename="aé.txt")),
    "name with typographic quotes": (lengthy("\x83\x85a“b”.txt\0".encode("latin-1", "ignore")), part(filename="ab.txt")),
    "name as RFC 2047 writes it": (lengthy(b"\x83\x85=?utf-8?Q?=C3=A9?=\0"), part(filename="é")),
    "name as RFC 2231 writes it": (lengthy(b"\x83name*\0utf-8''%C3%A9\0"), part(filename="é")),
    "filename: 0x18": (lengthy(b"\x83\x98a.txt\0"), part(filename="a.txt")),
    "q before the name: uintvar of two octets": (lengthy(b"\x83\x80\x83\x31\x97a\0"), part(filename="a")),
    "no value (Secure), an integer, a date: stepped over": (
        lengthy(b"\x83\x90\x00" + b"size\0\x02\x10\x00" + b"\x93\x04\x01\x02\x03\x04" + b"\x97a\0"),
        part(filename="a"),
    ),
    "a name of no value": (lengthy(b"\x83\x97\x00\x81\xea"), part(charset="utf-8")),
    "an untyped name that is a number": (lengthy(b"\x83name\0\x85"), part(filename="5")),
    "a parameter whose name is no token": (lengthy(b"\x83a;b\0x\0\x81\xea"), part(charset="utf-8")),
    "a length over 30: 31 and a uintvar": (lengthy(b"\x83\x97" + b"n" * 200 + b"\0"), part(filename="n" * 200)),
    "Content-ID: 0x40, quoted": (PLAIN + b'\xc0"<one@x>\0', part(content_id="one@x")),
    "Content-ID quoted at both ends": (PLAIN + b'\xc0"<one@x>"\0', part(content_id="one@x")),
    "Content-ID bare": (PLAIN + b"\xc0<one>\0", part(content_id="one")),
    "Content-Location: 0x0e": (PLAIN + b"\x8ea.txt\0", part(content_location="a.txt")),
    "both": (PLAIN + b'\x8ea\0\xc0"<c>\0', part(content_location="a", content_id="c")),
    "headers with their names": (PLAIN + b"Content-ID\0<c>\0CONTENT-LOCATION\0a\0", part(content_location="a", content_id="c")),
    "the first of two counts": (PLAIN + b"\x8ea\0\x8eb\0", part(content_location="a")),
    "Content-Disposition: 0x45, attachment, filename": (PLAIN + b"\xc5" + lengthy(b"\x81\x98a.txt\0"), part(filename="a.txt")),
    "Content-Disposition, before 1.4: 0x2e, text": (PLAIN + b"\xae" + lengthy(b"inline\0\x86b\0"), part(filename="b")),
    "Content-Disposition alone": (PLAIN + b"\xc5\x81", part()),
    "Content-Disposition as text": (PLAIN + b"\xc5attachment; filename=a\0", part(filename="a")),
    "other headers, each kind of value": (
        PLAIN + b"\x8d\x85" + b"\x92\x04\x01\x02\x03\x04" + b"\x9d\x1f\x02ab" + b"\x95text\0" + b"X-a\0b\0" + b"\x8ea\0",
        part(content_location="a"),
    ),
    "a header of another code page, 127 and its number": (PLAIN + b"\x7f\x05\x8eno\0\x7f\x01\x8ea\0", part(content_location="a")),
    "a header of another code page, its number alone": (PLAIN + b"\x05\x8eno\0\x01\x8ea\0", part(content_location="a")),
    "a media type without a word": (b'"\0', part()),
}  # fmt: skip
# What is said to be a multipart, and is none.
MALFORMED = {
    "nothing": b"",
    "no entries": b"\x00",
    "an entry and no bytes": b"\x01",
    "more entries than there can be": b"\x7f" + entry(PLAIN),
    "more entries than there are bytes for, and a hundred of them": uintvar(9999) + entry(PLAIN) * 120,
    "an endless number": b"\x80" * 50,
    "a number of six octets": b"\x80\x80\x80\x80\x80" + of(entry(PLAIN)),
    "an endless length": b"\x01\xff\xff\xff\xff\xff\xff\xff",
    "headers beyond the end": b"\x01\x20\x01" + PLAIN + b"x",
    "content beyond the end": b"\x01\x01\x7f" + PLAIN + b"x",
    "an entry less than it says": b"\x02" + entry(PLAIN) + b"\x01\x01",
    "bytes after the last entry": of(entry(PLAIN)) + b"x",
    "no Content-Type": of(entry(b"", b"12345")),
    "a Content-Type of no bytes": of(entry(b"\x00")),
    "a Content-Type beyond its headers": of(entry(b"\x05\x83")),
    "a length quote beyond its headers": of(entry(b"\x1f\x05\x83")),
    "a text without an end": of(entry(b"text/plain")),
    "a parameter without a value": of(entry(lengthy(b"\x83\x97"))),
    "a header without a value": of(entry(PLAIN + b"\xc0")),
    "a header without a name": of(entry(PLAIN + b"\x00\x00")),
    "a code page without its number": of(entry(PLAIN + b"\x7f")),
    "a text with a line break": of(entry(b"text/plain\r\nX: y\0")),
    "more headers than there can be": of(entry(PLAIN + b"\x8d\x85" * (wap.MAX_FIELDS + 1))),
    "more parameters than there can be": of(entry(lengthy(b"\x83" + b"\x88\x80" * (wap.MAX_FIELDS + 1)))),
    "longer headers than there can be": of(entry(PLAIN + b"\x8e" + b"a" * wap.MAX_HEADER_BYTES + b"\0")),
}  # fmt: skip


@pytest.fixture
def decoded(multipart):
    """decoded(data, "more: headers"): a message whose one part is this WAP multipart."""

    def decode(data: bytes, headers: bytes = b"") -> mm7.Decoded:
        return mm7.decode(TYPE, multipart(CONTAINER + headers + b"\r\n" + data))

    return decode


def kept_whole(found: mm7.Decoded, data: bytes) -> bool:
    whole = part(data, "application/vnd.wap.multipart.related")
    return found.parts == (whole,) and found.quirks == ("wap_multipart_unreadable", "content_unreferenced")


@pytest.mark.parametrize("case", BLOCKS)
def test_a_part_is_all_that_its_header_block_says(decoded, case) -> None:
    block, expected = BLOCKS[case]
    found = decoded(of(entry(block), entry(PLAIN, b"next")))
    assert found.parts == (expected, part(b"next"))
    assert found.quirks == ("wap_multipart", "content_unreferenced")


@pytest.mark.parametrize("case", MALFORMED)
def test_what_is_not_well_formed_stays_one_part(decoded, case) -> None:
    assert wap.read(MALFORMED[case], 100) == []
    assert kept_whole(decoded(MALFORMED[case]), MALFORMED[case])


def test_as_many_fields_as_there_may_be_are_read() -> None:
    fields = wap.MAX_FIELDS
    parameters = b"\x88\x80" * (fields - 1) + b"\x97a\0"
    block = lengthy(b"\x83" + parameters) + b"\x8d\x85" * (fields - 1) + b"\x8eb\0"
    [(headers, _, _)] = wap.read(of(entry(block)), 100)
    assert headers == {"content-type": "text/plain; name=a", "content-location": "b"}


@pytest.mark.parametrize(
    "name", ["a“b”.txt", "a\u2028b", "😀.jpg", 'a";b', "a%20b", "a\tb", "\u202etxt", "a'b''c", "=?x"]
)
def test_a_name_arrives_as_it_was_sent(decoded, name) -> None:
    [found] = decoded(of(entry(lengthy(b"\x83\x97" + text_octets(name))))).parts
    assert found.filename == name


@pytest.mark.parametrize(
    ("number", "data"),
    [
        (1000, "é€".encode("utf-16be")),
        (1015, "é€".encode("utf-16be")),
        (1000, b"\xff\xfe" + "é€".encode("utf-16le")),
        (1015, b"\xfe\xff" + "é€".encode("utf-16be")),
        (1013, "é€".encode("utf-16be")),
        (1014, "é€".encode("utf-16le")),
        (106, "é€".encode()),
    ],
)
def test_a_text_is_read_in_its_charset_without_a_mark_of_byte_order_too(decoded, number, data) -> None:
    charset = number.to_bytes(2) if number > 127 else bytes([number])
    [found] = decoded(of(entry(lengthy(b"\x83\x81" + lengthy(charset)), data))).parts
    assert found.text() == ("é€", True)


@pytest.mark.parametrize("number", sorted(wap._CHARSETS))
def test_every_charset_of_the_table_is_one_that_is_read(number) -> None:
    assert part(b"", charset=wap._CHARSETS[number]).text() == ("", True)


def test_a_message_of_a_phone_is_its_parts(decoded) -> None:
    smil = entry(lengthy(b"application/smil\0\x81\xea\x85a.smil\0") + b'\xc0"<smil>\0\x8ea.smil\0', b"<smil/>")
    picture = entry(lengthy(b"\x9e\x85a.jpg\0") + b'\xc0"<1>\0\x8ea.jpg\0', b"\xff\xd8\xff")
    text = entry(lengthy(b"\x83\x81\xea\x85a.txt\0") + b'\xc0"<2>\0\x8ea.txt\0', "é".encode())
    assert decoded(of(smil, picture, text)).parts == (
        part(b"<smil/>", "application/smil", charset="utf-8", filename="a.smil", content_id="smil", content_location="a.smil"),
        part(b"\xff\xd8\xff", "image/jpeg", filename="a.jpg", content_id="1", content_location="a.jpg"),
        part("é".encode(), charset="utf-8", filename="a.txt", content_id="2", content_location="a.txt"),
    )  # fmt: skip


def test_a_transfer_encoding_round_it_or_in_it_is_removed(decoded) -> None:
    data = of(entry(PLAIN + b"Content-Transfer-Encoding\0base64\0", b"YWJj"))
    assert [each.data for each in decoded(data).parts] == [b"abc"]
    assert [each.data for each in decoded(b"AQEBgw==", b"Content-Transfer-Encoding: base64\r\n").parts] == [
        b"\x01\x01\x01\x83"
    ]
    assert [each.data for each in decoded(b"AQEBg3g=", b"Content-Transfer-Encoding: base64\r\n").parts] == [b"x"]


def test_a_line_break_left_behind_it_does_not_count(decoded) -> None:
    assert decoded(of(entry(PLAIN)) + b"\r\n").parts == (part(),)


def test_multiparts_inside_are_read_in_turn(decoded) -> None:
    inner = of(entry(PLAIN, b"1"), entry(PLAIN, b"2"))
    mime = b"--i\r\n\r\n4\r\n--i--"
    found = decoded(of(entry(b"\xb3", inner), entry(PLAIN, b"3"), entry(b"multipart/mixed; boundary=i\0", mime)))
    assert [each.data for each in found.parts] == [b"1", b"2", b"3", b"4"]


def test_one_inside_that_is_not_well_formed_stays_one_part_beside_the_others(decoded) -> None:
    found = decoded(of(entry(b"\xa3", b"\x05"), entry(PLAIN, b"3")))
    assert found.parts == (part(b"\x05", "application/vnd.wap.multipart.mixed"), part(b"3"))
    assert found.quirks == ("wap_multipart", "wap_multipart_unreadable", "content_unreferenced")


def test_a_deviation_inside_has_its_name(decoded) -> None:
    assert "content_id_form" in decoded(of(entry(PLAIN + b"\xc0one\0"))).quirks


@pytest.mark.parametrize("name", ["é.txt", "안녕.txt", "😀"])
def test_a_name_or_place_beyond_ascii_may_lack_its_quoting_octet(decoded, name) -> None:
    raw = name.encode() + b"\0"
    [found] = decoded(of(entry(lengthy(b"\x83\x97" + raw + b"\x81\xea") + b"\x8e" + raw))).parts
    assert found == part(filename=name, content_location=name, charset="utf-8")


@pytest.mark.parametrize("coded", [b"application/xml\0", b"\xa7"])
def test_the_type_and_the_start_of_one_inside_are_read_too(coded) -> None:
    [(headers, _, _)] = wap.read(of(entry(lengthy(b"\xb3\x89" + coded + b"\x8a<smil>\0"))), 1)
    assert split.read_value(headers["content-type"]) == (
        "application/vnd.wap.multipart.related",
        {"type": "application/xml", "start": "<smil>"},
    )


def nested(levels: int) -> bytes:
    data = b"x"
    for level in range(levels):
        data = of(entry(b"\xb3" if level else PLAIN, data))
    return data


def test_limits_are_those_of_mime(decoded) -> None:
    assert decoded(nested(split.MAX_NESTING - 1)).parts == (part(),)
    with pytest.raises(mm7.DecodeError, match="nested"):
        decoded(nested(split.MAX_NESTING))
    assert len(decoded(of(*[entry(PLAIN)] * split.MAX_PARTS)).parts) == split.MAX_PARTS
    with pytest.raises(mm7.DecodeError, match="100 parts"):
        decoded(of(*[entry(PLAIN)] * (split.MAX_PARTS + 1)))


def test_a_mime_multipart_under_its_name_is_read_whatever_is_round_it(decoded) -> None:
    found = decoded(b"LS1pDQoNCngNCi0taS0t", b"Content-Transfer-Encoding: base64\r\n")
    assert (found.parts, found.quirks[0]) == ((part(),), "wap_multipart_as_mime")


def test_as_many_entries_as_begin_a_mime_delimiter_are_entries_all_the_same(decoded) -> None:
    data = of(*[entry(lengthy(b"\x83\x97" + b"n" * 40 + b"\0"))] * 45)
    assert data[:2] == b"--"
    assert len(decoded(data).parts) == 45


def test_one_that_ends_too_early_or_too_late_is_never_read() -> None:
    data = of(entry(lengthy(b"\x83\x81\xea\x97a.txt\0") + b'\xc0"<c>\0'), entry(b"\x9e\x8ea\0", bytes(300)))
    assert len(wap.read(data, 100)) == 2
    assert all(wap.read(data[:end], 100) == [] for end in range(len(data)))
    assert all(wap.read(data[start:], 100) == [] for start in range(1, 20))


TEXT = st.text(
    st.characters(min_codepoint=0x20, exclude_characters="\x7f", categories=["L", "N", "P", "S", "Zs"]), max_size=30
)
ASCII = st.text(
    st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters='"<>'), min_size=1, max_size=20
)
PARTS = st.builds(
    part,
    data=st.binary(max_size=300),
    content_type=st.sampled_from(["text/plain", "image/jpeg", "audio/amr", "application/smil"]),
    charset=st.sampled_from([None, "utf-8", "us-ascii", "windows-1251"]),
    filename=st.none() | TEXT.filter(lambda text: text and "=?" not in text and text != "null" and text[-1] != '"'),
    content_id=st.none() | ASCII.filter(lambda text: text[:4].lower() != "cid:"),
    content_location=st.none() | ASCII,
)


def text_octets(text: str) -> bytes:
    raw = text.encode()
    return (b'"' if raw[:1] < b"!" or raw[:1] in b'"' else b"\x7f" if raw[0] >= 0x80 else b"") + raw + b"\0"


def written(each: mm7.Part, rng: Random) -> bytes:
    """A part in one of the ways in which it may be written down."""
    known = {name: number for number, name in wap._MEDIA_TYPES.items()}.get(each.content_type)
    media_type = each.content_type.encode() + b"\0" if known is None or rng.random() < 0.3 else bytes([0x80 | known])
    parameters = []
    if each.charset is not None:
        number = {name: number for number, name in wap._CHARSETS.items()}[each.charset]
        coded = bytes([0x80 | number]) if number < 128 else lengthy(number.to_bytes(2))
        parameters.append(b"\x81" + rng.choice([coded, each.charset.encode() + b"\0"]))
    if each.filename is not None:
        parameters.append(rng.choice([b"\x85", b"\x97", b"Name\0", b"\x98"]) + text_octets(each.filename))
    rng.shuffle(parameters)
    general = parameters or rng.random() < 0.5
    content_type = lengthy(media_type + b"".join(parameters)) if general else media_type
    fields = [rng.choice([b"\x8d\x85", b"\x92" + lengthy(bytes(4)), b"X-a\0b\0", b"\x9d" + lengthy(bytes(40))])]
    if each.content_id is not None:
        fields.append(rng.choice([b"\xc0", b"content-id\0"]) + b'"<' + each.content_id.encode() + b">\0")
    if each.content_location is not None:
        fields.append(rng.choice([b"\x8e", b"Content-Location\0"]) + each.content_location.encode() + b"\0")
    rng.shuffle(fields)
    return entry(content_type + b"".join(fields), each.data)


def opened(data: bytes) -> tuple[tuple[mm7.Part, ...], mm7.Quirks]:
    quirks = mm7.Quirks()
    section = split.Section({"content-type": "application/vnd.wap.multipart.mixed"}, 0, len(data))
    return split.leaves(split.Split(b"", None, (section,), data), quirks), quirks


@bounded(300)
@given(st.lists(PARTS, min_size=1, max_size=8), st.randoms(use_true_random=False))
def test_what_is_written_down_is_what_is_read(parts, rng) -> None:
    found, quirks = opened(of(*[written(each, rng) for each in parts]))
    assert found == tuple(parts)
    assert set(quirks) == {"wap_multipart"}


@bounded(1000)
@given(
    st.binary(max_size=200)
    | st.lists(st.binary(min_size=1, max_size=30), max_size=5).map(lambda blocks: of(*map(entry, blocks)))
)
def test_any_bytes_are_read_or_stay_one_part(data) -> None:
    try:
        found, quirks = opened(data)
    except mm7.DecodeError as error:
        assert error.status == 2004
        return
    assert quirks.keys() & {"wap_multipart", "wap_multipart_as_mime", "wap_multipart_unreadable"}
    if "wap_multipart" not in quirks and "wap_multipart_as_mime" not in quirks:
        assert [each.data for each in found] == [data]


def test_one_damaged_octet_is_never_more_than_another_reading() -> None:
    data = of(entry(lengthy(b"\x83\x81\xea\x97a.txt\0") + b'\xc0"<c>\0'), entry(b"\xb3", of(entry(PLAIN))))
    for at in range(len(data)):
        for octet in range(256):
            opened(data[:at] + bytes([octet]) + data[at + 1 :])


def seconds(data: bytes, at_most: int = 10**9) -> float:
    began = time.perf_counter()
    wap.read(data, at_most)
    return time.perf_counter() - began


def test_ten_thousand_entries_are_read_at_once() -> None:
    data = of(*[entry(lengthy(b"\x83\x81\xea\x97a.txt\0") + b'\xc0"<c>\0')] * 10_000)
    assert len(wap.read(data, 10_000)) == 10_000
    assert seconds(data) < 2


@pytest.mark.parametrize(
    "data",
    [
        of(*[entry(PLAIN + b"\x8d\x85" * wap.MAX_FIELDS + b"\x8d")] * 5_000),
        of(*[entry(PLAIN)] * 1_000_000),
        uintvar(2**35 - 1) + b"\x81" * 5_000_000,
        b"\x80" * 5_000_000,
        of(entry(PLAIN, b"\n" * 5_000_000)),
        b"\n" * 5_000_000,
    ],
    ids=["fields", "entries", "count", "endless", "content", "blanks"],
)
def test_hostile_bytes_take_no_longer_than_others(decoded, data) -> None:
    began = time.perf_counter()
    try:
        decoded(data)
    except mm7.DecodeError as error:
        assert "100 parts" in error.text
    assert time.perf_counter() - began < 1


def test_as_many_multiparts_as_there_may_be_that_fail_at_their_last_octet_take_no_time() -> None:
    fields = PLAIN + b"X\0y\0" * wap.MAX_FIELDS
    one = of(*[entry(fields)] * (split.MAX_PARTS - 1), entry(fields[:-1]))
    section = split.Section({"content-type": "application/vnd.wap.multipart.mixed"}, 0, len(one))
    began = time.perf_counter()
    found = split.leaves(split.Split(b"", None, (section,) * split.MAX_PARTS, one), mm7.Quirks())
    assert [each.data for each in found] == [one] * split.MAX_PARTS
    assert time.perf_counter() - began < 2
