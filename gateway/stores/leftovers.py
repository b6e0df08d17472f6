"""The journals of a spool's folder: those that ended processes left behind, and a summary for people."""

import contextlib
import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from gateway.telemetry import logs

from .files import FileLock
from .journal import COUNT, DAMAGED, SUFFIX, Journal, lock_path

log = logs.get(__name__)


@dataclass(frozen=True, slots=True)
class Row:
    """What one journal holds of one account. `in_use`: its process lives. `problem`: why it cannot be read."""

    journal: str
    in_use: bool
    account: str
    entries: int
    bytes: int
    oldest: datetime | None
    problem: str = ""


def take(folder: Path) -> list[Journal]:
    """Lock the journals of `folder` that nobody holds. OSError if the folder cannot be read."""
    taken = []
    for path in _named(folder, SUFFIX):
        lock = FileLock(lock_path(path))
        try:
            free = lock.acquire() and path.exists()
        except OSError as error:  # this one's: the others are taken all the same
            log.warning("spool.unreadable", journal=path.name, reason=error.strerror)
            free = False
        if free:
            taken.append(Journal(path, lock))
        else:
            lock.close()
    for left in _named(folder, ".lock"):
        if not left.with_suffix(SUFFIX).exists():
            with contextlib.suppress(OSError):
                _sweep(left)
    return taken


def put_aside(folder: Path) -> int:
    """How many files are here for a person to look at. OSError if the folder cannot be read."""
    return len(_named(folder, f"{SUFFIX}{DAMAGED}"))


def _sweep(left: Path) -> None:
    """The lock of a process that ended before it made its journal, or while deleting it."""
    lock = FileLock(left)
    try:
        if lock.acquire() and not left.with_suffix(SUFFIX).exists():
            for path in (f"{left.with_suffix(SUFFIX)}-wal", f"{left.with_suffix(SUFFIX)}-shm", left):
                Path(path).unlink(missing_ok=True)
    finally:
        lock.close()


def summaries(folder: Path) -> list[Row]:
    """What every journal of `folder` holds, in use or not; also while others append and publish.

    OSError if the folder cannot be read.
    """
    rows = [row for path in _named(folder, SUFFIX) for row in _summary(path)]
    return rows + [row for path in _named(folder, f"{SUFFIX}{DAMAGED}") for row in _put_aside(path)]


def _summary(path: Path) -> list[Row]:
    lock = FileLock(lock_path(path))
    in_use, problem = False, ""
    counts: list[tuple[str, str, int, int, float]] = []
    try:
        in_use = not lock.acquire()
        counts = _counts(path)
    except (sqlite3.Error, OSError) as error:
        problem = str(error)
    finally:
        lock.close()
    if problem and path.exists():
        return [Row(path.name, in_use, "", 0, 0, None, problem)]
    return [
        Row(path.name, in_use, account, entries, size, datetime.fromtimestamp(oldest, UTC), problem)
        for problem, account, entries, size, oldest in counts
    ]


def _put_aside(path: Path) -> list[Row]:
    try:
        size = path.stat().st_size
    except FileNotFoundError:  # a person has just taken it away
        return []
    return [Row(path.name, in_use=False, account="", entries=0, bytes=size, oldest=None, problem="damaged: put aside")]


def _named(folder: Path, suffix: str) -> list[Path]:
    """The files of a name, by age. None if there is no folder."""
    try:
        return sorted(path for path in folder.iterdir() if path.name.endswith(suffix))
    except (FileNotFoundError, NotADirectoryError):
        return []


def _counts(path: Path) -> list[tuple[str, str, int, int, float]]:
    """By problem and account: entries, bytes, the oldest."""
    # Not mode=ro: a journal left behind has a log that must be read in first, which writes its index.
    address = f"{path.absolute().as_uri()}?mode=rw"
    with contextlib.closing(sqlite3.connect(address, uri=True, timeout=2.0)) as connection:
        connection.execute("PRAGMA query_only = ON")
        waiting = connection.execute(COUNT.format(table="entries")).fetchall()
        damaged = connection.execute(COUNT.format(table="damaged")).fetchall()
    return [("", *row) for row in waiting] + [("cannot be published: kept", *row) for row in damaged]
