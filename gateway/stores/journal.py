"""One file of the spool: entries in arrival order, held by one process at a time.

Strategy: SQLite with one connection, one fsync for all the appends that wait; the lock is a file beside it, let go by
the kernel however the process ends. What is held is counted in memory. Removal is not synced and goes by "up to here"
for an account, so one that failed (a full disk) is caught up by the next, and at worst an entry is published again.
Ids are given here and not by SQLite: they go on growing where someone has deleted the file and it is made anew.
"""

import asyncio
import contextlib
import itertools
import secrets
import sqlite3
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Self

from .database import Database
from .files import FileLock, sync_folder
from .held import Entry, Held
from .jobs import DatabaseUnavailable, Job, Needs, NotBegun, aside

SUFFIX, DAMAGED = ".spool", ".damaged"
_SCHEMA = """
    CREATE TABLE IF NOT EXISTS entries (
        id INTEGER PRIMARY KEY, account TEXT NOT NULL, arrived REAL NOT NULL, frame BLOB NOT NULL);
    CREATE INDEX IF NOT EXISTS entries_by_account ON entries (account, id);
    CREATE TABLE IF NOT EXISTS damaged (account TEXT NOT NULL, arrived REAL NOT NULL, frame BLOB NOT NULL);
"""
COUNT = "SELECT account, count(*), sum(length(frame)), min(arrived) FROM {table} GROUP BY account"
_COUNT_OF = "SELECT count(*), total(length(frame)), min(arrived) FROM entries WHERE account = ? AND id > ?"
_INSERT = "INSERT INTO entries (id, account, arrived, frame) VALUES (?, ?, ?, ?)"
_COUNT_APART = "SELECT count(*) FROM damaged"
_OLDEST = "SELECT id, arrived, frame FROM entries WHERE account = ? AND id > ? ORDER BY id LIMIT ?"
_SET_APART = "INSERT INTO damaged SELECT account, arrived, frame FROM entries WHERE id = ?"
_REMOVE = "DELETE FROM entries WHERE account = ? AND id <= ?"
_CHUNK_BYTES = 4 * 1024 * 1024
_WITHIN, _COUNT_WITHIN, _CLOSE_WITHIN = 10.0, 60.0, 2.0
_SHRINK_BYTES = 8 * 1024 * 1024
Counts = tuple[int, dict[str, tuple[int, float, float | None]]]  # set apart; of an account: entries, bytes, oldest


