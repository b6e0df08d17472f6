"""What the simulated provider sends, byte by byte: the published shapes, read back by the codec."""

import struct
import zlib
from datetime import UTC, datetime
from typing import Any

import pytest

from gateway import mm7
from gateway.tools import simulator
from gateway.tools.simulator import PROFILES, VERSIONS, Callback, Form, Mo, Outbound, ReadReply, Report
from gateway.tools.simulator.wire import fill

AT = datetime(2026, 3, 1, 12, 30, 15, 250_000, tzinfo=UTC)
SEEN_AT = "2026-03-01T12:30:15.250Z"
PICTURE = mm7.Part(content_type="image/png", data=b"\x89PNG\r\n\x1a\n--\r\n\x00", filename="my photo.png")
MO = Mo(
    transaction_id="tx-1",
    linked_id="link-1",
    at=AT,
    sender="15553199144",
    recipient="111122",
    subject='Ben & "Co" <x>',
    text="Grüße\r\n-- \r\nB.",
    attachments=(PICTURE,),
)
REPORT = Report(transaction_id="tx-2", message_id="369", at=AT, recipient="15553199144", sender="111122", ua_prof="P")
READ = ReadReply(transaction_id="tx-3", message_id="369", at=AT, recipient="15553199144", sender="111122")
DOCUMENTED = {
    ("sinch", "6.8.0", False): ("content_id_form", "start_form"),
    ("sinch", "6.8.0", True): ("unbound_prefix", "part_headers_unfinished", "content_id_form", "start_form"),
    ("vibes", "6.8.0", False): (
        "charset_contradiction",
        "content_id_form",
        "encoding_mismatch",
        "content_unreferenced",
    ),
    ("vibes", "6.8.0", True): (
        "charset_contradiction",
        "content_id_form",
        "encoding_mismatch",
        "part_headers_unfinished",
        "content_unreferenced",
    ),
    ("vibes", "5.5.0", False): ("charset_contradiction", "encoding_mismatch", "start_unmatched"),
    ("vibes", "5.5.0", True): (
        "charset_contradiction",
        "boundary_mismatch",
        "typographic_quotes",
        "encoding_mismatch",
        "part_headers_unfinished",
        "start_unmatched",
    ),
    ("generic", "6.8.0", False): (),
}


def written(
    message: Outbound, profile: str = "sinch", version: str = "6.8.0", *, as_documented: bool = False
) -> Callback:
    return PROFILES[profile].write(message, Form(*VERSIONS[version], as_documented))


def read(callback: Callback) -> mm7.Decoded:
    return mm7.decode(callback.headers["Content-Type"], callback.body)


@pytest.mark.parametrize(("profile", "version", "as_documented"), DOCUMENTED)
def test_a_message_from_a_phone_is_read_back_with_the_quirks_of_its_shape(
    *, profile: str, version: str, as_documented: bool
) -> None:
    decoded = read(written(MO, profile, version, as_documented=as_documented))
    assert set(decoded.quirks) == set(DOCUMENTED[profile, version, as_documented])
    message: Any = decoded.message
    assert (message.transaction_id, message.subject) == ("tx-1", MO.subject)
    assert (message.namespace, message.mm7_version) == VERSIONS[version]
    assert [(part.content_type, part.data) for part in decoded.parts] == [
        ("image/png", PICTURE.data),
        ("text/plain", (MO.text or "").encode()),
    ]


@pytest.mark.parametrize("as_documented", [False, True])
def test_sinch_gives_numbers_as_digits_and_a_linked_id_and_a_time(*, as_documented: bool) -> None:
    message = read(written(MO, as_documented=as_documented)).message
    assert isinstance(message, mm7.DeliverReq)
    assert message.sender == mm7.Address("15553199144", "Number")
    assert message.recipients == mm7.Recipients(to=(mm7.Address("111122", "Number"),))
    assert (message.linked_id, message.time_stamp) == ("link-1", SEEN_AT)
    assert message.content == mm7.Content("cid:default.cid", allow_adaptations=True)


def test_sinch_shows_the_other_participants_of_a_group() -> None:
    group = Mo(transaction_id="1", linked_id="1", at=AT, text="hi", others=("15550001111", "15550002222"))
    message = read(written(group)).message
    assert isinstance(message, mm7.DeliverReq)
    assert message.recipients is not None
    assert [(a.value, a.display_only) for a in message.recipients.to] == [
        ("111122", False),
        ("15550001111", True),
        ("15550002222", True),
    ]


def test_sinch_headers_are_those_of_the_printed_example() -> None:
    headers = written(MO).headers
    assert headers["SOAPAction"] == f'"{mm7.REL_6_1_4}"'
    assert headers["X-Mblox-Carrier-Id"] == "0001890"
    assert headers["Content-Type"].startswith(
        'multipart/related; start="soap-start"; type="text/xml"; boundary="----=_Part_'
    )


def test_sinch_as_printed_has_an_undeclared_prefix_and_two_colons() -> None:
    body = written(MO, as_documented=True).body
    assert b"<soap-env:Envelope xmlns:ns1=" in body
    assert b"<soap-env::Header>" in body
    assert b"Content-ID: image_0.png\r\n\x89PNG" in body
    assert b"soap-env" not in written(MO).body


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("as_documented", [False, True])
def test_a_message_without_content_refers_to_none(*, profile: str, as_documented: bool) -> None:
    bare = Mo(transaction_id="tx", linked_id="tx", at=AT)
    decoded = read(written(bare, profile, as_documented=as_documented))
    assert decoded.parts == ()
    assert "content_missing" not in decoded.quirks


