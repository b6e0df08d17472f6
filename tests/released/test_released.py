"""A released schema changes by addition alone; and what the comparison takes for an addition."""

import copy
import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from gateway.contract import commands, outcomes, schema
from tests.released import files
from tests.released.comparison import breaking

TEXT, NUMBER, NULL = {"type": "string"}, {"type": "number"}, {"type": "null"}


def test_the_released_schemas_have_only_been_added_to() -> None:
    assert files.problems() == []


@pytest.mark.parametrize("path", files.CURRENT, ids=lambda path: path.name)
def test_a_released_file_has_the_name_of_its_schema(path) -> None:
    assert files.released(path)["$id"].rpartition("/")[2] == path.name


def test_subscribers_with_the_released_schema_take_the_events_of_today() -> None:
    validator = Draft202012Validator(files.released(files.EVENTS))
    for event in schema.events()["examples"]:
        validator.validate(event)


def test_commands_of_the_release_are_taken_today() -> None:
    for command in files.released(files.COMMAND)["examples"]:
        commands.parse(json.dumps(command).encode(), None, {}, None)


def test_outcomes_that_the_release_has_recorded_are_repeated_today() -> None:
    recorded = [each for each in files.released(files.EVENTS)["examples"] if each["type"].startswith("mt.")]
    assert len(recorded) == 3
    for event in recorded:
        assert outcomes.load(json.dumps(event).encode()).data.model_dump().items() >= event["data"].items()


