"""Responses, statuses, parts, and multiparts put together."""

from dataclasses import astuple

import pytest
from lxml import etree

from gateway import mm7

ASKED = {"transaction_id": "t-1", "namespace": mm7.REL_5_1_2, "mm7_version": "5.3.0"}
PARTS = (
    mm7.Part(content_type="image/jpeg", content_id="image", filename='a "b" \\c.jpg', data=bytes(range(256))),
    mm7.Part(
        content_type="text/plain", charset="utf-8", content_id="text", content_location="t.txt", data="hé\r\n".encode()
    ),
)
DELIVER = mm7.DeliverReq(
    transaction_id="t", mm7_version="6.8.0", sender=mm7.Address("1"), content=mm7.Content("cid:content")
)


@pytest.mark.parametrize(("request_name", "response"), mm7.RESPONSES.items())
def test_the_response_matches_its_request_and_echoes_it(request_name, response) -> None:
    asked = ASKED | {"namespace": mm7.REL_6_1_4}
    answer = mm7.response(mm7.Request(operation=request_name, **asked), 1000, message_id="m-1")
    assert type(answer) is response
    assert (answer.transaction_id, answer.namespace, answer.mm7_version) == tuple(asked.values())
    assert (answer.status.code, answer.status.text) == (1000, "Success")
    assert getattr(answer, "message_id", "m-1") == "m-1"


@pytest.mark.parametrize("release", [*mm7.RELEASES, "REL-9", None])
@pytest.mark.parametrize("transaction_id", ["1", "a b", "<ü/&>", None])
def test_every_answer_can_be_written_whatever_it_has_to_repeat(release, transaction_id) -> None:
    namespace = release and mm7.SCHEMA + release
    for operation in (*mm7.MESSAGES, "nonsense", None):
        asked = mm7.Request(
            operation=operation, transaction_id=transaction_id, namespace=namespace, mm7_version="9999.1 é"
        )
        for code in (1000, 4003):
            answer = mm7.response(asked, code, message_id="m-1")
            read = mm7.decode("text/xml", mm7.encode(answer).body).message
            assert (read.operation, read.transaction_id, read.status.code) == (answer.operation, transaction_id, code)


@pytest.mark.parametrize("operation", [None, "extendedCancelReq", "SubmitRsp", "nonsense"])
@pytest.mark.parametrize(("code", "whose"), [(4004, "Client"), (2007, "Client"), (3000, "Server"), (4006, "Server")])
def test_where_no_response_matches_a_fault_says_whose_it_is(operation, code, whose) -> None:
    answer = mm7.response(mm7.Request(operation=operation, **ASKED), code, "because")
    assert answer == mm7.VASPErrorRsp(**ASKED, status=mm7.Status(code=code, text="because"), fault_code=whose)
    fault = etree.fromstring(mm7.encode(answer).body)[1][0]
    assert [child.tag for child in fault] == ["faultcode", "faultstring", "detail"]
    assert (fault[0].text, fault[1].text) == (f"soap-env:{whose}", "because")
    assert fault[2][0].tag == f"{{{mm7.REL_5_1_2}}}VASPErrorRsp"


def test_a_fault_without_any_text_is_written() -> None:
    decoded = mm7.decode("text/xml", mm7.encode(mm7.VASPErrorRsp(namespace=None)).body)
    assert (decoded.message.fault_string, decoded.message.status) == (None, mm7.Status())


@pytest.mark.parametrize(
    ("code", "text", "group"),
    [
        (1000, "Success", 1000),
        (1100, "Partial success", 1000),
        (2571, "Client error", 2000),
        (4008, "Application denied", 4000),
        (9999, "Server error", 3000),
        (0, "Server error", 3000),
        (None, None, 3000),
    ],
)
def test_an_unknown_code_is_understood_by_its_class(code, text, group) -> None:
    assert mm7.status_class(code) == group
    if code is not None:
        assert mm7.status_text(code) == text


