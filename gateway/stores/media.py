"""The media store: blobs under their SHA-256, their types beside them; a folder, S3, GCS, Azure or memory.

Strategy: content-addressed, so keeping is idempotent and two writers of one blob cannot disagree; a blob is kept before
the event that refers to it, so an orphan blob is the worst that a crash leaves behind. A blob that is kept again a day
later is written anew: its age is that of the last event that refers to it, give or take this day, and what is deleted
by age, here or by a bucket's lifecycle rule, is what no event has referred to for so long.
"""

import asyncio
import hashlib
import re
import uuid
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from urllib.parse import unquote, urlsplit

from obstore.exceptions import BaseError

from gateway.contract.parts import Blob

from .folder import Folder
from .objects import UNKNOWN_TYPE, Entry, Objects
from .trouble import Trouble

WITHIN = 10.0
CHECK_WITHIN = 5.0
FRESH_SECONDS = 24 * 3600.0
_LARGE_BYTES = 64 * 1024  # hashing more than this would hold up the event loop noticeably
_KEY = re.compile(r"([0-9a-f]{2})/(\1[0-9a-f]{62})")
_TYPE = re.compile(r"[\w!#$&^.+-]+/[\w!#$&^.+-]+", re.ASCII)


class MediaUnavailable(Exception):
    """The store cannot keep or give a blob just now."""


class MediaNotFound(Exception):
    """The URL names nothing in this store."""


@dataclass(frozen=True, slots=True)
class Stored:
    """What the store tells of a blob. Its age counts from `kept_at`."""

    url: str
    sha256: str
    bytes: int
    kept_at: datetime
    age_seconds: float


