"""What a callback gets: the table of answers, over real HTTP."""

import asyncio

import pytest

from gateway import door, http_file, mm7
from gateway.broker import PublishFailed
from gateway.contract.parts import Storage
from gateway.stores.media import MediaUnavailable

NS = mm7.REL_6_1_4
DELIVER = mm7.encode(
    mm7.DeliverReq(transaction_id="t-1", namespace=NS, mm7_version="6.8.0", sender=mm7.Address("15550001111"))
).body
GUARDED = {
    "open": {"profile": "generic", "inbound": {"open": True}},
    "basic": {"profile": "generic", "inbound": {"basic": [{"username": "me", "password": "geheim"}]}},
    "network": {"profile": "generic", "inbound": {"networks": ["203.0.113.0/24"]}},
    "none": {"profile": "generic"},
    "root": {"profile": "generic", "path": "/", "inbound": {"open": True}},
}


def read(answered) -> mm7.Message:
    assert answered.headers["Content-Type"] == "text/xml; charset=utf-8"
    decoded = mm7.decode(answered.headers["Content-Type"], answered.body)
    assert set(decoded.quirks) <= {"transaction_id_missing", "namespace_unknown", "version_unknown"}
    return decoded.message


def echoed(message: mm7.Message) -> tuple:
    return (message.operation, message.transaction_id, message.namespace, message.mm7_version, message.status.code)


REPORT = {
    "message_id": "m",
    "mm_status": "Read",
    "date": "?",
    "recipient": mm7.Address("1"),
    "sender": mm7.Address("2"),
}
REQUESTS = [
    mm7.DeliverReq(transaction_id="t-1", mm7_version="6.8.0", sender=mm7.Address("1")),
    mm7.SubmitReq(
        sender_identification=mm7.SenderIdentification(),
        transaction_id="t-2",
        mm7_version="5.3.0",
        namespace=mm7.REL_5_1_2,
        recipients=mm7.Recipients((mm7.Address("1"),)),
    ),
    mm7.DeliveryReportReq(transaction_id="t 3", mm7_version="9999.1", namespace="urn:mm7", **REPORT),
    mm7.ReadReplyReq(transaction_id="ü", mm7_version="6.7.0", namespace="urn:mm7", message_id="m", mm_status="Read"),
]


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda request: request.operation)
async def test_what_is_stored_gets_the_matching_response(receiving, request_) -> None:
    started = await receiving()
    answered = await started.post(mm7.encode(request_).body)
    assert answered.status == 200
    name = request_.operation.removesuffix("Req") + "Rsp"
    message = read(answered)
    assert echoed(message) == (name, request_.transaction_id, request_.namespace, request_.mm7_version, 1000)
    [event] = started.publisher.events
    assert getattr(message, "message_id", event["id"]) == event["id"]
    assert started.publisher.sent[0].routing_key.startswith(f"{event['type']}.open.")


async def test_what_the_request_does_not_name_is_the_account_s(receiving) -> None:
    account = {"profile": "vibes", "mm7_version": "5.3.0", "inbound": {"open": True}}
    answered = await (await receiving({"open": account})).post("<DeliverReq><Sender>1</Sender></DeliverReq>")
    assert echoed(read(answered)) == ("DeliverRsp", None, mm7.REL_5_1_2, "5.3.0", 1000)


@pytest.mark.parametrize(("body", "status"), [(DELIVER, 200), (b"garbage", 400)])
async def test_a_retry_gets_the_same_answer_and_is_not_published_again(receiving, body, status) -> None:
    started = await receiving()
    one, two = [await started.post(body) for _ in range(2)]
    assert (one.status, one.body) == (two.status, two.body)
    assert one.status == status
    assert len(started.publisher.events) == 1
    assert started.metrics.registry.get_sample_value("mm7_duplicates_total", {"account": "open"}) == 1


