"""The worker's walk: every branch, and that its order is always outcome, dead letter, acknowledgement."""

import asyncio
import base64
import json
from datetime import UTC, datetime, timedelta

import pytest

from gateway.broker import Unroutable
from gateway.broker.message import MAX_BODY_BYTES
from gateway.stores.media import MediaNotFound, MediaUnavailable

LINES = {"parts": [{"content_type": "text/plain", "text": "hello"}]}
PHOTO = {"parts": [{"content_type": "image/jpeg", "url": "s3://bucket/photo.jpg"}]}

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


async def test_an_accepted_command_is_published_then_acknowledged(desk) -> None:
    delivery = await desk.handle({"reference": "r", "metadata": {"a": 1}, "cc": ["4711"]}, correlation_id="c-1")
    assert desk.steps == ["POST", "mm7.events", "ack"]
    assert delivery.acked
    (event,) = desk.broker.events
    assert (event.type, event.subject, event.source) == ("mt.accepted", "111122", "/mm7/sinch-us")
    data = event.data
    assert (data["command_id"], data["reference"], data["metadata"]) == ("order-1", "r", {"a": 1})
    assert (data["message_id"], data["status_code"], data["attempts"], data["partial"]) == ("m-1", 1000, 1, False)
    assert [(r["address"], r["role"]) for r in data["recipients"]] == [("15553199144", "to"), ("4711", "cc")]
    (message,) = desk.broker.sent
    assert (message.routing_key, message.correlation_id) == ("mt.accepted.sinch-us.111122", "order-1")
    assert desk.counted("mm7_submits_total", operation="submit", outcome="mt.accepted") == 1
    assert desk.counted("mm7_submit_seconds_count") == 1


async def test_a_refused_command_is_published_kept_and_acknowledged(desk, outcome_of) -> None:
    desk.provider.outcomes = [outcome_of("refused", status_code=2001, status_text="no")]
    delivery = await desk.handle()
    assert desk.steps == ["POST", "mm7.events", "mm7.dead", "ack"]
    (event,) = desk.broker.events
    assert (event.type, event.data["reason"], event.data["status_code"]) == ("mt.refused", "provider_refused", 2001)
    assert event.data["details"] == [{"path": "", "problem": "it is refused"}]
    (letter,) = desk.broker.to("mm7.dead")
    assert (letter.body, letter.headers["mm7-event-id"]) == (delivery.body, event.id)
    assert desk.counted("mm7_dead_total") == 1


async def test_an_unknown_outcome_is_parked(desk, outcome_of) -> None:
    desk.provider.outcomes = [outcome_of("unknown", reason="no answer within 30 s")]
    await desk.handle()
    assert desk.steps == ["POST", "mm7.events", "mm7.dead", "ack"]
    assert (desk.broker.events[0].type, desk.broker.events[0].data["reason"]) == ("mt.unknown", "no answer within 30 s")


async def test_an_unknown_outcome_is_tried_again_where_the_account_says_so(make_desk, outcome_of) -> None:
    desk = make_desk(on_unknown="resend")
    desk.provider.outcomes = [outcome_of("unknown")]
    await desk.handle()
    assert desk.steps == ["POST", "mm7.wait.10s", "ack"]


async def test_what_may_pass_later_goes_to_the_wait_queues_until_the_attempts_are_exhausted(desk, outcome_of) -> None:
    desk.provider.outcomes = [outcome_of("later", status_code=4006)]
    headers: dict = {"mine": "1"}
    for queue in ("mm7.wait.10s", "mm7.wait.60s"):
        await desk.handle(headers=headers, message_id="random")
        assert desk.steps == ["POST", queue, "ack"]
        headers = dict(desk.broker.sent[-1].headers)
        desk.steps.clear()
    assert (headers["mm7-attempts"], headers["mine"]) == (2, "1")
    await desk.handle(headers=headers)
    assert desk.steps == ["POST", "mm7.events", "mm7.dead", "ack"]
    (event,) = desk.broker.events
    assert (event.data["reason"], event.data["attempts"]) == ("attempts_exhausted", 3)
    assert desk.counted("mm7_retries_total") == 2


async def test_a_command_whose_time_has_passed_is_not_sent(desk) -> None:
    await desk.handle({"not_after": "2020-01-01T00:00:00Z"}, headers={"mm7-attempts": 2})
    assert desk.steps == ["mm7.events", "mm7.dead", "ack"]
    data = desk.broker.events[0].data
    assert (data["reason"], data["details"][0]["path"], data["attempts"]) == ("expired", "not_after", 2)


