"""The published JSON Schemas (2020-12) of events and commands, made from the models, with examples.

Strategy: who writes may add, so what is read must stay open. Events are ours to write: every field is always there
(unknown is null), and the schemas allow fields and types that they do not know, so that a subscriber who validates
with an older one is not broken by a newer version. Commands are ours to read: what we do not know is refused. Only
such keywords are used as JSON Schema draft 07 has too, which is what AsyncAPI's tools read.
"""

from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode
from pydantic_core import core_schema

from . import examples
from .commands import OPERATIONS, Command
from .events import TYPES, Event, schema_id

DIALECT = "https://json-schema.org/draft/2020-12/schema"

Schema = dict[str, Any]


class _Generator(GenerateJsonSchema):
    """Pydantic's, without titles that only repeat a field's name; what is written has all its fields."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002  # the library's signature
        return False

    def field_is_required(self, field: Any, total: bool) -> bool:  # noqa: FBT001  # as above
        if self.mode == "serialization":
            return field.get("serialization_exclude_if") is None
        return super().field_is_required(field, total)

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> Schema:
        if self.mode == "serialization" or schema.get("default", ...) is None:
            return self.generate_inner(schema["schema"])
        return super().default_schema(schema)

    def model_schema(self, schema: core_schema.ModelSchema) -> Schema:
        found = super().model_schema(schema)
        if self.mode == "serialization":
            found.pop("additionalProperties", None)
        return found


def data(kind: str) -> Schema:
    """The schema of what an event of this type holds in `data`; KeyError for a type that there is not."""
    model = TYPES[kind]
    found = _of(model, "serialization")
    example = examples.events()[kind].data.model_dump(mode="json")
    return {"$schema": DIALECT, "$id": schema_id(kind), **found, "examples": [example]}


def events() -> Schema:
    """The schema of all events: the envelope, and in `$defs` for each type the schema of its data, whole."""
    rules = [
        {
            "if": {"properties": {"type": {"const": kind}}},
            "then": {
                "properties": {"data": {"$ref": schema_id(kind)}, "dataschema": {"const": schema_id(kind)}},
            },
        }
        for kind in TYPES
    ]
    return {
        "$schema": DIALECT,
        "$id": schema_id("events"),
        **_of(Event, "serialization"),
        "allOf": rules,
        "examples": [event.model_dump(mode="json") for event in examples.events().values()],
        "$defs": {kind: data(kind) for kind in TYPES},
    }


def commands() -> Schema:
    """The schema of a command."""
    found = _of(Command, "validation")
    found["$defs"]["CommandPart"]["oneOf"] = [_content_in(name) for name in _CONTENTS]
    return {
        "$schema": DIALECT,
        "$id": schema_id("command"),
        **found,
        "allOf": _OPERATION_RULES,
        "examples": list(examples.COMMANDS),
    }


def _of(model: type[BaseModel], mode: JsonSchemaMode) -> Schema:
    return model.model_json_schema(mode=mode, schema_generator=_Generator, union_format="primitive_type_array")


# What no single field of a command can tell (`commands.parse` says it in words).
_CONTENTS = ("text", "data", "url")
_OPERATION_RULES = [
    {
        "if": {"properties": {"operation": {"const": "submit"}}},
        "then": {
            "anyOf": [{"required": [role], "properties": {role: {"minItems": 1}}} for role in ("to", "cc", "bcc")]
        },
        "else": {"required": ["message_id"], "properties": {"message_id": {"type": "string"}}},
    },
    {
        "if": {
            "required": ["operation"],
            "properties": {"operation": {"enum": [o for o in OPERATIONS if "cancel" in o]}},
        },
        "then": {"properties": {"parts": {"maxItems": 0}}},
    },
]


def _content_in(name: str) -> Schema:
    """A part with its content under this name alone."""
    absent = [each for each in (*_CONTENTS, "sha256") if each != name and (name, each) != ("url", "sha256")]
    null = {each: {"type": "null"} for each in absent}
    return {"required": [name], "properties": {name: {"type": "string"}, **null}}
