"""Every quirk by bytes that show it, and it alone; the event says so, and holds what was sent all the same."""

from datetime import UTC, datetime

import pytest

from gateway import mm7, profiles
from gateway.contract import callbacks
from gateway.contract.callbacks import Receipt
from gateway.contract.parts import Storage

NS = mm7.REL_6_1_4
SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
ID = f'<TransactionID xmlns="{NS}">t-1</TransactionID>'
SENDER = "<Sender><Number>15550001111</Number></Sender>"
CONTENT = '<Content href="cid:c"/>'
TEXT = "Content-Type: text/plain\nContent-ID: <c>\n\nhello"
WAP = "Content-Type: application/vnd.wap.multipart.mixed\nContent-ID: <c>\n\n"
SMIL = "Content-Type: application/smil\nContent-ID: <c>\n\n"


def deliver(children: str = "", *, ns: str = NS, soap: str = SOAP, identity: str = ID, sender: str = SENDER) -> str:
    payload = f'<DeliverReq xmlns="{ns}"><MM7Version>6.8.0</MM7Version>{sender}{children}</DeliverReq>'
    return f'<s:Envelope xmlns:s="{soap}"><s:Header>{identity}</s:Header><s:Body>{payload}</s:Body></s:Envelope>'


def multipart(*parts: str, root: str | None = None, end: str = "--b--\n") -> str:
    sections = [f"Content-Type: text/xml\n\n{root or deliver(CONTENT)}", *parts]
    return "".join(f"--b\n{section}\n" for section in sections) + end