def _object(properties: dict[str, Any], *required: str, **more: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": [*required], **more}


def _closed(properties: dict[str, Any], *required: str) -> dict[str, Any]:
    return _object(properties, *required, additionalProperties=False)


def _at(inner: dict[str, Any]) -> dict[str, Any]:
    """Somewhere inside, behind a reference."""
    return _object({"a": {"type": "array", "items": {"$ref": "#/$defs/A"}}}, "a", **{"$defs": {"A": inner}})


# old, new, whether it breaks those who read our events, whether it breaks those who write us commands
CHANGES = {
    "nothing": (_object({"a": TEXT}, "a"), _object({"a": TEXT}, "a"), False, False),
    "other words for it": (TEXT | {"description": "a", "title": "A"}, TEXT | {"description": "b"}, False, False),
    "another example": (TEXT | {"examples": ["a"]}, TEXT | {"examples": ["b"]}, False, False),
    "a field more": (_object({"a": TEXT}, "a"), _object({"a": TEXT, "b": TEXT}, "a"), False, False),
    "a field more that is always there": (
        _object({"a": TEXT}, "a"),
        _object({"a": TEXT, "b": TEXT}, "a", "b"),
        False,
        True,
    ),
    "a field more where there were no others": (_closed({"a": TEXT}), _closed({"a": TEXT, "b": TEXT}), True, False),
    "a field less where there are no others": (_closed({"a": TEXT, "b": TEXT}), _closed({"a": TEXT}), True, True),
    "a field less": (_object({"a": TEXT, "b": TEXT}, "a"), _object({"a": TEXT}, "a"), True, False),
    "another name": (_closed({"a": TEXT}), _closed({"b": TEXT}), True, True),
    "no longer always there": (_object({"a": TEXT}, "a"), _object({"a": TEXT}), True, False),
    "closed": (_object({"a": TEXT}), _closed({"a": TEXT}), False, True),
    "opened": (_closed({"a": TEXT}), _object({"a": TEXT}), True, False),
    "another type": (TEXT, NUMBER, True, True),
    "perhaps null": (TEXT, {"type": ["string", "null"]}, True, False),
    "perhaps null, the long way": (TEXT, {"anyOf": [TEXT, NULL]}, True, False),
    "never null": ({"anyOf": [TEXT, NULL]}, TEXT, False, True),
    "null, written otherwise": ({"anyOf": [TEXT, NULL]}, {"type": ["string", "null"]}, False, False),
    "whole numbers": (NUMBER, {"type": "integer"}, False, True),
    "all numbers": ({"type": "integer"}, NUMBER, True, False),
    "anything": (TEXT, {}, True, False),
    "no longer anything": ({}, TEXT, False, True),
    "a word more": ({"enum": ["a"]}, {"enum": ["a", "b"]}, True, False),
    "a word less": ({"enum": ["a", "b"]}, {"enum": ["a"]}, True, True),
    "any word": (TEXT | {"enum": ["a"]}, TEXT, True, False),
    "certain words": (TEXT, TEXT | {"enum": ["a"]}, False, True),
    "words in another order": ({"enum": ["a", "b"]}, {"enum": ["b", "a"]}, False, False),
    "another constant": ({"const": "a"}, {"const": "b"}, True, True),
    "longer": (TEXT | {"maxLength": 5}, TEXT | {"maxLength": 6}, True, False),
    "shorter": (TEXT | {"maxLength": 5}, TEXT | {"maxLength": 4}, False, True),
    "of any length": (TEXT | {"maxLength": 5}, TEXT, True, False),
    "perhaps empty": (TEXT | {"minLength": 1}, TEXT, True, False),
    "not empty": (TEXT, TEXT | {"minLength": 1}, False, True),
    "a pattern": (TEXT, TEXT | {"pattern": "a"}, False, True),
    "another pattern": (TEXT | {"pattern": "a"}, TEXT | {"pattern": "b"}, True, True),
    "deep inside, a field less": (_at(_object({"b": TEXT}, "b")), _at(_object({}, "b")), True, False),
    "deep inside, another type": (_at(TEXT), _at(NUMBER), True, True),
    "deep inside, no reference any more": (
        _at(TEXT),
        _object({"a": {"type": "array", "items": TEXT}}, "a"),
        False,
        False,
    ),
    "of other values": ({"additionalProperties": TEXT}, {"additionalProperties": NUMBER}, True, True),
    "of any values": (
        {"type": "object", "additionalProperties": TEXT},
        {"type": "object", "additionalProperties": True},
        True,
        False,
    ),
    "a rule more": (_object({}), _object({}, allOf=[{"required": ["a"]}]), False, True),
    "a rule less": (_object({}, allOf=[{"required": ["a"]}]), _object({}), True, False),
    "other ways": (_object({}, oneOf=[{"required": ["a"]}]), _object({}, oneOf=[{"required": ["b"]}]), True, True),
    "another condition": (_object({}, **{"if": {}, "then": {}}), _object({}, **{"if": {}, "then": TEXT}), True, True),
    "another name of its own": ({"$id": "a"}, {"$id": "b"}, True, True),
    "a schema less of those inside": ({"$defs": {"A": {"$id": "a"}}}, {"$defs": {}}, True, True),
    "a schema more of those inside": ({"$defs": {}}, {"$defs": {"A": {"$id": "a"}}}, False, False),
    "a schema inside that changes": (
        {"$defs": {"A": {"$id": "a", "type": "string"}}},
        {"$defs": {"A": {"$id": "a", "type": "number"}}},
        True,
        True,
    ),
}


@pytest.mark.parametrize(("old", "new", "readers", "writers"), CHANGES.values(), ids=CHANGES)
def test_whom_a_change_breaks(old, new, readers, writers) -> None:
    assert bool(breaking(old, new, written=True)) is readers
    assert bool(breaking(old, new, written=False)) is writers


def _event_without(*path: str) -> dict[str, Any]:
    changed = copy.deepcopy(schema.events())
    *way, last = path
    place = changed
    for step in way:
        place = place[step]
    del place[last]
    return changed


@pytest.mark.parametrize(
    ("new", "problem"),
    [
        (_event_without("$defs", "mt.unknown"), "mt.unknown: is gone"),
        (_event_without("$defs", "dr.received", "properties", "final"), "dr.received.final: is gone"),
        (
            _event_without("$defs", "mo.received", "$defs", "Part", "properties", "url"),
            "mo.received.parts[].url: is gone",
        ),
        (_event_without("$defs", "mo.received", "properties", "received_at", "pattern"), "mo.received.received_at"),
        (_event_without("properties", "subject"), ".subject: is gone"),
        (_event_without("allOf"), "no longer holds"),
    ],
)
def test_a_change_of_our_events_is_told_by_its_path(new, problem) -> None:
    found = breaking(schema.events(), new, written=True)
    assert any(problem in each for each in found), found
