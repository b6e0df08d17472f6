"""The media store in a folder: what has its name is whole and safe, whatever happens while it is written."""

import asyncio
import hashlib
import os
import resource
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.stores.media import MediaNotFound, MediaStore, MediaUnavailable


def _path(folder: Path, one) -> Path:
    return folder / one.sha256[:2] / one.sha256


def _files(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    "path", ["%2e%2e/%2e%2e/etc/passwd", "/etc/passwd", "ab/../../secret", "ab", "\x00", "a\\..\\b"]
)
async def test_a_url_cannot_lead_out_of_the_folder(in_folder, tmp_path, path) -> None:
    (tmp_path / "secret").write_text("secret")
    with pytest.raises((MediaNotFound, MediaUnavailable)):
        await in_folder.get(f"{in_folder.url}/{path}")


@pytest.mark.parametrize("name", ["a b", "ü%20", "x#y?z", "media/"])
async def test_any_folder_s_name_will_do(tmp_path, name, blob) -> None:
    store, one = MediaStore((tmp_path / name).as_uri()), blob(b"x")
    await store.keep([one])
    again = MediaStore(store.url)
    assert await again.get(again.url_of(one.sha256)) == b"x"
    assert [each.sha256 async for each in again.blobs()] == [one.sha256]


async def test_a_file_is_synced_before_it_has_its_name_and_the_folders_after(
    folder, in_folder, blob, monkeypatch
) -> None:
    one, synced = blob(b"x"), []

    def record(descriptor: int) -> None:
        name = Path(f"/proc/self/fd/{descriptor}").readlink()
        synced.append((name.name.partition("#")[0], _path(folder, one).exists()))

    monkeypatch.setattr(os, "fsync", record)
    await in_folder.keep([one])
    folders = [(one.sha256[:2], True), ("media", True)]
    assert synced == [(f"{one.sha256}.type", False), (one.sha256, False), *folders]
    await in_folder.keep([one])  # another process may have named it, and not yet synced the folders
    assert synced[4:] == folders


@pytest.mark.parametrize("failing", range(4))
async def test_a_disk_that_cannot_sync_is_unavailable(folder, in_folder, blob, monkeypatch, failing) -> None:
    calls = iter(range(10))

    def full(_descriptor: int) -> None:
        if next(calls) == failing:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(MediaUnavailable, match="No space left on device"):
        await in_folder.keep([blob(b"x")])
    assert not [path for path in _files(folder) if "#" in path.name]
    await in_folder.keep([blob(b"x")])
    assert await in_folder.get(in_folder.url_of(blob(b"x").sha256)) == b"x"


async def test_a_disk_that_hangs_is_unavailable_and_holds_up_nobody_else(in_folder, blob, monkeypatch) -> None:
    released = threading.Event()
    monkeypatch.setattr(os, "fsync", lambda _: released.wait(10))
    blobs = [blob(bytes([n])) for n in range(40)]
    try:
        with pytest.raises(MediaUnavailable, match=r"did not keep a blob within 0.2 s"):
            await in_folder.keep(blobs, within=0.2)
        async with asyncio.timeout(2):
            assert await asyncio.to_thread(lambda: "the loop's threads are free") == "the loop's threads are free"
    finally:
        released.set()
    await in_folder.keep(blobs)


async def test_a_folder_that_has_gone_is_unavailable_and_not_empty(folder, in_folder, blob) -> None:
    folder.rmdir()
    with pytest.raises(MediaUnavailable, match="is not there"):
        await in_folder.get(in_folder.url_of("ab" * 32))
    folder.write_text("a file stands where the folder was")
    for call in (in_folder.keep([blob(b"x")]), in_folder.get(in_folder.url_of("ab" * 32)), in_folder.check()):
        with pytest.raises(MediaUnavailable, match="media store"):
            await call


async def test_a_folder_that_stands_in_the_way_of_one_blob_is_unavailable(folder, in_folder, blob) -> None:
    one, two = blob(b"one"), blob(b"two")
    (_path(folder, one) / "x").mkdir(parents=True)
    with pytest.raises(MediaUnavailable):
        await in_folder.keep([one, two])
    assert await in_folder.get(in_folder.url_of(two.sha256)) == b"two"


@pytest.mark.parametrize("left", [None, b""])
async def test_a_type_that_was_lost_is_unknown(folder, in_folder, blob, left) -> None:
    one = blob(b"one", "image/gif")
    await in_folder.keep([one])
    beside = _path(folder, one).with_suffix(".type")
    beside.unlink() if left is None else beside.write_bytes(left)

    assert await in_folder.type_of(in_folder.url_of(one.sha256)) == "application/octet-stream"