def test_vibes_writes_the_phone_with_a_plus_and_the_service_as_a_short_code() -> None:
    message = read(written(MO, "vibes")).message
    assert isinstance(message, mm7.DeliverReq)
    assert message.sender == mm7.Address("+15553199144", "Number")
    assert message.recipients == mm7.Recipients(to=(mm7.Address("111122", "ShortCode"),))
    assert message.content is None


def test_vibes_names_the_container_after_its_parts() -> None:
    body = written(MO, "vibes").body
    assert b"Content-ID: <<my%20photo.png>-<text_0.txt>>\r\n" in body
    assert b'encoding="utf-16"' in body
    assert b'filename="null"' in body


@pytest.mark.parametrize("as_documented", [False, True])
def test_vibes_5_5_0_delivers_by_submit_req_with_the_source_in_the_short_code(*, as_documented: bool) -> None:
    message = read(written(MO, "vibes", "5.5.0", as_documented=as_documented)).message
    assert isinstance(message, mm7.SubmitReq)
    assert message.sender_identification is not None
    assert message.sender_identification.sender_address == mm7.Address("15553199144", "ShortCode")
    assert message.recipients == mm7.Recipients(to=(mm7.Address("111122", "Number"),))


@pytest.mark.parametrize(
    ("profile", "sender", "recipient", "quirks"),
    [
        ("sinch", mm7.Address("111122"), mm7.Address("15553199144"), ("body_without_multipart",)),
        ("vibes", mm7.Address("111122", "ShortCode"), mm7.Address("+15553199144"), ()),
        ("generic", mm7.Address("111122", "ShortCode"), mm7.Address("15553199144"), ()),
    ],
)
def test_a_delivery_report_is_read_back(
    profile: str, sender: mm7.Address, recipient: mm7.Address, quirks: tuple[str, ...]
) -> None:
    decoded = read(written(REPORT, profile))
    message = decoded.message
    assert isinstance(message, mm7.DeliveryReportReq)
    assert decoded.quirks == quirks
    assert (message.sender, message.recipient) == (sender, recipient)
    assert (message.transaction_id, message.message_id) == ("tx-2", "369")
    assert (message.date, message.mm_status) == (SEEN_AT, "Retrieved")


def test_sinch_sends_reports_as_multipart_without_a_boundary() -> None:
    assert written(REPORT).headers["Content-Type"] == 'multipart/related; type="text/xml"'
    assert written(REPORT, as_documented=True).headers["Content-Type"] == 'multipart/related; type="text/xml";'
    assert written(REPORT).body.startswith(b"<?xml")


def test_ua_capabilities_stay_out_of_a_release_that_lacks_them() -> None:
    with_it, without = read(written(REPORT)).message, read(written(REPORT, version="5.3.0")).message
    assert isinstance(with_it, mm7.DeliveryReportReq)
    assert isinstance(without, mm7.DeliveryReportReq)
    assert with_it.ua_capabilities == mm7.UACapabilities("P")
    assert without.ua_capabilities is None


@pytest.mark.parametrize("profile", PROFILES)
def test_a_read_reply_is_read_back(profile: str) -> None:
    message = read(written(READ, profile)).message
    assert isinstance(message, mm7.ReadReplyReq)
    assert (message.transaction_id, message.message_id, message.mm_status) == ("tx-3", "369", "Read")


@pytest.mark.parametrize("profile", ["sinch", "vibes"])
def test_each_writing_draws_fresh_boundaries(profile: str) -> None:
    assert written(MO, profile).headers["Content-Type"] != written(MO, profile).headers["Content-Type"]


def test_a_template_line_goes_without_its_value_and_repeats_for_many() -> None:
    template = "<a>{one}</a>\n<b>{none}</b>\n<c>{many}</c>"
    assert fill(template, {"one": "<&>", "none": None, "many": ("x", "y")}) == (
        "<a>&lt;&amp;&gt;</a>\n<c>x</c>\n<c>y</c>"
    )


def test_the_picture_is_a_png_of_the_size_asked_for() -> None:
    picture = simulator.sunset(32, 20)
    assert picture.startswith(b"\x89PNG\r\n\x1a\n")
    chunks, at = {}, 8
    while at < len(picture):
        size, kind = struct.unpack(">I4s", picture[at : at + 8])
        data = picture[at + 8 : at + 8 + size]
        (checksum,) = struct.unpack(">I", picture[at + 8 + size : at + 12 + size])
        assert zlib.crc32(kind + data) == checksum
        chunks[kind] = data
        at += 12 + size
    assert struct.unpack(">II5B", chunks[b"IHDR"]) == (32, 20, 8, 2, 0, 0, 0)
    assert len(zlib.decompress(chunks[b"IDAT"])) == 20 * (1 + 32 * 3)


def test_the_picture_is_always_the_same_and_of_a_picture_s_weight() -> None:
    assert simulator.sunset() == simulator.sunset()
    assert 10_000 < len(simulator.sunset()) < 60_000
