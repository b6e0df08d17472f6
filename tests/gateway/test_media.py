"""The media store: what is kept is whole, safe and found again."""

import asyncio
import hashlib
import os
from pathlib import Path

import pytest

from gateway.contract.parts import Blob
from gateway.stores.media import MediaNotFound, MediaStore, MediaUnavailable, location


def blob(data: bytes) -> Blob:
    return Blob(hashlib.sha256(data).hexdigest(), "application/octet-stream", data)


@pytest.fixture(params=["file", "memory"])
def store(request, tmp_path) -> MediaStore:
    return MediaStore((tmp_path / "media").as_uri() if request.param == "file" else "memory://")


async def test_what_is_kept_is_found_under_its_url(store) -> None:
    blobs = [blob(b""), blob(b"one"), blob(bytes(range(256)) * 5000)]
    await store.keep(blobs)
    for each in blobs:
        url = store.url_of(each.sha256)
        assert url == location(store.url, each.sha256)
        assert await store.get(url) == each.data


async def test_keeping_again_and_at_the_same_time_is_the_same(store) -> None:
    same = [blob(b"x" * 100_000) for _ in range(20)]
    await asyncio.gather(*(store.keep(same) for _ in range(5)))
    assert await store.get(store.url_of(same[0].sha256)) == same[0].data


async def test_what_is_not_there_is_not_found(store) -> None:
    await store.keep([blob(b"x")])
    for url in (store.url_of("ab" * 32), "https://elsewhere.example/x", store.url, "", f"{store.url}/../../etc/passwd"):
        with pytest.raises(MediaNotFound):
            await store.get(url)


@pytest.mark.parametrize(
    "path", ["%2e%2e/%2e%2e/etc/passwd", "/etc/passwd", "ab/../../secret", "ab", "\x00", "a\\..\\b"]
)
async def test_a_url_cannot_lead_out_of_the_store(tmp_path, path) -> None:
    (tmp_path / "secret").write_text("secret")
    store = MediaStore((tmp_path / "media").as_uri())
    with pytest.raises((MediaNotFound, MediaUnavailable)):
        await store.get(f"{store.url}/{path}")


async def test_a_check_keeps_something_and_reads_it_back(store) -> None:
    await store.check()


async def test_a_store_that_has_gone_is_unavailable(tmp_path) -> None:
    store = MediaStore((tmp_path / "media").as_uri())
    (tmp_path / "media").rmdir()
    (tmp_path / "media").write_text("a file stands where the folder was")
    for call in (store.keep([blob(b"x")]), store.get(store.url_of("ab" * 32)), store.check()):
        with pytest.raises(MediaUnavailable, match="media store"):
            await call


async def test_a_folder_that_stands_in_the_way_of_one_blob_is_unavailable(tmp_path) -> None:
    store, one, two = MediaStore((tmp_path / "media").as_uri()), blob(b"one"), blob(b"two")
    (tmp_path / "media" / one.sha256[:2] / one.sha256 / "x").mkdir(parents=True)
    with pytest.raises(MediaUnavailable):
        await store.keep([one, two])
    assert await store.get(store.url_of(two.sha256)) == b"two"


async def test_a_blob_that_a_crash_has_cut_short_is_written_again(tmp_path) -> None:
    store, one = MediaStore((tmp_path / "media").as_uri()), blob(b"whole")
    path = tmp_path / "media" / one.sha256[:2] / one.sha256
    path.parent.mkdir(parents=True)
    for left in (b"", b"who"):
        path.write_bytes(left)
        await store.keep([one])
        assert await store.get(store.url_of(one.sha256)) == b"whole"


@pytest.mark.parametrize("name", ["a b", "ü%20", "x#y?z", "media/"])
async def test_any_folder_s_name_will_do(tmp_path, name) -> None:
    store = MediaStore((tmp_path / name).as_uri())
    await store.keep([blob(b"x")])
    assert await store.get(store.url_of(blob(b"x").sha256)) == b"x"
    again = MediaStore(store.url)
    assert await again.get(again.url_of(blob(b"x").sha256)) == b"x"


async def test_a_file_is_synced_with_the_folders_that_lead_to_it(tmp_path, monkeypatch) -> None:
    synced: list[Path] = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(Path(f"/proc/self/fd/{descriptor}").readlink()))
    store, one = MediaStore((tmp_path / "media").as_uri()), blob(b"x")
    await store.keep([one])
    folder = tmp_path / "media"
    assert synced == [folder / one.sha256[:2] / one.sha256, folder / one.sha256[:2], folder]
    await store.keep([one])  # another process may have written it, and not yet synced it
    assert len(synced) == 6


async def test_a_disk_that_cannot_sync_is_unavailable(tmp_path, monkeypatch) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    store = MediaStore((tmp_path / "media").as_uri())
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(MediaUnavailable, match="No space left on device"):
        await store.keep([blob(b"x")])


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
