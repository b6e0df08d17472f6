"""What every test asks of the events that it meets: each is as the published schemas say, and its headers say the same.

Strategy: whoever reads or records messages shows them to `look`, which keeps them: it may be called where an exception
would be somebody's to handle, and where time is measured. After every test a fixture asks what is wrong with them, at
one to three milliseconds an event: all of them, but of the thousands of a load test every tenth.
"""

import functools
import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol

import orjson
from jsonschema import Draft202012Validator

from gateway.broker.events import CONTENT_TYPE
from gateway.broker.topology import EVENTS
from gateway.contract import schema
from gateway.contract.events import TYPES, schema_id

ALL_OF_A_TYPE, THEN_EVERY = 300, 10
_seen: list["Message"] = []


class Message(Protocol):
    """What is published or delivered: ours, or the library's."""

    body: bytes
    content_type: str | None
    type: str | None
    exchange: str | None
    headers: Mapping[str, Any]


def look(message: Message) -> None:
    """Keep a message, if it is an event of ours; a command may be a CloudEvent too."""
    if message.content_type == CONTENT_TYPE and (message.exchange == EVENTS or message.type in TYPES):
        _seen.append(message)


def told() -> list[str]:
    """What is wrong with the messages since the last call."""
    found = []
    for message in _sample(_seen):
        event = orjson.loads(message.body)
        wrong = [*problems(event), *_header_problems(event, message)]
        found += [f"{event.get('type')} {event.get('id')}: {problem}" for problem in wrong]
    _seen.clear()
    return found


def _sample(messages: Iterable[Message]) -> Iterator[Message]:
    """All messages of a type, and of many every tenth."""
    numbers: defaultdict[str | None, itertools.count[int]] = defaultdict(itertools.count)
    for message in messages:
        number = next(numbers[message.type])
        if number < ALL_OF_A_TYPE or number % THEN_EVERY == 0:
            yield message


def problems(event: Mapping[str, Any]) -> list[str]:
    """What the published schemas have against an event."""
    kind = event.get("type")
    if kind not in TYPES:
        return [f"no type of ours: {kind!r}"]
    found = [*_envelope().iter_errors(event), *_data(kind).iter_errors(event["data"])]
    other = [f"{name} is in no schema" for name in event["data"] if name not in TYPES[kind].model_fields]
    other += [] if event["dataschema"] == schema_id(kind) else [f"its dataschema is {event['dataschema']}"]
    return [f"{each.json_path}: {each.message}" for each in found] + other


def _header_problems(event: Mapping[str, Any], message: Message) -> list[str]:
    attributes = {f"ce-{name}": value for name, value in event.items() if name != "data"}
    repeated = {name: value for name, value in message.headers.items() if name.startswith("ce-")}
    if repeated == attributes and message.type == event["type"]:
        return []
    return [f"its headers say {repeated} of {message.type}"]


@functools.cache
def _envelope() -> Draft202012Validator:
    """Without its rule for each type, which costs as much as all the rest: the type chooses `_data`."""
    return Draft202012Validator(
        {name: each for name, each in schema.events().items() if name not in ("allOf", "$defs")}
    )


@functools.cache
def _data(kind: str) -> Draft202012Validator:
    return Draft202012Validator(schema.data(kind))
