"""Stores to test with: a folder, memory, and a bucket of an S3 API server that is not ours."""

import asyncio
import hashlib
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateway.contract.parts import Blob
from gateway.stores.media import MediaStore


def _blob(data: bytes, content_type: str = "image/png") -> Blob:
    return Blob(hashlib.sha256(data).hexdigest(), content_type, data)


@pytest.fixture
def blob() -> Callable[..., Blob]:
    return _blob


@pytest.fixture
def s3(s3_server, monkeypatch) -> Iterator[object]:
    """The server, found by the variables that any S3 client knows; what a test does to it is undone."""
    for name, value in s3_server.env.items():
        monkeypatch.setenv(name, value)
    yield s3_server
    if not s3_server.alive:
        s3_server.start()


@pytest.fixture
def bucket_url(s3) -> str:
    """A bucket of its own, and a folder in it."""
    name = f"test-{secrets.token_hex(6)}"
    s3.make_bucket(name)
    return f"s3://{name}/mms media"


@pytest.fixture
def folder(tmp_path) -> Path:
    return tmp_path / "media"


@pytest.fixture(params=["file", "memory", "s3"])
def store(request, folder) -> MediaStore:
    """The store under test."""
    if request.param == "s3":
        return MediaStore(request.getfixturevalue("bucket_url"))
    return MediaStore(folder.as_uri() if request.param == "file" else "memory://")


@pytest.fixture
def in_folder(folder) -> MediaStore:
    return MediaStore(folder.as_uri())


@pytest.fixture
def all_of() -> Callable[[MediaStore], object]:
    """The digests of all blobs in a store."""

    async def digests(store: MediaStore) -> set[str]:
        return {each.sha256 async for each in store.blobs()}

    return digests


@pytest.fixture
def script(tmp_path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Run a few lines as another process; `store`, `keep(data)` and `argv` are at hand in them."""
    before = """
import asyncio, hashlib, os, sys, time
from gateway.contract.parts import Blob
from gateway.stores.media import MediaStore
store, argv = MediaStore(sys.argv[1]), sys.argv[2:]
def keep(data):
    asyncio.run(store.keep([Blob(hashlib.sha256(data).hexdigest(), "image/png", data)]))
"""
    started: list[subprocess.Popen[bytes]] = []

    def start(url: str, text: str, *arguments: object) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-c", before + text, url, *map(str, arguments)]
        started.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def ended() -> Callable[[subprocess.Popen[bytes]], object]:
    """Wait for a process, and expect that all went well."""

    async def wait(process: subprocess.Popen[bytes]) -> None:
        _, err = await asyncio.to_thread(process.communicate, timeout=20)
        assert process.returncode == 0, err.decode()

    return wait
