"""The published JSON Schemas: valid, described, with examples, and refusing what the code refuses."""

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator, Draft202012Validator

from gateway import mm7, outbound
from gateway.accounts import Account
from gateway.contract import commands, examples, outcomes, schema
from gateway.contract.commands import BadCommand
from gateway.contract.events import TYPES
from tests import published

SAMPLES = Path(__file__).parents[2] / "samples"
ACCOUNT = Account.model_validate(
    {
        "name": "acc",
        "profile": "generic",
        "inbound": {"open": True},
        "outbound": {"url": "http://127.0.0.1/", "sender": "111122"},
    }
)
DOCUMENTS = {"events": schema.events, "commands": schema.commands} | {
    kind: lambda kind=kind: schema.data(kind) for kind in TYPES
}
COMMAND = {"id": "a", "to": ["15553199144"]}
REPORT = {"id": "a", "operation": "cancel", "message_id": "m"}
# Draft 07 has them all, with the same meaning: AsyncAPI's tools read it.
KEYWORDS = {
    *("$ref", "type", "enum", "const", "anyOf", "oneOf", "allOf", "if", "then", "else"),
    *("properties", "required", "additionalProperties", "items", "minItems", "maxItems"),
    *("minLength", "maxLength", "pattern", "format", "contentEncoding"),
    *("title", "description", "default", "examples"),
}


@pytest.fixture(params=DOCUMENTS)
def document(request) -> dict[str, Any]:
    return DOCUMENTS[request.param]()


