"""What every media store does, be it a folder, memory or a bucket."""

import asyncio
import time
import urllib.request

import pytest

from gateway.contract.parts import Blob
from gateway.stores import media
from gateway.stores.media import MediaNotFound, MediaStore, MediaUnavailable, location, resolve

SIX_MEGABYTES = bytes(range(256)) * 4 * 6000  # larger than what obstore would upload in parts


async def _refreshed(store: MediaStore, one: Blob, than: object) -> bool:
    deadline = time.monotonic() + 5  # a bucket's times are whole seconds
    while time.monotonic() < deadline:
        await store.keep([one])
        if (await store.stored(store.url_of(one.sha256))).kept_at != than:
            return True
        await asyncio.sleep(0.05)
    return False


async def test_what_is_kept_is_found_under_its_url(store, blob) -> None:
    blobs = [blob(b""), blob(b"one"), blob(SIX_MEGABYTES)]

    await store.keep(blobs)

    for each in blobs:
        url = store.url_of(each.sha256)
        assert url == location(store.url, each.sha256)
        assert await store.get(url) == each.data
        found = await store.stored(url)
        assert (found.url, found.sha256, found.bytes) == (url, each.sha256, len(each.data))
        assert found.age_seconds < 60


async def test_keeping_again_and_at_the_same_time_is_the_same(store, blob, all_of) -> None:
    same = [blob(b"x" * 100_000) for _ in range(5)]

    await asyncio.gather(*(store.keep(same) for _ in range(4)))

    assert await store.get(store.url_of(same[0].sha256)) == same[0].data
    assert await all_of(store) == {same[0].sha256}


async def test_the_type_is_kept_beside(store, blob) -> None:
    one, two = blob(b"one", "video/3gpp"), blob(b"two", "text/plain; charset=utf-8")

    await store.keep([one, two])

    assert await store.type_of(store.url_of(one.sha256)) == "video/3gpp"
    assert await store.type_of(store.url_of(two.sha256)) == "text/plain"


@pytest.mark.parametrize("said", ["", "image", "image/png\r\nX: y", "bild/grün", "a/" + "b" * 200, "*/*", "\x00/x"])
async def test_a_type_that_is_none_does_not_stand_in_the_way(store, blob, said) -> None:
    one = blob(said.encode(), said)

    await store.keep([one])

    assert await store.get(store.url_of(one.sha256)) == one.data
    assert await store.type_of(store.url_of(one.sha256)) == "application/octet-stream"


async def test_what_is_not_there_is_not_found(store, blob) -> None:
    await store.keep([blob(b"x")])
    for url in (store.url_of("ab" * 32), "https://elsewhere.example/x", store.url, "", f"{store.url}/../../etc/passwd"):
        for call in (store.get(url), store.type_of(url), store.stored(url)):
            with pytest.raises(MediaNotFound):
                await call


async def test_a_blob_is_not_written_again_on_the_same_day(store, blob) -> None:
    one = blob(b"one")
    await store.keep([one])
    before = await store.stored(store.url_of(one.sha256))
    await asyncio.sleep(1.1 if store.url.startswith("s3:") else 0.01)

    await store.keep([one])

    assert (await store.stored(before.url)).kept_at == before.kept_at


async def test_a_blob_that_is_kept_again_later_is_as_new(store, blob, monkeypatch) -> None:
    one = blob(b"one")
    await store.keep([one])
    before = await store.stored(store.url_of(one.sha256))

    monkeypatch.setattr(media, "FRESH_SECONDS", -1.0)

    assert await _refreshed(store, one, before.kept_at)
    assert await store.get(before.url) == b"one"


async def test_a_blob_expires_only_if_it_is_still_old(store, blob, all_of) -> None:
    old, kept = blob(b"old"), blob(b"kept")
    await store.keep([old, kept])

    assert not await store.expire(store.url_of(kept.sha256), 60)
    assert await store.expire(store.url_of(old.sha256), -60)
    assert not await store.expire(store.url_of(old.sha256), -60)

    assert await all_of(store) == {kept.sha256}
    with pytest.raises(MediaNotFound):
        await store.get(store.url_of(old.sha256))


async def test_bytes_that_are_not_what_their_name_says_are_not_given(store, blob) -> None:
    one, other = blob(b"one"), blob(b"two")
    await store._objects.keep(f"{one.sha256[:2]}/{one.sha256}", other.data, "image/png", fresh_seconds=0)

    with pytest.raises(MediaUnavailable, match="damaged"):
        await store.get(store.url_of(one.sha256))


async def test_a_blob_of_another_size_is_written_again(store, blob) -> None:
    one = blob(b"whole")
    await store._objects.keep(f"{one.sha256[:2]}/{one.sha256}", b"who", "image/png", fresh_seconds=0)

    await store.keep([one])

    assert await store.get(store.url_of(one.sha256)) == b"whole"


async def test_what_is_not_ours_is_neither_listed_nor_in_the_way(store, blob, all_of) -> None:
    one = blob(b"one")
    await store.keep([one])
    for key in ("notes.txt", "ab/readme", f"cd/{one.sha256}"):
        await store._objects.keep(key, b"theirs", "text/plain", fresh_seconds=0)

    assert await all_of(store) == {one.sha256}
    assert await store.get(f"{store.url}/ab/readme") == b"theirs"


async def test_a_check_leaves_nothing_behind(store, all_of) -> None:
    await store.check()

    assert await all_of(store) == set()
    assert await store.leftovers(-60, remove=False) == 0


async def test_a_bucket_s_signed_link_gives_the_bytes_with_their_type(bucket_url, blob) -> None:
    store, one = MediaStore(bucket_url), blob(b"a picture", "image/gif")
    await store.keep([one])

    link = await store.signed(store.url_of(one.sha256), 600)

    assert link is not None
    assert "X-Amz-Expires=600" in link
    with await asyncio.to_thread(urllib.request.urlopen, link, timeout=5) as response:
        assert response.read() == b"a picture"
        assert response.headers["Content-Type"] == "image/gif"


async def test_there_is_no_link_for_no_seconds_or_where_nothing_can_be_signed(store, blob) -> None:
    url = store.url_of(blob(b"x").sha256)

    assert await store.signed(url, 0) is None
    assert (await store.signed(url, 60) is None) is not store.url.startswith("s3:")
    with pytest.raises(MediaNotFound):
        await store.signed("https://elsewhere.example/x", 60)


@pytest.mark.parametrize(
    ("url", "normalised"),
    [
        ("memory://", "memory://"),
        ("s3://bucket/", "s3://bucket"),
        ("s3://bucket/folder/", "s3://bucket/folder"),
        ("file:///var/media/", "file:///var/media"),
        ("file:///var/a%20b", "file:///var/a%20b"),
        ("file:///var/a b", "file:///var/a%20b"),
    ],
)
def test_a_store_s_url_has_one_spelling(url, normalised) -> None:
    assert location(url, "abcd") == f"{normalised}/ab/abcd"


def test_a_blob_is_known_by_its_digest_and_by_every_spelling_of_its_url(tmp_path) -> None:
    store, digest = MediaStore((tmp_path / "a b").as_uri()), "ab" * 32
    path = tmp_path / "a b" / "ab" / digest

    for spelling in (digest, path.as_uri(), f"file:{path}", f"file://{path}"):
        assert resolve(store, spelling) == store.url_of(digest)
    assert resolve(store, "s3://elsewhere/x") == "s3://elsewhere/x"
