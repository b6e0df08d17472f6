"""One table of messages drives both directions: what is written is valid, and is read back the same."""

import os
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from gateway import mm7
from gateway.mm7.elements import Element
from gateway.mm7.message import operation_name
from gateway.mm7.messages import ErrorRsp, Message
from gateway.mm7.values import (
    Address,
    CodeStatus,
    Content,
    PreviousDateTime,
    Recipients,
    ReplyCharging,
    SenderIdentification,
    Status,
    UACapabilities,
    UserAgent,
)

SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
WHEN = "2014-04-14T16:15:23.414Z"
NUMBER, CODE = Address("15553199144"), Address("111122", "ShortCode", display_only=True)
MAIL = Address("phone@mms.example.com", "RFC2822Address")
OF_KIND: dict[str, Any] = {
    "boolean": True,
    "integer": 4711,
    "address": NUMBER,
    "recipients": Recipients(to=(NUMBER, CODE), cc=(MAIL,), bcc=(NUMBER,)),
    "conditions": (1, 99),
}
OF_GROUP = {
    Content: Content("cid:content", allow_adaptations=False),
    UACapabilities: UACapabilities("Samsung Galaxy", WHEN),
    ReplyCharging: ReplyCharging(2048, WHEN),
    SenderIdentification: SenderIdentification(vaspid="vasp", vasid="vas", sender_address=CODE),
    Status: Status(code=1000, text="Success"),
    CodeStatus: CodeStatus(code=1000),
    UserAgent: (UserAgent(NUMBER, 1), UserAgent(MAIL, 2), UserAgent(CODE)),
    PreviousDateTime: (PreviousDateTime(WHEN, 1), PreviousDateTime("P3D")),
}
OLDEST = ("REL-5-MM7-1-0", "REL-5-MM7-1-1")  # identifiers are NMTOKENs, SenderAddress is text
OF_NAME = {
    "MM7Version": "5.3.0",  # the one version that every schema allows
    "MessageClass": "Advertisement",
    "Priority": "High",
    "ChargedParty": "Both",
    "ExpiryDate": "P3D",
    "MMStatusExtension": "RejectionByMMSRecipient",
    "ContentClass": "text",
    **dict.fromkeys(("TimeStamp", "Date", "EarliestDeliveryTime"), WHEN),
}
STATUSES = {"DeliveryReportReq": "Retrieved", "ReadReplyReq": "Read"}
PART = mm7.Part(content_type="text/plain", charset="utf-8", content_id="text", filename="a.txt", data="héllo".encode())


def _value(cls: type, element: Element, release: str) -> Any:
    if element.name == "MMStatus":
        return STATUSES[cls.__name__]
    if element.group is SenderIdentification and release in OLDEST:
        return SenderIdentification(vaspid="vasp", vasid="vas", sender_address=Address("111122", ""))
    if element.token:
        return f"an.{element.name}"
    if element.group:
        return OF_GROUP[element.group]
    return OF_KIND.get(element.kind) or OF_NAME.get(element.name, f"a <&> {element.name}")


def build(cls: type[Message], release: str, *, optional: bool) -> Message:
    """A message with all that its release has, or with what it must have."""
    values = {
        attribute: _value(cls, element, release)
        for attribute, element in mm7.elements(cls)
        if element.name_in(release) is not None and (optional or element.required_in(release))
    }
    values |= {"fault_string": "a fault"} if issubclass(cls, ErrorRsp) else {}
    return cls(transaction_id="t-1", namespace=mm7.SCHEMA + release, **values)


CASES = [
    (release, cls, optional)
    for release in mm7.RELEASES
    for name, cls in mm7.MESSAGES.items()
    for optional in (True, False)
    if mm7.RELEASES.index(release) >= mm7.RELEASES.index(mm7.SINCE.get(name, mm7.RELEASES[0]))
]
IDS = [f"{release}-{cls.__name__}-{'full' if optional else 'bare'}" for release, cls, optional in CASES]
EVERY_CASE = pytest.mark.parametrize(("release", "cls", "optional"), CASES, ids=IDS)


@EVERY_CASE
def test_what_is_written_is_read_back_the_same(release, cls, optional) -> None:
    message = build(cls, release, optional=optional)
    parts = (PART,) if getattr(message, "content", None) else ()
    encoded = mm7.encode(message, parts)
    assert mm7.decode(encoded.content_type, encoded.body) == mm7.Decoded(message, parts)


@cache
def _schema(release: str) -> etree.XMLSchema:
    folder = Path(os.environ["MM7_XSD_DIR"])

    class Resolver(etree.Resolver):
        def resolve(self, url, _public_id, context):
            return self.resolve_filename(str(folder / "soapEnvelope.xsd"), context) if url == SOAP else None

    parser = etree.XMLParser()
    parser.resolvers.add(Resolver())
    return etree.XMLSchema(etree.parse(folder / f"{release}.xsd", parser))


@pytest.fixture(scope="session")
def schemas() -> None:
    if not os.environ.get("MM7_XSD_DIR"):
        reason = "MM7_XSD_DIR does not name a folder with the schemas of TS 23.140"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)


