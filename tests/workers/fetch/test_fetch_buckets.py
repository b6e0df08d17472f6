"""Parts in other buckets: from an S3 API server that is not ours, and from one that misbehaves."""

import asyncio
import importlib.util
import os

import pytest
from aiohttp import web

from workers.fetch import Fetched, Unreachable
from workers.rules import Refused

KEYS = ("photo.jpg", "2026/a photo+1%20ä?b#c.jpg", "deep/" * 20 + "x")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    if importlib.util.find_spec("moto") is None:
        if os.environ.get("CI"):
            pytest.fail("moto is not installed")
        pytest.skip("moto is not installed")
    from s3_server import S3Server

    with S3Server(tmp_path_factory.mktemp("s3")) as server:
        server.make_bucket("photos")
        server.make_bucket("others")
        yield server


@pytest.fixture
def s3(server, monkeypatch):
    for name, value in server.env.items():
        monkeypatch.setenv(name, value)
    return server


async def put(key: str, content: bytes, content_type: str = "image/jpeg") -> None:
    import obstore
    from obstore.store import S3Store

    store = S3Store("photos", client_options={"allow_http": True})
    await obstore.put_async(store, key, content, attributes={"Content-Type": content_type})


async def test_an_object_is_read_with_its_type(s3, make_fetcher) -> None:
    fetcher = await make_fetcher(buckets=frozenset({"photos"}))
    content = os.urandom(3_000_000)
    await put("2026/photo.jpg", content)
    assert await fetcher.get("s3://photos/2026/photo.jpg") == Fetched(content, "image/jpeg")


async def test_a_key_is_taken_as_it_is_written(s3, make_fetcher) -> None:
    fetcher = await make_fetcher(buckets=frozenset({"photos"}))
    for key in KEYS:
        await put(key, key.encode())
        assert (await fetcher.get(f"s3://photos/{key}")).data == key.encode()


async def test_what_is_not_there_or_too_large_or_not_allowed_is_refused(s3, make_fetcher) -> None:
    fetcher = await make_fetcher(buckets=frozenset({"photos", "missing"}), max_bytes=1000)
    await put("large", bytes(1001))
    cases = {
        "s3://photos/nothing": "s3://photos/nothing: there is no such object",
        "s3://missing/photo.jpg": "there is no such object",
        "s3://photos/large": "s3://photos/large has 1001 bytes, 1000 at most are taken",
        "s3://photos/a/../../others/b": "s3://photos/a/../../others/b: ",
        "s3://others/photo.jpg": "the bucket 'others' is not allowed",
    }
    for url, words in cases.items():
        with pytest.raises(Refused) as caught:
            await fetcher.get(url)
        assert words in str(caught.value), url


@pytest.fixture
async def bad_s3(site, make_fetcher, monkeypatch):
    for name, value in {
        "AWS_ENDPOINT_URL": site.url("").rstrip("/"),
        "AWS_ACCESS_KEY_ID": "key-id",
        "AWS_SECRET_ACCESS_KEY": "very-secret",
        "AWS_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    return await make_fetcher(buckets=frozenset({"photos"}), max_bytes=100_000)


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_a_server_that_fails_is_for_later_and_asked_once(bad_s3, site, status) -> None:
    site.page("/photos/a", status=status)
    with pytest.raises(Unreachable, match=r"^s3://photos/a: ") as caught:
        await bad_s3.get("s3://photos/a")
    assert len(site.requests) == 1
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "status, words", [(403, "access is denied"), (401, "access is denied"), (404, "no such object")]
)
async def test_a_server_that_refuses_is_believed(bad_s3, site, status, words) -> None:
    site.page("/photos/a", status=status)
    with pytest.raises(Refused, match=words):
        await bad_s3.get("s3://photos/a")


async def test_a_server_that_is_away_or_silent_is_for_later(bad_s3, site, monkeypatch, unused_port) -> None:
    async def silent(_: web.Request) -> web.Response:
        await asyncio.sleep(30)
        return web.Response()

    site.pages["/photos/a"] = silent
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await bad_s3.get("s3://photos/a")
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{unused_port}")
    bad_s3._buckets._stores.clear()
    with pytest.raises(Unreachable):
        async with asyncio.timeout(10):
            await bad_s3.get("s3://photos/a")


async def test_a_large_object_is_refused_by_its_announcement(bad_s3, site) -> None:
    facts = {"ETag": '"x"', "Last_Modified": "Thu, 01 Jan 2026 00:00:00 GMT"}
    site.endless("/photos/a", bytes(64 * 1024), length=1024**3, **facts)
    with pytest.raises(Refused, match="has 1073741824 bytes"):
        await asyncio.wait_for(bad_s3.get("s3://photos/a"), 5)
    await asyncio.wait_for(site.cut_off.wait(), 5)
    assert site.sent < 50 * 1024 * 1024
