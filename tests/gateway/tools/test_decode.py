"""`mm7 decode`: the dry run of a callback says what the receiver would do, and never stumbles."""

import random
from datetime import UTC, datetime

import orjson
import pytest

from gateway import http_file, mm7
from gateway.tools import decode
from gateway.tools.decode import DRY_RUN
from gateway.tools.simulator import PROFILES, VERSIONS, Form, Mo, ReadReply, Report

AT = datetime(2026, 4, 14, 16, 15, 23, tzinfo=UTC)
PART = mm7.Part(content_type="image/png", data=bytes(range(256)), filename="a.png")
MO = Mo(transaction_id="tx-1", linked_id="l-1", at=AT, text="Hello", subject="Lunch", attachments=(PART,))
REPORT = Report(transaction_id="tx-2", message_id="m-2", at=AT)
REPLY = ReadReply(transaction_id="tx-3", message_id="m-3", at=AT, mm_status="Read")
MEDIA = "file:///media"


def captured(profile: str, message: object, form: Form) -> bytes:
    callback = PROFILES[profile].write(message, form)
    head = "".join(f"{name}: {value}\r\n" for name, value in callback.headers.items())
    return f"POST /mm7 HTTP/1.1\r\n{head}\r\n".encode() + callback.body


FORMS = [Form(*version, documented) for version in VERSIONS.values() for documented in (False, True)]
REQUESTS = [
    pytest.param(captured(name, message, form), kind, id=f"{name}-{kind}-{form.mm7_version}-{form.as_documented}")
    for name in PROFILES
    for form in dict.fromkeys(FORMS)
    for message, kind in ((MO, "mo.received"), (REPORT, "dr.received"), (REPLY, "rr.received"))
    if type(message) in PROFILES[name].writers
]


def run(data: bytes, media_url: str = MEDIA) -> decode.Reading:
    return decode.decode(http_file.parse(data), DRY_RUN, media_url)


@pytest.mark.parametrize(("data", "kind"), REQUESTS)
def test_every_request_in_every_shape_of_every_provider_is_accepted(data, kind):
    reading = run(data)
    shown = reading.shown
    assert reading.accepted
    assert list(shown) == ["operation", "event", "message", "answer", "quirks", "refusal"]
    assert (shown["event"]["type"], shown["refusal"]) == (kind, None)
    assert shown["message"]["transaction_id"] in ("tx-1", "tx-2", "tx-3")
    assert shown["event"]["data"]["quirks"] == shown["quirks"]
    answer = shown["answer"]
    assert (answer["http_status"], answer["content_type"]) == (200, "text/xml; charset=utf-8")
    response = mm7.decode(answer["content_type"], answer["body"].encode()).message
    assert (response.status.code, response.transaction_id) == (1000, shown["message"]["transaction_id"])


def test_every_field_of_a_message_is_shown_in_snake_case():
    shown = run(captured("sinch", MO, FORMS[0])).shown
    message = shown["message"]
    assert (message["linked_id"], message["subject"], message["mm7_version"]) == ("l-1", "Lunch", "6.8.0")
    assert message["sender"]["address"] == "15553199144"
    assert [one["address"] for one in message["recipients"]] == ["111122"]
    assert {"content_type": "image/png", "bytes": 256}.items() <= message["parts"][0].items()
    picture = next(part for part in shown["event"]["data"]["parts"] if part["content_type"] == "image/png")
    assert picture["url"] == f"{MEDIA}/{picture['sha256'][:2]}/{picture['sha256']}"


def test_the_event_is_the_one_of_the_receiver_and_a_second_run_gives_its_id_again():
    first, second = (run(captured("sinch", MO, FORMS[0])).shown["event"]["id"] for _ in range(2))
    assert first == second


