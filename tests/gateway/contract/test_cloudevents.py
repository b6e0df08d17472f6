"""Our events as the CloudEvents SDK reads them."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from cloudevents.core.formats.json import JSONFormat

from gateway import mm7, profiles
from gateway.broker.events import CONTENT_TYPE, outgoing
from gateway.contract import callbacks
from gateway.mm7.values import Recipients

MO = mm7.DeliverReq(
    transaction_id="t",
    mm7_version="6.8.0",
    sender=mm7.Address("15550001111"),
    recipients=Recipients((mm7.Address("111122", "ShortCode"),)),
    subject='“quotes” \\ " \u2028 😀 \x7f',
    time_stamp="2014-04-14T16:15:23.414Z",
)
DR = mm7.DeliveryReportReq(message_id="m", mm_status="Retrieved", sender=mm7.Address("é.b c"))
RR = mm7.ReadReplyReq(message_id="m", mm_status="Read")
PARTS = [mm7.Part(content_type="text/plain", data="é\x00\t".encode()), mm7.Part(content_type="image/png", data=b"\x89")]


def _refused() -> callbacks.Event:
    receipt = callbacks.Receipt(
        account="acc",
        profile_name="generic",
        profile=profiles.load("generic"),
        received_at=datetime.now(UTC),
        headers={},
    )
    return callbacks.refused(mm7.DecodeError("no", status=4004), receipt, raw="memory:///x", digest="d")


@pytest.fixture(params=["mo", "mo with parts", "dr", "rr", "refused"])
def event(request, callback) -> callbacks.Event:
    made = {
        "mo": lambda: callback(MO).event,
        "mo with parts": lambda: callback(replace(MO, recipients=None), *PARTS).event,
        "dr": lambda: callback(DR).event,
        "rr": lambda: callback(RR).event,
        "refused": _refused,
    }
    return made[request.param]()


def test_an_event_is_a_cloudevent_as_the_sdk_reads_it(event) -> None:
    published = outgoing(event)
    assert published.content_type == CONTENT_TYPE == JSONFormat.CONTENT_TYPE
    read = JSONFormat().read(None, published.body)
    assert read.get_specversion() == "1.0"
    assert (read.get_id(), read.get_type(), read.get_source()) == (event.id, event.type, event.source)
    assert (read.get_subject(), read.get_time()) == (event.subject, datetime.fromisoformat(event.time))
    assert (read.get_datacontenttype(), read.get_dataschema()) == ("application/json", event.dataschema)
    assert read.get_data() == event.data.model_dump(mode="json")


def test_what_the_sdk_writes_of_an_event_is_the_same_event(event) -> None:
    body = outgoing(event).body
    written = json.loads(JSONFormat().write(JSONFormat().read(None, body)))
    sent = json.loads(body)
    assert datetime.fromisoformat(written.pop("time")) == datetime.fromisoformat(sent.pop("time"))
    assert {name: value for name, value in written.items() if value is not None} == {
        name: value for name, value in sent.items() if value is not None
    }


def test_the_attributes_stand_in_the_headers_too_and_the_key_names_type_account_and_address(event) -> None:
    published = outgoing(event, trace={"traceparent": "00-a-b-01"})
    for name in ("specversion", "id", "type", "source", "time", "dataschema", "datacontenttype"):
        assert published.headers[f"ce-{name}"] == getattr(event, name)
    assert published.headers.get("ce-subject") == event.subject
    assert published.headers["traceparent"] == "00-a-b-01"
    assert (published.type, published.exchange) == (event.type, "mm7.events")
    address = {"111122": "111122", "é.b c": "--b-c", None: "-"}[event.subject]
    assert published.routing_key == f"{event.type}.acc.{address}"


def test_every_unknown_value_is_null_and_never_absent(event) -> None:
    data = json.loads(outgoing(event).body)["data"]
    assert set(data) == set(type(event.data).model_fields)