async def test_a_type_that_is_not_there_is_written_with_the_next_keeping(folder, in_folder, blob) -> None:
    one = blob(b"one", "image/gif")
    await in_folder.keep([one])
    _path(folder, one).with_suffix(".type").unlink()

    await in_folder.keep([one])

    assert await in_folder.type_of(in_folder.url_of(one.sha256)) == "image/gif"


async def test_a_limit_on_the_size_of_files_is_unavailable(folder, in_folder, blob) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    big, small = blob(bytes(300_000)), blob(b"small")
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(MediaUnavailable, match="File too large"):
            await in_folder.keep([big])
        await in_folder.keep([small])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert await in_folder.get(in_folder.url_of(small.sha256)) == b"small"
    with pytest.raises(MediaNotFound):
        await in_folder.get(in_folder.url_of(big.sha256))
    assert await in_folder.leftovers(60, remove=True) == 0


@pytest.fixture
def read_only(folder, in_folder) -> Iterator[None]:
    """The folder cannot be written: by its mode, which stops everybody but root, and for root by a mount."""
    mounted = os.geteuid() == 0
    if mounted:
        bind = subprocess.run(["mount", "--bind", folder, folder], check=False, capture_output=True)
        if bind.returncode:
            pytest.skip("making a folder read-only for root needs a mount")
        subprocess.run(["mount", "-o", "remount,ro,bind", folder], check=True)
    else:
        folder.chmod(0o555)
    yield
    if mounted:
        subprocess.run(["umount", "-l", folder], check=True)
    else:
        folder.chmod(0o755)


async def test_a_folder_that_is_read_only_is_unavailable(in_folder, blob, read_only) -> None:
    with pytest.raises(MediaUnavailable, match=r"Read-only file system|Permission denied"):
        await in_folder.keep([blob(b"x")])
    with pytest.raises(MediaUnavailable):
        await in_folder.check()


async def test_a_kill_in_the_middle_of_a_write_leaves_nothing_that_is_taken_for_a_blob(
    folder, in_folder, blob, script, all_of
) -> None:
    one = blob(bytes(3_000_000))
    stopped_at_the_second_sync = """
calls = iter(range(10))
def sync(descriptor):
    if next(calls) == 1:
        print("written", flush=True)
        time.sleep(60)
os.fsync = sync
keep(bytes(3_000_000))
"""
    process = script(in_folder.url, stopped_at_the_second_sync)
    assert await asyncio.to_thread(process.stdout.readline) == b"written\n"
    process.send_signal(signal.SIGKILL)
    process.wait()

    assert await all_of(in_folder) == set()
    with pytest.raises(MediaNotFound):
        await in_folder.get(in_folder.url_of(one.sha256))
    assert await in_folder.leftovers(60, remove=True) == 0  # they might be somebody's who is still at it
    assert await in_folder.leftovers(-1, remove=True) == 2  # a type without a blob, and the unfinished blob
    assert _files(folder) == set()

    await in_folder.keep([one])
    assert await in_folder.get(in_folder.url_of(one.sha256)) == one.data


async def test_whatever_was_kept_before_a_kill_at_any_time_is_whole(in_folder, script) -> None:
    keeping_and_telling = """
for number in range(100_000):
    data = (argv[0] + str(number)).encode() * 20_000
    keep(data)
    print(hashlib.sha256(data).hexdigest(), flush=True)
"""
    told: list[str] = []
    for round_ in range(4):
        process = script(in_folder.url, keeping_and_telling, round_)
        told += [(await asyncio.to_thread(process.stdout.readline)).decode().strip() for _ in range(3 + 5 * round_)]
        process.send_signal(signal.SIGKILL)
        out, _ = process.communicate()
        told += [line for line in out.decode().splitlines(keepends=True) if line.endswith("\n")]

    for digest in told:
        assert hashlib.sha256(await in_folder.get(in_folder.url_of(digest.strip()))).hexdigest() == digest.strip()
    async for each in in_folder.blobs():
        await in_folder.get(each.url)  # which compares the hash


async def test_processes_that_write_the_same_blobs_do_not_disturb_each_other(
    folder, in_folder, script, ended, all_of
) -> None:
    keeping = "for number in range(60): keep(str(number).encode() * 30_000)"
    await asyncio.gather(*(ended(script(in_folder.url, keeping)) for _ in range(2)))

    assert len(await all_of(in_folder)) == 60
    assert len(_files(folder)) == 120
    async for each in in_folder.blobs():
        await in_folder.get(each.url)
        assert await in_folder.type_of(each.url) == "image/png"
