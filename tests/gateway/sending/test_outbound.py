"""What goes to a provider: valid in its namespace, read back the same, and a request of fixed shape."""

import base64
from typing import Any

import pytest

from gateway import mm7, outbound
from gateway.contract import attachments, submission
from gateway.contract.commands import BadCommand, Command
from gateway.profiles import load, names

TEXT = {"content_type": "text/plain", "text": "hello"}
BYTES = b"--mm7\r\n\r\n--\r\n\x00\xff\x89PNG\r\n"
PNG = {"content_type": "image/png", "data": base64.b64encode(BYTES).decode(), "filename": "a.png"}
FULL: dict[str, Any] = {
    "from": "+15550001111",
    "subject": "Your parcel & <more> ü 🎉",
    "delivery_report": True,
    "read_reply": False,
    "priority": "high",
    "message_class": "auto",
    "expires": "P1Y2M3DT4H5M6.7S",
    "earliest_delivery": "2026-12-01T00:00:00.5+14:00",
    "service_code": "gold",
    "linked_id": "l-1",
    "charged_party": "both",
    "distribution_indicator": True,
}
CASES: list[dict[str, Any]] = [
    {},
    {"parts": [TEXT]},
    {"parts": [TEXT, PNG], "smil": None},
    {"parts": [PNG, TEXT], "smil": "<smil><body/></smil>"},
    {"id": "a b/ü & <c>", **FULL},
    {**FULL, "parts": [TEXT, PNG]},
    *({"charged_party": word} for word in ("sender", "recipient", "neither", "third_party")),
    *({"message_class": word} for word in ("personal", "informational", "advertisement")),
    *({"priority": word} for word in ("low", "normal")),
    {"to": ["4711"], "cc": ["+15550001111"], "bcc": ["a@b.example", "15553199144"]},
    {"to": [], "bcc": ["15553199144"]},
    {"expires": "2026-12-01T23:59:59Z"},
]
WRITTEN = [(profile, version) for profile in names() for version in load(profile).namespaces]


def command(**fields: Any) -> Command:
    return Command.model_validate({"id": "order-1", "to": ["15553199144"], **fields})


def build(account, **fields: Any) -> outbound.HttpRequest:
    given = command(**fields)
    return outbound.build(given, account, [attachments.inline_content(part) or b"" for part in given.parts])


def sent(account, case: dict) -> tuple[mm7.SubmitReq, tuple[mm7.Part, ...]] | None:
    """What was meant; None where the profile or the release does not allow it."""
    given = command(**case)
    try:
        return submission.to_mm7(given, account, [attachments.inline_content(part) or b"" for part in given.parts])
    except BadCommand:
        return None


def soap_of(request: outbound.HttpRequest) -> bytes:
    if b"<?xml" not in request.body[:5]:
        return request.body.split(b"\r\n\r\n", 1)[1].split(b"\r\n--mm7-", 1)[0]
    return request.body


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case)[:40])
@pytest.mark.parametrize(("profile", "version"), WRITTEN)
def test_what_is_sent_is_read_back_the_same(make_account, profile: str, version: str, case: dict) -> None:
    account = make_account(profile, version=version, vaspid="v", vasid="w")
    if (meant := sent(account, case)) is None:
        with pytest.raises(BadCommand):
            build(account, **case)
        return
    request = build(account, **case)
    decoded = mm7.decode(request.headers["Content-Type"], request.body)
    assert decoded.message == meant[0]
    assert decoded.parts == meant[1]
    assert decoded.quirks == ()


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case)[:40])
@pytest.mark.parametrize(("profile", "version"), WRITTEN)
def test_what_is_sent_is_valid_in_its_namespace(make_account, valid, profile: str, version: str, case: dict) -> None:
    account = make_account(profile, version=version, vaspid="v", vasid="w")
    if sent(account, case) is not None:
        valid(soap_of(build(account, **case)))


@pytest.mark.parametrize("release", mm7.RELEASES[2:])
def test_what_is_sent_is_valid_in_a_namespace_that_the_account_names(make_account, valid, release: str) -> None:
    valid(build(make_account(version="5.3.0", namespace=mm7.SCHEMA + release), **FULL).body)


def test_a_request_says_all_that_a_provider_asks_for(make_account) -> None:
    account = make_account(
        url="https://api.example.net:8443/mm7/v1/?k=v", basic={"username": "me", "password": "ge:heim"}
    )
    request = build(account, parts=[TEXT])
    assert list(request.headers) == [
        "Host",
        "User-Agent",
        "Accept",
        "SOAPAction",
        "Content-Type",
        "Content-Length",
        "Authorization",
    ]
    assert request.headers["Host"] == "api.example.net:8443"
    assert request.headers["SOAPAction"] == '""'
    assert request.headers["Content-Length"] == str(len(request.body))
    assert request.headers["Content-Type"].startswith('multipart/related; type="text/xml"; start="<')
    assert base64.b64decode(request.headers["Authorization"].removeprefix("Basic ")) == b"me:ge:heim"
    head, _, body = request.as_file().partition(b"\r\n\r\n")
    assert head.startswith(b"POST /mm7/v1/?k=v HTTP/1.1\r\nHost: api.example.net:8443\r\n")
    assert body == request.body


def test_the_same_command_gives_the_same_bytes(make_account) -> None:
    assert build(make_account(), parts=[TEXT, PNG]) == build(make_account(), parts=[TEXT, PNG])


def test_a_message_without_parts_is_bare_xml(make_account) -> None:
    request = build(make_account())
    assert request.headers["Content-Type"] == "text/xml; charset=utf-8"
    assert b"Content " not in request.body
    assert "Authorization" not in request.headers


def test_credentials_in_the_url_are_sent_as_basic_and_not_in_it(make_account) -> None:
    request = build(make_account(url="http://me:p%40ss@127.0.0.1:9/mm7"))
    assert request.url == "http://127.0.0.1:9/mm7"
    assert request.headers["Host"] == "127.0.0.1:9"
    assert base64.b64decode(request.headers["Authorization"].removeprefix("Basic ")) == b"me:p@ss"
    both = build(make_account(url="http://me:p@127.0.0.1:9/", basic={"username": "u", "password": "q"}))
    assert base64.b64decode(both.headers["Authorization"].removeprefix("Basic ")) == b"u:q"


def test_secrets_do_not_show_where_a_request_is_printed(make_account) -> None:
    assert "order-1" not in repr(build(make_account()))


def test_vibes_takes_a_megabyte_and_no_more(make_account) -> None:
    def sized(size: int) -> outbound.HttpRequest:
        return outbound.build(command(parts=[{"content_type": "image/png", "url": "s3://b/c"}]), account, [b"x" * size])

    account = make_account("vibes")
    overhead = len(sized(0).body)
    assert len(sized(1024 * 1024 - overhead).body) == 1024 * 1024
    with pytest.raises(BadCommand, match="1048577 bytes") as caught:
        sized(1024 * 1024 - overhead + 1)
    assert caught.value.problems[0].path == "parts[0]"
    outbound.build(
        command(parts=[{"content_type": "image/png", "url": "s3://b/c"}]), make_account(), [b"x" * 2_000_000]
    )


def test_a_secret_that_xml_cannot_hold_is_a_refusal_and_not_shown(make_account) -> None:
    with pytest.raises(BadCommand, match="XML cannot hold"):
        build(make_account(vasid="a\x00b"))
