"""A folder as a store of objects: files that are synced before they have their name.

Strategy: written beside under a name with `#`, synced, renamed, and the folders synced: whatever dies and whenever, a
file has its name only when it is whole. obstore, which reads and lists them, syncs nothing. The type stands in a small
file beside, `<key>.type`, written first.
"""

import asyncio
import contextlib
import os
import secrets
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeVar

from obstore.exceptions import BaseError
from obstore.store import LocalStore, ObjectStore

from .files import sync_folder
from .objects import UNKNOWN_TYPE, Objects

T = TypeVar("T")
_THREADS = 4
_TYPE_SUFFIX = ".type"
_UNFINISHED = "#"  # obstore marks its own unfinished files so too, and lists none of them


class Folder(Objects):
    """The files below `root`, which is made."""

    def __init__(self, root: Path) -> None:
        self._root = root
        super().__init__(root.as_uri())
        # Of its own: on a disk that hangs the loop's own threads, which others need, would all end up waiting for it.
        self._threads = ThreadPoolExecutor(_THREADS, "media")

    def open(self) -> None:
        """Make it; where that cannot be done it may be mended while the program runs, and is tried with each call."""
        with contextlib.suppress(BaseError, OSError):
            super().open()

    def _opened(self, url: str) -> ObjectStore:  # noqa: ARG002  # a path needs no parsing
        return LocalStore(self._root, mkdir=True)

    async def _run(self, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, call)

    async def keep(self, key: str, data: bytes, content_type: str, *, fresh_seconds: float) -> None:
        """As of all objects; returns when it would survive the machine."""
        await self._run(partial(self._keep, self._root / key, data, content_type, fresh_seconds))

    def _keep(self, path: Path, data: bytes, content_type: str, fresh_seconds: float) -> None:
        if not _is_there(path, len(data), fresh_seconds):
            path.parent.mkdir(parents=True, exist_ok=True)
            _write(_type_path(path), content_type.encode())
            _write(path, data)
        # Also of a file that was there: another process may have named it a moment ago.
        sync_folder(path.parent)
        sync_folder(self._root)

    async def read(self, key: str) -> bytes:
        """All of a file."""
        try:
            return await super().read(key)
        except FileNotFoundError:
            if not self._root.is_dir():  # a stat
                raise OSError(f"the folder {self._root} is not there") from None
            raise

    async def type_of(self, key: str) -> str:
        """The type that was kept with it."""
        return await self._run(partial(self._type_of, self._root / key))

    def _type_of(self, path: Path) -> str:
        path.stat()
        with contextlib.suppress(FileNotFoundError):
            return _type_path(path).read_text("ascii", "replace") or UNKNOWN_TYPE
        return UNKNOWN_TYPE

    async def remove(self, key: str) -> None:
        """Delete a file, and its type after it."""
        await self._run(partial(_remove, self._root / key))

    async def leftovers(self, older_seconds: float, *, remove: bool) -> int:
        """How many files of interrupted writes there are that nobody has touched for so long; removed on request."""
        return await self._run(partial(self._leftovers, older_seconds, remove))

    def _leftovers(self, older_seconds: float, remove: bool) -> int:  # noqa: FBT001  # named where it is called
        found = 0
        for path in self._unfinished():
            with contextlib.suppress(FileNotFoundError):  # another one is cleaning up
                if time.time() - path.stat().st_mtime > older_seconds:
                    found += 1
                    if remove:
                        path.unlink()
        return found

    def _unfinished(self) -> Iterator[Path]:
        for path in self._root.glob("??/*"):
            alone = path.suffix == _TYPE_SUFFIX and not path.with_suffix("").exists()
            if alone or _UNFINISHED in path.name:
                yield path


def _is_there(path: Path, size: int, fresh_seconds: float) -> bool:
    try:
        found = path.stat()
    except FileNotFoundError:
        return False
    return found.st_size == size and time.time() - found.st_mtime <= fresh_seconds and _type_path(path).exists()


def _write(path: Path, data: bytes) -> None:
    """A file under its name, whole and synced; until then under another."""
    beside = path.with_name(f"{path.name}{_UNFINISHED}{secrets.randbits(63)}")
    try:
        with beside.open("xb", buffering=0) as file:
            view = memoryview(data)
            while view:
                view = view[file.write(view) :]
            os.fsync(file.fileno())
        beside.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            beside.unlink()
        raise


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)
    _type_path(path).unlink(missing_ok=True)


def _type_path(path: Path) -> Path:
    return path.with_name(path.name + _TYPE_SUFFIX)
