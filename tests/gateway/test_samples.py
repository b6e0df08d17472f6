"""Every message under tests/samples, as it came over the wire, through the real handler. A case is a folder there."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from gateway import http_file, mm7, profiles

SAMPLES = Path(__file__).parents[1] / "samples"
REQUESTS = sorted(path.parent.name for path in SAMPLES.glob("*/request.http"))
RESPONSES = sorted(path.parent.name for path in SAMPLES.glob("*/response.http"))
ACCOUNTS = {name: {"profile": name, "inbound": {"open": True}} for name in profiles.names()}
OF_THE_CONNECTION = {"host", "content-length", "connection", "content-type"}
SOAP = "{http://schemas.xmlsoap.org/soap/envelope/}"


def _read(case: str, name: str) -> Any:
    return json.loads((SAMPLES / case / name).read_text("utf-8"))


def _lasting(event: dict[str, Any]) -> dict[str, Any]:
    """An event without what is of this receipt: its id, the time of receipt, and `time` where that is all it tells."""
    data = {name: value for name, value in event["data"].items() if name != "received_at"}
    volatile = {"id", "time"} if event["time"] == event["data"]["received_at"] else {"id"}
    return {name: value for name, value in event.items() if name not in volatile} | {"data": data}


def _answer(body: bytes) -> dict[str, Any]:
    envelope = etree.fromstring(body)
    [transaction_id] = envelope.findall(f"{SOAP}Header/{{*}}TransactionID")
    [payload] = envelope.find(f"{SOAP}Body")
    name = etree.QName(payload)
    texts = {etree.QName(child).localname: child.text for child in payload.iter()}
    return {
        "operation": name.localname,
        "namespace": name.namespace,
        "transaction_id": transaction_id.text,
        "transaction_namespace": etree.QName(transaction_id).namespace,
        "mm7_version": texts["MM7Version"],
        "status_code": texts["StatusCode"],
    }


@pytest.mark.parametrize("case", REQUESTS)
async def test_a_callback_becomes_its_event_and_gets_the_matching_answer(case, receiving) -> None:
    captured = http_file.parse((SAMPLES / case / "request.http").read_bytes())
    headers = {name: value for name, value in captured.headers.items() if name.lower() not in OF_THE_CONNECTION}
    started = await receiving(ACCOUNTS)
    answered = await started.post(
        captured.body, captured.headers.get("Content-Type"), path=f"/mm7/{case.partition('-')[0]}", **headers
    )
    [event] = started.publisher.events
    assert _lasting(event) == _read(case, "event.json")
    assert answered.status == 200
    assert answered.headers["Content-Type"] == "text/xml; charset=utf-8"
    data = event["data"]
    assert _answer(answered.body) == {
        "operation": data["operation"].removesuffix("Req") + "Rsp",
        "namespace": data["namespace"],
        "transaction_id": data["transaction_id"],
        "transaction_namespace": data["namespace"],
        "mm7_version": data["mm7_version"],
        "status_code": "1000",
    }
    for part in data.get("parts", []):
        if part["url"]:
            assert len(await started.media.get(part["url"])) == part["bytes"]


@pytest.mark.parametrize("case", RESPONSES)
def test_an_answer_is_read_as_its_message(case) -> None:
    captured = http_file.parse((SAMPLES / case / "response.http").read_bytes())
    decoded = mm7.decode(captured.headers.get("Content-Type"), captured.body)
    found = {"operation": decoded.message.operation, "quirks": list(decoded.quirks)} | asdict(decoded.message)
    assert found == _read(case, "message.json")


@pytest.mark.parametrize("case", sorted(path.name for path in SAMPLES.iterdir() if path.is_dir()))
def test_a_sample_says_where_it_comes_from(case) -> None:
    assert (SAMPLES / case / "note.md").read_text("utf-8").startswith("# ")
