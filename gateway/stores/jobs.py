"""A piece of work for a database's thread, and what may become of it."""

import asyncio
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any, Generic, TypeVar

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]
Landing = tuple[asyncio.Future[Any], Any, BaseException | None]  # of a job: its result, or why there is none

_CORRUPT = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


class DatabaseUnavailable(Exception):
    """The file cannot be read or written just now; what was asked for may or may not have been done."""


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


def unavailable(path: Path, error: Exception) -> DatabaseUnavailable:
    """What an error of SQLite, or of the disk, means to the callers."""
    if isinstance(error, DatabaseUnavailable):
        return error
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    kind = DatabaseCorrupt if code in _CORRUPT else DatabaseUnavailable
    failure = kind(f"{path}: {error or type(error).__name__}")
    failure.__cause__ = error
    return failure