def _schemas(node: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every schema in a schema, with where it stands."""
    yield path, node
    for name in ("properties", "$defs"):
        for key, each in node.get(name, {}).items():
            yield from _schemas(each, f"{path}/{name}/{key}")
    for name in ("anyOf", "oneOf", "allOf"):
        for number, each in enumerate(node.get(name, ())):
            yield from _schemas(each, f"{path}/{name}/{number}")
    for name in ("items", "additionalProperties", "if", "then", "else"):
        if isinstance(node.get(name), dict):
            yield from _schemas(node[name], f"{path}/{name}")


def test_it_is_a_schema_of_2020_12_and_its_examples_are_valid(document) -> None:
    assert document["$schema"] == Draft202012Validator.META_SCHEMA["$id"]
    Draft202012Validator.check_schema(document)
    assert document["examples"]
    for example in document["examples"]:
        Draft202012Validator(document).validate(example)


def test_every_property_is_described_and_named_once(document) -> None:
    described = [
        (f"{path}/{name}", each)
        for path, found in _schemas(document)
        if "/oneOf/" not in path and "/allOf/" not in path  # rules over properties that are described
        for name, each in found.get("properties", {}).items()
    ]
    assert described
    assert [path for path, each in described if not each.get("description", "").endswith((".", ">"))] == []
    assert [path for path, each in described if "title" in each] == []


def test_sizes_and_times_name_their_units(document) -> None:
    for path, found in _schemas(document):
        for name, each in found.get("properties", {}).items():
            text = each.get("description", "")
            if name in ("bytes", "reply_charging_size"):
                assert "in bytes" in text, path
            if name == "seconds":
                assert "in seconds" in text, path
            if each.get("format") == "date-time":
                assert "RFC 3339" in text, path


def test_only_what_draft_07_has_too_is_used(document) -> None:
    root = {"$schema", "$id", "$defs"}
    for path, found in _schemas(document):
        embedded = root if path.rpartition("/")[0] in ("", "/$defs") else set()
        assert set(found) - KEYWORDS - embedded == set(), path
    if "allOf" not in document or "command" in document["$id"]:  # what is embedded by its $id draft 07 does not find
        local = {name: each for name, each in document.items() if name != "$schema"}
        for example in document["examples"]:
            Draft7Validator(json.loads(json.dumps(local))).validate(example)


@pytest.mark.parametrize("kind", TYPES)
def test_an_event_names_the_schema_of_its_data_and_that_schema_has_this_name(kind) -> None:
    event = examples.events()[kind]
    [whole] = [each for each in schema.events()["examples"] if each["type"] == kind]
    assert whole["dataschema"] == event.dataschema == schema.data(kind)["$id"]
    assert schema.events()["$defs"][kind] == schema.data(kind)


@pytest.mark.parametrize("kind", TYPES)
def test_all_fields_of_an_event_are_always_there(kind) -> None:
    found = schema.data(kind)
    assert found["required"] == list(found["properties"]) == list(TYPES[kind].model_fields)
    assert all(each["required"] == list(each["properties"]) for each in found.get("$defs", {}).values())
    assert set(schema.events()["required"]) == {*schema.events()["properties"]} - {"subject"}


def test_the_words_that_the_code_can_write_are_those_of_the_schema() -> None:
    of_dr, of_rr = schema.data("dr.received")["properties"], schema.data("rr.received")["properties"]
    assert {mm7.delivery_status(word)[0] for word in (*mm7.MM_STATUS, "NotSupported", "Unreachable", "?")} == {
        *of_dr["status"]["enum"]
    }
    assert {mm7.read_status(word)[0] for word in (*mm7.READ_MM_STATUS, "?")} == {*of_rr["status"]["enum"]}


SAMPLED = sorted(path.parent.name for path in SAMPLES.glob("*/event.json"))


@pytest.mark.parametrize("case", SAMPLED)
def test_the_event_of_every_sample_is_valid(case) -> None:
    event = json.loads((SAMPLES / case / "event.json").read_text("utf-8"))
    volatile = {"id": "0", "time": "2026-01-15T09:30:00.414Z"} | event
    volatile["data"] = {"received_at": "2026-01-15T09:30:00.414Z"} | event["data"]
    assert published.problems(volatile) == []
    Draft202012Validator(schema.events()).validate(volatile)


def _changed(kind: str, path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    """An example with another value somewhere; `...` takes it out."""
    event = copy.deepcopy(next(each for each in schema.events()["examples"] if each["type"] == kind))
    *way, last = path
    place = event
    for step in way:
        place = place[step]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return event


@pytest.mark.parametrize(
    ("kind", "path", "value"),
    [
        ("mo.received", ("data", "text"), ...),
        ("mo.received", ("data", "text"), 1),
        ("mo.received", ("data", "received_at"), "2026-01-15T09:30:01+01:00"),
        ("mo.received", ("data", "sent_at"), "yesterday"),
        ("mo.received", ("data", "parts", 0, "bytes"), "8"),
        ("mo.received", ("data", "parts", 0, "sha256"), "ABC"),
        ("mo.received", ("data", "recipients", 0, "role"), "from"),
        ("mo.received", ("data", "sender", "kind"), ...),
        ("mo.received", ("data", "operation"), "SubmitRsp"),
        ("dr.received", ("data", "status"), "lost"),
        ("dr.received", ("data", "final"), None),
        ("rr.received", ("data", "status"), "retrieved"),
        ("mt.accepted", ("data", "operation"), "send"),
        ("mt.refused", ("data", "reason"), "because"),
        ("mt.refused", ("data", "details", 0, "path"), ...),
        ("mt.unknown", ("data", "attempts"), "1"),
        ("callback.refused", ("data", "raw"), None),
        ("callback.refused", ("id",), ...),
        ("callback.refused", ("specversion",), "0.3"),
        ("callback.refused", ("subject",), None),
        ("callback.refused", ("time",), "2026-01-15T09:30:01Z"),
        ("callback.refused", ("dataschema",), "https://mm7-gateway.example/schema/mo.received.v1.json"),
        ("callback.refused", ("type",), "mo.received"),
    ],
)
def test_what_is_no_event_of_ours_is_refused(kind, path, value) -> None:
    event = _changed(kind, path, value)
    assert not Draft202012Validator(schema.events()).is_valid(event)
    assert published.problems(event)


def test_what_a_later_version_may_add_passes() -> None:
    validator = Draft202012Validator(schema.events())
    for path in [("added",), ("data", "added"), ("data", "parts", 0, "added"), ("data", "sender", "added")]:
        validator.validate(_changed("mo.received", path, {"anything": 1}))
    validator.validate(_changed("mo.received", ("type",), "mo.seen") | {"dataschema": "x", "data": {}})


@pytest.mark.parametrize("command", examples.COMMANDS, ids=lambda each: each["id"])
def test_the_example_commands_can_be_sent(command) -> None:
    parsed = commands.parse(json.dumps(command).encode(), "application/json", {}, None)
    request = outbound.build(parsed, ACCOUNT, [b"content"] * len(parsed.parts))
    assert command.get("message_id", command["id"]).encode() in request.body


def test_there_is_an_example_of_every_operation_and_every_way_to_give_content() -> None:
    assert {each.get("operation") for each in examples.COMMANDS} - {None} == {*commands.OPERATIONS}
    parts = [part for each in examples.COMMANDS for part in each.get("parts", ())]
    assert {name for part in parts for name in ("text", "data", "url") if name in part} == {"text", "data", "url"}


def _part(**given: Any) -> dict[str, Any]:
    return COMMAND | {"parts": [{"content_type": "text/plain"} | given]}


@pytest.mark.parametrize(
    ("command", "good"),
    [
        (COMMAND, True),
        (COMMAND | {"to": [], "bcc": ["1555@example.net"]}, True),
        (COMMAND | {"to": []}, False),
        ({"id": "a"}, False),
        (COMMAND | {"operation": "submit"}, True),
        (COMMAND | {"operation": "send"}, False),
        (COMMAND | {"operation": None}, False),
        (COMMAND | {"colour": "red"}, False),
        (COMMAND | {"id": ""}, False),
        (COMMAND | {"id": "x" * 256}, False),
        (COMMAND | {"from": None, "subject": None, "metadata": None, "expires": None, "smil": None}, True),
        (COMMAND | {"subject": "x" * 1001}, False),
        (COMMAND | {"to": ["1555319914"] * 1001}, False),
        (COMMAND | {"priority": "urgent"}, False),
        (COMMAND | {"message_class": "informational", "charged_party": "third_party"}, True),
        (COMMAND | {"charged_party": "ThirdParty"}, False),
        (COMMAND | {"expires": "P3D", "earliest_delivery": "2030-12-01T00:00:00.5+14:00"}, True),
        (COMMAND | {"expires": "PT1H30M"}, True),
        (COMMAND | {"expires": "P"}, False),
        (COMMAND | {"expires": "-P1D"}, False),
        (COMMAND | {"expires": "3 days"}, False),
        (COMMAND | {"not_after": "2030-12-01T00:00:00Z"}, True),
        (COMMAND | {"not_after": "2030-12-01T00:00:00"}, False),
        (COMMAND | {"not_after": "P3D"}, False),
        (COMMAND | {"delivery_report": True, "read_reply": None}, True),
        (COMMAND | {"metadata": []}, False),
        (_part(text="a"), True),
        (_part(text="a", data=None, url=None), True),
        (_part(data="YQ=="), True),
        (_part(url="s3://b/k", sha256="0" * 64), True),
        (_part(), False),
        (_part(text="a", data="YQ=="), False),
        (_part(text="a", sha256="0" * 64), False),
        (_part(url="s3://b/k", text="a"), False),
        (_part(url="s3://b/k", sha256="0" * 63), False),
        (_part(url="no url"), False),
        (_part(text="a", content_type="text"), False),
        (_part(text="a", content_id="<a>"), False),
        (REPORT, True),
        (REPORT | {"message_id": None}, False),
        ({"id": "a", "operation": "cancel"}, False),
        ({"id": "a", "operation": "extended_replace"}, False),
        (REPORT | {"parts": [{"content_type": "text/plain", "text": "a"}]}, False),
        (REPORT | {"operation": "replace", "parts": [{"content_type": "text/plain", "text": "a"}]}, True),
    ],
)
def test_the_schema_and_the_code_take_and_refuse_the_same_commands(command, good) -> None:
    assert Draft202012Validator(schema.commands()).is_valid(command) is good
    if good:
        commands.parse(json.dumps(command).encode(), None, {}, None)
    else:
        with pytest.raises(BadCommand):
            commands.parse(json.dumps(command).encode(), None, {}, None)


@pytest.mark.parametrize("kind", ["mt.accepted", "mt.refused", "mt.unknown"])
def test_an_outcome_that_a_newer_version_has_recorded_is_repeated_as_this_one_writes_it(kind) -> None:
    recorded = _changed(kind, ("data", "added"), {"a": [1]})
    repeated = json.loads(outcomes.load(json.dumps(recorded).encode()).model_dump_json())
    assert repeated == recorded | {"data": {name: each for name, each in recorded["data"].items() if name != "added"}}
    assert published.problems(repeated) == []
