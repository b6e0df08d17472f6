"""The messages that a worker writes about a command."""

import json
from dataclasses import asdict, replace
from datetime import UTC, datetime

import pytest
from jsonschema import Draft7Validator

from gateway.broker import Delay, Delivery, Outgoing
from gateway.broker.message import MAX_BODY_BYTES
from gateway.contract import commands, outcomes
from gateway.contract.headers import OF_DEATH
from gateway.contract.outcomes import Result
from gateway.contract.problems import Problem
from gateway.tools import asyncapi
from workers import letters
from workers.retry import Again, Attempt

ATTEMPT = Attempt("2026-01-01T00:00:00.000Z", "later", 3000, "3000 Server error")
AGAIN = Again(Delay.parse("10s"), 2, "3000 Server error")
BODY = b'{"id":"order-1","to":["15553199144"]}'

A, B = (f"00-0af7651916cd43dd8448eb211c8031{n}-b7ad6b7169203331-01" for n in ("9a", "9b"))


def delivery(**properties: object) -> Delivery:
    return Delivery(**({"body": BODY, "content_type": "application/json"} | properties))  # type: ignore[arg-type]


def result(**fields: object) -> Result:
    given = {"type": "mt.refused", "attempts": 3, "at": datetime(2026, 1, 1, tzinfo=UTC), "reason": "provider_refused"}
    return Result(**(given | fields))  # type: ignore[arg-type]


@pytest.fixture
def dead(make_account):
    def make(of: Delivery, **fields: object) -> Outgoing:
        account, ended = make_account(), result(**fields)
        command = commands.parse(of.body, of.content_type, of.headers, letters.command_id(of))
        event = outcomes.event(command, account, ended)
        letter = letters.dead(of, account.name, event)
        assert letters.dead(of, account.name, outcomes.load(event.model_dump_json().encode())) == letter
        return letter

    return make


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, 0),
        ({"mm7-attempts": 3}, 3),
        ({"mm7-attempts": "3"}, 0),
        ({"mm7-attempts": -1}, 0),
        ({"mm7-attempts": None}, 0),
    ],
)
def test_attempts_are_counted_in_a_header_of_ours(headers: dict, expected: int) -> None:
    assert letters.attempts(delivery(headers=headers)) == expected


def test_a_command_is_put_off_as_it_is_with_its_attempts_and_under_its_account() -> None:
    letter = letters.again(delivery(type="t", headers={"mm7-attempts": 1}), "sinch-us", "order-1", AGAIN)
    assert (letter.exchange, letter.routing_key) == ("mm7.wait.10s", "sinch-us")
    assert (letter.body, letter.content_type, letter.type) == (BODY, "application/json", "t")
    assert letter.headers == {"mm7-attempts": 2, "mm7-command-id": "order-1", "mm7-reason": "3000 Server error"}


def test_an_id_from_the_message_is_pinned_for_the_attempts_to_come() -> None:
    first = delivery(message_id="amqp-1")
    assert letters.command_id(first) == "amqp-1"
    letter = letters.again(first, "sinch-us", "amqp-1", AGAIN)
    back = delivery(message_id="another", headers=letter.headers)
    assert letters.command_id(back) == "amqp-1"
    assert letters.command_id(delivery()) is None


def test_reply_to_and_correlation_id_survive_the_wait() -> None:
    asked = delivery(reply_to="answers", correlation_id="c-1")
    letter = letters.again(asked, "sinch-us", "order-1", AGAIN)
    back = delivery(headers=letter.headers, correlation_id=letter.correlation_id)
    event = Outgoing(
        exchange="mm7.events",
        routing_key="mt.accepted.sinch-us.1",
        body=b"{}",
        content_type="x/y",
        type="mt.accepted",
        correlation_id="order-1",
        headers={"ce-id": "e"},
    )
    reply = letters.reply(back, event)
    assert reply is not None
    assert (reply.exchange, reply.routing_key, reply.correlation_id) == ("", "answers", "c-1")
    assert (reply.body, reply.content_type, reply.type, reply.headers) == (b"{}", "x/y", "mt.accepted", {"ce-id": "e"})


def test_a_reply_without_a_correlation_id_carries_the_commands_id() -> None:
    event = Outgoing(exchange="e", routing_key="k", body=b"{}", content_type="x/y", correlation_id="order-1")
    reply = letters.reply(delivery(reply_to="answers"), event)
    assert reply is not None
    assert reply.correlation_id == "order-1"


@pytest.mark.parametrize(
    "properties", [{}, {"reply_to": ""}, {"headers": {"mm7-reply-to": 5}}, {"headers": {"mm7-reply-to": "ä" * 128}}]
)
def test_there_is_no_reply_where_no_queue_can_be_meant(properties: dict) -> None:
    event = Outgoing(exchange="e", routing_key="k", body=b"{}", content_type="x/y")
    assert letters.reply(delivery(**properties), event) is None


