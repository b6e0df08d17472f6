"""The check that stands behind every test finds what is wrong with an event, and passes by what is none of ours."""

import json
from dataclasses import replace

import pytest

from gateway.broker.events import outgoing
from gateway.contract import examples
from tests import published


@pytest.fixture
def event():
    return outgoing(examples.events()["mo.received"])


@pytest.fixture
def told():
    """What the check says of messages."""

    def look(*messages) -> list[str]:
        for message in messages:
            published.look(message)
        return published.told()

    return look


def test_an_event_as_we_publish_it_is_right(event, told) -> None:
    assert told(event, replace(event, exchange="", routing_key="reply-queue")) == []


@pytest.mark.parametrize(
    ("spoil", "word"),
    [
        (lambda event: event | {"type": "mo.seen"}, "no type of ours"),
        (lambda event: event | {"time": "2026-01-15"}, "$.time"),
        (lambda event: event | {"dataschema": "v2"}, "dataschema is v2"),
        (lambda event: event | {"data": event["data"] | {"text": 1}}, "$.text"),
        (lambda event: event | {"data": event["data"] | {"colour": "red"}}, "colour is in no schema"),
    ],
)
def test_what_is_wrong_with_an_event_is_told(event, told, spoil, word) -> None:
    [first, *_] = told(replace(event, body=json.dumps(spoil(json.loads(event.body))).encode()))
    assert word in first


def test_headers_that_do_not_say_the_same_are_told(event, told) -> None:
    assert told(replace(event, headers={**event.headers, "ce-id": "another"}))
    assert told(replace(event, headers={name: each for name, each in event.headers.items() if name != "ce-time"}))
    assert told(replace(event, type="dr.received"))


def test_what_was_told_is_not_told_again(event, told) -> None:
    assert told(replace(event, type="dr.received"))
    assert told() == []


def test_what_is_no_event_of_ours_is_passed_by(event, told) -> None:
    command = json.dumps({"specversion": "1.0", "data": {}}).encode()
    assert told(replace(event, exchange="mm7.commands", type=None, body=command)) == []
    assert told(replace(event, content_type="application/json", body=b"{}")) == []


def test_of_a_load_test_a_tenth_is_looked_at_whatever_its_type(event, told) -> None:
    bad, many = replace(event, type="dr.received"), published.ALL_OF_A_TYPE + 10 * published.THEN_EVERY
    assert len(told(*[event] * many, bad)) == 1
    assert len(told(*[bad] * many)) == published.ALL_OF_A_TYPE + 10
