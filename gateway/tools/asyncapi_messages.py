"""The messages of the AsyncAPI document: payloads from the published schemas, examples as they would go out."""

from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from gateway.broker.events import CONTENT_TYPE, outgoing
from gateway.contract import examples, headers, schema
from gateway.contract.events import TYPES, Event

Object = dict[str, Any]

VERSION = {"bindingVersion": "0.3.0"}
WRITTEN = ("command", "command.cloudevent")  # the ways in which users write a command
_TRACED = {
    "traceparent": {"type": "string", "description": "The trace that it belongs to (W3C Trace Context)."},
    "tracestate": {"type": "string", "description": "What the tracing systems say of it (W3C Trace Context)."},
}
_TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"  # the one of W3C's own examples
_WAITING = (headers.ATTEMPTS, headers.COMMAND_ID, headers.REASON)
_COMMAND = {"$ref": "#/components/schemas/command"}


def schemas() -> Object:
    """The published schemas by their names: those of events' data, that of commands, and what they refer to."""
    found: Object = {}
    for name, published in ({kind: schema.data(kind) for kind in TYPES} | {"command": schema.commands()}).items():
        found |= published.pop("$defs", {}) | {name: published}
    return {name: _component(each) for name, each in found.items()}


def _component(published: Any) -> Any:
    """A schema, or a part of one, as it stands in this document."""
    if isinstance(published, list):
        return [_component(each) for each in published]
    if not isinstance(published, dict):
        return published
    kept = {name: _component(each) for name, each in published.items() if name not in ("$schema", "$id")}
    if isinstance(reference := kept.get("$ref"), str):
        kept["$ref"] = reference.replace("#/$defs/", "#/components/schemas/")
    return kept


def title(kind: str) -> str:
    """What an event of this type tells, in a sentence."""
    return (TYPES[kind].__doc__ or "").splitlines()[0]


def of_events() -> Object:
    """One message for each type."""
    envelope = schema.events()
    return {kind: _event(kind, event, envelope) for kind, event in examples.events().items()}


def _event(kind: str, event: Event, envelope: Object) -> Object:
    closed: Object = {"type": {"const": kind}, "dataschema": {"const": event.dataschema}}
    properties = {name: each | closed.get(name, {}) for name, each in envelope["properties"].items()}
    properties["data"] = {"$ref": f"#/components/schemas/{kind}"}
    sent = outgoing(event, trace={"traceparent": _TRACE})
    repeated = {f"ce-{name}": each for name, each in properties.items() if name != "data"}
    always = [f"ce-{name}" for name in envelope["required"] if name != "data"]
    about = "#/data/command_id" if "command_id" in type(event.data).model_fields else None
    return _message(
        kind,
        title(kind),
        {"type": "object", "required": envelope["required"], "properties": properties},
        _headers(repeated | _TRACED, [*always, "traceparent"]),
        [{"headers": dict(sent.headers), "payload": orjson.loads(sent.body)}],
        content_type=CONTENT_TYPE,
        correlation=about,
    )


def of_commands() -> Object:
    """Commands as users write them, and as the worker puts them off or away."""
    known = {name: _own(name) for name in headers.MEANINGS}
    waiting = {name: each for name, each in known.items() if name not in headers.OF_DEATH or name in _WAITING}
    attribute = {"type": "string", "description": "An attribute of a CloudEvent in binary mode."}
    binary = {f"ce-{name}": attribute for name in ("specversion", "id", "type", "source")}
    plain = [{"payload": dict(each)} for each in examples.COMMANDS]
    as_it_came = {"description": "The command as it came: it may be no JSON."}
    return {
        "command": _message(
            "command", "A command as JSON.", _COMMAND, _headers(_TRACED | binary), plain, correlation="#/id"
        ),
        "command.cloudevent": _message(
            "command.cloudevent",
            "A command as a CloudEvent in structured mode.",
            _cloudevent(),
            _headers(_TRACED),
            [{"payload": _ATTRIBUTES | {"data": dict(examples.COMMANDS[0])}}],
            content_type=CONTENT_TYPE,
            correlation="#/data/id",
        ),
        "command.waiting": _message(
            "command.waiting",
            "A command that is tried again.",
            as_it_came,
            _headers(_TRACED | waiting, _WAITING),
            plain[:1],
        ),
        "command.dead": _message(
            "command.dead",
            "A command that was not sent, or perhaps was. What the broker itself put there has its x-death alone.",
            as_it_came,
            _headers(_TRACED | known),
            plain[:1],
        ),
    }


_ATTRIBUTES = {"specversion": "1.0", "id": "order-4711", "type": "com.example.order", "source": "/shop"}


def _cloudevent() -> Object:
    """Any CloudEvent with a command in it: its type and source are the user's."""
    text = {"type": "string", "minLength": 1}
    attributes = dict.fromkeys(_ATTRIBUTES, text) | {"specversion": {"const": _ATTRIBUTES["specversion"]}}
    return {
        "type": "object",
        "required": [*attributes, "data"],
        "properties": {**attributes, "data": _COMMAND},
    }


def _own(name: str) -> Object:
    return {"type": "integer" if name in headers.NUMBERS else "string", "description": headers.MEANINGS[name]}


def _headers(properties: Mapping[str, Any], required: Iterable[str] = ()) -> Object:
    return {"type": "object", "required": list(required), "properties": dict(properties)}


def _message(
    name: str,
    summary: str,
    payload: Object,
    headed: Object,
    shown: list[Object],
    *,
    content_type: str = "application/json",
    correlation: str | None = None,
) -> Object:
    told = "In the AMQP property correlation_id too."
    location = {"correlationId": {"location": f"$message.payload{correlation}", "description": told}}
    return {
        "name": name,
        "title": summary,
        "contentType": content_type,
        "headers": headed,
        "payload": payload,
        **(location if correlation else {}),
        "bindings": {"amqp": ({"messageType": name} if name in TYPES else {}) | VERSION},
        "examples": shown,
    }
