"""The media store: blobs under their SHA-256, through obstore (file, S3, GCS, Azure, memory behind one API).

Strategy: content-addressed, so keeping is idempotent and two writers of one blob cannot disagree; a blob is kept before
the event that refers to it, so an orphan blob is the worst that a crash leaves behind. Files are fsynced, because what
is acknowledged must survive the machine, not just the process.
"""

import asyncio
import hashlib
import os
import uuid
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import unquote, urlsplit

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import LocalStore, ObjectStore, from_url

from gateway.contract.parts import Blob

SCHEMES = ("file", "s3", "gs", "az", "memory")


class MediaUnavailable(Exception):
    """The store cannot keep or give a blob just now."""


class MediaNotFound(Exception):
    """The URL names nothing in this store."""


class MediaStore:
    """A store at `url`; blobs are `<url>/<two digits>/<sha256>`."""

    def __init__(self, url: str) -> None:
        self.url = _normalised(url)
        self._folder = Path(unquote(urlsplit(self.url).path)) if self.url.startswith("file:") else None
        try:
            if self._folder is not None:
                self._store: ObjectStore = LocalStore(self._folder, mkdir=True)
            else:
                self._store = from_url(self.url)
        except (BaseError, OSError) as error:
            raise ValueError(f"MM7_MEDIA_URL = {self.url!r} cannot be opened: {_first_line(error)}") from error

    def url_of(self, sha256: str) -> str:
        """Where a blob is, or will be."""
        return location(self.url, sha256)

    async def keep(self, blobs: Iterable[Blob]) -> None:
        """Store blobs; returns when all of them are safe. Raises MediaUnavailable."""
        results = await asyncio.gather(*(self._keep(blob) for blob in blobs), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result

    async def _keep(self, blob: Blob) -> None:
        try:
            await self._put(_key(blob.sha256), blob.data)
        except (BaseError, OSError) as error:
            raise MediaUnavailable(f"the media store {self.url} cannot keep a blob: {_first_line(error)}") from error
        if self._folder is not None:
            try:
                await asyncio.to_thread(_sync, self._folder / _key(blob.sha256))
            except OSError as error:
                raise MediaUnavailable(f"the media store {self.url} cannot be synced: {error.strerror}") from error

    async def _put(self, key: str, data: bytes) -> None:
        try:
            await obstore.put_async(self._store, key, data, mode="create")
        except AlreadyExistsError:
            # A machine that went down before the sync may have left a file of that name that is not whole.
            if (await obstore.head_async(self._store, key))["size"] != len(data):
                await obstore.put_async(self._store, key, data)

    async def get(self, url: str) -> bytes:
        """The bytes under a URL that `url_of` gave. Raises MediaNotFound or MediaUnavailable."""
        key = url.removeprefix(f"{self.url}/")
        if key == url or ".." in key:
            raise MediaNotFound(f"{url} is not in the media store {self.url}")
        try:
            result = await obstore.get_async(self._store, key)
            return bytes(await result.bytes_async())
        except (FileNotFoundError, ValueError):  # no such blob; no name that a blob could have
            raise MediaNotFound(f"nothing is stored under {url}") from None
        except (BaseError, OSError) as error:
            raise MediaUnavailable(f"the media store {self.url} cannot be read: {_first_line(error)}") from error

    async def check(self) -> None:
        """Whether a blob can be kept and read back; it is removed again. Raises MediaUnavailable or MediaNotFound."""
        content = f"mm7 check {uuid.uuid4()}".encode()
        probe = Blob(hashlib.sha256(content).hexdigest(), "text/plain", content)
        await self.keep([probe])
        await self.get(self.url_of(probe.sha256))
        try:
            await obstore.delete_async(self._store, _key(probe.sha256))
        except (BaseError, OSError) as error:
            raise MediaUnavailable(f"the media store {self.url} cannot delete: {_first_line(error)}") from error


def location(url: str, sha256: str) -> str:
    """Where a store at `url` keeps a blob."""
    return f"{_normalised(url)}/{_key(sha256)}"


def _normalised(url: str) -> str:
    """The URL that blobs' own begin with: files absolute and percent-encoded, no slash at the end."""
    parts = urlsplit(url)
    if parts.scheme == "file":
        return Path(unquote(parts.path)).absolute().as_uri()
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"


def _key(sha256: str) -> str:
    return f"{sha256[:2]}/{sha256}"


def _sync(path: Path) -> None:
    """A new file is safe when its bytes are, and the entries for it and for its folder, which may be new too."""
    for target in (path, path.parent, path.parent.parent):
        descriptor = os.open(target, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
