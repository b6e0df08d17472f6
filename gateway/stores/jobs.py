"""A piece of work for a database's thread, and what may become of it."""

import asyncio
import contextlib
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any, Generic, TypeVar

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]
Landing = tuple[asyncio.Future[Any], Any, BaseException | None]  # of a job: its result, or why there is none

_CORRUPT = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_PRIMARY = 0xFF  # of SQLite's extended result codes


class DatabaseUnavailable(Exception):
    """The file cannot be read or written just now; what was asked for may or may not have been done."""


class NotBegun(DatabaseUnavailable):
    """Nobody waited for it any more when its turn came: it was not done."""


class DatabaseCorrupt(DatabaseUnavailable):
    """The file is damaged."""


class Needs(IntEnum):
    """What a job is run in, and what it survives when it is done."""

    READ = 0
    WRITE = 1  # a transaction that survives the process
    SYNC = 2  # a transaction that survives the machine
    ALONE = 3  # no transaction: VACUUM, and what goes round the file


@dataclass(slots=True, eq=False)
class Job(Generic[T]):
    """A piece of work on its way; `future` is never cancelled, so it always says what became of it."""

    work: Work[T]
    needs: Needs
    weight: int
    future: asyncio.Future[T]
    abandoned: bool = False


def settle(outcomes: list[Landing]) -> None:
    """Tell the callers; in the event loop."""
    for future, result, error in outcomes:
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)


def aside(work: Callable[[], T]) -> asyncio.Future[T]:
    """Do what may hang with the disk in a thread that keeps nobody from ending. Wait for it with asyncio.wait.

    Not asyncio.to_thread: the end of the loop, and of the process, would wait for that thread.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()
    future.add_done_callback(lambda done: done.exception())  # looked at: its caller may have gone

    def run() -> None:
        outcome: Landing
        try:
            outcome = (future, work(), None)
        except Exception as error:  # noqa: BLE001  # the thread's outermost place: the caller gets it
            outcome = (future, None, error)
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(lambda: settle([outcome]))

    threading.Thread(target=run, daemon=True).start()
    return future


def is_io_error(error: Exception) -> bool:
    """Whether the disk has failed: what was written before, and is not synced yet, may be gone."""
    return getattr(error, "sqlite_errorcode", 0) & _PRIMARY == sqlite3.SQLITE_IOERR


def unavailable(path: Path, error: Exception) -> DatabaseUnavailable:
    """What an error of SQLite, or of the disk, means to the callers."""
    if isinstance(error, DatabaseUnavailable):
        return error
    code = getattr(error, "sqlite_errorcode", 0) & _PRIMARY
    kind = DatabaseCorrupt if code in _CORRUPT else DatabaseUnavailable
    failure = kind(f"{path}: {error or type(error).__name__}")
    failure.__cause__ = error
    return failure
