"""Commands as users write them: what is read, and what is wrong by its path."""

import json
from typing import Any

import pytest

from gateway.contract import commands
from gateway.contract.commands import BadCommand, Command

PLAIN: dict[str, Any] = {"id": "order-1", "to": ["15553199144"]}
FULL: dict[str, Any] = {
    "id": "order-4711",
    "operation": "submit",
    "to": ["15553199144"],
    "cc": ["+1 555 319 9145"],
    "bcc": ["someone@example.org"],
    "from": "111122",
    "subject": "Your parcel",
    "parts": [
        {"content_type": "text/plain", "text": "It has arrived."},
        {"content_type": "image/jpeg", "url": "s3://bucket/photo.jpg"},
        {"content_type": "image/png", "data": "aGVsbG8=", "filename": "a.png"},
    ],
    "smil": "auto",
    "delivery_report": True,
    "read_reply": False,
    "priority": "normal",
    "message_class": "informational",
    "expires": "P3D",
    "earliest_delivery": None,
    "not_after": "2026-12-01T00:00:00Z",
    "service_code": None,
    "linked_id": None,
    "charged_party": None,
    "distribution_indicator": None,
    "reference": "customer 99",
    "metadata": {"campaign": "x"},
}


def parse(
    found: object,
    content_type: str | None = "application/json",
    headers: dict | None = None,
    message_id: str | None = None,
) -> Command:
    body = found if isinstance(found, bytes) else json.dumps(found).encode()
    return commands.parse(body, content_type, headers or {}, message_id)


def problems(found: object, **given: Any) -> dict[str, str]:
    with pytest.raises(BadCommand) as caught:
        parse(found, **given)
    return {each.path: each.problem for each in caught.value.problems}


def test_the_documented_command_is_read_whole() -> None:
    command = parse(FULL)
    assert command.model_dump(by_alias=True, exclude_none=True, exclude_unset=True) == {
        **{name: value for name, value in FULL.items() if value is not None},
    }
    assert (command.sender, command.metadata) == ("111122", {"campaign": "x"})


def test_what_is_not_said_has_its_default() -> None:
    command = parse(PLAIN)
    assert (command.operation, command.smil, command.parts, command.delivery_report) == ("submit", "auto", [], None)


STRUCTURED = {"specversion": "1.0", "id": "ce-1", "type": "send", "source": "/shop", "data": {"to": ["15553199144"]}}


@pytest.mark.parametrize(
    "content_type",
    ["application/cloudevents+json", "application/cloudevents+json; charset=utf-8", "application/json", None],
)
def test_a_structured_cloudevent_is_its_data_under_its_id(content_type: str | None) -> None:
    assert parse(STRUCTURED, content_type).id == "ce-1"
    assert parse({**STRUCTURED, "data": PLAIN}, content_type).id == "order-1"


@pytest.mark.parametrize("name", ["ce-id", "cloudEvents:id", "cloudEvents_id"])
def test_a_binary_cloudevent_gives_its_id_in_a_header(name: str) -> None:
    assert parse({"to": ["15553199144"]}, headers={name: "ce-2"}, message_id="amqp").id == "ce-2"
    assert parse(PLAIN, headers={name: "ce-2"}).id == "order-1"


def test_without_any_other_id_the_messages_is_taken() -> None:
    assert parse({"to": ["15553199144"]}, message_id="amqp-1").id == "amqp-1"
    assert parse({"to": ["15553199144"], "id": None}, message_id="amqp-1").id == "amqp-1"
    assert problems({"to": ["15553199144"]}) == {"id": "Field required"}


def test_a_batch_or_an_event_without_data_is_no_command() -> None:
    assert problems([STRUCTURED], content_type="application/cloudevents-batch+json") == {
        "": "the command is no JSON object"
    }
    assert problems({**STRUCTURED, "data": "text"}) == {"": "the command is no JSON object"}
    assert problems({"specversion": "1.0"}) == {"": "the command is no JSON object"}


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b"NaN", b"[" * 5000])
def test_what_is_no_json_is_said_so_and_keeps_its_id(body: bytes) -> None:
    with pytest.raises(BadCommand, match="no JSON") as caught:
        parse(body, message_id="amqp-1")
    assert caught.value.known == {"id": "amqp-1"}


