"""Envelopes that real senders write, read in spite of it."""

import pytest

from gateway import mm7
from gateway.mm7.values import Address, Content, Recipients

NUMBER = Address("15550001111")


def read(body: bytes | str, content_type: str | None = "text/xml") -> mm7.Decoded:
    return mm7.decode(content_type, body if isinstance(body, bytes) else body.encode())


@pytest.mark.parametrize(
    "namespace",
    [
        "http://schemas.xmlsoap.org/soap/envelope",
        "https://schemas.xmlsoap.org/soap/envelope/",
        "http://www.w3.org/2003/05/soap-envelope",
    ],
)
def test_any_soap_namespace_is_an_envelope(envelope, namespace) -> None:
    payload = f'<DeliverReq xmlns="{mm7.REL_6_1_4}"><Sender><Number>15550001111</Number></Sender></DeliverReq>'
    decoded = read(envelope(payload, soap=namespace))
    assert decoded.message.sender == NUMBER
    assert "soap_namespace" in decoded.quirks


def test_an_envelope_in_no_namespace_is_one() -> None:
    body = f'<Envelope><Body><DeliverReq xmlns="{mm7.REL_6_1_4}"><Sender>x</Sender></DeliverReq></Body></Envelope>'
    assert read(body).quirks == ("soap_namespace", "transaction_id_missing", "address_untyped")


@pytest.mark.parametrize(
    ("namespace", "quirks"),
    [
        (mm7.SCHEMA + "REL-5-MM7-1-0", ()),
        (mm7.SCHEMA + "REL-6-MM7-6-7", ("namespace_unknown",)),
        ("urn:mm7", ("namespace_unknown",)),
        ("", ("namespace_missing",)),
    ],
)
def test_any_mm7_namespace_is_read_and_said_in_the_message(deliver, namespace, quirks) -> None:
    decoded = read(deliver(namespace=namespace))
    assert decoded.message.namespace == (namespace or None)
    assert decoded.message.sender == NUMBER
    assert decoded.quirks == quirks


def test_blanks_round_a_namespace_do_not_count(deliver) -> None:
    decoded = read(deliver(namespace=mm7.REL_6_1_4 + " "))
    assert decoded.message.namespace == mm7.REL_6_1_4


@pytest.mark.parametrize("namespace", ["http://[nowhere", "a b", "%", "{x}", "ü"])
def test_a_namespace_that_is_no_uri_is_none_so_that_an_answer_can_be_written(deliver, namespace) -> None:
    message = read(deliver(namespace=namespace)).message
    assert message.namespace is None
    assert message.sender == NUMBER


def test_the_body_s_namespace_counts_and_the_header_s_where_it_has_none(envelope) -> None:
    header = f'<TransactionID xmlns="{mm7.REL_5_1_2}"> t-1\n</TransactionID>'
    payload = '<DeliverReq xmlns="{}"><Sender>x</Sender></DeliverReq>'
    other = read(envelope(payload.format(mm7.REL_6_1_4), header=header)).message
    bare = read(envelope(payload.format(""), header=header)).message
    assert (other.namespace, other.transaction_id) == (mm7.REL_6_1_4, "t-1")
    assert (bare.namespace, bare.transaction_id) == (mm7.REL_5_1_2, "t-1")


def test_children_in_no_namespace_are_read() -> None:
    body = f'<m:DeliverReq xmlns:m="{mm7.REL_6_1_4}"><Sender><Number>15550001111</Number></Sender></m:DeliverReq>'
    assert read(body).message.sender == NUMBER


def test_the_order_of_elements_does_not_matter(deliver) -> None:
    found = read(
        deliver("<Priority>High</Priority><LinkedID>1</LinkedID><MMSRelayServerID>m</MMSRelayServerID>")
    ).message
    assert (found.priority, found.linked_id, found.mms_relay_server_id) == ("High", "1", "m")


def test_empty_elements_are_absent_and_blanks_round_text_do_not_count(deliver) -> None:
    found = read(deliver("<Subject> \n </Subject><LinkedID>\n 17 \t</LinkedID><Priority/>")).message
    assert (found.subject, found.linked_id, found.priority) == (None, "17", None)


def test_vendors_elements_are_extensions(deliver) -> None:
    found = read(
        deliver("<X-SKT-CallBack>1</X-SKT-CallBack><v:CPID xmlns:v='urn:v'>2 <a>3</a></v:CPID><Empty/>")
    ).message
    assert found.extensions == {"X-SKT-CallBack": "1", "CPID": "2 3", "Empty": ""}


def test_comments_and_instructions_are_nothing(deliver) -> None:
    decoded = read(
        b"<?xml version='1.0'?><!-- a --><?pi b?>" + deliver("<!-- c --><Subject>x<!-- d -->y</Subject><?pi e?>")
    )
    assert decoded.message.subject == "xy"
    assert decoded.message.extensions == {}