@pytest.mark.parametrize("time", ["9999-12-31T23:59:59Z", "9999-12-31T23:59:59-14:00"])
async def test_a_command_in_time_is_sent(desk, time: str) -> None:
    await desk.handle({"not_after": time})
    assert desk.broker.events[0].type == "mt.accepted"


async def test_a_turn_that_comes_too_late_does_not_send(make_desk) -> None:
    desk = make_desk(rate=5)
    await desk.handle({"id": "first"})
    soon = asyncio.get_running_loop().time()
    late = (datetime.now(UTC) + timedelta(seconds=0.1)).isoformat().replace("+00:00", "Z")
    await desk.handle({"id": "second", "not_after": late})
    assert asyncio.get_running_loop().time() - soon > 0.1
    assert len(desk.provider.posts) == 1
    assert desk.broker.events[1].data["reason"] == "expired"


@pytest.mark.parametrize("body", [b"", b"no json", b"[]", b"null", b"\xff", b"[" * 5000, b'{"id": "\\ud800"}'])
async def test_what_is_no_command_is_refused_and_kept(desk, body: bytes) -> None:
    await desk.handle(body, message_id="amqp-1", correlation_id="c-1")
    assert desk.steps == ["mm7.events", "mm7.dead", "ack"]
    (event,) = desk.broker.events
    assert (event.data["reason"], event.data["command_id"], event.data["operation"]) == (
        "bad_command",
        "amqp-1",
        "submit",
    )
    assert desk.broker.to("mm7.dead")[0].body == body


async def test_a_bad_command_is_refused_with_every_problem_by_its_path(desk) -> None:
    bad = {
        "to": ["nobody", "15553199144"],
        "priority": "urgent",
        "colour": 1,
        "parts": [{"content_type": "image"}],
        "metadata": {"m": 1},
        "reference": "r",
        "from": "4711",
    }
    await desk.handle(bad)
    assert desk.steps == ["mm7.events", "mm7.dead", "ack"]
    (event,) = desk.broker.events
    paths = {problem["path"] for problem in event.data["details"]}
    assert paths == {"to[0]", "priority", "colour", "parts[0].content_type", "parts[0]"}
    assert (event.data["command_id"], event.data["reference"], event.data["metadata"]) == ("order-1", "r", {"m": 1})
    assert (event.subject, event.data["attempts"]) == ("4711", 0)
    assert "to[0]:" in str(desk.broker.to("mm7.dead")[0].headers["mm7-cause"])


HOSTILE = [
    {"id": "ä" * 200},
    {"id": "x" * 300_000},
    {"id": 5},
    {"operation": "x" * 100_000},
    {"operation": ["submit"]},
    {"operation": "drop tables"},
    {"from": "1" * 300},
    {"from": "1" * 240},
    {"reference": "r" * 500_000},
    {"metadata": {"m": "x" * 200_000}},
    {"to": ["15553199144"] * 5000},
    {"to": ["x"] * 5000},
    {f"k{number}": 1 for number in range(20_000)},
    {"k" * 1_000_000: 1},
    {"to": [f"a@{'b' * 300}"]},
]


def nested(depth: int) -> dict:
    found: dict = {}
    for _ in range(depth):
        found = {"a": found}
    return found


@pytest.mark.parametrize(
    "bad",
    [*HOSTILE, {"metadata": nested(40)}, {"metadata": nested(300)}, {"parts": nested(300)}],
    ids=lambda bad: str(bad)[:20],
)
async def test_no_command_is_too_strange_to_be_refused(desk, bad: dict) -> None:
    await desk.handle(bad, reply_to="answers")
    assert desk.steps == ["mm7.events", "reply answers", "mm7.dead", "ack"]
    (message,) = desk.broker.to("mm7.events")
    assert len(message.body) < 100_000
    assert desk.provider.posts == []


async def test_a_stranges_operation_is_no_label(desk) -> None:
    await desk.handle({"operation": "15553199144"})
    assert desk.counted("mm7_submits_total", operation="unknown", outcome="mt.refused") == 1