PART = {"content_type": "text/plain", "text": "x"}
BAD = [
    ({"id": ""}, "id"),
    ({"id": 5}, "id"),
    ({"id": "x" * 256}, "id"),
    ({"id": "ä" * 128}, "id"),
    ({"id": "a\x00b"}, "id"),
    ({"operation": "send"}, "operation"),
    ({"operation": None}, "operation"),
    ({"operation": "cancel"}, "message_id"),
    ({"operation": "cancel", "message_id": ""}, "message_id"),
    ({"to": []}, "to"),
    ({"to": "15553199144"}, "to"),
    ({"to": [""]}, "to[0]"),
    ({"to": ["15553199144", "nobody"]}, "to[1]"),
    ({"to": ["15553199144", None]}, "to[1]"),
    ({"to": ["1555x199144"]}, "to[0]"),
    ({"to": ["١٢٣٤"]}, "to[0]"),
    ({"to": ["1" * 129]}, "to[0]"),
    ({"to": ["15553199144"] * 1001}, "to"),
    ({"cc": ["+"]}, "cc[0]"),
    ({"bcc": ["a\x01@b"]}, "bcc[0]"),
    ({"from": "shop"}, "from"),
    ({"from": ""}, "from"),
    ({"subject": "a\x08b"}, "subject"),
    ({"subject": "a\ufffeb"}, "subject"),
    ({"subject": "x" * 1001}, "subject"),
    ({"subject": 5}, "subject"),
    ({"parts": PART}, "parts"),
    ({"parts": [PART] * 101}, "parts"),
    ({"parts": [{"text": "x"}]}, "parts[0].content_type"),
    ({"parts": [{"content_type": "image", "text": "x"}]}, "parts[0].content_type"),
    ({"parts": [{"content_type": "image/jpég", "text": "x"}]}, "parts[0].content_type"),
    ({"parts": [{"content_type": "text/plain\r\nX: y", "text": "x"}]}, "parts[0].content_type"),
    ({"parts": [PART, {"content_type": "text/plain"}]}, "parts[1]"),
    ({"parts": [{**PART, "url": "s3://b/c"}]}, "parts[0]"),
    ({"parts": [{"content_type": "image/png", "data": "***"}]}, "parts[0].data"),
    ({"parts": [{"content_type": "image/png", "data": "ü"}]}, "parts[0].data"),
    ({"parts": [{"content_type": "image/png", "url": "photo.jpg"}]}, "parts[0].url"),
    ({"parts": [{"content_type": "image/png", "url": "s3://a b"}]}, "parts[0].url"),
    ({"parts": [{**PART, "filename": ""}]}, "parts[0].filename"),
    ({"parts": [{**PART, "filename": "x" * 121}]}, "parts[0].filename"),
    ({"parts": [{**PART, "content_id": "<a>"}]}, "parts[0].content_id"),
    ({"parts": [{**PART, "content_id": "bild-ä"}]}, "parts[0].content_id"),
    ({"parts": [{**PART, "content_id": "a\n"}]}, "parts[0].content_id"),
    ({"parts": [{**PART, "colour": 1}]}, "parts[0].colour"),
    ({"smil": ""}, "smil"),
    ({"smil": "AUTO"}, "smil"),
    ({"smil": "<smil>\x00</smil>"}, "smil"),
    ({"smil": True}, "smil"),
    ({"delivery_report": "perhaps"}, "delivery_report"),
    ({"read_reply": 7}, "read_reply"),
    ({"priority": "Normal"}, "priority"),
    ({"message_class": "spam"}, "message_class"),
    ({"charged_party": "nobody"}, "charged_party"),
    ({"expires": "P3"}, "expires"),
    ({"expires": "P"}, "expires"),
    ({"expires": "PT"}, "expires"),
    ({"expires": "P1W"}, "expires"),
    ({"expires": "-P3D"}, "expires"),
    ({"expires": "P٣D"}, "expires"),
    ({"expires": "tomorrow"}, "expires"),
    ({"expires": "2026-12-01"}, "expires"),
    ({"expires": "2026-12-01T00:00:00"}, "expires"),
    ({"expires": "2026-12-01 00:00:00Z"}, "expires"),
    ({"expires": "20261201T000000Z"}, "expires"),
    ({"expires": "2026-W10-1T00:00:00Z"}, "expires"),
    ({"expires": "2026-13-01T00:00:00Z"}, "expires"),
    ({"expires": "2026-12-01T00:00:00+14:30"}, "expires"),
    ({"expires": "2026-12-01T00:00:00+00:00:30"}, "expires"),
    ({"earliest_delivery": "soon"}, "earliest_delivery"),
    ({"not_after": "P3D"}, "not_after"),
    ({"not_after": "2026-12-01T00:00:00"}, "not_after"),
    ({"message_id": ""}, "message_id"),
    ({"service_code": "x" * 1001}, "service_code"),
    ({"linked_id": ""}, "linked_id"),
    ({"distribution_indicator": "maybe"}, "distribution_indicator"),
    ({"reference": 5}, "reference"),
    ({"reference": "x" * 1001}, "reference"),
    ({"metadata": []}, "metadata"),
    ({"metadata": {"x": "y" * 70_000}}, "metadata"),
    ({"metadata": json.loads('{"a":' * 33 + "1" + "}" * 33)}, "metadata"),
    ({"colour": "blue"}, "colour"),
]