REPORT = (
    deliver("<MMStatus>1000</MMStatus>")
    .replace("DeliverReq", "DeliveryReportReq")
    .replace("<Sender>", "<MessageID>m</MessageID><Sender>")
)
ANSWER = (
    deliver(sender="<Status><StatusCode>4004</StatusCode><StatusText>x</StatusText></Status>")
    .replace("<DeliverReq", "<s:Fault><detail><RSErrorRsp")
    .replace("</DeliverReq>", "</RSErrorRsp></detail></s:Fault>")
)
XML, BOUNDARY = "text/xml", 'multipart/related; type="text/xml"; boundary="b"'
CASES: dict[str, tuple[str | None, str | bytes]] = {
    "address_untyped": (XML, deliver(sender="<Sender>15550001111</Sender>")),
    "bad_transfer_encoding": (BOUNDARY, multipart(TEXT.replace("\n\n", "\nContent-Transfer-Encoding: base64\n\n"))),
    "bare_ampersand": (XML, deliver("<Subject>rock & roll</Subject>")),
    "bare_less_than": (XML, deliver("<Subject>I <3 you</Subject>")),
    "blank_before_declaration": (XML, '\n<?xml version="1.0"?>' + deliver()),
    "body_without_multipart": ("multipart/related", deliver()),
    "boolean_case": (XML, deliver("<Recipients><To><Number displayOnly='TRUE'>15550002222</Number></To></Recipients>")),
    "boundary_mismatch": (BOUNDARY.replace('"b"', '"other"'), multipart(TEXT)),
    "boundary_missing": ("multipart/related", multipart(TEXT)),
    "charset_contradiction": (
        "text/xml; charset=euc-kr",
        '<?xml version="1.0" encoding="utf-8"?>' + deliver("<Subject>é</Subject>"),
    ),
    "children_namespace": (XML, deliver("<Subject xmlns=''>x</Subject>")),
    "closing_delimiter_missing": (BOUNDARY, multipart(TEXT, end="")),
    "content_by_name": (BOUNDARY, multipart(TEXT.replace("ID: <c>", "Location: c"))),
    "content_id_form": (BOUNDARY, multipart(TEXT.replace("<c>", "c"))),
    "content_missing": (XML, deliver(CONTENT)),
    "content_type_malformed": ("text/xml;", deliver()),
    "content_type_missing": (None, deliver()),
    "content_type_unexpected": ("application/x-www-form-urlencoded", deliver()),
    "content_unmatched": (BOUNDARY, multipart(TEXT.replace("<c>", "<other>"))),
    "content_unreferenced": (BOUNDARY, multipart(TEXT, root=deliver())),
    "element_order": (XML, deliver("<Subject>x</Subject><LinkedID>1</LinkedID>")),
    "encoding_fallback": (
        XML,
        b'<?xml version="1.0" encoding="x-none"?>' + deliver("<Subject>\xe9</Subject>").encode("latin-1"),
    ),
    "encoding_mismatch": (XML, '<?xml version="1.0" encoding="utf-16"?>' + deliver("<Subject>é</Subject>")),
    "fault_outside_body": (XML, ANSWER.replace("<s:Body>", "").replace("</s:Body>", "")),
    "filename_null": (BOUNDARY, multipart(TEXT.replace("text/plain", 'text/plain; name="null"'))),
    "filename_unsafe": (BOUNDARY, multipart(TEXT.replace("text/plain", 'text/plain; name="../a.txt"'))),
    "header_folding": (BOUNDARY, multipart(TEXT.replace("text/plain", "text/plain;\nname=a.txt"))),
    "header_namespace": (XML, deliver(identity=ID.replace(NS, mm7.REL_5_1_2))),
    "href_form": (BOUNDARY, multipart(TEXT, root=deliver('<Content href="c"/>'))),
    "illegal_character": (XML, deliver("<Subject>a&#1;b</Subject>")),
    "name_case": (XML, deliver("<subject>x</subject>")),
    "name_variant": (XML, deliver('<Subject>x</Subject><Content m:href="cid:c" xmlns:m="urn:m"/>')),
    "namespace_blank": (XML, deliver(ns=NS + " ", identity=ID.replace(NS, NS + " "))),
    "namespace_missing": (XML, deliver(ns="")),
    "namespace_unknown": (XML, deliver(ns="urn:mm7", identity=ID.replace(NS, "urn:mm7"))),
    "operation_missing": (XML, deliver().replace(f'<DeliverReq xmlns="{NS}">', "").replace("</DeliverReq>", "")),
    "part_headers_unfinished": (BOUNDARY, multipart(TEXT.replace("\n\n", "\n"))),
    "part_transfer_encoding": (BOUNDARY, multipart(TEXT.replace("\n\n", "\nTransfer-Encoding: chunked\n\n"))),
    "repeated_element": (XML, deliver("<Subject>x</Subject><Subject>y</Subject>")),
    "smil_unmatched": (BOUNDARY, multipart(SMIL + '<smil><body><par><img src="cid:gone"/></par></body></smil>')),
    "smil_unreadable": (BOUNDARY, multipart(SMIL + "<html/>")),
    "soap_body_missing": (XML, deliver().replace("<s:Body>", "").replace("</s:Body>", "")),
    "soap_envelope_missing": (XML, f'<DeliverReq xmlns="{NS}">{SENDER}</DeliverReq>'),
    "soap_namespace": (XML, deliver(soap=SOAP.replace("http:", "https:"))),
    "start_form": (f"{BOUNDARY}; start=soap", multipart(TEXT).replace("text/xml", "text/xml\nContent-ID: <soap>", 1)),
    "start_unmatched": (f'{BOUNDARY}; start="<nowhere>"', multipart(TEXT)),
    "status_nonstandard": (XML, REPORT),
    "status_shape": (XML, ANSWER.replace("<Status>", "").replace("</Status>", "")),
    "submit_as_deliver": (
        XML,
        deliver(
            sender="<SenderIdentification><SenderAddress><Number>15550001111</Number></SenderAddress></SenderIdentification>"
            "<Recipients><To><ShortCode>111122</ShortCode></To></Recipients>"
        ).replace("DeliverReq", "SubmitReq"),
    ),
    "text_encoding_fallback": (BOUNDARY, multipart(TEXT.replace("text/plain", "text/plain; charset=x-none"))),
    "time_format": (XML, deliver("<TimeStamp>2014-3-24T10:11:12Z</TimeStamp>")),
    "time_unreadable": (XML, deliver("<TimeStamp>yesterday</TimeStamp>")),
    "time_without_zone": (XML, deliver("<TimeStamp>2014-04-14T16:15:23</TimeStamp>")),
    "transaction_id_missing": (XML, deliver(identity="")),
    "typographic_quotes": (BOUNDARY, multipart(TEXT.replace("text/plain", "text/plain; name=“a.txt”"))),
    "unbound_prefix": (XML, deliver().replace("s:", "t:").replace("xmlns:t", "xmlns:s")),
    "unknown_element": (XML, deliver("<CPID>x</CPID>")),
    "value_unreadable": (
        XML,
        deliver("<Recipients><To><Number displayOnly='perhaps'>15550002222</Number></To></Recipients>"),
    ),
    "version_unknown": (XML, deliver().replace("6.8.0", "6.7.0")),
    "wap_multipart": (BOUNDARY, multipart(WAP + "\x01\x0b\x05text/plain\0hello")),
    "wap_multipart_as_mime": (
        BOUNDARY,
        multipart("Content-Type: application/vnd.wap.multipart.mixed; boundary=i\nContent-ID: <c>\n\n--i\n\nx\n--i--"),
    ),
    "wap_multipart_unreadable": (BOUNDARY, multipart(WAP + "\x01\x0b\x06text/plain\0hello")),
    "xml_recovered": (XML, deliver("<Subject>x<b></Subject>")),
}
# What cannot be had alone: without an envelope there is no header, and a wrong charset is seen twice.
COMPANY = {
    "name_variant": {"content_missing"},
    "operation_missing": {"namespace_missing"},
    "soap_envelope_missing": {"transaction_id_missing"},
    "encoding_fallback": {"encoding_mismatch"},
}