def _root(children: str, operation: str = "DeliverReq") -> str:
    header = f'<s:Header><TransactionID xmlns="{NS}">t-1</TransactionID></s:Header>'
    payload = f'<{operation} xmlns="{NS}"><MM7Version>6.8.0</MM7Version>{children}</{operation}>'
    return f'<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/">{header}<s:Body>{payload}</s:Body></s:Envelope>'


def _parts(count: int) -> str:
    return (
        "--b\nContent-Type: text/xml\n\n"
        + _root("<Sender>1</Sender>")
        + "\n--b\nContent-Type: multipart/mixed; boundary=c\n\n"
        + "--c\n\nx\n" * count
    )


UNUSABLE = {
    "2004": ("multipart/related; boundary=b", _parts(101), "DeliverRsp", 2004),
    "2007": ("text/xml", _root("<Sender>1<Subject>x").partition("</Deliver")[0], "DeliverRsp", 2007),
    "4003": ("text/xml", _root("<MessageID>1</MessageID>", "CancelReq"), "CancelRsp", 4003),
    "4003 response": ("text/xml", _root("<Status/>", "DeliverRsp"), "VASPErrorRsp", 4003),
    "4004": ("text/xml", _root("<Subject>x</Subject>"), "DeliverRsp", 4004),
}
NO_MESSAGE = {
    "empty": ("text/xml", b"", 4004),
    "garbage": ("application/octet-stream", b"\x00\xff", 4004),
    "html": ("text/html", b"<html/>", 4004),
    "doctype": ("text/xml", b"<!DOCTYPE a>" + DELIVER, 4004),
    "empty body": ("text/xml", b"<Envelope><Body/></Envelope>", 4004),
    "too large": ("text/xml", b" " * 300_000, 2007),
    "no content type": (None, b"", 4004),
}


async def _kept(started, answered, code: int) -> dict:
    """The one event of a refusal; the request is kept as it came."""
    [event] = started.publisher.events
    assert event["type"] == "callback.refused"
    assert event["data"]["status_code"] == code
    assert event["data"]["reason"] in read(answered).status.text
    return event


@pytest.mark.parametrize("case", UNUSABLE)
async def test_what_cannot_be_used_is_refused_in_its_own_terms_and_kept(receiving, case) -> None:
    content_type, body, name, code = UNUSABLE[case]
    started = await receiving()
    answered = await started.post(body, content_type, X_Carrier="c")
    assert answered.status == 200
    assert echoed(read(answered)) == (name, "t-1", NS, "6.8.0", code)
    event = await _kept(started, answered, code)
    assert event["data"]["transaction_id"] == "t-1"
    captured = http_file.parse(await started.media.get(event["data"]["raw"]))
    assert captured.start == "POST /mm7/open HTTP/1.1"
    assert (captured.headers["Content-Type"], captured.headers["X-Carrier"]) == (content_type, "c")
    assert captured.body == body.encode()


@pytest.mark.parametrize("case", NO_MESSAGE)
async def test_where_there_is_no_message_a_fault_says_so_and_the_request_is_kept(receiving, case) -> None:
    content_type, body, code = NO_MESSAGE[case]
    started = await receiving()
    answered = await started.post(body, content_type)
    assert answered.status == 400
    message = read(answered)
    assert echoed(message) == ("VASPErrorRsp", None, NS, "6.8.0", code)
    assert message.fault_code == "Client"
    event = await _kept(started, answered, code)
    assert http_file.parse(await started.media.get(event["data"]["raw"])).body == body


async def test_credentials_are_nowhere_in_what_is_kept(receiving) -> None:
    started = await receiving(GUARDED)
    secret = {"Authorization": "Basic bWU6Z2VoZWlt", "Cookie": "session=geheim", "Proxy_Authorization": "geheim"}
    answered = await started.post(b"<nothing/>", path="/mm7/basic", **secret)
    assert answered.status == 400
    raw = await started.media.get(started.publisher.events[0]["data"]["raw"])
    assert b"Content-Type: text/xml" in raw
    for shown in (raw, answered.body, started.publisher.sent[0].body):
        assert b"geheim" not in shown
        assert b"bWU6Z2VoZWlt" not in shown


