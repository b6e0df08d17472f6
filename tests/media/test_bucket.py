"""The media store in a bucket: what it does while the server is stopped, frozen, slow, or answers nonsense."""

import asyncio
import io
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from gateway.stores.media import MediaNotFound, MediaStore, MediaUnavailable

Fault = Callable[[web.Request, int], Awaitable[web.StreamResponse | None]]


class Front:
    """Stands before the server; `fault` may answer in its place, or delay."""

    def __init__(self, behind: str) -> None:
        self._behind = behind
        self.fault: Fault | None = None
        self.seen: list[str] = []

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.seen.append(request.method)
        if self.fault and (answer := await self.fault(request, len(self.seen))) is not None:
            return answer
        url = URL(self._behind + request.raw_path, encoded=True)
        headers = {name: value for name, value in request.headers.items() if name.lower() != "host"}
        async with (
            aiohttp.ClientSession(auto_decompress=False) as session,
            session.request(request.method, url, data=io.BytesIO(await request.read()), headers=headers) as behind,
        ):
            body = await behind.read()
            dropped = {"content-length", "transfer-encoding", "connection"}
            kept = {name: value for name, value in behind.headers.items() if name.lower() not in dropped}
            if request.method == "HEAD":
                kept["Content-Length"] = behind.headers.get("Content-Length", "0")
            return web.Response(status=behind.status, body=body or None, headers=kept)


@pytest.fixture
async def front(bucket_url, s3, monkeypatch) -> AsyncIterator[Front]:
    """A front to the bucket's server, which the store takes for it."""
    handler = Front(s3.url)
    app = web.Application(client_max_size=2**25)
    app.router.add_route("*", "/{path:.*}", handler.answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}")
    yield handler
    await runner.cleanup()


@pytest.fixture
def through_front(front, bucket_url) -> MediaStore:
    return MediaStore(bucket_url)


def _all_calls(store: MediaStore, one, within: float) -> list[Awaitable[object]]:
    url = store.url_of(one.sha256)
    return [
        store.keep([one], within=within),
        store.get(url, within=within),
        store.type_of(url, within=within),
        store.stored(url, within=within),
        store.expire(url, 60, within=within),
        anext(store.blobs(within=within)),
        store.check(within=within),
    ]


async def test_a_server_that_is_frozen_is_unavailable_in_time_and_works_again(bucket_url, s3, blob) -> None:
    store, one = MediaStore(bucket_url), blob(b"one")
    await store.keep([one])
    s3.pause()
    try:
        began = time.monotonic()
        results = await asyncio.gather(*_all_calls(store, one, 0.4), return_exceptions=True)
        took = time.monotonic() - began
        link = await store.signed(store.url_of(one.sha256), 60, within=0.4)  # needs no server
    finally:
        s3.resume()

    assert [type(each) for each in results] == [MediaUnavailable] * 7
    assert all("within 0.4 s" in str(each) for each in results)
    assert took < 1.5
    assert link is not None
    await store.keep([one])
    assert await store.get(store.url_of(one.sha256)) == b"one"


async def test_a_server_that_is_stopped_is_unavailable_and_works_again_when_it_is_back(bucket_url, s3, blob) -> None:
    store, one = MediaStore(bucket_url), blob(b"one")
    s3.stop()
    try:
        began = time.monotonic()
        results = await asyncio.gather(*_all_calls(store, one, 8), return_exceptions=True)
        assert [type(each) for each in results] == [MediaUnavailable] * 7
        assert time.monotonic() - began < 7  # it gives up before the deadline
    finally:
        s3.start()

    s3.make_bucket(store.url.split("/")[2])
    await store.keep([one])
    assert await store.get(store.url_of(one.sha256)) == b"one"


async def test_a_bucket_that_is_not_there_is_unavailable_and_not_empty(s3, blob) -> None:
    store, one = MediaStore("s3://no-such-bucket"), blob(b"one")

    for call in (store.keep([one]), store.get(store.url_of(one.sha256)), store.check()):
        with pytest.raises(MediaUnavailable, match="no such bucket"):
            await call


