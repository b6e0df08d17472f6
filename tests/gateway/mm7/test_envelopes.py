"""XML that is not what it claims to be, faults, and what is no message at all."""

import pytest

from gateway import mm7
from gateway.mm7.values import Status

NS = mm7.REL_6_1_4
SUBJECT = "안녕"


def read(body: bytes | str, content_type: str | None = "text/xml") -> mm7.Decoded:
    return mm7.decode(content_type, body if isinstance(body, bytes) else body.encode())


def refusal(body: bytes | str, content_type: str | None = "text/xml") -> mm7.DecodeError:
    with pytest.raises(mm7.DecodeError) as caught:
        read(body, content_type)
    return caught.value


@pytest.mark.parametrize(
    ("declared", "written", "quirks"),
    [
        ("utf-8", "utf-8", ()),
        ("utf-8", "utf-8-sig", ()),
        ("utf-16", "utf-16", ()),
        ("utf-8", "utf-16", ()),
        ("utf-16", "utf-8", ("encoding_mismatch",)),
        ("UTF-16LE", "utf-8", ("encoding_mismatch",)),
        ("ucs-2", "utf-8", ("encoding_mismatch",)),
        ("euc-kr", "euc-kr", ()),
        ("ksc5601", "euc-kr", ()),
        ("ks_c_5601-1987", "cp949", ()),
        ("ascii", "utf-8", ()),
        ("utf-8", "cp949", ("encoding_mismatch", "encoding_fallback")),
        ("undefined", "utf-8", ("encoding_mismatch",)),
        ("punycode", "utf-8", ("encoding_mismatch",)),
        ("hex", "utf-8", ("encoding_mismatch",)),
    ],
)
def test_the_bytes_count_more_than_what_the_declaration_says_of_them(deliver, declared, written, quirks) -> None:
    text = f'<?xml version="1.0" encoding="{declared}"?>' + deliver(f"<Subject>{SUBJECT}</Subject>").decode()
    decoded = read(text.encode(written))
    assert decoded.message.sender == mm7.Address("15550001111")
    assert (decoded.message.subject == SUBJECT) is ("encoding_fallback" not in quirks)
    assert decoded.quirks == quirks


def test_the_parts_charset_helps_where_the_declaration_is_silent(deliver) -> None:
    body = deliver("<Subject>é</Subject>").decode().encode("latin-1")
    assert read(body, "text/xml; charset=iso-8859-1").message.subject == "é"


@pytest.mark.parametrize("quote", ["“{}”", "„{}“", '“{}"', "”{}”"])
def test_typographic_quotes_are_straightened_in_tags_alone(quote) -> None:
    attribute = quote.format(NS)
    found = read(f"<DeliverReq xmlns={attribute}><Sender>1</Sender><Subject>he said “no”</Subject></DeliverReq>")
    assert found.message.namespace == NS
    assert found.message.subject == "he said “no”"
    assert "typographic_quotes" in found.quirks


def test_typographic_quotes_in_text_alone_are_no_quirk(deliver) -> None:
    decoded = read(deliver("<Subject>“a” & b</Subject>"))
    assert (decoded.message.subject, decoded.quirks) == ("“a” & b", ("bare_ampersand",))


@pytest.mark.parametrize(
    ("written", "read_as"),
    [
        ("a & b", "a & b"),
        ("a &amp; b &lt;c&gt; &quot;&apos;", "a & b <c> \"'"),
        ("a &nbsp; b &lt; c", "a &nbsp; b < c"),
        ("a &amp b & c;", "a &amp b & c;"),
        ("1 < 2 & 3", "1 < 2 & 3"),
        ("I <3 you", "I <3 you"),
        ("a&#x41;&#66; & c", "aAB & c"),
        ("a\x00b\x1fc", "a�b�c"),
        ("&#0;&#xD800;&#x110000;&#xFFFE;", "����"),
        ("&#" + "9" * 50_000 + ";&#x" + "0" * 50_000 + "41;", "�A"),
        ("<![CDATA[1 < 2 & 3 &nbsp;]]> & 4", "1 < 2 & 3 &nbsp; & 4"),
        ("😀 & é", "😀 & é"),
        ("a<b> &lt;x&gt; &amp;amp; &quot;&apos;", "a <x> &amp; \"'"),
    ],
)
def test_nothing_of_a_text_is_lost_in_repair(deliver, written, read_as) -> None:
    assert read(deliver(f"<Subject>{written}</Subject>")).message.subject == read_as