@pytest.mark.parametrize(
    ("path", "headers", "status", "header"),
    [
        ("/mm7/basic", {}, 401, ("WWW-Authenticate", 'Basic realm="mm7"')),
        ("/mm7/basic", {"Authorization": "Basic bWU6d3Jvbmc="}, 401, ("WWW-Authenticate", 'Basic realm="mm7"')),
        ("/mm7/network", {}, 403, None),
        ("/mm7/none", {}, 403, None),
        ("/mm7/nowhere", {}, 404, None),
        ("/mm7", {}, 404, None),
        ("/mm7/open/more", {}, 404, None),
        ("/%FF%00", {}, 404, None),
        ("/mm7/open%0A", {}, 404, None),
        ("/mm7/open", {"Content_Encoding": "gzip"}, 415, None),
        ("/mm7/open", {"Content_Encoding": "br"}, 415, None),
    ],
)
async def test_what_may_not_come_in_is_turned_away_at_the_door(receiving, path, headers, status, header) -> None:
    started = await receiving(GUARDED)
    answered = await started.post(DELIVER, path=path, **headers)
    assert answered.status == status
    if header:
        assert answered.headers[header[0]] == header[1]
    assert started.publisher.sent == []
    assert (
        started.metrics.registry.get_sample_value(
            "mm7_callbacks_total",
            {"account": path[5:] if path[5:] in GUARDED else "", "operation": "", "outcome": f"http_{status}"},
        )
        == 1
    )


async def test_a_bug_at_the_door_is_told_as_unavailable_and_the_provider_comes_again(receiving, monkeypatch) -> None:
    def explode(*_: object) -> None:
        raise RuntimeError("a bug of ours")

    started = await receiving()
    monkeypatch.setattr(door, "refuse", explode)
    for path, content_type in (("/mm7/open", "text/xml"), ("/nowhere", "text/plain")):
        answered = await started.post(DELIVER, path=path)
        assert answered.status == 503
        assert answered.headers["Content-Type"].startswith(content_type)
    for account, outcome in (("open", "unavailable"), ("", "http_503")):
        labels = {"account": account, "operation": "", "outcome": outcome}
        assert started.metrics.registry.get_sample_value("mm7_callbacks_total", labels) == 1


@pytest.mark.parametrize("path", ["/mm7/open", "/mm7/open/", "/mm7/open?from=1", "/", "/mm7/%6Fpen"])
async def test_a_path_is_that_of_its_account_with_or_without_a_slash(receiving, path) -> None:
    assert (await (await receiving(GUARDED)).post(DELIVER, path=path)).status == 200


async def test_the_right_credentials_come_in(receiving) -> None:
    started = await receiving(GUARDED)
    answered = await started.post(DELIVER, path="/mm7/basic", Authorization="Basic bWU6Z2VoZWlt")
    assert answered.status == 200


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "PROPFIND"])
async def test_another_method_is_not_allowed(receiving, method) -> None:
    started = await receiving()
    url = f"http://127.0.0.1:{started.port}/mm7/open"
    async with started.session.request(method, url) as response:
        assert (response.status, response.headers["Allow"]) == (405, "POST")


@pytest.mark.parametrize("encoding", ["identity", "", " Identity "])
async def test_a_content_encoding_that_encodes_nothing_is_none(receiving, encoding) -> None:
    assert (await (await receiving()).post(DELIVER, Content_Encoding=encoding)).status == 200


LIMIT = 2000


