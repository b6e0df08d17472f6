"""A media store that is away costs neither a message nor an answer: callbacks wait in the spool whole."""

import asyncio
from datetime import UTC, datetime

import pytest
from multidict import CIMultiDict

from gateway import entries, mm7
from gateway.broker import Outgoing
from gateway.intake import Callback
from gateway.stores.media import MediaStore
from gateway.stores.spool import Spool

PNG = b"\x89PNG\r\n\x1a\n" + bytes(200)


def picture(transaction_id: str) -> mm7.Encoded:
    part = mm7.Part(content_type="image/png", content_id="p", data=PNG + transaction_id.encode())
    sender, content = mm7.Address("15550001111"), mm7.Content("cid:p")
    message = mm7.DeliverReq(transaction_id=transaction_id, mm7_version="6.8.0", sender=sender, content=content)
    return mm7.encode(message, [part])


class Away:
    """What is below a media store; it fails, or hangs, while `away` is set."""

    def __init__(self, store: MediaStore) -> None:
        self.objects, store._objects = store._objects, self
        self.away = self.signs = True
        self.hangs = False

    async def keep(self, key: str, data: bytes, content_type: str, *, fresh_seconds: float) -> None:
        if self.away and self.hangs:
            await asyncio.sleep(60)
        if self.away:
            raise OSError("no connection")
        await self.objects.keep(key, data, content_type, fresh_seconds=fresh_seconds)

    async def read(self, key: str) -> bytes:
        return await self.objects.read(key)

    async def sign(self, key: str, seconds: int) -> str:
        if not self.signs:
            raise OSError("no connection")
        return f"https://signed/{seconds}/{key[-4:]}"


@pytest.fixture
async def spool(tmp_path):
    async with Spool(tmp_path / "spool", entries.dump, entries.load) as made:
        yield made


async def drained(started, spool) -> None:
    async with started.draining(), asyncio.timeout(5):
        while spool.events:
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("hangs", [False, True])
async def test_callbacks_are_taken_whole_and_become_their_events_when_the_store_is_back(
    receiving, spool, hangs
) -> None:
    started = await receiving(spool=spool, answer_within=1.0)
    away = Away(started.media)
    away.hangs = hangs
    clock = asyncio.get_running_loop().time
    for number in range(3):
        encoded = picture(f"t-{number}")
        began = clock()
        answered = await started.post(encoded.body, encoded.content_type, traceparent=f"00-{'a' * 32}-{'b' * 16}-01")
        assert (answered.status, clock() - began < 1.5) == (200, True)
    assert (await started.post(b"garbage")).status == 400
    assert (spool.events, started.publisher.sent) == (4, [])
    assert "media store" in started.receiver.troubles[0]
    assert started.metrics.registry.get_sample_value("mm7_media_unavailable_total") >= 4
    away.away = False
    await drained(started, spool)
    assert started.receiver.troubles == [], "though no callback has come since"
    assert [event["data"]["transaction_id"] for event in started.publisher.events] == ["t-0", "t-1", "t-2", None]
    for number, event in enumerate(started.publisher.events[:3]):
        [part] = event["data"]["parts"]
        assert await started.media.get(part["url"]) == PNG + f"t-{number}".encode()
    assert started.publisher.sent[0].headers["traceparent"].startswith("00-aaaa")
    refused = started.publisher.events[3]
    assert (await started.media.get(refused["data"]["raw"])).endswith(b"garbage")


async def test_it_is_the_event_that_it_would_have_been(receiving, spool) -> None:
    encoded = picture("t-1")
    late, at_once = await receiving(spool=spool), await receiving()
    away = Away(late.media)
    for started in (late, at_once):
        assert (await started.post(encoded.body, encoded.content_type, X_Mblox_Carrier_Id="0001890")).status == 200
    away.away = False
    await drained(late, spool)
    [one], [other] = late.publisher.events, at_once.publisher.events
    for event in (one, other):
        del event["data"]["received_at"], event["time"]
    assert one == other