@pytest.mark.parametrize(
    ("raw", "status", "final"),
    [
        ("Retrieved", "retrieved", True),
        ("EXPIRED", "expired", True),
        ("Rejected", "rejected", True),
        (" Deferred ", "deferred", False),
        ("Indeterminate", "indeterminate", False),
        ("Forwarded", "forwarded", False),
        ("Unrecognised", "unrecognised", True),
        ("Unrecognized", "unrecognised", True),
        ("Unreachable", "unreachable", True),
        ("NotSupported", "unsupported", True),
        ("Not Supported", "unsupported", True),
        ("DeliveryConditionNotMet", "rejected", True),
        ("1000", "unknown", False),
        ("Third:User Retrieved", "unknown", False),
        ("", "unknown", False),
        (None, "unknown", False),
    ],
)
def test_a_delivery_status_is_known_by_any_of_its_spellings(raw, status, final) -> None:
    assert mm7.delivery_status(raw) == (status, final)


@pytest.mark.parametrize(
    ("raw", "status", "final"),
    [
        ("Read", "read", True),
        ("deleted", "deleted", True),
        ("Indeterminate", "indeterminate", False),
        (None, "unknown", False),
    ],
)
def test_a_read_status_is_known_likewise(raw, status, final) -> None:
    assert mm7.read_status(raw) == (status, final)


def test_parts_are_written_and_read_back_the_same_byte_for_byte() -> None:
    encoded = mm7.encode(DELIVER, PARTS)
    assert mm7.decode(encoded.content_type, encoded.body) == mm7.Decoded(DELIVER, PARTS)
    assert mm7.encode(DELIVER, PARTS) == encoded


def test_a_smil_document_makes_the_container_related() -> None:
    smil = mm7.Part(content_type="application/smil", content_id="smil", data=b"<smil/>")
    encoded = mm7.encode(DELIVER, (smil, *PARTS))
    assert b'Content-Type: multipart/related; type="application/smil"; start="<smil>"' in encoded.body
    assert mm7.decode(encoded.content_type, encoded.body) == mm7.Decoded(DELIVER, (smil, *PARTS))


def test_no_part_can_hold_the_boundary_that_it_gets() -> None:
    hostile = mm7.Part(content_type="text/plain", data=b"")
    for _ in range(3):  # each round puts the boundary of the round before into the part
        encoded = mm7.encode(DELIVER, [hostile])
        boundary = mm7.read_value(encoded.content_type)[1]["boundary"].encode()
        hostile = mm7.Part(content_type="text/plain", data=hostile.data + b"\r\n--" + boundary + b"--\r\n")
        assert mm7.decode(*astuple(mm7.encode(DELIVER, [hostile]))).parts == (hostile,)


@pytest.mark.parametrize("name", ["content_type", "charset", "filename", "content_id", "content_location"])
@pytest.mark.parametrize("value", ["a\r\nBcc: x", "a\nb", "\x00", "\x7f"])
def test_a_part_s_header_cannot_begin_another(name, value) -> None:
    part = mm7.Part(**{"content_type": "text/plain", "data": b"", name: value})
    with pytest.raises(mm7.EncodeError, match="header"):
        mm7.encode(DELIVER, [part])


@pytest.mark.parametrize(
    ("charset", "data", "text", "lossless"),
    [
        (None, "é".encode(), "é", True),
        ("UTF-8", b"\xef\xbb\xbfa", "a", True),
        ("us-ascii", "é".encode(), "é", True),
        ("ISO-8859-1", b"\xe9", "é", True),
        (" latin1 ", b"\xe9", "é", True),
        ("utf-16", "é".encode("utf-16"), "é", True),
        ("ks_c_5601-1987", "안녕".encode("cp949"), "안녕", True),
        ("gb2312", "你好镕".encode("gbk"), "你好镕", True),
        ("utf-8", b"a\xff", "a�", False),
        ("nonsense", b"abc", "abc", False),
        ("", b"abc", "abc", True),
        ("a\x00b", b"abc", "abc", False),
        ("x" * 500, b"abc", "abc", False),
        ("undefined", b"abc", "abc", False),
        ("idna", b"\xff", "�", False),
        ("unicode_escape", rb"\ud800", r"\ud800", False),
        ("utf-7", b"+2AA-", "+2AA-", False),
        ("punycode", b"a-b", "a-b", False),
        ("rot13", b"abc", "abc", False),
        ("hex", b"6162", "6162", False),
    ],
)
def test_the_text_of_a_part_is_read_in_its_charset_or_said_to_be_lossy(charset, data, text, lossless) -> None:
    assert mm7.Part(content_type="text/plain", charset=charset, data=data).text() == (text, lossless)