@pytest.mark.parametrize("chunked", [False, True], ids=["declared", "chunked"])
@pytest.mark.parametrize(("size", "status"), [(LIMIT, 200), (LIMIT + 1, 413)])
async def test_a_body_is_read_up_to_the_limit_and_no_further(receiving, chunked, size, status) -> None:
    body = DELIVER + b" " * (size - len(DELIVER))

    async def chunks():
        for start in range(0, size, 300):
            yield body[start : start + 300]

    started = await receiving(max_body_bytes=LIMIT)
    answered = await started.post(chunks() if chunked else body)
    assert answered.status == status
    assert len(started.publisher.sent) == (status == 200)


def unavailable(answered) -> mm7.Message:
    assert answered.status == 503
    assert int(answered.headers["Retry-After"]) > 0
    message = read(answered)
    assert (message.operation, message.fault_code, message.status.code) == ("VASPErrorRsp", "Server", 4006)
    return message


async def test_what_cannot_be_published_is_left_with_the_provider(receiving) -> None:
    async def fail() -> None:
        raise PublishFailed("nack")

    started = await receiving()
    started.publisher.hold = fail
    for body in (DELIVER, b"garbage"):
        message = unavailable(await started.post(body))
        assert message.transaction_id == ("t-1" if body == DELIVER else None)
    assert started.publisher.sent == []


async def test_the_deadline_holds_while_the_broker_hangs(receiving) -> None:
    started = await receiving(answer_within=0.2)
    started.publisher.hold = asyncio.Event().wait
    clock = asyncio.get_running_loop().time
    began = clock()
    message = unavailable(await started.post(DELIVER))
    assert 0.2 <= clock() - began < 2
    assert (message.transaction_id, message.namespace) == ("t-1", NS)


@pytest.mark.parametrize(
    "error", [MediaUnavailable("disk full"), ValueError("a bug of ours"), OSError(28, "No space left")]
)
async def test_what_cannot_be_kept_is_left_with_the_provider(receiving, error, caplog) -> None:
    class Failing:
        url_of = staticmethod(lambda digest: f"memory:///{digest}")

        async def keep(self, blobs, *, within) -> None:
            raise error

    started = await receiving()
    started.intake._media = Failing()
    unavailable(await started.post(DELIVER))
    unavailable(await started.post(b"garbage"))
    assert started.publisher.sent == []


async def test_a_bug_in_the_decoder_costs_no_message(receiving) -> None:
    def explode(_digest: str) -> str:
        explode.calls += 1
        if explode.calls == 1:
            raise RuntimeError("a bug of ours")
        return "memory:///x"

    explode.calls = 0
    started = await receiving()
    started.media.url_of = explode
    started.intake._storage = Storage(explode)
    picture = mm7.Part(content_type="image/png", content_id="p", data=b"\x89PNG")
    encoded = mm7.encode(
        mm7.DeliverReq(mm7_version="6.8.0", sender=mm7.Address("1"), content=mm7.Content("cid:p")), [picture]
    )
    answered = await started.post(encoded.body, encoded.content_type)
    assert answered.status == 400
    assert read(answered).status.code == 3000
    assert started.publisher.events[0]["data"]["reason"] == "internal error: RuntimeError"


async def test_media_come_before_the_event_and_the_event_before_the_answer(receiving) -> None:
    order: list[str] = []

    class Noting:
        url_of = staticmethod(lambda digest: f"memory:///{digest}")

        async def keep(self, blobs, *, within) -> None:
            order.extend(f"media {blob.data!r}" for blob in blobs)

    async def note() -> None:
        order.append("event")

    started = await receiving()
    started.intake._media = Noting()
    started.publisher.hold = note
    picture = mm7.Part(content_type="image/png", content_id="p", data=b"\x89PNG")
    encoded = mm7.encode(
        mm7.DeliverReq(mm7_version="6.8.0", sender=mm7.Address("1"), content=mm7.Content("cid:p")), [picture]
    )
    assert (await started.post(encoded.body, encoded.content_type)).status == 200
    order.append("answer")
    assert order == [r"media b'\x89PNG'", "event", "answer"]