async def test_nothing_in_a_command_or_an_answer_makes_a_series_of_its_own(desk, outcome_of) -> None:
    def series() -> set[str]:
        return {line.rpartition(" ")[0] for line in desk.metrics.text().decode().splitlines() if line[0] != "#"}

    desk.provider.outcomes = [outcome_of("refused", status_code=99999999, status_text="15550001111", reason="1555…")]
    before = series()
    for n, odd in enumerate(("15553199144", "x" * 5000, ["submit"], {"a": 1}, None, 7, True, "submit\n", "\ud800")):
        for name in ("operation", "id", "from", "subject", "message_class", "reference", "metadata", "service_code"):
            await desk.handle({"id": f"c-{n}-{name}", name: odd})
    assert desk.counted("mm7_submits_total", operation="unknown", outcome="mt.refused") > 5
    assert series() == before


async def test_a_command_larger_than_any_broker_takes_back_is_refused(desk) -> None:
    await desk.handle(b" " * (MAX_BODY_BYTES + 1))
    assert desk.steps == ["mm7.events", "mm7.dead", "ack"]
    assert "at most" in desk.broker.events[0].data["details"][0]["problem"]


@pytest.mark.parametrize("operation", ["cancel", "replace", "extended_cancel", "extended_replace"])
async def test_every_operation_has_its_outcome(desk, operation: str) -> None:
    await desk.handle({"operation": operation, "message_id": "m-1"})
    data = desk.broker.events[0].data
    assert (data["operation"], data["message_id"] is not None) == (operation, True)


@pytest.mark.parametrize("operation", ["cancel", "replace", "extended_cancel", "extended_replace"])
async def test_an_operation_on_a_message_needs_its_message_id(desk, operation: str) -> None:
    await desk.handle({"operation": operation})
    assert desk.broker.events[0].data["details"][0]["path"] == "message_id"


async def test_what_the_profile_does_not_allow_is_refused_with_its_path(make_desk) -> None:
    desk = make_desk("sinch")
    await desk.handle({"to": ["15553199144", "15553199145"]})
    assert desk.steps == ["mm7.events", "mm7.dead", "ack"]
    data = desk.broker.events[0].data
    assert (data["reason"], {p["path"] for p in data["details"]}) == ("bad_command", {"to", "parts"})


async def test_a_part_that_must_not_be_fetched_refuses_the_command_by_its_path(desk) -> None:
    parts = [{"content_type": "image/png", "url": url} for url in ("https://127.0.0.1/a?token=secret", "s3://bucket/b")]
    desk.media.blobs = {"s3://bucket/b": b"PNG"}
    async with desk.fetcher:
        await desk.handle({"parts": parts})
    assert desk.steps == ["mm7.events", "mm7.dead", "ack"]
    (problem,) = desk.broker.events[0].data["details"]
    assert problem["path"] == "parts[0].url"
    assert "127.0.0.1 is at 127.0.0.1, which is no public address" in problem["problem"]


async def test_parts_are_taken_from_the_command_and_from_the_media_store(desk) -> None:
    desk.media.blobs = {"s3://bucket/photo.jpg": b"JPEG"}
    png = {"content_type": "image/png", "data": base64.b64encode(b"PNG").decode()}
    await desk.handle({"parts": [*LINES["parts"], *PHOTO["parts"], png]})
    (post,) = desk.provider.posts
    assert all(content in post.body for content in (b"hello", b"JPEG", b"PNG"))


async def test_missing_media_are_named_and_nothing_is_sent(desk) -> None:
    desk.media.blobs = {"s3://bucket/photo.jpg": MediaNotFound("nothing is stored there")}
    await desk.handle({"parts": [*LINES["parts"], *PHOTO["parts"], *PHOTO["parts"]]})
    assert desk.steps == ["mm7.events", "mm7.dead", "ack"]
    details = desk.broker.events[0].data["details"]
    assert [d["path"] for d in details] == ["parts[1].url", "parts[2].url"]


async def test_while_the_media_store_is_down_a_command_is_put_off(desk) -> None:
    desk.media.blobs = {"s3://bucket/photo.jpg": MediaUnavailable("down")}
    await desk.handle(PHOTO)
    assert desk.steps == ["mm7.wait.10s", "ack"]


async def test_the_outcome_goes_to_reply_to_as_well(desk) -> None:
    await desk.handle(reply_to="answers", correlation_id="c-1", headers={"traceparent": TRACE})
    assert desk.steps == ["POST", "mm7.events", "reply answers", "ack"]
    event, reply = desk.broker.sent
    assert (reply.routing_key, reply.correlation_id, reply.body) == ("answers", "c-1", event.body)
    assert event.headers["traceparent"] == reply.headers["traceparent"] == TRACE


