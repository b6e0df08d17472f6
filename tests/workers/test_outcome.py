"""What a provider's answer means: every status of every profile, every strange answer."""

import random
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from multidict import CIMultiDict

from gateway import mm7, profiles
from workers.outcome import Outcome, read_answer

SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
XML = "text/xml; charset=utf-8"
HTML = b"<html><head><title>Bad gateway</title></head><body>nginx<br></body></html>"


def rsp(
    code: object, *, name: str = "SubmitRsp", message_id: str = "<MessageID>m-1</MessageID>", details: str = ""
) -> bytes:
    return (
        f'<env:Envelope xmlns:env="{SOAP}"><env:Header><TransactionID xmlns="{mm7.REL_6_1_4}">order-1</TransactionID>'
        f'</env:Header><env:Body><{name} xmlns="{mm7.REL_6_1_4}"><MM7Version>6.8.0</MM7Version><Status>'
        f"<StatusCode>{code}</StatusCode><StatusText>said so</StatusText>{details}</Status>{message_id}"
        f"</{name}></env:Body></env:Envelope>"
    ).encode()


def fault(fault_code: str, detail: str = "") -> bytes:
    return (
        f'<env:Envelope xmlns:env="{SOAP}"><env:Body><env:Fault><faultcode>env:{fault_code}</faultcode>'
        f"<faultstring>it went wrong</faultstring>{detail}</env:Fault></env:Body></env:Envelope>"
    ).encode()


def rs_error(code: int) -> str:
    status = f"<Status><StatusCode>{code}</StatusCode><StatusText>said so</StatusText></Status>"
    return f'<detail><RSErrorRsp xmlns="{mm7.REL_6_1_4}"><MM7Version>6.8.0</MM7Version>{status}</RSErrorRsp></detail>'


def read(http_status: int, body: bytes = b"", profile: str = "generic", **headers: str) -> Outcome:
    given = CIMultiDict({name.replace("_", "-"): value for name, value in headers.items()})
    given.setdefault("Content-Type", XML)
    return read_answer(http_status, given, body, profiles.load(profile))


@pytest.mark.parametrize(
    ("code", "generic", "sinch", "vibes"),
    [
        (1000, "accepted", "accepted", "accepted"),
        (1100, "accepted", "accepted", "accepted"),
        (1999, "accepted", "accepted", "accepted"),
        (2000, "refused", "refused", "refused"),
        (2002, "refused", "refused", "refused"),
        (2500, "refused", "refused", "refused"),
        (2999, "refused", "refused", "refused"),
        (3000, "later", "later", "later"),
        (3001, "refused", "refused", "refused"),  # not possible; at Sinch a blacklisted number
        (3002, "refused", "refused", "refused"),
        (3003, "refused", "later", "refused"),  # several addresses; at Sinch a download that failed
        (3004, "refused", "refused", "refused"),
        (3500, "later", "later", "refused"),  # unknown; Sinch: a carrier's timeout; Vibes: several attachments
        (3510, "later", "later", "later"),
        (3520, "later", "refused", "later"),
        (3999, "later", "later", "later"),
        (4000, "refused", "refused", "refused"),
        (4004, "refused", "refused", "refused"),
        (4005, "refused", "refused", "later"),  # must not be resent; at Vibes capacity reached
        (4006, "later", "later", "refused"),
        (4007, "refused", "refused", "refused"),
        (4999, "refused", "refused", "refused"),
        (9999, "later", "later", "later"),  # outside 1 to 4: as 3000
        (42, "later", "later", "later"),
        (0, "later", "later", "later"),
    ],
)
@pytest.mark.parametrize("http_status", [200, 500])
def test_a_status_code_means_what_the_provider_says_it_means(
    code: int, generic: str, sinch: str, vibes: str, http_status: int
) -> None:
    kinds = [read(http_status, rsp(code), profile).kind for profile in ("generic", "sinch", "vibes")]
    assert kinds == [generic, sinch, vibes]


def test_what_was_accepted_keeps_all_that_the_provider_said() -> None:
    outcome = read(200, rsp(1000, details="<Details>of course</Details>"))
    assert outcome == Outcome(
        kind="accepted",
        reason="1000 said so",
        status_code=1000,
        status_text="said so of course",
        message_id="m-1",
        http_status=200,
        transaction_id="order-1",
        mm7_version="6.8.0",
        namespace=mm7.REL_6_1_4,
    )


@pytest.mark.parametrize(
    ("http_status", "body", "profile", "too_fast"),
    [
        (200, rsp(3510), "sinch", True),
        (500, fault("Server", rs_error(3510)), "sinch", True),
        (200, rsp(3510), "generic", False),
        (200, rsp(3000), "sinch", False),
        (200, rsp(1000), "sinch", False),
        (429, HTML, "generic", True),
        (429, rsp(4006), "generic", False),  # the readable status counts
        (503, HTML, "generic", False),
    ],
)
def test_a_provider_that_finds_us_too_fast_is_understood(
    http_status: int, body: bytes, profile: str, too_fast: bool
) -> None:
    assert read(http_status, body, profile).too_fast is too_fast


def test_partial_success_is_success_and_says_so() -> None:
    assert read(200, rsp(1100)).partial
    assert not read(200, rsp(1000)).partial


def test_a_success_without_a_message_id_is_a_success() -> None:
    outcome = read(200, rsp(1000, message_id=""))
    assert (outcome.kind, outcome.message_id) == ("accepted", None)


