"""The messages that a worker writes about a command."""

from datetime import UTC, datetime

import pytest

from gateway.broker import Delay, Delivery, Outgoing
from gateway.broker.message import MAX_BODY_BYTES
from gateway.contract import commands, outcomes
from gateway.contract.events import Problem
from gateway.contract.outcomes import Result
from workers import letters
from workers.retry import Again

AGAIN = Again(Delay.parse("10s"), 2, "3000 Server error")
BODY = b'{"id":"order-1","to":["15553199144"]}'


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
        return letters.dead(of, account.name, outcomes.event(command, account, ended), ended)

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


@pytest.mark.parametrize(("given", "expected"), [("00-1-2-01", "00-1-2-01"), (5, None), ("x" * 256, None)])
def test_a_trace_is_followed_where_it_is_one(given: object, expected: str | None) -> None:
    assert letters.traceparent(delivery(headers={"traceparent": given})) == expected