def event_of(content_type: str | None, body: str | bytes) -> dict:
    raw = body if isinstance(body, bytes) else body.encode()
    receipt = Receipt(
        account="a", profile_name="generic", profile=profiles.load("generic"), received_at=datetime.now(UTC), headers={}
    )
    callback = callbacks.from_mm7(mm7.decode(content_type, raw), receipt, Storage(lambda digest: f"memory:///{digest}"))
    return callback.event.model_dump()["data"]


ANSWERS = ("fault_outside_body", "status_shape")


def test_every_quirk_has_its_bytes() -> None:
    assert list(CASES) == list(mm7.QUIRKS)


@pytest.mark.parametrize("quirk", ANSWERS)
def test_an_answer_s_quirk_is_named_too(quirk) -> None:
    decoded = mm7.decode(CASES[quirk][0], CASES[quirk][1].encode())
    assert decoded.quirks == (quirk,)
    assert decoded.message.status == mm7.Status(code=4004, text="x")


@pytest.mark.parametrize("quirk", [quirk for quirk in CASES if quirk not in ANSWERS])
def test_a_quirk_is_read_all_the_same_and_named(quirk) -> None:
    data = event_of(*CASES[quirk])
    assert set(data["quirks"]) == {quirk} | COMPANY.get(quirk, set())
    assert data["sender"]["address"] == "15550001111"


def test_what_has_no_deviation_has_no_quirk() -> None:
    assert event_of(XML, deliver())["quirks"] == []
    assert event_of(BOUNDARY, multipart(TEXT))["quirks"] == []


def test_a_quirk_without_a_sentence_is_refused() -> None:
    with pytest.raises(KeyError):
        mm7.Quirks().add("never_heard_of")


@pytest.mark.parametrize(
    ("quirk", "field", "value"),
    [
        ("bare_ampersand", "subject", "rock & roll"),
        ("bare_less_than", "subject", "I <3 you"),
        ("encoding_fallback", "subject", "é"),
        ("encoding_mismatch", "subject", "é"),
        ("illegal_character", "subject", "a�b"),
        ("name_case", "subject", "x"),
        ("repeated_element", "subject", "x"),
        ("time_unreadable", "sent_at_raw", "yesterday"),
        ("time_without_zone", "sent_at", "2014-04-14T16:15:23.000Z"),
        ("typographic_quotes", "text", "hello"),
        ("part_headers_unfinished", "text", "hello"),
        ("boundary_mismatch", "text", "hello"),
        ("closing_delimiter_missing", "text", "hello"),
        ("content_unmatched", "text", "hello"),
        ("text_encoding_fallback", "text", "hello"),
        ("wap_multipart", "text", "hello"),
        ("bad_transfer_encoding", "text", "hello"),
        ("namespace_unknown", "namespace", "urn:mm7"),
    ],
)
def test_what_was_put_up_with_is_in_the_event(quirk, field, value) -> None:
    assert event_of(*CASES[quirk])[field] == value
