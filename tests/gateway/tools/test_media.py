"""`mm7 media`: looking at what is stored, taking it out, deleting what is old."""

import asyncio
import hashlib
import json
import os
import secrets
import time
from pathlib import Path

import pytest

from gateway.contract.parts import Blob
from gateway.stores import objects
from gateway.stores.media import MediaStore

DAY = 86400


@pytest.fixture
def store(invoke, tmp_path, monkeypatch) -> MediaStore:
    url = (tmp_path / "media").as_uri()
    monkeypatch.setenv("MM7_MEDIA_URL", url)
    return MediaStore(url)


def _keep(store: MediaStore, data: bytes, content_type: str = "image/png", days: float = 0) -> str:
    """Its digest; as if kept so many days ago."""
    digest = hashlib.sha256(data).hexdigest()
    asyncio.run(store.keep([Blob(digest, content_type, data)]))
    then = time.time() - days * DAY
    os.utime(_path(store, digest), (then, then))
    return digest


def _path(store: MediaStore, digest: str) -> Path:
    return Path(store.url.removeprefix("file://")) / digest[:2] / digest


def test_the_list_has_the_oldest_first_and_a_total_of_all(invoke, store) -> None:
    new = _keep(store, b"new")
    middle = _keep(store, b"x" * 5000, "video/3gpp", days=3)
    old = _keep(store, b"old", days=50)

    lines = invoke("media", "list", "--limit", "2").stdout.splitlines()

    assert [line.split()[-1] for line in lines[1:3]] == [old, middle]
    assert lines[1].split()[:2] == ["50", "d"]
    assert "video/3gpp" in lines[2]
    assert lines[3].startswith("3 blobs, ")
    assert lines[3].endswith(", 2 shown")
    found = [json.loads(line) for line in invoke("media", "list", "--json").stdout.splitlines()]
    assert [each["sha256"] for each in found] == [old, middle, new]
    assert found[1]["content_type"] == "video/3gpp"
    assert found[1]["bytes"] == 5000
    assert found[1]["age_seconds"] == pytest.approx(3 * DAY, abs=60)


def test_the_list_can_be_of_what_is_older(invoke, store) -> None:
    _keep(store, b"new", days=1)
    old = _keep(store, b"old", days=3)

    found = invoke("media", "list", "--older-than", "2d", "--json").stdout.splitlines()

    assert [json.loads(line)["sha256"] for line in found] == [old]


def test_a_list_of_nothing_says_so(invoke, store) -> None:
    assert invoke("media", "list").stdout == "0 blobs, 0 bytes\n"


@pytest.mark.parametrize("age", ["40", "d", "-1d", "1w", ""])
def test_what_is_no_age_is_wrong_usage(invoke, store, age) -> None:
    for command in ("list", "prune"):
        done = invoke("media", command, "--older-than", age)
        assert done.exit_code == 2
        assert "is no age" in done.stderr


def test_a_blob_is_shown_by_its_digest_and_by_its_url(invoke, store) -> None:
    digest = _keep(store, b"one", "image/gif")

    for reference in (digest, store.url_of(digest), f"file:{_path(store, digest)}"):
        shown = invoke("media", "show", reference)
        assert shown.exit_code == 0
        assert "image/gif" in shown.stdout
        facts = json.loads(invoke("media", "show", reference, "--json").stdout)
        assert facts.keys() == {"url", "sha256", "bytes", "kept_at", "age_seconds", "content_type"}
        assert facts["url"] == store.url_of(digest)


def test_a_blob_is_written_out_as_it_is(invoke, store, tmp_path) -> None:
    digest = _keep(store, bytes(range(256)))

    assert invoke("media", "get", digest).stdout_bytes == bytes(range(256))
    assert invoke("media", "get", digest, "-o", tmp_path / "out").stdout_bytes == b""
    assert (tmp_path / "out").read_bytes() == bytes(range(256))
    assert invoke("media", "get", digest, "-o", tmp_path / "no" / "out").exit_code == 1


def test_a_blob_that_is_damaged_is_not_written_out(invoke, store) -> None:
    digest = _keep(store, b"one")
    _path(store, digest).write_bytes(b"two")

    done = invoke("media", "get", digest)

    assert (done.exit_code, done.stdout_bytes) == (1, b"")
    assert "damaged" in done.stderr


@pytest.mark.parametrize("reference", ["ab" * 32, "s3://elsewhere/ab/cd", "nonsense", "file:///etc/passwd"])
def test_what_is_not_there_fails_with_a_word(invoke, store, reference) -> None:
    for command in ("show", "get"):
        done = invoke("media", command, reference)
        assert done.exit_code == 1
        assert len(done.stderr.splitlines()) == 1