class Journal:
    """The journal at `path`. `lock` is given where it is held already; else it is taken when the file is made."""

    def __init__(self, path: Path, lock: FileLock | None = None) -> None:
        self.path = path
        self.held: dict[str, Held] = {}
        self.lock = lock or FileLock(lock_path(path))
        self._database = Database(path, _SCHEMA, before_open=self._hold)
        self._ids = itertools.count(1)
        self._unremoved: set[str] = set()
        self._apart: dict[str, set[int]] = {}
        self.apart = 0  # entries that were set apart

    @classmethod
    def fresh(cls, folder: Path, behind: Iterable["Journal"] = ()) -> Self:
        """A new one, that sorts behind others whatever the clock says. Nothing is made before the first append."""
        number = max([time.time_ns(), *(each.order[0] + 1 for each in behind)])
        return cls(folder / f"{number:020d}-{secrets.token_hex(4)}{SUFFIX}")

    @property
    def order(self) -> tuple[int, str]:
        """What sorts by age: when it was made (ns), as its name says."""
        number = self.path.name.partition("-")[0]
        return int(number) if number.isascii() and number.isdigit() else 0, self.path.name

    @property
    def is_used(self) -> bool:
        """Whether anything was asked of it yet."""
        return self._database.is_used

    def _hold(self) -> None:
        if not self.lock.is_held() and not self.lock.acquire(within=1.0):
            raise DatabaseUnavailable(f"{self.path}: another process holds it")

    async def append(self, account: str, arrived: float, frame: bytes, within: float) -> None:
        """Return when the entry is synced. DatabaseUnavailable: it may still be there."""
        number = next(self._ids)

        def insert(connection: sqlite3.Connection) -> None:
            connection.execute(_INSERT, (number, account, arrived, frame))

        job = self._database.submit(insert, Needs.SYNC, weight=len(frame))
        held = self.held.setdefault(account, Held())
        held.pending += len(frame)
        held.awaited += 1

        def written(_: object) -> None:  # whether its caller has waited for it or not
            held.pending -= len(frame)
            if (error := job.future.exception()) is None:
                held.written(len(frame), arrived)
            elif not isinstance(error, NotBegun):
                held.in_doubt = True

        job.future.add_done_callback(written)
        try:
            await self._database.result(job, within)
        finally:
            held.awaited -= 1

    async def oldest(self, account: str, limit: int) -> list[Entry]:
        """The first entries of an account that are not published: at most `limit`, and of some MiB."""
        after = self.held[account].published

        def select(connection: sqlite3.Connection) -> list[Entry]:
            found: list[Entry] = []
            size = 0
            with contextlib.closing(connection.execute(_OLDEST, (account, after, limit))) as rows:
                for number, arrived, frame in rows:
                    found.append(Entry(number, account, arrived, frame))
                    size += len(frame)
                    if size >= _CHUNK_BYTES:
                        break
            return found

        entries = await self._database.run(select, Needs.READ, within=_WITHIN)
        if entries:
            self.held[account].oldest = entries[0].arrived
        return entries

    def published(self, entries: Sequence[Entry]) -> None:
        """Remove entries that followed each other, soon; with those before them of their account."""
        if not entries:
            return
        self.held[entries[0].account].went_out(entries)
        self._remove(entries[0].account)

    def set_apart(self, entry: Entry) -> None:
        """Remove an entry that cannot be published; it is kept for a person to look at."""
        self._apart.setdefault(entry.account, set()).add(entry.id)
        self.apart += 1
        self.published([entry])

    def _remove(self, account: str) -> None:
        upto = self.held[account].published
        apart = frozenset(self._apart.get(account, ()))

        def delete(connection: sqlite3.Connection) -> None:
            connection.executemany(_SET_APART, [(number,) for number in apart])
            connection.execute(_REMOVE, (account, upto))

        def removed(_: object) -> None:
            if job.future.exception() is None:
                self._apart.get(account, set()).difference_update(apart)
                if self.held[account].published <= upto:
                    self._unremoved.discard(account)

        self._unremoved.add(account)
        with contextlib.suppress(DatabaseUnavailable):
            job = self._database.submit(delete, Needs.WRITE)
            job.future.add_done_callback(removed)

    @property
    def is_empty(self) -> bool:
        """Whether nothing is held, and all that was published is removed."""
        return not self._unremoved and not any(held.entries or held.pending for held in self.held.values())

    def tidy(self) -> None:
        """Remove what could not be removed; give the disk back what an outage took, once nothing is held.

        Where nothing is counted and an append has failed, count: nobody else would come upon it.
        """
        for account in list(self._unremoved):
            self._remove(account)
        if any(held.in_doubt and not held.entries for held in self.held.values()):
            with contextlib.suppress(DatabaseUnavailable):
                self._count()
        if self.is_used and self.is_empty:
            with contextlib.suppress(DatabaseUnavailable):
                self._database.submit(_shrink, Needs.ALONE)

    async def recount(self) -> None:
        """Count what is there: of a journal that was taken over, or whose file has been changed by others."""
        await self._database.result(self._count(), _COUNT_WITHIN)

    def _count(self) -> Job[Counts]:
        published = {account: held.published for account, held in self.held.items()}

        def count(connection: sqlite3.Connection) -> Counts:
            ((apart,),) = connection.execute(_COUNT_APART).fetchall()
            names = {name for (name,) in connection.execute("SELECT DISTINCT account FROM entries")} | published.keys()
            found = {name: connection.execute(_COUNT_OF, (name, published.get(name, 0))).fetchone() for name in names}
            return apart, found

        def counted(_: object) -> None:  # in the order of the jobs, so that appends before and after count once
            if job.future.exception() is None:
                apart, found = job.future.result()
                self.apart = apart + sum(map(len, self._apart.values()))
                for account, counts in found.items():
                    self.held.setdefault(account, Held()).counted(*counts)

        job = self._database.submit(count, Needs.READ)
        job.future.add_done_callback(counted)
        return job

    async def close(self) -> None:
        """Let go of the file; one that holds nothing is deleted."""
        if self.is_used:
            with contextlib.suppress(DatabaseUnavailable):
                await self._database.run(self._end, Needs.ALONE, within=_CLOSE_WITHIN)
        await self._database.close(_CLOSE_WITHIN)
        self.lock.close()

    def _end(self, connection: sqlite3.Connection) -> None:
        ((entries,),) = connection.execute("SELECT count(*) FROM entries").fetchall()
        ((apart,),) = connection.execute(_COUNT_APART).fetchall()
        if not entries:
            connection.close()  # which writes all of it into the one file
            self._leave(_set_aside if apart else Path.unlink)

    async def give_up(self) -> None:
        """Put a file aside that cannot be read, for a person to look at."""
        await self._database.close(_CLOSE_WITHIN)
        await asyncio.wait({aside(lambda: self._leave(_set_aside))}, timeout=_CLOSE_WITHIN)
        self.lock.close()

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
    journal, suffix, tail = path.name.rpartition(SUFFIX)
    path.rename(path.with_name(f"{journal}{suffix}{DAMAGED}{tail}"))  # so that SQLite finds the log beside it


def _shrink(connection: sqlite3.Connection) -> None:
    (pages,), (size,) = (connection.execute(f"PRAGMA {of}").fetchone() for of in ("page_count", "page_size"))
    if pages * size > _SHRINK_BYTES and connection.execute("SELECT 1 FROM entries LIMIT 1").fetchone() is None:
        connection.execute("VACUUM")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
