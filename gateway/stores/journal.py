"""One file of the spool: entries in arrival order, held by one process at a time.

Strategy: SQLite with one connection, one fsync for all the appends that wait; the lock is a file beside it, let go by
the kernel however the process ends. What is held is counted in memory. Removal is not synced and goes by "up to here"
for an account, so one that failed (a full disk) is caught up by the next, and at worst an entry is published again.
"""

import contextlib
import secrets
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from .database import Database
from .files import FileLock, sync_folder
from .jobs import DatabaseUnavailable, Job, Needs

SUFFIX, DAMAGED = ".spool", ".damaged"
_SCHEMA = """
    CREATE TABLE IF NOT EXISTS entries (
        id INTEGER PRIMARY KEY AUTOINCREMENT, account TEXT NOT NULL, arrived REAL NOT NULL, frame BLOB NOT NULL);
    CREATE INDEX IF NOT EXISTS entries_by_account ON entries (account, id);
    CREATE TABLE IF NOT EXISTS damaged (account TEXT NOT NULL, arrived REAL NOT NULL, frame BLOB NOT NULL);
"""
COUNT = "SELECT account, count(*), sum(length(frame)), min(arrived) FROM entries GROUP BY account"
_INSERT = "INSERT INTO entries (account, arrived, frame) VALUES (?, ?, ?)"
_OLDEST = "SELECT id, arrived, frame FROM entries WHERE account = ? AND id > ? ORDER BY id"
_SET_APART = "INSERT INTO damaged SELECT account, arrived, frame FROM entries WHERE id = ?"
_REMOVE = "DELETE FROM entries WHERE account = ? AND id <= ?"
_CHUNK_ENTRIES, _CHUNK_BYTES = 100, 4 * 1024 * 1024
_WITHIN, _CLOSE_WITHIN = 10.0, 2.0
_SHRINK_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Entry:
    """What was appended, as it was."""

    id: int
    account: str
    arrived: float
    frame: bytes = field(repr=False)


@dataclass(slots=True)
class Held:
    """What a journal holds of an account; `pending` are being written."""

    entries: int = 0
    bytes: int = 0
    oldest: float | None = None
    pending: int = 0
    published: int = 0  # the id up to which entries are out, removed or not


