"""Locks between the processes of one host, and folders that survive it.

A lock on a file is let go by the kernel when its holder dies, however it dies.
"""

import fcntl
import os
import time
from pathlib import Path

_LOOK_EVERY = 0.0005


class FileLock:
    """flock on `path`, which is made if need be. Not re-entrant; two objects of one process exclude each other too."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None
        self._locked = False

    def acquire(self, within: float = 0.0) -> bool:
        """Take the lock; False if another holds it, after `within` seconds still. OSError if the file cannot be made.

        The waiting is polling, because a blocking flock could not be given up: its holder may be frozen.
        """
        deadline = time.monotonic() + within
        while not self._try():
            if time.monotonic() >= deadline:
                return False
            time.sleep(_LOOK_EVERY)
        return True

    def _try(self) -> bool:
        descriptor = self._opened()
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        self._locked = self._is_current(descriptor)
        if self._locked:
            return True
        self.close()  # its last holder has deleted it meanwhile: the name is another file's now
        return False

    def _opened(self) -> int:
        if self._descriptor is None:
            self._descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        return self._descriptor

    def _is_current(self, descriptor: int) -> bool:
        try:
            return os.path.samestat(os.fstat(descriptor), self.path.stat())
        except FileNotFoundError:
            return False

    def is_held(self) -> bool:
        """Whether this object holds a lock that others would meet: it was acquired, and the file is still there."""
        return self._locked and self._descriptor is not None and self._is_current(self._descriptor)

    def release(self) -> None:
        """Let go; the file stays open for the next time."""
        self._locked = False
        if self._descriptor is not None:
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def close(self) -> None:
        """Let go for good."""
        self._locked = False
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, safely: a new one's entry is synced."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(mode=0o700, exist_ok=True)
    sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Make what was created, renamed or deleted in a folder survive the machine."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
