"""What one version has kept on disk and in the state store, another reads: upgrades and rollbacks lose nothing.

The texts below are what the first version wrote. They never change; a new kind of frame or value gets texts of its own.
"""

import json
import zlib
from datetime import UTC, datetime

import pytest

from gateway import entries
from gateway.broker import Outgoing
from gateway.contract import outcomes
from gateway.intake import Callback
from gateway.stores.correlation import Correlation, Origin
from gateway.stores.ledger import Ledger, Outcome, Sending
from gateway.stores.state_memory import MemoryState

AT = datetime(2026, 1, 15, 9, 30, tzinfo=UTC)
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
MESSAGE_HEAD = (
    b'{"exchange": "mm7.events", "routing_key": "mo.received.a.111122", '
    b'"content_type": "application/cloudevents+json", "type": "mo.received", "correlation_id": "order-1", '
    b'"expiration": 5, "headers": {"ce-id": "1", "traceparent": "%s"}, "timestamp": "2026-01-15T09:30:00+00:00"}'
) % TRACE.encode()
MESSAGE = b"MM7\x01\xa8h\x15\xf0\x00\x00\x01E" + MESSAGE_HEAD + b'{"id":"1"}'
CALLBACK_HEAD = b'{"account": "a", "received_at": "2026-01-15T09:30:00+00:00"}'
REQUEST = b"POST /mm7/a HTTP/1.1\r\nContent-Type: text/xml\r\n\r\n<x/>"
CALLBACK = b"MM7C\xe0\xcc\x1ag\x00\x00\x00<" + CALLBACK_HEAD + REQUEST

SENDING = b'S{"worker":"w1","attempt":2,"began":"2026-01-15T09:30:00Z","replay":null,"before":null,"token":"0123"}'
ORIGIN = b'{"command_id":"order-1","reference":"r","metadata":{"a":1}}'
EVENT = (
    b'{"specversion":"1.0","id":"e1","type":"mt.accepted","source":"/mm7/a","subject":"111122",'
    b'"time":"2026-01-15T09:30:00.000Z","datacontenttype":"application/json",'
    b'"dataschema":"https://mm7-gateway.example/schema/mt.accepted.v1.json","data":{"account":"a","profile":"generic",'
    b'"operation":"submit","transaction_id":"t","mm7_version":"6.8.0","namespace":"n",'
    b'"received_at":"2026-01-15T09:30:00.000Z","quirks":[],"command_id":"order-1","reference":null,"metadata":null,'
    b'"message_id":"m1","status_code":1000,"status_text":"Success","partial":false,"attempts":1,"recipients":'
    b'[{"address":"15553199144","kind":"number","raw":"15553199144","display_only":false,"role":"to"}],"warnings":[]}}'
)


def newer(frame: bytes, head: bytes, **fields: object) -> bytes:
    """The frame as a version would write it whose heads have more fields."""
    grown = json.dumps(json.loads(head) | fields).encode()
    body = frame[12 + len(head) :]
    crc = zlib.crc32(body, zlib.crc32(grown))
    return frame[:4] + crc.to_bytes(4, "big") + len(grown).to_bytes(4, "big") + grown + body


@pytest.mark.parametrize("frame", [MESSAGE, newer(MESSAGE, MESSAGE_HEAD, urgency="high")], ids=["first", "newer"])
def test_a_message_in_the_spool_is_read(frame) -> None:
    message = entries.load(frame)
    assert message == Outgoing(
        exchange="mm7.events",
        routing_key="mo.received.a.111122",
        body=b'{"id":"1"}',
        content_type="application/cloudevents+json",
        type="mo.received",
        headers={"ce-id": "1", "traceparent": TRACE},
        correlation_id="order-1",
        timestamp=AT,
        expiration=5,
    )


@pytest.mark.parametrize("frame", [CALLBACK, newer(CALLBACK, CALLBACK_HEAD, peer="x")], ids=["first", "newer"])
def test_a_callback_that_waits_whole_is_read(frame) -> None:
    found = entries.load(frame)
    assert isinstance(found, Callback)
    assert (found.account, found.received_at, found.start, found.body) == ("a", AT, "POST /mm7/a HTTP/1.1", b"<x/>")
    assert found.headers["content-type"] == "text/xml"


async def store(key: str, value: bytes) -> MemoryState:
    state = MemoryState()
    await state.put(key, value, 60)
    return state


@pytest.mark.parametrize("value", [SENDING, SENDING[:-1] + b',"host":"h"}'], ids=["first", "newer"])
async def test_a_mark_of_a_command_is_read(value) -> None:
    mark = await Ledger(await store("command:a:order-1", value)).look("a", "order-1")
    assert mark == Sending(worker="w1", attempt=2, began="2026-01-15T09:30:00Z", token="0123")


@pytest.mark.parametrize("value", [ORIGIN, ORIGIN[:-1] + b',"campaign":"c"}'], ids=["first", "newer"])
async def test_what_a_message_was_sent_for_is_read(value) -> None:
    origin = await Correlation(await store("message:a:m1", value)).find("a", "m1")
    assert origin == Origin(command_id="order-1", reference="r", metadata={"a": 1})


@pytest.mark.parametrize("event", [EVENT, EVENT[:-2] + b',"price":"0.1"},"severity":1}'], ids=["first", "newer"])
async def test_an_outcome_is_told_again_as_it_was_written(event) -> None:
    known = await Ledger(await store("command:a:order-1", b"E" + event)).look("a", "order-1")
    assert known == Outcome(event)
    assert outcomes.load(event).model_dump_json().encode() == EVENT