async def test_errors_that_pass_are_waited_out(front, through_front, blob) -> None:
    async def first_two(_request: web.Request, number: int) -> web.Response | None:
        return web.Response(status=503 if number == 1 else 500) if number <= 2 else None

    front.fault = first_two
    await through_front.keep([blob(b"one")])

    assert await through_front.get(through_front.url_of(blob(b"one").sha256)) == b"one"
    assert front.seen[:3] == ["HEAD"] * 3


async def test_errors_that_stay_are_unavailable_after_a_few_attempts(front, through_front, blob) -> None:
    async def always(_request: web.Request, _number: int) -> web.Response:
        return web.Response(status=500)

    front.fault = always
    with pytest.raises(MediaUnavailable, match="cannot keep a blob"):
        await through_front.keep([blob(b"one")])

    assert front.seen == ["HEAD"] * 4


async def test_a_slow_server_is_waited_for_within_the_deadline(front, through_front, blob) -> None:
    async def slow(_request: web.Request, _number: int) -> None:
        await asyncio.sleep(0.2)

    front.fault, one = slow, blob(b"one")
    with pytest.raises(MediaUnavailable, match=r"within 0.3 s"):
        await through_front.keep([one], within=0.3)
    await through_front.keep([one], within=5)
    assert await through_front.get(through_front.url_of(one.sha256), within=5) == b"one"


async def test_a_server_that_may_not_say_that_nothing_is_there_is_written_to(front, through_front, blob) -> None:
    async def forbidden(request: web.Request, _number: int) -> web.Response | None:
        return web.Response(status=403) if request.method == "HEAD" else None

    front.fault, one = forbidden, blob(b"one")
    await through_front.keep([one])
    assert await through_front.get(through_front.url_of(one.sha256)) == b"one"

    async def refused(_request: web.Request, _number: int) -> web.Response:
        return web.Response(status=403)

    front.fault = refused
    for call in (through_front.keep([one]), through_front.get(through_front.url_of(one.sha256))):
        with pytest.raises(MediaUnavailable):
            await call


async def test_half_an_answer_is_never_taken_for_a_blob(front, through_front, blob) -> None:
    one = blob(bytes(range(256)) * 400)
    await through_front.keep([one])

    async def cut(request: web.Request, _number: int) -> web.StreamResponse | None:
        if request.method != "GET":
            return None
        response = web.StreamResponse(headers={"Content-Length": str(len(one.data)), "ETag": '"x"'})
        response.headers["Last-Modified"] = "Mon, 01 Jan 2024 00:00:00 GMT"
        await response.prepare(request)
        await response.write(one.data[:50_000])
        request.transport.abort()
        return response

    front.fault = cut
    with pytest.raises(MediaUnavailable):
        await through_front.get(through_front.url_of(one.sha256), within=5)
    front.fault = None
    assert await through_front.get(through_front.url_of(one.sha256)) == one.data


async def test_an_upload_that_is_cut_off_leaves_nothing(front, through_front, blob, all_of) -> None:
    async def cut(request: web.Request, _number: int) -> None:
        if request.method == "PUT":
            await request.content.readany()
            request.transport.abort()

    front.fault, one = cut, blob(bytes(2_000_000))
    with pytest.raises(MediaUnavailable):
        await through_front.keep([one], within=5)
    front.fault = None
    assert await all_of(through_front) == set()
    with pytest.raises(MediaNotFound):
        await through_front.get(through_front.url_of(one.sha256))


async def test_a_blob_is_looked_for_before_it_is_sent(front, through_front, blob) -> None:
    await through_front.keep([blob(b"one")])
    await through_front.keep([blob(b"one")])
    assert front.seen == ["HEAD", "PUT", "HEAD"]


async def test_a_large_blob_goes_up_in_one_request(front, through_front, blob) -> None:
    await through_front.keep([blob(bytes(6 * 1024 * 1024))])
    assert front.seen == ["HEAD", "PUT"]


async def test_processes_that_write_the_same_blobs_do_not_disturb_each_other(bucket_url, script, ended, all_of) -> None:
    keeping = "for number in range(20): keep(str(number).encode() * 30_000)"
    await asyncio.gather(*(ended(script(bucket_url, keeping)) for _ in range(2)))

    store = MediaStore(bucket_url)
    assert len(await all_of(store)) == 20
    async for each in store.blobs():
        await store.get(each.url)