def test_the_users_headers_are_carried_and_the_brokers_are_not() -> None:
    headers = {
        "ce-id": "e-1",
        "traceparent": "00-1-2-01",
        "n": 5,
        "x-death": [{"count": 3}],
        "x-first-death-queue": "q",
        "CC": ["other"],
        "raw": b"bytes",
        "when": datetime.now(UTC),
        "none": None,
    }
    letter = letters.again(delivery(headers=headers), "sinch-us", "order-1", AGAIN)
    carried = {name for name in letter.headers if not name.startswith("mm7-")}
    assert carried == {"ce-id", "traceparent", "n"}


def test_headers_stay_within_one_frame(dead) -> None:
    huge = {f"h{number}": "ä" * 1000 for number in range(100)}
    given = delivery(headers=huge)
    long = "ä" * 100_000
    for letter in (
        letters.again(given, "sinch-us", "order-1", Again(AGAIN.delay, 1, long)),
        dead(
            given,
            reason="attempts_exhausted",
            details=(Problem(path="p", problem=long),),
            status_code=3000,
            status_text=long,
        ),
    ):
        assert sum(len(name.encode()) + len(str(value).encode()) for name, value in letter.headers.items()) < 100_000
        assert all(len(value) <= 1000 for value in letter.headers.values() if isinstance(value, str))
        assert len(letter.headers) > 30


def test_a_dead_letter_says_what_became_of_the_command(dead) -> None:
    problems = (Problem(path="to[0]", problem="no number"), Problem(path="", problem="and more"))
    letter = dead(
        delivery(headers={"ce-id": "e"}, correlation_id="c", reply_to="answers"),
        details=problems,
        status_code=2001,
        status_text="no",
    )
    assert (letter.exchange, letter.routing_key, letter.body, letter.correlation_id) == (
        "mm7.dead",
        "sinch-us",
        BODY,
        "c",
    )
    event_id = letter.headers["mm7-event-id"]
    assert letter.headers == {
        "ce-id": "e",
        "mm7-attempts": 3,
        "mm7-at": "2026-01-01T00:00:00.000Z",
        "mm7-cause": "to[0]: no number; and more",
        "mm7-command-id": "order-1",
        "mm7-event-id": event_id,
        "mm7-history": letter.headers["mm7-history"],
        "mm7-outcome": "mt.refused",
        "mm7-reason": "provider_refused",
        "mm7-reply-to": "answers",
        "mm7-status-code": 2001,
        "mm7-status-text": "no",
    }


def test_a_dead_letter_without_details_gives_the_reason_as_its_cause(dead) -> None:
    letter = dead(delivery(content_type=None), type="mt.unknown", reason="no answer within 30 s")
    assert letter.headers["mm7-cause"] == letter.headers["mm7-reason"] == "no answer within 30 s"
    assert letter.content_type == "application/json"
    assert "mm7-status-code" not in letter.headers


def test_a_body_that_no_broker_would_take_back_is_cut() -> None:
    letter = letters.again(delivery(body=b"x" * (MAX_BODY_BYTES + 1)), "sinch-us", "order-1", AGAIN)
    assert len(letter.body) == MAX_BODY_BYTES


@pytest.mark.parametrize(
    ("given", "expected"), [(A, A), (5, None), ("00-1-2-01", None), (A.replace("0af", "A-f"), None)]
)
def test_a_trace_is_followed_where_it_is_one(given: object, expected: str | None) -> None:
    assert letters.trace(delivery(headers={"traceparent": given, "tracestate": 5})).get("traceparent") == expected


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        (
            {"headers": {"traceparent": A, "tracestate": "s", "ce-traceparent": B}},
            {"traceparent": A, "tracestate": "s"},
        ),
        ({"headers": {"ce-traceparent": B, "tracestate": "another's"}}, {"traceparent": B}),
        (
            {"headers": {"cloudEvents:traceparent": A, "cloudEvents:tracestate": "s"}},
            {"traceparent": A, "tracestate": "s"},
        ),
        ({"headers": {"tracestate": "s"}}, {}),
        (
            {"body": b'{"traceparent": "%s"}' % B.encode(), "content_type": "application/cloudevents+json"},
            {"traceparent": B},
        ),
        ({"body": b'{"traceparent": "d"}', "content_type": "application/json"}, {}),
        ({"body": b'["traceparent"]', "content_type": "application/cloudevents+json"}, {}),
        ({"body": b'{"traceparent', "content_type": "application/cloudevents+json"}, {}),
    ],
)
def test_a_trace_is_that_of_the_message_else_of_the_cloud_event_that_it_is(properties, expected) -> None:
    assert letters.trace(delivery(**properties)) == expected


def test_the_attempts_are_told_in_order_by_the_next_letter_and_by_the_last(dead) -> None:
    first = letters.again(delivery(), "sinch-us", "order-1", replace(AGAIN, attempt=ATTEMPT))
    assert json.loads(str(first.headers["mm7-history"])) == [asdict(ATTEMPT)]
    early = letters.again(delivery(headers=first.headers), "sinch-us", "order-1", AGAIN)
    assert early.headers["mm7-history"] == first.headers["mm7-history"], "it was no attempt"
    last = dead(
        delivery(headers=early.headers),
        reason="attempts_exhausted",
        details=(Problem(path="", problem="4006 carrier capacity"),),
        status_code=4006,
    )
    newest = {
        "at": "2026-01-01T00:00:00.000Z",
        "outcome": "later",
        "status_code": 4006,
        "reason": "4006 carrier capacity",
    }
    assert json.loads(str(last.headers["mm7-history"])) == [asdict(ATTEMPT), newest]