@pytest.mark.parametrize(
    ("children", "recipients"),
    [
        ("<To><Number>1</Number></To><To><Number>2</Number></To>", Recipients(to=(Address("1"), Address("2")))),
        ("<To>1</To><Cc>2</Cc><Bcc>3</Bcc>", Recipients((Address("1", ""),), (Address("2", ""),), (Address("3", ""),))),
        ("<Number>1</Number><Number>2</Number>", Recipients(to=(Address("1"), Address("2")))),
        ("<Number>1</Number><To><Number>2</Number></To>", Recipients(to=(Address("1"), Address("2")))),
        ("<Vendor/><To><Number>1</Number></To>", Recipients(to=(Address("1"),))),
        ("<To><Vendor>x</Vendor><Number>1</Number></To>", Recipients(to=(Address("1"),))),
        ("<To><Number/></To>", Recipients()),
        ("15550001111", Recipients(to=(Address("15550001111", ""),))),
        ("<To><Number displayOnly='TRUE'>1</Number></To>", Recipients(to=(Address("1", "Number", display_only=True),))),
        ("<To><Number displayOnly='1'>1</Number></To>", Recipients(to=(Address("1", "Number", display_only=True),))),
        (
            "<To><RFC2822Address>a@b.example</RFC2822Address></To>",
            Recipients(to=(Address("a@b.example", "RFC2822Address"),)),
        ),
    ],
)
def test_recipients_are_all_found(deliver, children, recipients) -> None:
    assert read(deliver(f"<Recipients>{children}</Recipients>")).message.recipients == recipients


def test_recipients_elements_that_stand_twice_add_up(deliver) -> None:
    twice = "<Recipients><To>1</To></Recipients><Recipients><To>2</To><Cc>3</Cc></Recipients>"
    found = read(deliver(twice)).message.recipients
    assert found == Recipients((Address("1", ""), Address("2", "")), (Address("3", ""),))


def test_those_who_have_forwarded_a_message_are_found_beside_what_is_unknown(deliver) -> None:
    by = "<UserAgent sequence='1'><Number>1</Number></UserAgent><Vendor/><useragent sequence='x'>2</useragent>"
    at = "<DateTime sequence='1'>P1D</DateTime><DateTime/>"
    decoded = read(
        deliver(f"<Previouslysentby>{by}</Previouslysentby><Previouslysentdateandtime>{at}</Previouslysentdateandtime>")
    )
    assert decoded.message.previouslysentby == (
        mm7.UserAgent(Address("1"), 1),
        mm7.UserAgent(Address("2", ""), None),
    )
    assert decoded.message.previouslysentdateandtime == (
        mm7.PreviousDateTime("P1D", 1),
        mm7.PreviousDateTime(None, None),
    )
    assert decoded.quirks == ("value_unreadable",)


def test_names_in_other_letters_are_read(deliver) -> None:
    decoded = read(deliver("<recipients><to><number>1</number></to></recipients><subject>7</subject>"))
    assert decoded.message.subject == "7"
    assert decoded.message.recipients == Recipients(to=(Address("1"),))
    assert decoded.quirks == ("name_case",)


def test_an_operation_in_other_letters_is_that_operation(deliver) -> None:
    decoded = read(deliver().replace(b"DeliverReq", b"deliverreq"))
    assert isinstance(decoded.message, mm7.DeliverReq)
    assert decoded.quirks == ("name_case",)


@pytest.mark.parametrize("href", ["href", "mm7:href", "HREF"])
def test_a_prefixed_href_counts(deliver, href) -> None:
    content = f'<Content xmlns:mm7="urn:x" {href}="cid:c" allowAdaptations="TRUE"/>'
    assert read(deliver(content)).message.content == Content("cid:c", allow_adaptations=True)


def test_the_report_s_time_is_read_by_either_name(envelope) -> None:
    for operation, attribute in (("DeliveryReportReq", "date"), ("ReadReplyReq", "time_stamp")):
        for name in ("Date", "TimeStamp"):
            report = f"<MessageID>m</MessageID><{name}>2014-04-14</{name}><MMStatus>Read</MMStatus>"
            decoded = read(envelope(f'<{operation} xmlns="{mm7.REL_5_1_2}">{report}</{operation}>'))
            assert getattr(decoded.message, attribute) == "2014-04-14"
            variant = () if (attribute, name) in (("date", "Date"), ("time_stamp", "TimeStamp")) else ("name_variant",)
            assert decoded.quirks == ("transaction_id_missing", *variant)


@pytest.mark.parametrize(
    ("text", "value", "quirks"),
    [
        ("true", True, ()),
        (" FALSE ", False, ("boolean_case",)),
        ("0", False, ()),
        ("", None, ()),
        ("ja", None, ("value_unreadable",)),
    ],
)
def test_booleans_are_read_in_any_letters(deliver, text, value, quirks) -> None:
    recipients = "<Recipients><To><Number>1</Number></To></Recipients>"
    body = deliver(f"{recipients}<ReadReply>{text}</ReadReply>", sender="").replace(b"DeliverReq", b"SubmitReq")
    decoded = read(body)
    assert decoded.message.read_reply is value
    assert decoded.quirks == quirks


@pytest.mark.parametrize(
    ("text", "code"), [("1000", 1000), (" 4006 ", 4006), ("", None), ("OK", None), ("9" * 4000, None)]
)
def test_a_status_code_that_is_no_number_is_none(envelope, text, code) -> None:
    status = f"<Status><StatusCode>{text}</StatusCode><StatusText>t</StatusText><Detail>d <x>e</x></Detail></Status>"
    message = read(envelope(f'<DeliverRsp xmlns="{mm7.REL_5_1_2}">{status}</DeliverRsp>')).message
    assert message.status == mm7.Status(code=code, text="t", details="d e")


def test_a_response_without_status_has_an_empty_one(envelope) -> None:
    message = read(envelope(f'<SubmitRsp xmlns="{mm7.REL_5_1_2}"><MessageID>m</MessageID></SubmitRsp>')).message
    assert (message.status, message.message_id) == (mm7.Status(), "m")
