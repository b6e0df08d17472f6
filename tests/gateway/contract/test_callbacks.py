"""Callbacks → events: ids, parts, statuses, times."""

from dataclasses import fields, replace
from datetime import UTC, datetime

import pytest
from multidict import CIMultiDict

from gateway import mm7, profiles
from gateway.contract import callbacks
from gateway.contract.callbacks import MAX_SUBJECT_LENGTH
from gateway.contract.parts import MAX_INLINE_TEXT_BYTES, MAX_INLINE_TOTAL_BYTES
from gateway.mm7.values import Recipients, ReplyCharging, SenderIdentification, UACapabilities

MO = mm7.DeliverReq(transaction_id="t", mm7_version="6.8.0", sender=mm7.Address("15550001111"))
DR = mm7.DeliveryReportReq(
    transaction_id="t", message_id="m", mm_status="Retrieved", recipient=mm7.Address("1"), sender=mm7.Address("2")
)
RR = mm7.ReadReplyReq(transaction_id="t", message_id="m", mm_status="Read")
SUBMIT = mm7.SubmitReq(transaction_id="t", recipients=Recipients((mm7.Address("111122", "ShortCode"),)))
TEXT = mm7.Part(content_type="text/plain", content_id="a", data=b"hello")
PICTURE = mm7.Part(content_type="image/png", content_id="b", data=b"\x89PNG")
ANOTHER = {
    "boolean": True,
    "address": mm7.Address("99"),
    "recipients": Recipients(cc=(mm7.Address("99"),)),
    mm7.UACapabilities: UACapabilities("x"),
    ReplyCharging: ReplyCharging(1),
    SenderIdentification: SenderIdentification(vasid="99"),
    mm7.Content: mm7.Content(None, allow_adaptations=True),
    mm7.UserAgent: (mm7.UserAgent(mm7.Address("99"), 1),),
    mm7.PreviousDateTime: (mm7.PreviousDateTime("P1D", 1),),
    "conditions": (99,),
}


def variants(message: mm7.Message):
    """The message with any one of its fields changed."""
    for attribute, element in mm7.elements(type(message)):
        value = ANOTHER.get(element.group or element.kind, "another")
        yield replace(message, **{attribute: value})
    yield replace(message, transaction_id="another")
    yield replace(message, namespace="another")
    yield replace(message, extensions={"X": "1"})


@pytest.mark.parametrize("message", [MO, DR, RR, SUBMIT], ids=lambda message: message.operation)
def test_two_callbacks_that_differ_in_any_field_have_two_ids(callback, message) -> None:
    ids = [callback(each).event.id for each in (message, *variants(message))]
    assert len(set(ids)) == len(ids) == len(fields(message)) + 1


def test_two_callbacks_that_differ_in_their_parts_or_accounts_have_two_ids(callback) -> None:
    ids = [
        callback(MO).event.id,
        callback(MO, account="other").event.id,
        callback(MO, TEXT).event.id,
        callback(MO, PICTURE).event.id,
        callback(MO, TEXT, PICTURE).event.id,
        callback(MO, PICTURE, TEXT).event.id,
        callback(MO, TEXT, TEXT).event.id,
        callback(MO, replace(TEXT, data=b"hello!")).event.id,
        callback(MO, replace(TEXT, content_type="text/html")).event.id,
        callback(MO, replace(TEXT, charset="utf-16")).event.id,
        callback(MO, replace(TEXT, filename="a.txt")).event.id,
    ]
    assert len(set(ids)) == len(ids)


def test_a_retry_has_the_same_id_whatever_is_new_about_its_delivery(callback) -> None:
    first = replace(MO, content=mm7.Content("cid:1411587550"))
    again = replace(MO, content=mm7.Content("cid:1397492135"))
    one = callback(first, TEXT, quirks=("boundary_mismatch",))
    two = callback(again, replace(TEXT, content_id="other"), headers=CIMultiDict({"X-Attempt": "2"}))
    assert one.event.id == two.event.id


def test_what_is_written_in_another_way_has_the_same_id(callback) -> None:
    encoded = mm7.encode(replace(MO, content=mm7.Content("cid:c")), [TEXT, PICTURE])
    boundary = mm7.read_value(encoded.content_type)[1]["boundary"]
    other = mm7.decode(encoded.content_type.replace(boundary, "x"), encoded.body.replace(boundary.encode(), b"x"))
    plain = mm7.decode(encoded.content_type, encoded.body.replace(b"soap-env", b"ns1"))
    assert callback(other.message, *other.parts).event.id == callback(plain.message, *plain.parts).event.id


