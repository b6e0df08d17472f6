"""Callback → event, through the real receiver and a real RabbitMQ."""

import hashlib
import json
from datetime import datetime
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from gateway import mm7

PICTURE = mm7.Part(content_type="image/png", data=bytes(range(256)) * 40, filename="a.png")
MO_FIELDS = {
    "sender", "recipients", "subject", "priority", "linked_id", "sent_at", "carrier_id", "ua_capabilities", "text",
    "parts", "extensions",
}  # fmt: skip
DR_FIELDS = {
    "message_id", "sender", "recipient", "status", "raw_status", "final", "status_text", "status_extension",
    "reported_at", "carrier_id", "ua_capabilities", "command_id", "reference", "metadata",
}  # fmt: skip
COMMON = {"account", "profile", "operation", "transaction_id", "mm7_version", "namespace", "received_at", "quirks"}


def stored(url: str) -> bytes:
    """What is under a `file://` URL."""
    return Path(unquote(urlsplit(url).path)).read_bytes()


async def test_a_message_becomes_an_event_with_everything_that_subscribers_are_promised(account, provider, events):
    result = await provider.send_mo("Hello there", subject="Lunch", attachments=[PICTURE])
    assert (result.delivered, result.http_status, result.status_code) == (True, 200, 1000)
    message = await events.next("mo.received")
    assert message.routing_key == f"mo.received.{account.name}.111122"
    assert (message.content_type, message.app_id) == ("application/cloudevents+json", "mm7-gateway")
    assert message.delivery_mode == 2
    assert message.message_id
    version, trace, span, flags = message.headers["traceparent"].split("-")
    assert (version, len(trace), len(span), len(flags)) == ("00", 32, 16, 2)
    event = json.loads(message.body)
    for name in ("specversion", "id", "type", "source", "subject", "time", "datacontenttype", "dataschema"):
        assert message.headers[f"ce-{name}"] == event[name]
    assert (event["type"], event["source"], event["subject"]) == ("mo.received", f"/mm7/{account.name}", "111122")
    assert (event["specversion"], event["datacontenttype"]) == ("1.0", "application/json")
    assert event["dataschema"].endswith("/mo.received.v1.json")
    assert message.timestamp == datetime.fromisoformat(event["time"]).replace(microsecond=0)


async def test_the_data_of_a_message_have_every_field_and_the_parts_are_stored_byte_for_byte(account, provider, events):
    result = await provider.send_mo("Hello there", subject="Lunch", attachments=[PICTURE])
    data = (await events.event("mo.received"))["data"]
    assert data.keys() >= COMMON | MO_FIELDS
    assert (data["account"], data["profile"], data["operation"]) == (account.name, "sinch", "DeliverReq")
    assert data["transaction_id"] == result.message.transaction_id
    assert data["sender"] == {
        "address": "15553199144",
        "kind": "number",
        "raw": data["sender"]["raw"],
        "display_only": False,
    }
    assert [(one["address"], one["role"]) for one in data["recipients"]] == [("111122", "to")]
    assert (data["text"], data["subject"]) == ("Hello there", "Lunch")
    picture, text = (part for part in data["parts"] if part["content_type"] in ("image/png", "text/plain"))
    assert (text["text"], text["url"]) == ("Hello there", None)
    assert (picture["bytes"], picture["text"]) == (len(PICTURE.data), None)
    assert picture["sha256"] == hashlib.sha256(PICTURE.data).hexdigest()
    assert picture["url"].startswith(account.media.as_uri())
    assert stored(picture["url"]) == PICTURE.data


async def test_a_retry_is_answered_and_not_published_again(provider, events):
    result = await provider.send_mo("Once", attachments=())
    again = await provider.send(result.message)
    other = await provider.send_mo("Twice", attachments=())
    assert again.delivered
    assert other.delivered
    first, second = [await events.next("mo.received") for _ in range(2)]
    texts = [json.loads(message.body)["data"]["text"] for message in (first, second)]
    assert texts == ["Once", "Twice"]
    assert first.message_id != second.message_id


async def test_a_callers_traceparent_is_handed_on(account, provider, events, post):
    given = "00-" + "ab" * 16 + "-" + "cd" * 8 + "-01"
    status, _ = await post(account, headers={"traceparent": given})
    assert status == 200
    assert (await events.next()).headers["traceparent"] == given


@pytest.mark.parametrize(
    ("mm_status", "status", "final"), [("Retrieved", "retrieved", True), ("Deferred", "deferred", False)]
)
async def test_a_delivery_report_becomes_an_event(account, provider, events, mm_status, status, final):
    result = await provider.send_report("369500617770864640", mm_status=mm_status, status_text="Success")
    assert (result.delivered, result.status_code) == (True, 1000)
    message = await events.next("dr.received")
    assert message.routing_key == f"dr.received.{account.name}.111122"
    data = json.loads(message.body)["data"]
    assert data.keys() >= COMMON | DR_FIELDS
    assert (data["message_id"], data["recipient"]["address"]) == ("369500617770864640", "15553199144")
    assert (data["status"], data["raw_status"], data["final"]) == (status, mm_status, final)
    assert (data["command_id"], data["reference"], data["metadata"]) == (None, None, None)


async def test_a_read_reply_becomes_an_event(account, provider, events):
    assert (await provider.send_read_reply("369500617770864640")).delivered
    event = await events.event("rr.received")
    assert (event["data"]["status"], event["data"]["message_id"]) == ("read", "369500617770864640")


async def test_what_nobody_is_bound_for_is_kept_and_acknowledged(broker, account, provider):
    result = await provider.send_mo("For nobody", attachments=())
    assert result.delivered
    mine = f"mo.received.{account.name}.111122"
    channel = await broker.connection.channel()
    queue = await channel.get_queue("mm7.unrouted", ensure=False)
    async with queue.iterator(timeout=10) as messages:  # what is not ours goes back with the channel
        async for message in messages:
            if message.routing_key == mine:
                await message.ack()
                assert json.loads(message.body)["data"]["text"] == "For nobody"
                break
    await channel.close()


async def test_an_unreadable_callback_is_refused_and_its_request_kept(account, provider, events, post):
    status, body = await post(account, b"<html>not MM7</html>")
    assert (status, "Fault" in body) == (400, True)
    message = await events.next("callback.refused")
    assert message.routing_key == f"callback.refused.{account.name}.-"
    data = json.loads(message.body)["data"]
    raw = stored(data["raw"])
    assert raw.startswith(f"POST /mm7/{account.name} HTTP/1.1\r\n".encode())
    assert raw.endswith(b"\r\n\r\n<html>not MM7</html>")
    assert b"authorization" not in raw.lower()


async def test_a_wrong_password_is_turned_away_and_publishes_nothing(account, provider, events, post):
    status, _ = await post(account, password="wrong")
    assert status == 401
    assert (await provider.send_mo("After it", attachments=())).delivered
    assert (await events.event())["data"]["text"] == "After it"
