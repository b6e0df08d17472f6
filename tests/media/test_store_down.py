"""The media store is away under load: every picture is acknowledged in time, and all are there afterwards."""

import asyncio
import hashlib
import json
import os
import secrets
import signal
from datetime import UTC, datetime

import pytest

from gateway.mm7 import Part
from gateway.stores.media import MediaStore
from gateway.tools.simulator import Mo
from tests.faults.proxy import Proxy
from tests.faults.stage import Stage

OUTAGE_SECONDS = 8.0
SETTLED_WITHIN = 30.0


class Album:
    """Messages of one picture each; `sent` has the pictures' digests."""

    def __init__(self) -> None:
        self.sent: dict[str, str] = {}

    def message(self) -> Mo:
        identity, data = secrets.token_hex(8), b"\xff\xd8\xff\xe0" + os.urandom(30_000)
        self.sent[identity] = hashlib.sha256(data).hexdigest()
        picture = Part(content_type="image/jpeg", data=data, filename="photo.jpg")
        return Mo(transaction_id=identity, linked_id=identity, at=datetime.now(UTC), attachments=(picture,))


@pytest.fixture
async def line(s3, bucket_url, monkeypatch):
    """The way to the store's server."""
    async with Proxy(s3.port) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{proxy.port}")
        yield proxy


@pytest.fixture
async def stage(run, node, tmp_path, bucket_url, line):
    async with Stage(run, tmp_path, brokers=[node.port]) as stage:
        await stage.begin(workers=0, MEDIA_URL=bucket_url)
        yield stage


@pytest.fixture
async def events(stage, observe):
    """What a subscriber has got."""
    async with observe(stage.direct_url()) as observer:
        yield await observer.follow(f"mo.received.{stage.account}.*")


async def fetched(events, url):
    """Every part of every event: TransactionID → digest of what its url leads to."""
    store, found = MediaStore(url), {}
    for data in (json.loads(message.body)["data"] for message in events.messages):
        (part,) = data["parts"]
        content = await store.get(part["url"])
        assert len(content) == part["bytes"]
        found[data["transaction_id"]] = hashlib.sha256(content).hexdigest()
    return found


async def empty(receiver):
    async with asyncio.timeout(10):
        while "mm7_spool_events 0.0" not in (await receiver.get("metrics"))[1]:
            await asyncio.sleep(0.05)


async def test_behind_a_black_hole_all_are_acknowledged_in_time_and_complete_afterwards(
    stage, line, events, bucket_url
):
    album = Album()
    async with stage.caller.load(at_once=16, per_second=40, make=album.message):
        await asyncio.sleep(0.5)
        line.black_hole()
        await asyncio.sleep(OUTAGE_SECONDS)
        line.heal()
        await asyncio.sleep(0.5)
    assert await stage.audit(SETTLED_WITHIN) == []
    (receiver,) = stage.receivers
    kept = [entry["kept"] for entry in receiver.logged("callback.accepted")]
    assert {"broker", "spool, whole"} <= set(kept)
    assert {posted.status for posted in stage.callbacks.posted} == {200}
    await empty(receiver)
    assert await fetched(events, bucket_url) == album.sent


async def test_killed_while_the_store_is_away_it_completes_what_it_has_acknowledged_after_its_next_start(
    stage, line, events, bucket_url
):
    album = Album()
    line.cut(refuse=True)
    async with stage.caller.load(at_once=8, per_second=40, make=album.message):
        await asyncio.sleep(1.5)
        (killed,) = stage.receivers
        killed.signal(signal.SIGKILL)
        await killed.ended()
        assert killed.logged("callback.accepted")
        receiver = await stage.start_receiver(MEDIA_URL=bucket_url).ready()
        await asyncio.sleep(0.5)
    await stage.read()
    assert stage.callbacks.lost == stage.callbacks.acknowledged == album.sent.keys(), "nothing but the spool has them"
    line.heal()
    assert await stage.audit(SETTLED_WITHIN) == []
    await empty(receiver)
    assert await fetched(events, bucket_url) == album.sent
