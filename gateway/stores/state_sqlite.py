"""The state store in one SQLite file: for all processes of one host, and nothing to install.

Strategy: see `Database`: a thread of its own, group commit, processes taking turns. Gets and puts that come while
others are under way are made together. Only what is put as durable costs
an fsync. What is over is removed with the writes, a piece a second, so that the file stays as large as its age allows.
"""

import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

from .database import Database
from .jobs import DatabaseUnavailable, Needs, Work
from .state import WITHIN, State, StateUnavailable, next_turn
from .together import Together

T = TypeVar("T")

_SCHEMA = """
    CREATE TABLE IF NOT EXISTS entries (key TEXT PRIMARY KEY, value BLOB NOT NULL, expires REAL NOT NULL);
    CREATE INDEX IF NOT EXISTS entries_by_age ON entries (expires);
    CREATE TABLE IF NOT EXISTS turns (name TEXT PRIMARY KEY, due REAL NOT NULL, written REAL NOT NULL);
"""
_GET = "SELECT value FROM entries WHERE key = ? AND expires > ?"
_GET_EACH = "SELECT key, value FROM entries WHERE expires > ? AND key IN"
_PUT = "INSERT OR REPLACE INTO entries (key, value, expires) VALUES (?, ?, ?)"
_PRUNE = "DELETE FROM entries WHERE rowid IN (SELECT rowid FROM entries WHERE expires <= ? ORDER BY expires LIMIT ?)"
_PACE = "INSERT OR REPLACE INTO turns (name, due, written) VALUES (?, ?, ?)"
_PRUNE_EVERY, _PRUNE_LEAST = 1.0, 500


class SqliteState(State):
    """A state store at `path`. The file is opened, and made, with the first call."""

    def __init__(self, path: str, *, clock: Callable[[], float] = time.time) -> None:
        self._database = Database(Path(path), _SCHEMA, shared=True)
        self._clock = clock
        self._prune_at = 0.0
        self._put_since = 0
        self._gets = Together(self._get_each)
        self._puts = Together(partial(self._put_each, Needs.WRITE))
        self._synced_puts = Together(partial(self._put_each, Needs.SYNC))

    async def _run(self, work: Work[T], within: float, *, needs: Needs) -> T:
        try:
            return await self._database.run(work, needs, within=within)
        except DatabaseUnavailable as error:
            raise StateUnavailable(str(error)) from error

    def _get(self, connection: sqlite3.Connection, key: str) -> bytes | None:
        row = connection.execute(_GET, (key, self._clock())).fetchone()
        return None if row is None else bytes(row[0])

    def _put(self, connection: sqlite3.Connection, key: str, value: bytes, ttl_seconds: float) -> None:
        now = self._clock()
        connection.execute(_PUT, (key, value, now + ttl_seconds))
        self._put_since += 1
        if time.monotonic() >= self._prune_at:
            self._prune_at = time.monotonic() + _PRUNE_EVERY
            # Twice as many as were put: the removal catches up whatever the load.
            connection.execute(_PRUNE, (now, max(_PRUNE_LEAST, 2 * self._put_since)))
            self._put_since = 0

    async def get(self, key: str, *, within: float = WITHIN) -> bytes | None:
        """See State."""
        return (await self._gets({key: None}, within))[key]

    async def get_all(self, keys: Sequence[str], *, within: float = WITHIN) -> list[bytes | None]:
        """See State."""
        found = await self._gets(dict.fromkeys(keys), within)
        return [found[key] for key in keys]

    async def _get_each(self, keys: Mapping[str, None]) -> Mapping[str, bytes | None]:
        def work(connection: sqlite3.Connection) -> Mapping[str, bytes | None]:
            # One statement: the interpreter's lock changes hands with each. Of few lengths, so that they are cached.
            asked = list(keys) + [""] * ((1 << (len(keys) - 1).bit_length()) - len(keys))
            text = f"{_GET_EACH} ({','.join('?' * len(asked))})"
            rows = connection.execute(text, (self._clock(), *asked)).fetchall()
            return {**keys, **{key: bytes(value) for key, value in rows}}

        return await self._run(work, WITHIN, needs=Needs.READ)

    async def put(
        self, key: str, value: bytes, ttl_seconds: float, *, durable: bool = True, within: float = WITHIN
    ) -> None:
        """See State."""
        await (self._synced_puts if durable else self._puts)({key: (value, ttl_seconds)}, within)

    async def _put_each(self, needs: Needs, entries: Mapping[str, tuple[bytes, float]]) -> None:
        def work(connection: sqlite3.Connection) -> None:
            for key, (value, ttl_seconds) in entries.items():
                self._put(connection, key, value, ttl_seconds)

        await self._run(work, WITHIN, needs=needs)

    async def swap(
        self,
        key: str,
        expected: bytes | None,
        value: bytes,
        ttl_seconds: float,
        *,
        durable: bool = True,
        within: float = WITHIN,
    ) -> bytes | None:
        """See State."""

        def work(connection: sqlite3.Connection) -> bytes | None:
            if (found := self._get(connection, key)) != expected:
                return found
            self._put(connection, key, value, ttl_seconds)
            return value

        return await self._run(work, within, needs=_needs(durable=durable))

    async def delete(self, key: str, *, expected: bytes | None = None, within: float = WITHIN) -> None:
        """See State."""

        def work(connection: sqlite3.Connection) -> None:
            if expected is None or self._get(connection, key) == expected:
                connection.execute("DELETE FROM entries WHERE key = ?", (key,))

        await self._run(work, within, needs=Needs.SYNC)

    async def pace(self, name: str, interval: float, pause: float, *, within: float = WITHIN) -> float:
        """See State."""

        def work(connection: sqlite3.Connection) -> float:
            now = self._clock()
            row = connection.execute("SELECT due, written FROM turns WHERE name = ?", (name,)).fetchone()
            due, written = row or (now, now)
            due, wait = next_turn(due, written, now, interval, pause)
            connection.execute(_PACE, (name, due, now))
            return wait

        return await self._run(work, within, needs=Needs.WRITE)

    async def close(self) -> None:
        """See State."""
        await self._database.close()


def _needs(*, durable: bool) -> Needs:
    return Needs.SYNC if durable else Needs.WRITE