class Journal:
    """The journal at `path`. `lock` is given where it is held already; else it is taken when the file is made."""

    def __init__(self, path: Path, lock: FileLock | None = None) -> None:
        self.path = path
        self.held: dict[str, Held] = {}
        self._lock = lock or FileLock(lock_path(path))
        self._database = Database(path, _SCHEMA, before_open=self._hold)
        self._unremoved: set[str] = set()
        self._apart: dict[str, set[int]] = {}

    @classmethod
    def fresh(cls, folder: Path) -> Self:
        """A new one, of a name that sorts by its age. Nothing is made before the first append."""
        return cls(folder / f"{time.time_ns():020d}-{secrets.token_hex(4)}{SUFFIX}")

    def _hold(self) -> None:
        if not self._lock.is_held() and not self._lock.acquire(within=1.0):
            raise DatabaseUnavailable(f"{self.path}: another process holds it")

    async def append(self, account: str, arrived: float, frame: bytes, within: float) -> None:
        """Return when the entry is synced. DatabaseUnavailable: it may still be there."""

        def insert(connection: sqlite3.Connection) -> int:
            return connection.execute(_INSERT, (account, arrived, frame)).lastrowid or 0

        job = self._database.submit(insert, Needs.SYNC, weight=len(frame))
        held = self.held.setdefault(account, Held())
        held.pending += len(frame)

        def written(_: object) -> None:  # whether its caller has waited for it or not
            held.pending -= len(frame)
            if job.future.exception() is None:
                held.entries += 1
                held.bytes += len(frame)
                held.oldest = arrived if held.oldest is None else held.oldest
                # Ids only grow: a lower one is of a new file, made where someone has deleted ours.
                held.published = min(held.published, job.future.result() - 1)

        job.future.add_done_callback(written)
        await self._database.result(job, within)

    async def oldest(self, account: str) -> list[Entry]:
        """The first entries of an account that are not published, some MiB at most."""
        after = self.held[account].published

        def select(connection: sqlite3.Connection) -> list[Entry]:
            found: list[Entry] = []
            size = 0
            with contextlib.closing(connection.execute(_OLDEST, (account, after))) as rows:
                for number, arrived, frame in rows:
                    found.append(Entry(number, account, arrived, frame))
                    size += len(frame)
                    if len(found) >= _CHUNK_ENTRIES or size >= _CHUNK_BYTES:
                        break
            return found

        entries = await self._database.run(select, Needs.READ, within=_WITHIN)
        if entries:
            self.held[account].oldest = entries[0].arrived
        return entries

    def published(self, entry: Entry, *, damaged: bool = False) -> None:
        """Remove an entry and those before it of its account, soon; a damaged one is kept apart."""
        held = self.held[entry.account]
        held.published = max(held.published, entry.id)
        held.entries = max(held.entries - 1, 0)
        held.bytes = max(held.bytes - len(entry.frame), 0)
        if not held.entries:
            held.oldest = None
        if damaged:
            self._apart.setdefault(entry.account, set()).add(entry.id)
        self._remove(entry.account)

    def _remove(self, account: str) -> None:
        upto = self.held[account].published
        apart = frozenset(self._apart.get(account, ()))  # those of before that are gone already insert nothing

        def delete(connection: sqlite3.Connection) -> None:
            connection.executemany(_SET_APART, [(number,) for number in apart])
            connection.execute(_REMOVE, (account, upto))

        self._unremoved.add(account)
        with contextlib.suppress(DatabaseUnavailable):
            job = self._database.submit(delete, Needs.WRITE)
            job.future.add_done_callback(lambda _: self._removed(account, upto, job))

    def _removed(self, account: str, upto: int, job: Job[None]) -> None:
        if job.future.exception() is None and self.held[account].published <= upto:
            self._unremoved.discard(account)

    @property
    def is_empty(self) -> bool:
        """Whether nothing is held, and all that was published is removed."""
        return not self._unremoved and not any(held.entries or held.pending for held in self.held.values())

    def tidy(self) -> None:
        """Remove what could not be removed; give the disk back what an outage took, once nothing is held."""
        for account in list(self._unremoved):
            self._remove(account)
        if self.is_empty and _size(self.path) > _SHRINK_BYTES:
            with contextlib.suppress(DatabaseUnavailable):
                self._database.submit(_shrink, Needs.ALONE)

    async def recount(self) -> None:
        """Count what is there: of a journal that was taken over, or whose file has been changed by others."""

        def count(connection: sqlite3.Connection) -> list[tuple[str, int, int, float]]:
            return connection.execute(COUNT).fetchall()

        def counted(_: object) -> None:  # in the order of the jobs, so that appends before and after count once
            if job.future.exception() is not None:
                return
            found: dict[str, tuple[int, int, float | None]] = {row[0]: row[1:] for row in job.future.result()}
            for account in {*found, *self.held}:
                held = self.held.setdefault(account, Held())
                entries, size, oldest = found.get(account, (0, 0, None))
                held.entries, held.bytes, held.oldest = entries, size, oldest

        job = self._database.submit(count, Needs.READ)
        job.future.add_done_callback(counted)
        await self._database.result(job, _WITHIN)

    async def close(self) -> None:
        """Let go of the file; one that holds nothing is deleted."""
        if self._database.is_used:
            with contextlib.suppress(DatabaseUnavailable):
                await self._database.run(self._end, Needs.ALONE, within=_CLOSE_WITHIN)
        await self._database.close(_CLOSE_WITHIN)
        self._lock.close()

    def _end(self, connection: sqlite3.Connection) -> None:
        ((entries,),) = connection.execute("SELECT count(*) FROM entries").fetchall()
        ((damaged,),) = connection.execute("SELECT count(*) FROM damaged").fetchall()
        if not entries:
            connection.close()  # which writes all of it into the one file
            self._leave(_set_aside if damaged else Path.unlink)

    async def give_up(self) -> None:
        """Put a file aside that cannot be read, for a person to look at."""
        await self._database.close(_CLOSE_WITHIN)
        self._leave(_set_aside)
        self._lock.close()

    def _leave(self, end: Callable[[Path], object]) -> None:
        for path in (self.path, *(Path(f"{self.path}{tail}") for tail in ("-wal", "-shm"))):
            with contextlib.suppress(FileNotFoundError):
                end(path)
        with contextlib.suppress(OSError):
            lock_path(self.path).unlink()
            sync_folder(self.path.parent)


def lock_path(path: Path) -> Path:
    """The lock of a journal."""
    return path.with_suffix(".lock")


def _set_aside(path: Path) -> None:
    path.rename(f"{path}{DAMAGED}")


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _shrink(connection: sqlite3.Connection) -> None:
    ((entries,),) = connection.execute("SELECT count(*) FROM entries").fetchall()
    if not entries:
        connection.execute("VACUUM")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
