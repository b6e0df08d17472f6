"""Objects under keys, through obstore: S3, GCS, Azure and memory; `folder` makes files of them.

Strategy: a look and, where need be, a put, and no conditional put: older S3 servers do not know it, and what is written
under a hash is the same whoever writes it. Each object goes up in one request, whole or not at all: of a multipart
upload that breaks off the parts would stay behind, hidden and paid for.
"""

import atexit
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import obstore
from obstore.exceptions import BaseError, PermissionDeniedError
from obstore.store import AzureStore, GCSStore, ObjectStore, S3Store, from_url

UNKNOWN_TYPE = "application/octet-stream"
_LISTED_AT_ONCE = 1000
_SETTLE_SECONDS = 0.05
# obstore's own would try for three minutes. The caller's deadline is what ends a call; these are for what is in it.
_REMOTE: Mapping[str, Any] = {
    "client_options": {
        "allow_http": True,  # who writes an endpoint with http:// means it
        "connect_timeout": timedelta(seconds=2),
        "timeout": timedelta(seconds=30),
    },
    "retry_config": {
        "max_retries": 3,
        "retry_timeout": timedelta(seconds=10),
        "backoff": {"init_backoff": timedelta(milliseconds=100), "max_backoff": timedelta(seconds=1), "base": 2},
    },
}


@dataclass(frozen=True, slots=True)
class Entry:
    """What a listing tells of an object; `kept_at` is when it was written last."""

    key: str
    bytes: int
    kept_at: datetime

    def age_seconds(self) -> float:
        return (datetime.now(UTC) - self.kept_at).total_seconds()


class Objects:
    """The objects of one store.

    All raise obstore's BaseError or OSError; FileNotFoundError is an object that is not there, and nothing else.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._open: ObjectStore | None = None
        _settle_at_exit()

    @property
    def _store(self) -> ObjectStore:
        if self._open is None:
            self._open = self._opened(self._url)
        return self._open

    def open(self) -> None:
        """Find out whether the URL means anything; nothing is asked of a server."""
        _ = self._store

    def _opened(self, url: str) -> ObjectStore:
        return from_url(url) if url.startswith("memory:") else from_url(url, **_REMOTE)

    async def keep(self, key: str, data: bytes, content_type: str, *, fresh_seconds: float) -> None:
        """Have these bytes under a key; one that is whole and was written within `fresh_seconds` is left alone."""
        try:
            entry = await self.entry(key)
        except (FileNotFoundError, PermissionDeniedError):  # S3 says 403 where it may not tell that there is nothing
            entry = None
        if entry is None or entry.bytes != len(data) or entry.age_seconds() > fresh_seconds:
            await self._put(key, data, content_type)

    async def _put(self, key: str, data: bytes, content_type: str) -> None:
        attributes = {"Content-Type": content_type}
        with _bucket_or_none():
            await obstore.put_async(self._store, key, data, attributes=attributes, use_multipart=False)

    async def read(self, key: str) -> bytes:
        """All of an object."""
        with _bucket_or_none():
            result = await obstore.get_async(self._store, key)
            return bytes(await result.bytes_async())

    async def entry(self, key: str) -> Entry:
        """The facts of one object."""
        return _entry(await obstore.head_async(self._store, key))

    async def entries(self) -> AsyncIterator[Entry]:
        """All objects, in any order."""
        with _bucket_or_none():
            async for chunk in obstore.list(self._store, chunk_size=_LISTED_AT_ONCE):
                for each in chunk:
                    yield _entry(each)

    async def type_of(self, key: str) -> str:
        """The type that was kept with it."""
        result = await obstore.get_async(self._store, key, options={"head": True})
        return result.attributes.get("Content-Type") or UNKNOWN_TYPE

    async def remove(self, key: str) -> None:
        """Delete an object; one that is not there is no error."""
        await obstore.delete_async(self._store, key)

    async def sign(self, key: str, seconds: int) -> str | None:
        """A link by which anybody can read the object for a while; None where the store has no such links."""
        if not isinstance(self._store, S3Store | GCSStore | AzureStore):
            return None
        return await obstore.sign_async(self._store, "GET", key, timedelta(seconds=seconds))

    async def leftovers(self, older_seconds: float, *, remove: bool) -> int:  # noqa: ARG002  # as a folder's
        """How many remains of interrupted writes there are, removed on request: none, a put is whole or nothing."""
        return 0


@contextmanager
def _bucket_or_none() -> Iterator[None]:
    """A bucket that is not there is a store that cannot be used, not an object that is not there."""
    try:
        yield
    except (BaseError, FileNotFoundError) as error:
        if any(code in str(error) for code in ("NoSuchBucket", "ContainerNotFound")):
            raise OSError("there is no such bucket") from error
        raise


@cache
def _settle_at_exit() -> None:
    """Let obstore's threads finish before the interpreter ends.

    A thread that has just given a result and waits for the interpreter once more is ended by it, and takes the whole
    process along (SIGABRT, before Python 3.14: one exit in five). In a pause it gets what it waits for.
    """
    atexit.register(time.sleep, _SETTLE_SECONDS)


def _entry(meta: "obstore.ObjectMeta") -> Entry:
    return Entry(meta["path"], meta["size"], meta["last_modified"])