def test_unbound_prefixes_and_doubled_colons_are_read() -> None:
    body = (
        f'<a:Envelope xmlns:b="urn:x" xmlns="{NS}"><a::Header><TransactionID a:mustUnderstand="1">7</TransactionID>'
        "</a::Header><a::Body><c:DeliverReq><d:Sender><Number>1</Number></d:Sender></c:DeliverReq></a:Body></a:Envelope>"
    )
    decoded = read(body)
    assert decoded.message.sender == mm7.Address("1")
    assert decoded.message.transaction_id == "7"
    assert decoded.quirks[0] == "unbound_prefix"
    assert "xml_recovered" not in decoded.quirks


@pytest.mark.parametrize("end", ["</DeliverReq>", "</s:Body>", "</s:Envelope>", "</Sender>"])
def test_an_envelope_that_is_cut_off_is_refused_and_one_whose_message_is_whole_is_not(deliver, end) -> None:
    text = deliver().decode()
    cut = text[: text.index(end) + len(end)]
    if end == "</Sender>":
        error = refusal(cut)
        assert (error.status, error.text) == (2007, "the envelope is cut off")
        assert error.request == mm7.Request(
            operation="DeliverReq", transaction_id="t-1", namespace=NS, mm7_version="6.8.0"
        )
    else:
        assert read(cut).message.transaction_id == "t-1"


@pytest.mark.parametrize(
    "body",
    [b"", b" \r\n", b"hello", b"{}", b"\x00\x01\x02", b"%PDF-1.4", b"\xff\xfe", b"<", b"<>", b"&", b"a=b&c=d", b"]]>"],
)
def test_what_is_no_xml_is_refused_before_there_is_a_request(body) -> None:
    error = refusal(body)
    assert (error.status, error.request) == (4004, None)


@pytest.mark.parametrize("payload", ["", "<!-- nothing -->", "text alone"])
def test_an_envelope_without_a_message_is_refused(envelope, payload) -> None:
    error = refusal(envelope(payload))
    assert (error.status, error.text, error.request) == (4004, "the SOAP Body holds no message", None)


def test_an_envelope_without_a_body_is_refused() -> None:
    assert refusal("<Envelope><Header/></Envelope>").text == "the SOAP Body holds no message"


def test_xml_that_is_no_mm7_is_refused_before_there_is_a_request() -> None:
    error = refusal("<html xmlns='http://www.w3.org/1999/xhtml'><body>It works!</body></html>")
    assert (error.status, error.text, error.request) == (4004, "<html> is no MM7 message", None)


@pytest.mark.parametrize(
    ("operation", "namespace"),
    [("QueryStatusReq", NS), ("ExtendedQueryReq", NS), ("QueryStatusReq", "urn:mm7"), ("x" * 500, NS)],
)
def test_an_operation_that_is_not_supported_is_a_request_nevertheless(envelope, operation, namespace) -> None:
    error = refusal(envelope(f'<{operation} xmlns="{namespace}"><MM7Version>6.8.0</MM7Version></{operation}>'))
    assert error.status == 4003
    assert error.request.operation == operation[:64]
    assert error.request.mm7_version == "6.8.0"


def test_a_foreign_message_with_a_transaction_id_is_a_request(envelope) -> None:
    error = refusal(envelope("<Order xmlns='urn:x'/>", header="<TransactionID>7</TransactionID>"))
    assert (error.status, error.request.operation, error.request.transaction_id) == (4003, "Order", "7")


