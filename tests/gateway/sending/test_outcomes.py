"""What became of a command, as events."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from gateway.contract import outcomes
from gateway.contract.commands import BadCommand, Command
from gateway.contract.events import TYPES
from gateway.contract.outcomes import Result
from gateway.contract.problems import Problem

RESULT = Result(
    type="mt.accepted", attempts=2, at=datetime(2026, 1, 1, 12, 30, 0, 5000, UTC), message_id="m-1", status_code=1000
)


def command(**fields: Any) -> Command:
    return Command.model_validate({"id": "order-1", "to": ["+15553199144"], **fields})


@pytest.mark.parametrize(
    ("result", "more"),
    [
        (RESULT, {}),
        (replace(RESULT, type="mt.unknown", reason="no answer"), {"reason": "no answer"}),
        (
            replace(
                RESULT, type="mt.refused", reason="expired", details=(Problem(path="not_after", problem="has passed"),)
            ),
            {"reason": "expired", "details": [{"path": "not_after", "problem": "has passed"}]},
        ),
    ],
)
def test_each_end_is_an_event_of_its_type(make_account, result: Result, more: dict) -> None:
    event = outcomes.event(command(reference="r", metadata={"a": [1]}), make_account(), result)
    TYPES[result.type].model_validate(event.data.model_dump())
    assert (event.type, event.subject, event.source, event.time) == (
        result.type,
        "111122",
        "/mm7/a",
        "2026-01-01T12:30:00.005Z",
    )
    data = event.model_dump(mode="json")["data"]
    assert {name: data[name] for name in more} == more
    assert data["recipients"] == [
        {"address": "15553199144", "kind": "number", "raw": "15553199144", "display_only": False, "role": "to"}
    ]
    told = [
        data[name]
        for name in (
            "command_id",
            "reference",
            "metadata",
            "message_id",
            "status_code",
            "attempts",
            "account",
            "profile",
        )
    ]
    assert told == ["order-1", "r", {"a": [1]}, "m-1", 1000, 2, "a", "generic"]


def test_the_id_is_the_same_for_a_repetition_and_another_for_anything_else(make_account) -> None:
    one = outcomes.event(command(), make_account(), RESULT).id
    assert outcomes.event(command(subject="x"), make_account(), replace(RESULT, attempts=9)).id == one
    assert outcomes.event(command(id="order-2"), make_account(), RESULT).id != one
    assert outcomes.event(command(), make_account(), replace(RESULT, type="mt.unknown")).id != one
    assert outcomes.event(command(), make_account().model_copy(update={"name": "b"}), RESULT).id != one


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ({}, {"command_id": None, "operation": "submit", "reference": None, "metadata": None}),
        (
            {"id": "x", "operation": "cancel", "reference": "r", "metadata": {}},
            {"command_id": "x", "operation": "cancel", "reference": "r", "metadata": {}},
        ),
        (
            {"id": 5, "operation": 5, "reference": 5, "metadata": 5},
            {"command_id": None, "operation": None, "reference": None, "metadata": None},
        ),
        ({"id": "x" * 256, "reference": "r" * 1001}, {"command_id": None, "reference": None}),
        ({"id": "", "operation": None}, {"command_id": None, "operation": None}),
        ({"metadata": {"x": "y" * 70_000}}, {"metadata": None}),
    ],
    ids=lambda value: str(value)[:30],
)
def test_of_a_command_that_cannot_be_read_what_is_known_is_given_back(
    make_account, found: dict, expected: dict
) -> None:
    refused = replace(RESULT, type="mt.refused", reason="bad_command")
    event = outcomes.bad_command(BadCommand([Problem(path="", problem="no")], found), make_account(), refused, b"body")
    assert {name: getattr(event.data, name) for name in expected} == expected
    assert (event.subject, event.data.recipients) == ("111122", [])


@pytest.mark.parametrize(
    ("sender", "subject"),
    [("+1 555 000 1111", "15550001111"), ("shop", "111122"), (5, "111122"), ("1" * 300, "111122"), ("", "111122")],
)
def test_the_subject_of_a_bad_command_is_its_sender_or_the_accounts(
    make_account, sender: object, subject: str | None
) -> None:
    refused = replace(RESULT, type="mt.refused", reason="bad_command")
    assert outcomes.bad_command(BadCommand([], {"from": sender}), make_account(), refused, b"").subject == subject


def test_bad_commands_without_an_id_are_told_apart_by_their_bytes(make_account) -> None:
    refused = replace(RESULT, type="mt.refused", reason="bad_command")
    one, two, again = (
        outcomes.bad_command(BadCommand([]), make_account(), refused, body).id for body in (b"a", b"b", b"a")
    )
    assert one == again != two


def test_another_refusal_of_the_same_id_is_another_event_and_the_same_one_is_not(make_account) -> None:
    account = make_account()

    def refusal(problem: str) -> str:
        result = replace(
            RESULT, type="mt.refused", reason="bad_command", details=(Problem(path="to", problem=problem),)
        )
        return outcomes.bad_command(BadCommand([], {"id": "order-1"}), account, result, b"").id

    assert refusal("one") == refusal("one") != refusal("another")