def test_text_up_to_the_limit_is_inline_and_all_else_is_stored(callback) -> None:
    longest = replace(TEXT, data=b"x" * MAX_INLINE_TEXT_BYTES)
    longer = replace(TEXT, data=b"x" * (MAX_INLINE_TEXT_BYTES + 1))
    html = mm7.Part(content_type="text/html", data=b"<b>")
    found = callback(MO, TEXT, longest, longer, html, PICTURE)
    parts = found.event.data.parts
    assert [(part.text, bool(part.url)) for part in parts] == [
        ("hello", False),
        ("x" * MAX_INLINE_TEXT_BYTES, False),
        (None, True),
        ("<b>", False),
        (None, True),
    ]
    assert [blob.data for blob in found.blobs] == [longer.data, PICTURE.data]
    assert [part.url for part in parts if part.url] == [f"memory:///{blob.sha256}" for blob in found.blobs]
    assert found.event.data.text == "hello\n" + "x" * MAX_INLINE_TEXT_BYTES


def test_text_that_is_not_in_its_charset_is_shown_as_far_as_it_goes_and_stored(callback) -> None:
    found = callback(MO, replace(TEXT, charset="utf-8", data=b"caf\xe9"))
    [part] = found.event.data.parts
    assert (part.text, part.url) == ("caf�", f"memory:///{part.sha256}")
    assert [blob.data for blob in found.blobs] == [b"caf\xe9"]
    assert found.event.data.quirks == ["text_encoding_fallback"]


def test_all_inline_text_together_is_bounded_so_that_the_event_can_be_published(callback) -> None:
    nul = replace(TEXT, data=b"\x00" * MAX_INLINE_TEXT_BYTES, filename="\x01" * 4000, content_location="\x01" * 4000)
    found = callback(MO, *[nul] * 100)
    inline = [part for part in found.event.data.parts if part.text is not None]
    assert len(inline) == MAX_INLINE_TOTAL_BYTES // MAX_INLINE_TEXT_BYTES
    assert all(part.url for part in found.event.data.parts[len(inline) :])
    assert len(found.event.model_dump_json()) < 16 * 1024 * 1024


def test_texts_are_joined_by_line_breaks_and_none_is_null(callback) -> None:
    assert callback(MO).event.data.text is None
    assert callback(MO, PICTURE, replace(TEXT, data=b" \n")).event.data.text is None
    assert callback(MO, replace(TEXT, data=b" a \r\n"), replace(TEXT, data=b"b")).event.data.text == "a\nb"


@pytest.mark.parametrize(
    ("message", "subject"),
    [
        (MO, None),
        (replace(MO, recipients=Recipients((mm7.Address("1", display_only=True), mm7.Address("+2")))), "2"),
        (replace(MO, recipients=Recipients((mm7.Address("1", display_only=True),))), None),
        (replace(MO, recipients=Recipients((mm7.Address("9" * MAX_SUBJECT_LENGTH),))), "9" * MAX_SUBJECT_LENGTH),
        (replace(MO, recipients=Recipients((mm7.Address("9" * 200_000),))), None),
        (DR, "2"),
        (replace(DR, sender=None), None),
        (RR, None),
        (SUBMIT, "111122"),
    ],
)
def test_the_subject_is_the_service_s_own_address_where_it_can_be(callback, message, subject) -> None:
    assert callback(message).event.subject == subject


@pytest.mark.parametrize(
    ("written", "time", "at", "raw"),
    [
        ("2014-04-14T16:15:23.414Z", "2014-04-14T16:15:23.414Z", "2014-04-14T16:15:23.414Z", None),
        ("yesterday", "2026-11-21T12:00:00.500Z", None, "yesterday"),
        (None, "2026-11-21T12:00:00.500Z", None, None),
    ],
)
def test_the_time_is_the_provider_s_or_the_receipt_s(callback, written, time, at, raw) -> None:
    mo, dr = callback(replace(MO, time_stamp=written)).event, callback(replace(DR, date=written)).event
    rr = callback(replace(RR, time_stamp=written)).event
    assert [mo.time, dr.time, rr.time] == [time] * 3
    assert (mo.data.sent_at, mo.data.sent_at_raw) == (at, raw)
    assert (dr.data.reported_at, dr.data.reported_at_raw) == (rr.data.reported_at, rr.data.reported_at_raw) == (at, raw)


@pytest.mark.parametrize(
    ("raw", "status", "final"),
    [
        ("Retrieved", "retrieved", True),
        ("Deferred", "deferred", False),
        ("1000", "unknown", False),
        ("Unrecognized", "unrecognised", True),
    ],
)
def test_a_report_s_status_is_a_stable_word_beside_the_raw_one(callback, raw, status, final) -> None:
    data = callback(replace(DR, mm_status=raw, mm_status_extension="RejectionByOtherRS")).event.data
    assert (data.status, data.raw_status, data.final, data.status_extension) == (
        status,
        raw,
        final,
        "RejectionByOtherRS",
    )
    assert (data.command_id, data.reference, data.metadata) == (None, None, None)


@pytest.mark.parametrize(
    ("raw", "status"), [("Read", "read"), ("Deleted", "deleted"), ("indeterminate", "indeterminate"), ("?", "unknown")]
)
def test_a_read_reply_s_likewise(callback, raw, status) -> None:
    event = callback(replace(RR, mm_status=raw)).event
    assert (event.type, event.data.status, event.data.raw_status) == ("rr.received", status, raw)