async def test_what_comes_behind_a_callback_that_waits_whole_waits_too(receiving, spool) -> None:
    started = await receiving(spool=spool)
    away = Away(started.media)
    encoded = picture("t-1")
    assert (await started.post(encoded.body, encoded.content_type)).status == 200
    away.away = False  # and nobody drains
    encoded = picture("t-2")
    assert (await started.post(encoded.body, encoded.content_type)).status == 200
    assert (spool.events, started.publisher.sent) == (2, [])
    away.away = True
    async with started.draining():
        await asyncio.sleep(0.2)
        assert started.publisher.sent == []
        away.away = False
        async with asyncio.timeout(5):
            while spool.events:
                await asyncio.sleep(0.01)
    assert [event["data"]["transaction_id"] for event in started.publisher.events] == ["t-1", "t-2"]


async def test_a_retry_of_one_that_waits_whole_is_answered_and_kept_once(receiving, spool) -> None:
    started = await receiving(spool=spool)
    Away(started.media)
    encoded = picture("t-1")
    statuses = [(await started.post(encoded.body, encoded.content_type)).status for _ in range(3)]
    assert (statuses, spool.events) == ([200] * 3, 1)


async def test_a_media_folder_that_cannot_be_made_keeps_no_receiver_from_starting(receiving, spool, tmp_path) -> None:
    folder = tmp_path / "media"
    folder.write_text("in the way")
    started = await receiving(spool=spool, media_url=folder.as_uri())
    encoded = picture("t-1")
    assert (await started.post(encoded.body, encoded.content_type)).status == 200
    assert spool.events == 1
    folder.unlink()
    await drained(started, spool)
    [part] = started.publisher.events[0]["data"]["parts"]
    assert await started.media.get(part["url"]) == PNG + b"t-1"
    encoded = picture("t-2")
    assert (await started.post(encoded.body, encoded.content_type)).status == 200
    assert started.receiver.troubles == []


async def test_without_a_spool_it_is_left_with_the_provider(receiving) -> None:
    started = await receiving()
    Away(started.media)
    encoded = picture("t-1")
    assert (await started.post(encoded.body, encoded.content_type)).status == 503


@pytest.mark.parametrize("away", [False, True])
async def test_links_are_made_where_they_are_asked_for_and_missing_ones_cost_nothing(receiving, away) -> None:
    started = await receiving(media_sign_seconds=600)
    store = Away(started.media)
    store.away, store.signs = False, not away
    encoded = picture("t-1")
    assert (await started.post(encoded.body, encoded.content_type)).status == 200
    [part] = started.publisher.events[0]["data"]["parts"]
    assert part["signed_url"] == (None if away else f"https://signed/600/{part['url'][-4:]}")


CALLBACK = Callback(
    "sinch-us",
    datetime(2026, 3, 16, 14, 3, 51, 250_000, UTC),
    "POST /mm7/sinch-us?a=1 HTTP/1.1",
    CIMultiDict(
        {"Content-Type": 'multipart/related; boundary="b"', "X-Name": "\udce9t\udce9", "authorization": "Basic x"}
    ),
    b"--b\r\n\r\n\x00\xff\r\n--b--",
)


def test_a_callback_survives_the_disk_without_its_credentials() -> None:
    found = entries.load(entries.dump(CALLBACK))
    assert isinstance(found, Callback)
    assert (found.account, found.received_at, found.start, found.body) == (
        CALLBACK.account,
        CALLBACK.received_at,
        CALLBACK.start,
        CALLBACK.body,
    )
    assert dict(found.headers) == {k: v for k, v in CALLBACK.headers.items() if k != "authorization"}


def test_a_message_survives_the_disk() -> None:
    message = Outgoing(exchange="e", routing_key="k", body=b"{}", content_type="application/json", headers={"a": 1})
    assert entries.load(entries.dump(message)) == message


@pytest.mark.parametrize("damage", [b"", b"MM7C", entries.dump(CALLBACK)[:-1], entries.dump(CALLBACK) + b"x"])
def test_a_torn_frame_is_told(damage) -> None:
    with pytest.raises(ValueError, match="frame"):
        entries.load(damage)


async def test_an_account_that_is_gone_from_the_settings_still_tells_its_callbacks(receiving) -> None:
    started = await receiving()
    message = await started.intake.event_of(CALLBACK)
    assert message.routing_key == "callback.refused.sinch-us.-"