@EVERY_CASE
def test_what_is_written_is_valid_in_its_namespace(schemas, release, cls, optional) -> None:
    envelope = etree.fromstring(mm7.encode(build(cls, release, optional=optional)).body)
    [payload] = envelope.findall(f".//{{{mm7.SCHEMA}{release}}}{operation_name(cls)}")
    [transaction_id] = envelope.findall(f".//{{{mm7.SCHEMA}{release}}}TransactionID")
    for element in (payload, transaction_id):
        _schema(release).assertValid(element)
    assert transaction_id.get(f"{{{SOAP}}}mustUnderstand") == (None if release in OLDEST else "1")


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (mm7.ExtendedCancelReq(namespace=mm7.REL_5_1_2, mm7_version="5.3.0"), "has no extendedCancelReq"),
        (mm7.SubmitReq(mm7_version="6.8.0", recipients=Recipients()), "SubmitReq needs SenderIdentification"),
        (mm7.CancelReq(mm7_version="6.8.0", sender_identification=SenderIdentification()), "needs MessageID"),
        (
            mm7.DeliverReq(mm7_version="5.3.0", namespace=mm7.SCHEMA + OLDEST[0], sender=NUMBER),
            "DeliverReq needs ReplyChargingID",
        ),
        (
            mm7.CancelReq(
                mm7_version="5.3.0",
                namespace=mm7.SCHEMA + OLDEST[1],
                transaction_id="order 1",
                sender_identification=SenderIdentification(),
                message_id="m",
            ),
            "no NMTOKEN",
        ),
    ],
)
def test_what_a_release_would_refuse_is_not_written(message, said) -> None:
    with pytest.raises(mm7.EncodeError, match=said):
        mm7.encode(message)


def test_the_delivery_reports_time_has_the_name_of_its_release() -> None:
    named = {}
    for release in mm7.RELEASES:
        body = mm7.encode(build(mm7.DeliveryReportReq, release, optional=False)).body
        named[release] = "TimeStamp" if b"<TimeStamp>" in body else "Date"
    assert {release for release, name in named.items() if name == "TimeStamp"} == {"REL-5-MM7-1-4", "REL-6-MM7-1-1"}


def test_what_a_release_does_not_have_is_not_written() -> None:
    full = build(mm7.DeliverReq, "REL-6-MM7-1-4", optional=True)
    older = mm7.DeliverReq(
        transaction_id="t",
        namespace=mm7.REL_5_1_2,
        mm7_version="5.3.0",
        sender=NUMBER,
        ua_capabilities=full.ua_capabilities,
    )
    assert b"UACapabilities" not in mm7.encode(older).body


def test_a_message_in_no_namespace_is_written_whole() -> None:
    message = mm7.DeliverReq(transaction_id="t", namespace=None, mm7_version="6.8.0", sender=NUMBER, vasid="v")
    body = mm7.encode(message).body
    assert b"<DeliverReq><MM7Version>6.8.0</MM7Version><VASID>v</VASID>" in body
    assert mm7.decode("text/xml", body).message == message


def test_bare_text_addresses_are_written_as_bare_text() -> None:
    message = mm7.DeliverReq(transaction_id="t", sender=Address("15550001111", ""), mm7_version="6.8.0")
    encoded = mm7.encode(message)
    assert b"<Sender>15550001111</Sender>" in encoded.body
    assert mm7.decode(encoded.content_type, encoded.body).message == message


def test_an_addresss_coding_and_id_survive() -> None:
    sender = Address("x", "Number", display_only=False, address_coding="encrypted", id="a1")
    message = mm7.DeliverReq(transaction_id="t", sender=sender, mm7_version="6.8.0")
    assert mm7.decode("text/xml", mm7.encode(message).body).message == message


def test_a_message_without_transaction_id_is_written_without_a_header() -> None:
    body = mm7.encode(mm7.DeliverReq(mm7_version="6.8.0", sender=NUMBER)).body
    assert b"Header" not in body
    assert "transaction_id_missing" in mm7.decode("text/xml", body).quirks


@pytest.mark.parametrize("value", ["\x01", "a\x00b", "\ud800", "￾"])
def test_a_value_that_xml_cannot_hold_is_an_encode_error(value) -> None:
    with pytest.raises(mm7.EncodeError):
        mm7.encode(mm7.DeliverReq(sender=NUMBER, subject=value))
    with pytest.raises(mm7.EncodeError):
        mm7.encode(mm7.DeliverReq(sender=NUMBER, namespace=value))


@pytest.mark.parametrize("content", [None, Content(None)])
def test_parts_that_nothing_refers_to_are_an_encode_error(content) -> None:
    with pytest.raises(mm7.EncodeError, match="no Content"):
        mm7.encode(mm7.DeliverReq(mm7_version="6.8.0", sender=NUMBER, content=content), [PART])
    with pytest.raises(mm7.EncodeError, match="no Content"):
        mm7.encode(mm7.DeliverRsp(mm7_version="6.8.0", status=Status(code=1000, text="Success")), [PART])


def test_details_are_read_and_not_written() -> None:
    answer = mm7.DeliverRsp(transaction_id="t", mm7_version="6.8.0", status=Status(code=2000, text="x", details="why"))
    assert b"Details" not in mm7.encode(answer).body


def test_the_oldest_releases_have_numbers_without_a_plus() -> None:
    asked = mm7.DeliverReq(
        transaction_id="t",
        namespace=mm7.SCHEMA + OLDEST[0],
        mm7_version="5.3.0",
        sender=Address("+15550001111"),
        reply_charging_id="a",
    )
    assert b"<Number>15550001111</Number>" in mm7.encode(asked).body