@pytest.mark.parametrize("reason", ["bad_command", "expired"])
def test_an_end_without_an_attempt_adds_none_to_the_history(dead, reason: str) -> None:
    assert "mm7-history" not in dead(delivery(), reason=reason).headers


def test_of_a_long_history_the_newest_is_kept_and_all_of_it_is_short() -> None:
    letter = letters.again(delivery(), "sinch-us", "order-1", AGAIN)
    for number in range(50):
        attempt = replace(ATTEMPT, status_code=number, reason="ä" * 100_000)
        letter = letters.again(delivery(headers=letter.headers), "sinch-us", "order-1", replace(AGAIN, attempt=attempt))
    history = json.loads(str(letter.headers["mm7-history"]))
    assert [entry["status_code"] for entry in history] == list(range(30, 50))
    assert len(str(letter.headers["mm7-history"]).encode()) < 8000


@pytest.mark.parametrize("given", ["no json", "{}", "[1, null]", 5, None, b"x", "[" * 5000])
def test_a_history_that_is_none_is_begun_anew(given: object) -> None:
    letter = letters.again(
        delivery(headers={"mm7-history": given}), "sinch-us", "order-1", replace(AGAIN, attempt=ATTEMPT)
    )
    assert json.loads(str(letter.headers["mm7-history"])) == [asdict(ATTEMPT)]


def test_headers_of_ours_are_kept_before_those_of_others_and_what_is_too_long_is_left_out() -> None:
    entry = json.dumps([{"reason": "x" * 70_000}])
    headers = {f"h{number}": "x" for number in range(20_000)}
    given = delivery(headers=headers | {"mm7-replay": "t", "mm7-replays": 2, "mm7-history": entry}, reply_to="answers")
    letter = letters.again(given, "sinch-us", "order-1", AGAIN)
    assert (letter.headers["mm7-replay"], letter.headers["mm7-replays"]) == ("t", 2)
    assert letter.headers["mm7-reply-to"] == "answers"
    assert "mm7-history" not in letter.headers
    assert sum(len(str(value)) for value in letter.headers.values()) < 70_000


def test_a_dead_letter_that_was_put_back_by_hand_says_nothing_of_its_former_death() -> None:
    former = {"mm7-outcome": "mt.unknown", "mm7-status-code": 4006, "mm7-event-id": "e", "mm7-at": "t"}
    letter = letters.again(delivery(headers=former), "sinch-us", "order-1", AGAIN)
    assert not former.keys() & letter.headers.keys()


@pytest.mark.parametrize(("share", "expected"), [(1.0, 10_000), (0.9, 9000), (0.95, 9500)])
def test_a_wait_may_be_a_little_shorter_than_its_queue(share: float, expected: int) -> None:
    letter = letters.again(delivery(), "sinch-us", "order-1", AGAIN, share=share)
    assert letter.expiration == expected


def test_the_providers_wish_is_never_shortened() -> None:
    time = datetime(2030, 1, 1, tzinfo=UTC)
    again = replace(AGAIN, exact=True, not_before=time)
    letter = letters.again(delivery(), "sinch-us", "order-1", again, share=0.9)
    assert letter.expiration is None
    assert letters.not_before(delivery(headers=letter.headers)) == time
    after = letters.again(delivery(headers=letter.headers), "sinch-us", "order-1", AGAIN)
    assert "mm7-not-before" not in after.headers


@pytest.mark.parametrize("given", ["soon", "", 5, None, b"2030", "x" * 10_000])
def test_a_time_that_is_none_holds_nothing_up(given: object) -> None:
    assert letters.not_before(delivery(headers={"mm7-not-before": given})) is None


@pytest.mark.parametrize(("given", "expected"), [("t", "t"), ("", None), (5, None), (None, None), ("ä" * 128, None)])
def test_a_replay_is_known_by_its_token(given: object, expected: str | None) -> None:
    assert letters.replay(delivery(headers={"mm7-replay": given})) == expected


def test_what_the_worker_writes_in_headers_is_what_the_published_document_says(dead) -> None:
    described = asyncapi.document()["components"]["messages"]
    put_off = letters.again(
        delivery(headers={"traceparent": "00-a-b-01"}, reply_to="q"),
        "sinch-us",
        "order-1",
        replace(AGAIN, attempt=ATTEMPT, not_before=datetime(2026, 1, 1, tzinfo=UTC)),
    )
    buried = dead(delivery(headers=put_off.headers), status_code=3000, status_text="Server error")
    for name, letter in (("command.waiting", put_off), ("command.dead", buried)):
        schema = described[name]["headers"]
        assert set(letter.headers) <= set(schema["properties"])
        Draft7Validator(schema).validate(dict(letter.headers))
    assert {*OF_DEATH} <= set(buried.headers)