async def test_a_reply_to_a_queue_that_is_gone_is_no_trouble(desk) -> None:
    desk.broker.refuse[""] = Unroutable("no queue")
    await desk.handle(reply_to="gone")
    assert desk.steps == ["POST", "mm7.events", "ack"]


async def test_a_provider_that_finds_us_too_fast_slows_the_account_down_and_burns_no_attempts(
    desk, outcome_of, make_desk
) -> None:
    desk.provider.outcomes = [
        outcome_of("later", status_code=3510, too_fast=True, retry_after=0.3),
        outcome_of("accepted"),
    ]
    clock = asyncio.get_running_loop().time
    began = clock()
    await desk.handle()
    assert desk.steps == ["POST", "mm7.wait.10s", "ack"]
    (letter,) = desk.broker.sent
    assert letter.headers["mm7-attempts"] == 0
    await make_desk(beside=desk).handle({"id": "order-2"})
    assert clock() - began >= 0.29, "another worker's commands wait as well"
    await desk.handle(headers=letter.headers)
    assert desk.broker.events[1].data["attempts"] == 1


async def test_a_command_that_comes_back_before_the_provider_wants_it_waits_again(desk, outcome_of) -> None:
    desk.provider.outcomes = [outcome_of("later", retry_after=3600.0)]
    await desk.handle()
    (letter,) = desk.broker.to("mm7.wait.60s")
    await desk.handle(headers=letter.headers)
    first, second = desk.broker.to("mm7.wait.60s")
    assert desk.steps == ["POST", "mm7.wait.60s", "ack", "mm7.wait.60s", "ack"]
    for name in ("mm7-not-before", "mm7-attempts", "mm7-history"):
        assert first.headers[name] == second.headers[name]
    await desk.handle(headers=second.headers | {"mm7-not-before": "2020-01-01T00:00:00Z"})
    assert len(desk.provider.posts) == 2


async def test_a_command_that_may_wait_no_longer_expires_although_the_provider_wants_it_later(desk) -> None:
    await desk.handle({"not_after": "2020-01-01T00:00:00Z"}, headers={"mm7-not-before": "2090-01-01T00:00:00Z"})
    assert desk.broker.events[0].data["reason"] == "expired"


async def test_the_dead_letter_of_exhausted_attempts_tells_them_all(desk, outcome_of) -> None:
    desk.provider.outcomes = [outcome_of("later", status_code=code, reason=f"no {code}") for code in (3000, 4006, 3500)]
    headers: dict = {}
    for _ in range(3):
        await desk.handle(headers=headers)
        headers = dict(desk.broker.sent[-1].headers)
    (letter,) = desk.broker.to("mm7.dead")
    history = json.loads(letter.headers["mm7-history"])
    assert [(entry["status_code"], entry["reason"]) for entry in history] == [
        (3000, "no 3000"),
        (4006, "no 4006"),
        (3500, "no 3500"),
    ]
    assert history[-1]["at"] == desk.broker.events[0].data["received_at"]


@pytest.mark.parametrize("code", [1100])
async def test_a_partial_success_is_never_sent_again(desk, outcome_of, code: int) -> None:
    desk.provider.outcomes = [outcome_of("accepted", status_code=code, partial=True)]
    await desk.handle()
    await desk.handle()
    assert len(desk.provider.posts) == 1
    assert all(event.data["partial"] for event in desk.broker.events)


async def test_reports_are_expected_while_messages_are_submitted(desk) -> None:
    async def submit(request):
        expecting.append(await desk.state.get("expecting:sinch-us"))
        return await desk.provider(request)

    expecting: list = []
    desk.submitter._submit = submit
    for number in range(3):
        await desk.handle({"id": f"order-{number}"})
    assert None not in expecting
    assert desk.state.calls.count("put expecting") == 1


async def test_what_is_put_off_waits_between_nine_tenths_and_all_of_the_delay(desk, outcome_of) -> None:
    desk.provider.outcomes = [outcome_of("later")]
    for number in range(30):
        await desk.handle({"id": f"order-{number}"})
    waits = {letter.expiration for letter in desk.broker.sent}
    assert min(waits) >= 9000
    assert max(waits) <= 10_000
    assert len(waits) > 5