def test_a_folder_that_cannot_be_made_is_said_to_be_unavailable(invoke, tmp_path, monkeypatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("MM7_MEDIA_URL", f"file://{tmp_path}/file/media")

    done = invoke("media", "list")

    assert done.exit_code == 1
    assert "media store" in done.stderr


def test_a_dry_run_counts_and_deletes_nothing(invoke, store) -> None:
    _keep(store, b"new", days=39)
    _keep(store, b"old", days=41)

    done = invoke("media", "prune", "--older-than", "40d", "--dry-run")

    assert done.stdout == "1 blob, 3 bytes would be deleted\n"
    assert len(invoke("media", "list", "--json").stdout.splitlines()) == 2


def test_pruning_deletes_what_is_old_with_its_type_and_nothing_else(invoke, store) -> None:
    new, old = _keep(store, b"new", days=39), [_keep(store, bytes([n]), days=41 + n) for n in range(40)]
    root = _path(store, new).parents[1]
    theirs = root / "ab" / "readme"
    theirs.parent.mkdir(exist_ok=True)
    theirs.touch()
    os.utime(theirs, (0, 0))

    done = invoke("media", "prune", "--older-than", "40d", "--yes", "--json")

    assert done.exit_code == 0
    assert json.loads(done.stdout) == {"dry_run": False, "blobs": 40, "bytes": 40, "unfinished_files": 0}
    left = {path for path in root.rglob("*") if path.is_file()}
    assert left == {theirs, _path(store, new), _path(store, new).with_suffix(".type")}
    assert not any(_path(store, each).exists() for each in old)


def test_pruning_cleans_up_after_interrupted_writes_of_days_ago(invoke, store) -> None:
    kept = _keep(store, b"kept")
    path = _path(store, kept)
    for name, days in ((f"{kept}#1", 2), (f"{kept}#2", 0), (f"{'b' * 64}.type", 2)):
        path.with_name(name).write_bytes(b"half")
        os.utime(path.with_name(name), (time.time() - days * DAY,) * 2)

    assert invoke("media", "prune", "--older-than", "40d", "--dry-run").stdout == (
        "0 blobs, 0 bytes and 2 unfinished files would be deleted\n"
    )
    assert "2 unfinished files deleted" in invoke("media", "prune", "--older-than", "40d", "--yes").stdout
    assert sorted(each.name for each in path.parent.iterdir()) == sorted([kept, f"{kept}.type", f"{kept}#2"])


def test_pruning_asks_and_where_there_is_nobody_deletes_nothing(invoke, store) -> None:
    old = _keep(store, b"old", days=41)

    done = invoke("media", "prune", "--older-than", "40d")

    assert done.exit_code == 2
    assert "1 blob, 3 bytes" in done.stdout
    assert "--yes" in done.stderr
    assert _path(store, old).exists()


@pytest.mark.parametrize(
    ("age", "keep", "refused"),
    [("30d", None, True), ("31d", None, False), ("1s", None, True), ("2d", 2 * DAY, True), ("3d", 2 * DAY, False)],
)
def test_nothing_is_pruned_that_an_event_may_refer_to(invoke, store, monkeypatch, age, keep, refused) -> None:
    if keep:
        monkeypatch.setenv("MM7_MEDIA_KEEP", str(keep))
    _keep(store, b"old", days=2.5)

    done = invoke("media", "prune", "--older-than", age, "--yes")

    assert (done.exit_code == 2) is refused
    assert ("MM7_MEDIA_KEEP" in done.stderr) is refused
    assert len(invoke("media", "list", "--json").stdout.splitlines()) == 1


def test_a_blob_that_is_kept_again_between_the_looks_is_spared(invoke, store, monkeypatch) -> None:
    old, again = _keep(store, b"old", days=41), _keep(store, b"again", days=41)
    remove_or_not = MediaStore.expire

    async def expire(self, url, *arguments):
        if url.endswith(again):
            await self.keep([Blob(again, "image/png", b"again")])
        return await remove_or_not(self, url, *arguments)

    monkeypatch.setattr(MediaStore, "expire", expire)
    done = invoke("media", "prune", "--older-than", "40d", "--yes")

    assert done.stdout == "1 blob, 3 bytes deleted\n"
    assert _path(store, again).exists()
    assert not _path(store, old).exists()


def test_what_was_deleted_before_the_store_failed_is_told(invoke, store, monkeypatch) -> None:
    for n in range(20):
        _keep(store, bytes([n]), days=41)
    calls = iter(range(100))
    unlink = Path.unlink

    def failing(self, missing_ok=False):
        if next(calls) > 10:
            raise OSError(5, "Input/output error")
        unlink(self, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", failing)
    done = invoke("media", "prune", "--older-than", "40d", "--yes")

    assert done.exit_code == 1
    assert "Input/output error" in done.stderr
    deleted = int(done.stdout.split()[0])
    assert 0 < deleted <= 20 - len(invoke("media", "list", "--json").stdout.splitlines())


@pytest.fixture
def bucket(s3_server, monkeypatch) -> str:
    """The URL of a bucket; where it is stands in the environment."""
    for name, value in s3_server.env.items():
        monkeypatch.setenv(name, value)
    name = f"test-{secrets.token_hex(6)}"
    s3_server.make_bucket(name)
    return f"s3://{name}"


def test_all_of_it_works_on_a_bucket(bucket, invoke, monkeypatch) -> None:
    monkeypatch.setenv("MM7_MEDIA_URL", f"{bucket}/mms")
    store, data = MediaStore(f"{bucket}/mms"), [bytes([n]) * 100 for n in range(20)]
    blobs = [Blob(hashlib.sha256(each).hexdigest(), "image/gif", each) for each in data]
    asyncio.run(store.keep(blobs))

    assert invoke("media", "list").stdout.splitlines()[-1].startswith("20 blobs, ")
    assert "image/gif" in invoke("media", "show", store.url_of(blobs[0].sha256)).stdout
    assert invoke("media", "get", blobs[0].sha256).stdout_bytes == data[0]
    assert invoke("media", "prune", "--older-than", "40d", "--yes").stdout == "0 blobs, 0 bytes deleted\n"
    monkeypatch.setattr(objects.Entry, "age_seconds", lambda _: 41.0 * DAY)
    assert invoke("media", "prune", "--older-than", "40d", "--yes").stdout.startswith("20 blobs, ")
    assert invoke("media", "list").stdout == "0 blobs, 0 bytes\n"


async def test_the_command_ends_as_it_should_on_a_bucket(bucket, mm7) -> None:
    done = await mm7("media", "list", MEDIA_URL=bucket)
    assert (done.code, done.out) == (0, "0 blobs, 0 bytes\n")
    missing = await mm7("media", "list", MEDIA_URL="s3://no-such-bucket")
    assert missing.code == 1
    assert "no such bucket" in missing.err