@pytest.mark.parametrize(
    ("body", "http_status", "code"),
    [
        (b"", 400, 4004),
        (b"<a/>", 400, 4004),
        (b"<a", 400, 4004),
        (b"\x00\xff" * 50, 400, 4004),
        (b"--x\r\n\r\n<a/>\r\n--x--", 400, 4004),
        (b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', 400, 4004),
    ],
)
def test_what_is_no_message_is_refused_with_the_answer_that_the_provider_would_get(body, http_status, code):
    reading = decode.decode(http_file.of_body(body, None), DRY_RUN, MEDIA)
    shown = reading.shown
    assert not reading.accepted
    assert (shown["event"], shown["refusal"]["status_code"]) == (None, code)
    assert shown["refusal"]["text"]
    assert shown["answer"]["http_status"] == http_status
    assert f"<StatusCode>{code}</StatusCode>" in shown["answer"]["body"]


@pytest.mark.parametrize(
    ("encoding", "accepted"), [("gzip", False), ("identity", True), ("", True), (" Identity ", True)]
)
def test_content_encodings_are_turned_away_as_the_receiver_does(encoding, accepted):
    data = captured("sinch", REPORT, FORMS[0]).replace(b"\r\n", f"\r\nContent-Encoding: {encoding}\r\n".encode(), 1)
    reading = run(data)
    assert reading.accepted is accepted
    if not accepted:
        assert (reading.shown["answer"]["http_status"], reading.shown["refusal"]["status_code"]) == (415, 415)


def response(status: str, message: mm7.Message) -> bytes:
    encoded = mm7.encode(message)
    return f"{status}\r\nContent-Type: {encoded.content_type}\r\n\r\n".encode() + encoded.body


ASKED = mm7.Request(operation="SubmitReq", transaction_id="tx-9", namespace=mm7.REL_6_1_4, mm7_version="6.8.0")


def test_a_providers_answer_has_its_status_and_message_id_at_the_top():
    reading = run(response("HTTP/1.1 200 OK", mm7.response(ASKED, 1000, None, message_id="m-9")))
    shown = reading.shown
    assert (reading.accepted, shown["operation"], shown["event"], shown["answer"]) == (True, "SubmitRsp", None, None)
    message = shown["message"]
    assert (message["status_code"], message["message_id"], message["transaction_id"]) == (1000, "m-9", "tx-9")


@pytest.mark.parametrize("line", ["HTTP/1.1 500 Internal Server Error", "HTTP/1.1 200 OK"])
def test_a_providers_fault_is_read_whatever_its_http_status(line):
    fault = mm7.RSErrorRsp(
        transaction_id="tx-9",
        namespace=mm7.REL_6_1_4,
        mm7_version="6.8.0",
        status=mm7.Status(code=3001, text="Blacklisted"),
        fault_code="Server",
    )
    shown = run(response(line, fault)).shown
    assert (shown["message"]["status_code"], shown["message"]["status_text"]) == (3001, "Blacklisted")
    assert (shown["operation"], shown["answer"]) == ("RSErrorRsp", None)


def test_an_answer_posted_to_us_is_refused_but_one_without_a_head_is_read():
    body = mm7.encode(mm7.response(ASKED, 1000, None, message_id="m-9")).body
    posted = run(b"POST / HTTP/1.1\r\nContent-Type: text/xml\r\n\r\n" + body)
    assert (posted.accepted, posted.shown["refusal"]["status_code"]) == (False, 4003)
    assert decode.decode(http_file.of_body(body, None), DRY_RUN, MEDIA).accepted


def test_an_unreadable_answer_of_a_provider_gets_no_answer():
    reading = run(b"HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/html\r\n\r\n<html></html>")
    assert (reading.accepted, reading.shown["answer"]) == (False, None)
    assert reading.shown["refusal"]["text"]


FRAGMENTS = [
    b"\x00", b"\xff\xfe", b"&#0;", b"&x;", b"<!DOCTYPE a>", b"--", b"\r\n\r\n", b"<", b"</", b'"', b"=", b"boundary=",
    b"charset=utf-16", b"charset=idna", b"charset=unicode_escape", b"charset=base64", b"charset=undefined", b"9" * 30,
    b"Content-Transfer-Encoding: base64\r\n", b"Content-Transfer-Encoding: uuencode\r\n", b"\xed\xa0\x80", b"&#xD800;",
    b"HTTP/1.1 200 OK\r\n", b"9999-12-31T23:59:59-14:00", b"0001-01-01T00:00:00+14:00",
]  # fmt: skip


def mutated(dice: random.Random, data: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(dice.choice((1, 1, 2, 3, 8, 30))):
        at, span = dice.randrange(len(changed) + 1), dice.randrange(1, 60)
        match dice.randrange(4):
            case 0:
                changed[at : at + 1] = bytes([dice.randrange(256)])
            case 1:
                changed[at : at + dice.randrange(12)] = dice.choice(FRAGMENTS)
            case 2:
                del changed[at : at + span]
            case 3:
                other = dice.randrange(len(changed) + 1)
                changed[at:at] = changed[other : other + span]
    return bytes(changed)


@pytest.mark.parametrize("seed", range(4))
def test_mutated_requests_are_read_or_refused_and_can_be_printed(seed):
    dice = random.Random(seed)
    for _ in range(50):
        data = mutated(dice, dice.choice(REQUESTS).values[0])
        try:
            found = http_file.parse(data)
        except ValueError:
            continue
        reading = decode.decode(found, DRY_RUN, MEDIA)
        assert reading.accepted is (reading.shown["refusal"] is None)
        assert orjson.loads(orjson.dumps(reading.shown)).keys() == reading.shown.keys()