@pytest.mark.parametrize(("given", "path"), BAD, ids=lambda value: str(value)[:40])
def test_a_bad_value_is_told_by_its_path(given: dict, path: str) -> None:
    found = problems({**PLAIN, **given})
    assert list(found) == [path]
    assert found[path]


@pytest.mark.parametrize(
    "given",
    [
        {"expires": "P1Y2M3DT4H5M6.7S"},
        {"expires": "2026-12-01T00:00:00.123+14:00"},
        {"earliest_delivery": "2026-12-01T00:00:00-03:30"},
        {"not_after": "0001-01-01T00:00:00+13:59"},
        {"id": "x" * 255},
        {
            "to": [
                "+1 (555) 319-9144",
                "0015553199144",
                "4711",
                "15553199144/TYPE=PLMN",
                "a@b.example",
                "15553199144/TYPE=PLMN@mms.example",
            ]
        },
        {"to": [], "bcc": ["15553199144"]},
        {"parts": [{"content_type": "image/svg+xml", "data": ""}, {"content_type": "text/plain", "text": ""}]},
        {"smil": None},
        {"smil": "<smil/>"},
        {"metadata": {"deep": json.loads("[" * 30 + "]" * 30)}},
        {"subject": "ü 🎉\n"},
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_is_unusual_but_good_is_read(given: dict) -> None:
    assert parse({**PLAIN, **given})


def test_every_problem_is_told_at_once() -> None:
    found = problems(
        {
            "to": ["x"],
            "cc": ["y"],
            "priority": "z",
            "expires": "never",
            "parts": [{}],
            "operation": "replace",
            "more": 1,
        }
    )
    assert set(found) == {
        "to[0]",
        "cc[0]",
        "priority",
        "expires",
        "parts[0].content_type",
        "parts[0]",
        "message_id",
        "more",
        "id",
    }


def test_a_bad_command_keeps_what_is_known_of_it() -> None:
    with pytest.raises(BadCommand) as caught:
        parse({"priority": "x", "to": ["15553199144"], "reference": "r"}, message_id="amqp-1")
    assert caught.value.known == {"priority": "x", "to": ["15553199144"], "reference": "r", "id": "amqp-1"}
    assert str(caught.value).startswith("priority: ")


def test_thousands_of_problems_are_told_by_the_first_hundred() -> None:
    with pytest.raises(BadCommand) as caught:
        parse({**PLAIN, **{f"k{number}": 1 for number in range(5000)}, "k" * 10_000: 1})
    assert len(caught.value.problems) == 101
    assert caught.value.problems[-1].problem == "and 4901 more problems"
    assert all(len(each.path) <= 200 for each in caught.value.problems)


def test_the_json_schema_names_every_field_as_users_write_it() -> None:
    schema = Command.model_json_schema(by_alias=True)
    assert set(FULL) | {"message_id"} == set(schema["properties"])
    assert schema["required"] == ["id"]
    assert schema["additionalProperties"] is False
    json.dumps(schema)


@pytest.mark.parametrize("url", ["data:text/plain,hello", "", "not a url", "ftp:/x"])
def test_what_is_no_url_is_told_in_words(url) -> None:
    body = json.dumps({"id": "a", "to": ["1"], "parts": [{"content_type": "image/png", "url": url}]}).encode()
    with pytest.raises(BadCommand) as caught:
        commands.parse(body, None, {}, None)
    [problem] = caught.value.problems
    assert problem.path == "parts[0].url"
    assert problem.problem.startswith("not a url: write https://")


@pytest.mark.parametrize("name", ["content_type", "url", "sha256", "content_id"])
def test_every_form_has_its_words(name) -> None:
    part = {"content_type": "image/png", "url": "https://host/x", name: "\u00e4 b"}
    with pytest.raises(BadCommand) as caught:
        commands.parse(json.dumps({"id": "a", "to": ["1"], "parts": [part]}).encode(), None, {}, None)
    assert [(p.path, p.problem[:6]) for p in caught.value.problems] == [(f"parts[0].{name}", "not a ")]