@pytest.mark.parametrize(
    ("operation", "children", "text"),
    [
        ("DeliverReq", "<Subject>x</Subject>", "DeliverReq has no sender"),
        ("SubmitReq", "<Subject>x</Subject>", "SubmitReq has no recipients"),
        ("DeliveryReportReq", "<MessageID>1</MessageID>", "DeliveryReportReq has no mm_status"),
        ("DeliveryReportReq", "", "DeliveryReportReq has no message_id and no mm_status"),
        ("ReadReplyReq", "<MMStatus>Read</MMStatus>", "ReadReplyReq has no message_id"),
    ],
)
def test_what_says_nothing_that_could_be_passed_on_is_refused(envelope, operation, children, text) -> None:
    error = refusal(envelope(f'<{operation} xmlns="{NS}"><MM7Version> 6.8.0 </MM7Version>{children}</{operation}>'))
    assert (error.status, error.text) == (4004, text)
    assert error.request == mm7.Request(operation=operation, namespace=NS, mm7_version="6.8.0")
    assert error.quirks == ("transaction_id_missing",)


FAULT = "<faultcode>s:Client</faultcode><faultstring> it failed </faultstring>"
STATUS = "<Status><StatusCode>4004</StatusCode><StatusText>bad</StatusText></Status>"


@pytest.mark.parametrize("name", ["RSErrorRsp", "VASPErrorRsp"])
def test_an_error_response_is_read_out_of_its_fault(envelope, name) -> None:
    detail = f'<detail><{name} xmlns="{NS}"><MM7Version>6.8.0</MM7Version>{STATUS}</{name}></detail>'
    message = read(envelope(f"<s:Fault>{FAULT}{detail}</s:Fault>", header="<TransactionID>7</TransactionID>")).message
    assert message == mm7.MESSAGES[name](
        transaction_id="7",
        namespace=NS,
        mm7_version="6.8.0",
        status=Status(code=4004, text="bad"),
        fault_code="Client",
        fault_string="it failed",
    )


def test_another_message_in_a_fault_s_detail_is_that_message(envelope) -> None:
    detail = f'<detail><SubmitRsp xmlns="{NS}">{STATUS}</SubmitRsp></detail>'
    message = read(envelope(f"<s:Fault>{FAULT}{detail}</s:Fault>")).message
    assert message == mm7.SubmitRsp(namespace=NS, status=Status(code=4004, text="bad"))


@pytest.mark.parametrize(
    "detail", ["", "<detail/>", "<detail>text</detail>", "<detail><java.lang.Exception/></detail>"]
)
def test_a_fault_without_an_mm7_message_is_an_error_response_without_a_code(envelope, detail) -> None:
    message = read(envelope(f"<s:Fault>{FAULT}{detail}</s:Fault>")).message
    assert message == mm7.RSErrorRsp(
        namespace=None, status=Status(text="it failed"), fault_code="Client", fault_string="it failed"
    )


def test_an_empty_fault_is_the_server_s(envelope) -> None:
    message = read(envelope("<s:Fault/>")).message
    assert (message.fault_code, message.fault_string, message.status) == ("Server", None, Status())


def test_a_fault_outside_the_body_is_found() -> None:
    message = read(f"<Envelope><Header/><Fault>{FAULT}</Fault></Envelope>").message
    assert (message.operation, message.fault_code) == ("RSErrorRsp", "Client")


def test_an_error_response_without_a_fault_is_read(envelope) -> None:
    message = read(envelope(f'<RSErrorRsp xmlns="{NS}">{STATUS}</RSErrorRsp>')).message
    assert (message.operation, message.status.code, message.fault_string) == ("RSErrorRsp", 4004, None)


def test_a_header_without_a_transaction_id_and_foreign_elements_do_no_harm(envelope) -> None:
    payload = f'<DeliverReq xmlns="{NS}"><Sender>x</Sender></DeliverReq>'
    body = envelope(payload, header="<wsse:Security xmlns:wsse='urn:x'/>").replace("<s:Body>", "<s:Other/><s:Body>")
    decoded = read(body)
    assert decoded.message.transaction_id is None
    assert decoded.quirks == ("transaction_id_missing", "address_untyped")


def test_what_was_read_is_echoed_where_no_message_is_found(envelope) -> None:
    error = refusal(envelope("", header=f'<TransactionID xmlns="{NS}">Z10</TransactionID>'))
    assert (error.status, error.request) == (4004, mm7.Request(transaction_id="Z10", namespace=NS))


def test_a_foreign_namespace_is_not_answered_in(envelope) -> None:
    error = refusal(envelope("<Order xmlns='urn:x'/>", header="<TransactionID>7</TransactionID>"))
    assert error.request.namespace is None