@pytest.mark.parametrize(
    ("headers", "carrier"),
    [
        ({"X-Mblox-Carrier-Id": "0001890"}, "0001890"),
        ({"x-mblox-operator-id": " 31002 "}, "31002"),
        ({"X-Mblox-Carrier-Id": " ", "X-Skycore-Carrier-Id": "7"}, "7"),
        ({"X-Mblox-Carrier-Id": "\udcff1"}, "?1"),
        ({"X-Other": "7"}, None),
    ],
)
def test_the_carrier_is_what_the_provider_s_header_says_of_it(callback, headers, carrier) -> None:
    assert callback(MO, profile="sinch", headers=CIMultiDict(headers)).event.data.carrier_id == carrier
    assert callback(MO, profile="generic", headers=CIMultiDict(headers)).event.data.carrier_id == carrier
    assert callback(MO, profile="vibes", headers=CIMultiDict(headers)).event.data.carrier_id is None


def test_nothing_that_a_release_has_is_left_out_of_the_event(callback) -> None:
    """Whatever element is added to the codec: it is in the event under its name, or under one of these."""
    renamed = {"content", "sender_identification", "time_stamp", "date", "mm_status", "mm_status_extension"}
    for message in (MO, SUBMIT, DR, RR):
        model = type(callback(message).event.data)
        assert {name for name, _ in mm7.elements(type(message))} - renamed <= set(model.model_fields)


def test_what_a_message_went_through_is_in_the_event(callback) -> None:
    forwarded = replace(
        MO,
        previouslysentby=(mm7.UserAgent(mm7.Address("+15550002222"), 1), mm7.UserAgent(None, None)),
        previouslysentdateandtime=(mm7.PreviousDateTime("2014-04-14T18:15:23+02:00", 1),),
    )
    data = callback(forwarded).event.data.model_dump()
    assert [(one["address"] or {}).get("address") for one in data["previouslysentby"]] == ["15550002222", None]
    assert data["previouslysentdateandtime"] == [{"value": "2014-04-14T16:15:23.000Z", "sequence": 1}]
    charged = replace(SUBMIT, reply_charging=ReplyCharging(2048, "P3D"), delivery_condition=(1, 2))
    data = callback(charged).event.data.model_dump()
    assert data["reply_charging"] == {"reply_charging_size": 2048, "reply_deadline": "P3D"}
    assert data["delivery_condition"] == [1, 2]


def test_a_submit_as_a_message_from_a_phone_has_its_sender_in_its_identification(callback) -> None:
    who = SenderIdentification(vaspid="p", vasid="s", sender_address=mm7.Address("+15550001111"))
    data = callback(
        replace(SUBMIT, sender_identification=who, charged_party="ThirdParty", message_class="Auto")
    ).event.data
    assert (data.sender.address, data.vaspid, data.vasid) == ("15550001111", "p", "s")
    assert (data.charged_party, data.message_class) == ("third_party", "auto")
    assert data.quirks == ["submit_as_deliver"]
    assert callback(SUBMIT).event.data.sender is None


@pytest.mark.parametrize("message", [mm7.DeliverRsp(), mm7.RSErrorRsp(), mm7.SubmitRsp(transaction_id="t")])
def test_what_is_no_callback_is_refused_as_an_unsupported_operation(callback, message) -> None:
    with pytest.raises(mm7.DecodeError, match="is no callback") as caught:
        callback(message, quirks=("name_case",))
    assert (caught.value.status, caught.value.quirks) == (4003, ("name_case",))
    assert (caught.value.request.operation, caught.value.request.transaction_id) == (
        message.operation,
        message.transaction_id,
    )


def test_a_refused_callback_says_why_and_where_it_is_kept() -> None:
    received_at = datetime(2026, 11, 21, 12, 0, 0, 500_000, tzinfo=UTC)
    sinch = profiles.load("sinch")
    receipt = callbacks.Receipt(account="acc", profile_name="sinch", profile=sinch, received_at=received_at, headers={})
    request = mm7.Request(operation="DeliverReq", transaction_id="t", mm7_version="6.8.0")
    error = mm7.DecodeError("no sender", status=4004, request=request, quirks=("name_case",))
    event = callbacks.refused(error, receipt, raw="memory:///x", digest="d")
    assert (event.type, event.source, event.subject) == ("callback.refused", "/mm7/acc", None)
    assert event.time == "2026-11-21T12:00:00.500Z"
    assert event.data.model_dump() == {
        "account": "acc",
        "profile": "sinch",
        "operation": "DeliverReq",
        "transaction_id": "t",
        "mm7_version": "6.8.0",
        "namespace": mm7.REL_6_1_4,
        "received_at": "2026-11-21T12:00:00.500Z",
        "quirks": ["name_case"],
        "status_code": 4004,
        "status_text": "Validation error",
        "reason": "no sender",
        "raw": "memory:///x",
    }
    again = callbacks.refused(mm7.DecodeError("x", status=2007), receipt, raw="memory:///y", digest="d")
    other = callbacks.refused(error, receipt, raw="memory:///x", digest="e")
    assert event.id == again.id != other.id
    assert (again.data.operation, again.data.namespace) == (None, None)