class MediaStore:
    """A store at `url`; blobs are `<url>/<two digits>/<sha256>`.

    Each call ends `within` so many seconds, if need be with MediaUnavailable; `unavailable` is called for each that
    failed so, and for each whose caller would not wait.
    """

    def __init__(self, url: str, *, unavailable: Callable[[], None] = lambda: None) -> None:
        self.url = _normalised(url)
        self.trouble = Trouble()
        self._unavailable = unavailable
        try:
            self._objects = Folder(_path(self.url)) if self.url.startswith("file:") else Objects(self.url)
            self._objects.open()
        except (BaseError, OSError) as error:
            raise ValueError(f"MM7_MEDIA_URL = {self.url!r} cannot be opened: {_first_line(error)}") from error

    def url_of(self, sha256: str) -> str:
        """Where a blob is, or will be."""
        return location(self.url, sha256)

    async def keep(self, blobs: Iterable[Blob], *, within: float = WITHIN) -> None:
        """Store blobs; returns when all of them are safe. Raises MediaUnavailable."""
        if not (blobs := tuple(blobs)):
            return
        async with self._reaching("keep a blob", within):
            keeping = [
                self._objects.keep(_key(blob.sha256), blob.data, _type(blob), fresh_seconds=FRESH_SECONDS)
                for blob in blobs
            ]
            for result in await asyncio.gather(*keeping, return_exceptions=True):
                if isinstance(result, BaseException):
                    raise result

    async def get(self, url: str, *, within: float = WITHIN) -> bytes:
        """The bytes under a URL that `url_of` gave, or of another object in the store.

        Raises MediaNotFound or MediaUnavailable, which is also what a blob raises that is not what its name says.
        """
        key = self._key(url)
        async with self._reaching("give a blob", within, url):
            data = await self._objects.read(key)
        if (blob := _KEY.fullmatch(key)) and await _digest(data) != blob[2]:
            raise MediaUnavailable(f"{url} is damaged: its SHA-256 is another")
        return data

    async def type_of(self, url: str, *, within: float = WITHIN) -> str:
        """The content type that was kept with a blob. Raises MediaNotFound or MediaUnavailable."""
        key = self._key(url)
        async with self._reaching("tell a type", within, url):
            return await self._objects.type_of(key)

    async def signed(self, url: str, seconds: int, *, within: float = WITHIN) -> str | None:
        """A link that lets anybody read a blob for a while; None for no seconds, or where the store cannot sign.

        Costs microseconds with a key in the settings; a cloud's own credentials are fetched now and then.
        Raises MediaNotFound or MediaUnavailable.
        """
        key = self._key(url)
        if seconds <= 0:
            return None
        async with self._reaching("sign a link", within, url):
            return await self._objects.sign(key, seconds)

    async def stored(self, url: str, *, within: float = WITHIN) -> Stored:
        """The facts of a blob. Raises MediaNotFound or MediaUnavailable."""
        key = self._key(url)
        async with self._reaching("look at a blob", within, url):
            return self._stored(await self._objects.entry(key))

    async def blobs(self, *, within: float = WITHIN) -> AsyncIterator[Stored]:
        """All blobs, in any order; what else is in the store is passed over. Raises MediaUnavailable.

        `within` is for each page.
        """
        entries = aiter(self._objects.entries())
        while True:
            async with self._reaching("list its blobs", within):
                entry = await anext(entries, None)
            if entry is None:
                return
            if _KEY.fullmatch(entry.key):
                yield self._stored(entry)

    async def expire(self, url: str, older_seconds: float, *, within: float = WITHIN) -> bool:
        """Delete a blob if it still is older than that: it may have been kept again, or deleted.

        Raises MediaUnavailable, and MediaNotFound for a URL of elsewhere.
        """
        key = self._key(url)
        async with self._reaching("delete a blob", within):
            try:
                entry = await self._objects.entry(key)
            except FileNotFoundError:
                return False
            if entry.age_seconds() <= older_seconds:
                return False
            await self._objects.remove(key)
            return True

    async def leftovers(self, older_seconds: float, *, remove: bool, within: float = 60.0) -> int:
        """How many remains of interrupted writes there are, of that age at least; removed on request."""
        async with self._reaching("look for unfinished files", within):
            return await self._objects.leftovers(older_seconds, remove=remove)

    async def check(self, *, within: float = CHECK_WITHIN) -> None:
        """Whether a blob can be kept and read back; it is removed again. Raises MediaUnavailable or MediaNotFound."""
        content = f"mm7 check {uuid.uuid4()}".encode()
        probe = Blob(hashlib.sha256(content).hexdigest(), "text/plain", content)
        await self.keep([probe], within=within)
        await self.get(self.url_of(probe.sha256), within=within)
        async with self._reaching("delete a blob", within):
            await self._objects.remove(_key(probe.sha256))

    def _key(self, url: str) -> str:
        key = url.removeprefix(f"{self.url}/")
        if key == url or ".." in key:
            raise MediaNotFound(f"{url} is not in the media store {self.url}")
        return key

    def _stored(self, entry: Entry) -> Stored:
        sha256 = entry.key.rpartition("/")[2]
        return Stored(f"{self.url}/{entry.key}", sha256, entry.bytes, entry.kept_at, entry.age_seconds())

    @asynccontextmanager
    async def _reaching(self, doing: str, within: float, url: str | None = None) -> AsyncIterator[None]:
        """A deadline, and the libraries' exceptions in words of ours; with a `url` that may lead to nothing."""
        try:
            async with asyncio.timeout(within):
                yield
        except TimeoutError:  # which is an OSError too
            raise self._failed(f"did not {doing} within {within:g} s") from None
        except asyncio.CancelledError:
            self._failed(f"did not {doing} in time")
            raise
        except (BaseError, OSError, ValueError) as error:
            if url is not None and isinstance(error, (FileNotFoundError, ValueError)):  # ValueError: not even a name
                raise MediaNotFound(f"nothing is stored under {url}") from None
            raise self._failed(f"cannot {doing}: {_first_line(error)}") from error
        self.trouble.clear()

    def _failed(self, how: str) -> MediaUnavailable:
        reason = f"the media store {self.url} {how}"
        self.trouble.note(reason)
        self._unavailable()
        return MediaUnavailable(reason)


def location(url: str, sha256: str) -> str:
    """Where a store at `url` keeps a blob."""
    return f"{_normalised(url)}/{_key(sha256)}"


def resolve(store: MediaStore, reference: str) -> str:
    """The URL of a blob from what a person has of it: its SHA-256, its URL in any spelling."""
    if re.fullmatch(r"[0-9a-f]{64}", reference):
        return store.url_of(reference)
    return _normalised(reference) if reference.startswith("file:") else reference


def _normalised(url: str) -> str:
    """The URL that blobs' own begin with: files absolute and percent-encoded, no slash at the end."""
    parts = urlsplit(url)
    if parts.scheme == "file":
        return _path(url).absolute().as_uri()
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"


def _path(url: str) -> Path:
    return Path(unquote(urlsplit(url).path))


def _key(sha256: str) -> str:
    return f"{sha256[:2]}/{sha256}"


def _type(blob: Blob) -> str:
    """A blob's type in a form that can be a header: it comes from strangers, and must not stand in the way."""
    name = blob.content_type.partition(";")[0].strip()
    return name.lower() if _TYPE.fullmatch(name) and len(name) <= 127 else UNKNOWN_TYPE  # RFC 6838 §4.2


async def _digest(data: bytes) -> str:
    if len(data) > _LARGE_BYTES:
        return await asyncio.to_thread(lambda: hashlib.sha256(data).hexdigest())
    return hashlib.sha256(data).hexdigest()


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
