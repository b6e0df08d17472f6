"""The AsyncAPI document: what it says is what the code declares, publishes and reads; and AsyncAPI's own parser takes it."""

import copy
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator
from rundir import RUN_DIR

from gateway import broker
from gateway.broker import Delay
from gateway.broker.events import outgoing
from gateway.contract import examples, headers, schema
from gateway.contract.events import TYPES
from gateway.tools import asyncapi

PARSER, NODE_SECONDS = "@asyncapi/parser@3.6", 90
QUIETLY = ("--no-save", "--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts")
QUIETLY += ("--fetch-retries=0", "--fetch-timeout=30000")  # milliseconds


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return json.loads(json.dumps(asyncapi.document()))


def _nodes(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
    for each in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from _nodes(each)


def _at(document: dict[str, Any], reference: str) -> Any:
    """What a local reference refers to; KeyError where there is nothing."""
    assert reference.startswith("#/"), reference
    found: Any = document
    for step in reference[2:].split("/"):
        found = found[step]
    return found


def test_every_reference_leads_somewhere(document) -> None:
    references = {node["$ref"] for node in _nodes(document) if isinstance(node.get("$ref"), str)}
    assert len(references) > 50
    for reference in references:
        assert _at(document, reference) is not None


def test_what_stands_in_the_document_is_used(document) -> None:
    references = {node["$ref"] for node in _nodes(document) if isinstance(node.get("$ref"), str)}
    for kind in ("messages", "schemas", "parameters", "securitySchemes"):
        assert {
            name for name in document["components"][kind] if f"#/components/{kind}/{name}" not in references
        } == set()


def test_its_exchanges_and_queues_are_those_that_are_declared(document) -> None:
    topology = broker.build({"{account}": [Delay("{delay}", 0)]})
    bindings = [channel["bindings"]["amqp"] for channel in document["channels"].values()]
    exchanges = {each["exchange"]["name"]: each for each in bindings if each["is"] == "routingKey"}
    queues = {each["queue"]["name"]: each for each in bindings if each["is"] == "queue"}
    assert {(name, each["exchange"]["type"], *each["x-arguments"].items()) for name, each in exchanges.items()} == {
        *((each.name, each.type, *each.arguments.items()) for each in topology.exchanges),
        ("", "default"),
    }
    assert set(queues) == {each.name for each in topology.queues}
    for queue in topology.queues:
        [bound] = [each.exchange for each in topology.bindings if each.queue == queue.name]
        [told] = [each["description"] for each in document["channels"].values() if each["address"] == queue.name]
        assert f"bound to `{bound}`" in told
        assert queues[queue.name]["x-arguments"].items() <= queue.arguments.items()
    assert {each["bindingVersion"] for each in bindings} == {"0.3.0"}


def test_addresses_name_their_parameters(document) -> None:
    for channel in document["channels"].values():
        assert set(re.findall(r"\{(\w+)\}", channel["address"] or "")) == set(channel["parameters"])


def test_operations_name_messages_of_their_channels(document) -> None:
    assert {each["action"] for each in document["operations"].values()} == {"send", "receive"}
    for operation in document["operations"].values():
        channel = operation["channel"]["$ref"]
        assert _at(document, channel)
        assert all(each["$ref"].startswith(f"{channel}/messages/") for each in operation["messages"])
    reply = document["operations"]["receive.command"]["reply"]
    assert [each["$ref"].rpartition("/")[2] for each in reply["messages"]] == [
        "mt.accepted",
        "mt.refused",
        "mt.unknown",
    ]


@pytest.mark.parametrize("kind", TYPES)
def test_an_event_goes_out_as_the_document_says(document, kind) -> None:
    event = examples.events()[kind]
    sent = outgoing(
        event,
        correlation_id=getattr(event.data, "command_id", None),
        trace={"traceparent": "00-a-b-01", "tracestate": "a=b"},
    )
    channel, message = document["channels"][kind], document["components"]["messages"][kind]
    pattern = re.sub(r"\\\{\w+\\\}", "[A-Za-z0-9_-]+", re.escape(channel["address"]))
    assert re.fullmatch(pattern, sent.routing_key)
    assert channel["bindings"]["amqp"]["exchange"]["name"] == sent.exchange
    assert (message["contentType"], message["bindings"]["amqp"]["messageType"]) == (sent.content_type, sent.type)
    _validator(document, message["headers"]).validate(dict(sent.headers))
    _validator(document, message["payload"]).validate(json.loads(sent.body))
    assert set(sent.headers) <= set(message["headers"]["properties"])
    if "correlationId" in message:
        assert _correlated(message, json.loads(sent.body)) == sent.correlation_id


def _validator(document: dict[str, Any], found: dict[str, Any]) -> Draft7Validator:
    """Of a schema in the document, whose references begin at the document's root."""
    return Draft7Validator({"components": document["components"], "allOf": [found]})


def _correlated(message: dict[str, Any], payload: Any) -> Any:
    for step in message["correlationId"]["location"].removeprefix("$message.payload#/").split("/"):
        payload = payload[step]
    return payload


def test_every_message_has_examples_and_they_are_valid(document) -> None:
    for name, message in document["components"]["messages"].items():
        assert message["examples"], name
        for example in message["examples"]:
            _validator(document, message["payload"]).validate(example["payload"])
            if "headers" in example:
                _validator(document, message["headers"]).validate(example["headers"])


def test_an_event_that_is_none_is_refused_as_by_the_published_schema(document) -> None:
    message = document["components"]["messages"]["mo.received"]
    for path in (("id",), ("data",), ("data", "parts"), ("data", "sender", "kind")):
        event = copy.deepcopy(message["examples"][0]["payload"])
        place = event
        for step in path[:-1]:
            place = place[step]
        del place[path[-1]]
        assert not _validator(document, message["payload"]).is_valid(event), path


def test_payloads_are_the_published_schemas(document) -> None:
    schemas = document["components"]["schemas"]
    for name, published in {**{kind: schema.data(kind) for kind in TYPES}, "command": schema.commands()}.items():
        assert schemas[name]["properties"].keys() == published["properties"].keys()
        assert schemas[name]["required"] == published["required"]
        assert all(part in schemas for part in published.get("$defs", {}))


def test_every_header_of_ours_is_described(document) -> None:
    constants = {value for name, value in vars(headers).items() if name.isupper() and isinstance(value, str)}
    assert constants == set(headers.MEANINGS)
    assert constants <= set(document["components"]["messages"]["command.dead"]["headers"]["properties"])


@pytest.fixture(scope="session")
def parser() -> Path:
    """AsyncAPI's own parser, installed under .run where Node and npm are there."""
    if not (shutil.which("node") and (npm := shutil.which("npm"))):
        pytest.skip("no Node with npm here: AsyncAPI's parser runs on it")
    folder = RUN_DIR / "asyncapi"
    if not (folder / "node_modules" / "@asyncapi" / "parser").is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "package.json").write_text('{"private": true}')
        done = _run(npm, "install", *QUIETLY, "--cache", RUN_DIR / "npm", PARSER, cwd=folder)
        if done.returncode:
            why = f"npm cannot install {PARSER}: {' '.join(done.stderr.split())[:200]}"
            (pytest.fail if os.environ.get("CI") else pytest.skip)(why)
    return folder / "node_modules"


def _run(*command: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=NODE_SECONDS, **options)


BROKEN = {
    ("operations", "send.dead", "action"): "publish",
    ("channels", "mo.received", "bindings", "amqp", "is"): "topic",
    ("components", "schemas", "Address", "type"): "strin",
    ("operations", "send.dead", "channel", "$ref"): "#/channels/nowhere",
}


def test_asyncapis_own_parser_takes_it_and_would_find_what_is_wrong(document, parser) -> None:
    documents = [document, *(_changed(document, path, value) for path, value in BROKEN.items())]
    script = Path(__file__).with_name("asyncapi_parser.cjs")
    done = _run("node", script, input=json.dumps(documents), env=os.environ | {"NODE_PATH": str(parser)})
    assert done.returncode == 0, done.stderr
    ours, *broken = json.loads(done.stdout)
    assert ours["valid"]
    # What it says beside is that there is a 3.1 by now.
    assert [each for each in ours["problems"] if each["code"] != "asyncapi-latest-version"] == []
    assert [each["valid"] for each in broken] == [False] * len(BROKEN)


def _changed(document: dict[str, Any], path: tuple[str, ...], value: str) -> dict[str, Any]:
    changed = copy.deepcopy(document)
    place = changed
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return changed