@pytest.mark.parametrize("http_status", [200, 400, 500])
@pytest.mark.parametrize(
    ("body", "kind", "code"),
    [
        (fault("Client", rs_error(2000)), "refused", 2000),
        (fault("Client", rs_error(4006)), "later", 4006),
        (fault("Server", rs_error(3000)), "later", 3000),
        (fault("Server", rs_error(2007)), "refused", 2007),  # the status counts, not whose fault it is
        (fault("Client"), "refused", None),
        (fault("Client.TransactionID"), "refused", None),
        (fault("Server"), "later", None),
        (fault("VersionMismatch"), "later", None),
        (fault("Server", "<detail><trace>at Foo.java</trace></detail>"), "later", None),
        (fault("Server", rs_error(1000)), "unknown", 1000),  # a Fault of success: neither can be believed
    ],
)
def test_a_fault_is_read_whatever_the_http_status(http_status: int, body: bytes, kind: str, code: int | None) -> None:
    outcome = read(http_status, body)
    assert (outcome.kind, outcome.status_code) == (kind, code)
    assert outcome.message_id is None


@pytest.mark.parametrize(
    ("http_status", "kind"),
    [
        (200, "unknown"),
        (202, "unknown"),
        (204, "unknown"),
        (302, "refused"),
        (400, "refused"),
        (401, "refused"),
        (403, "refused"),
        (404, "refused"),
        (408, "later"),
        (413, "refused"),
        (429, "later"),
        (500, "later"),
        (502, "unknown"),  # the proxy may have passed it on, and heard no more
        (503, "later"),
        (504, "unknown"),  # the proxy had passed it on
    ],
)
@pytest.mark.parametrize(
    "body",
    [b"", HTML, b"OK", b"\x00\xff" * 50, rsp("many"), rsp(""), rsp("9" * 40), rsp(1000)[:-200], b"{}", b"<a/>"],
    ids=["empty", "html", "ok", "binary", "words", "blank", "long", "cut off", "json", "xml"],
)
def test_without_a_readable_status_the_http_status_decides(http_status: int, kind: str, body: bytes) -> None:
    outcome = read(http_status, body)
    assert (outcome.kind, outcome.status_code) == (kind, None)
    assert str(http_status) in outcome.reason


def test_a_request_in_place_of_an_answer_says_nothing() -> None:
    request = mm7.encode(
        mm7.SubmitReq(
            transaction_id="x",
            mm7_version="6.8.0",
            sender_identification=mm7.SenderIdentification(),
            recipients=mm7.Recipients((mm7.Address("15553199144"),)),
        )
    )
    assert read(200, request.body).kind == "unknown"


def test_an_answer_in_multipart_is_read() -> None:
    body = b"--b\r\nContent-Type: text/xml\r\nContent-ID: <s>\r\n\r\n" + rsp(1000) + b"\r\n--b--\r\n"
    outcome = read(200, body, Content_Type='multipart/related; boundary="b"; start="<s>"; type="text/xml"')
    assert (outcome.kind, outcome.message_id) == ("accepted", "m-1")


def test_what_was_put_up_with_is_named() -> None:
    assert "content_type_unexpected" in read(200, rsp(1000), Content_Type="text/html").quirks


@pytest.mark.parametrize(
    "content_type", ['multipart/related; boundary="\udcff\udcfe"', "text/xml; charset=\udcff", "\udcff", ""]
)
def test_a_content_type_that_is_no_text_does_not_hide_the_answer(content_type: str) -> None:
    assert read(200, rsp(1000), Content_Type=content_type).kind == "accepted"
    assert read(200, b"--\xff\xfe\r\n\r\nno\r\n", Content_Type=content_type).kind == "unknown"
    assert read(200, b"\xff\xfe<a", Content_Type=content_type).kind == "unknown"


def test_a_megabyte_of_garbage_is_unknown_and_soon() -> None:
    garbage = random.Random(1).randbytes(1024 * 1024)
    began = datetime.now(UTC)
    for content_type in (XML, "multipart/related", 'multipart/related; boundary="x"', "text/html"):
        assert read(200, garbage, Content_Type=content_type).kind == "unknown"
        assert read(200, b"<a>" * 350_000, Content_Type=content_type).kind == "unknown"
    assert datetime.now(UTC) - began < timedelta(seconds=10)


def test_no_damage_to_an_answer_raises_and_none_turns_a_refusal_into_success() -> None:
    dice = random.Random(7)
    whole = rsp(2001)
    for _ in range(3000):
        body = bytearray(whole)
        for _ in range(dice.randrange(1, 6)):
            body[dice.randrange(len(body))] = dice.randrange(256)
        cut = bytes(body[: dice.randrange(len(body))]) if dice.random() < 0.3 else bytes(body)
        outcome = read(dice.choice((200, 500)), cut)
        assert outcome.kind != "accepted" or str(outcome.status_code).startswith("1")


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120.0),
        (" 0 ", 0.0),
        ("9" * 400, float("inf")),
        ("-5", None),
        ("soon", None),
        ("", None),
        ("12.5", None),
        ("\udcff", None),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
        ("Wed, 21 Oct 2015 07:28:00 -0000", None),
        ("99999999999999999999 Jan 2020 00:00:00 GMT", None),
        ("1 Jan 2020 00:00:00 +9999999999999", None),
    ],
)
@pytest.mark.parametrize("http_status", [429, 503])
def test_retry_after_is_read_in_seconds_and_as_a_date(http_status: int, value: str, seconds: float | None) -> None:
    assert read(http_status, HTML, Retry_After=value).retry_after == seconds


def test_retry_after_may_be_a_date_to_come() -> None:
    when = format_datetime(datetime.now(UTC) + timedelta(minutes=5), usegmt=True)
    assert 295 < (read(503, retry_after=when).retry_after or 0) <= 300


def test_retry_after_counts_for_what_is_tried_again_only() -> None:
    assert read(200, rsp(4006), Retry_After="60").retry_after == 60
    assert read(403, Retry_After="60").retry_after is None
    assert read(200, Retry_After="60").retry_after is None
