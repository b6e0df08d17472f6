"""The published JSON Schemas (2020-12) of events and commands, made from the models."""

from typing import Any

from pydantic.json_schema import models_json_schema

from .commands import Command
from .events import SCHEMA_BASE, TYPES, Event

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def commands() -> dict[str, Any]:
    """The schema of a command."""
    return {"$schema": DIALECT, "$id": f"{SCHEMA_BASE}command.v1.json", **Command.model_json_schema()}


def events() -> dict[str, Any]:
    """One schema for all events: the envelope, and for each type what `data` holds."""
    modes: list[tuple[Any, Any]] = [(model, "serialization") for model in TYPES.values()]
    references, shared = models_json_schema(modes, ref_template="#/$defs/{model}")
    envelope = Event.model_json_schema(mode="serialization")
    kinds = [
        {"properties": {"type": {"const": name}, "data": references[(model, "serialization")]}}
        for name, model in TYPES.items()
    ]
    return {"$schema": DIALECT, "$id": f"{SCHEMA_BASE}events.v1.json", **envelope, "oneOf": kinds, **shared}
