"""The journals of a spool's folder: those that ended processes left behind, and a summary for people."""

import contextlib
import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from .files import FileLock
from .journal import COUNT, DAMAGED, SUFFIX, Journal, lock_path


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
    for path in _journals(folder):
        lock = FileLock(lock_path(path))
        if lock.acquire() and path.exists():
            taken.append(Journal(path, lock))
        else:
            lock.close()
    for left in folder.glob("*.lock"):
        if not left.with_suffix(SUFFIX).exists():
            _sweep(left)
    return taken


def _sweep(left: Path) -> None:
    """The lock of a process that ended before it made its journal, or while deleting it."""
    lock = FileLock(left)
    if lock.acquire() and not left.with_suffix(SUFFIX).exists():
        for path in (f"{left.with_suffix(SUFFIX)}-wal", f"{left.with_suffix(SUFFIX)}-shm", left):
            Path(path).unlink(missing_ok=True)
    lock.close()


def summaries(folder: Path) -> list[Row]:
    """What every journal of `folder` holds, in use or not; also while others append and publish."""
    rows = []
    for path in _journals(folder):
        lock = FileLock(lock_path(path))
        in_use = not lock.acquire()
        try:
            counts = _counts(path)
        except sqlite3.Error as error:
            if path.exists():
                rows.append(Row(path.name, in_use, "", 0, 0, None, str(error)))
            continue
        finally:
            lock.close()
        for account, entries, size, oldest in counts:
            rows.append(Row(path.name, in_use, account, entries, size, datetime.fromtimestamp(oldest, UTC)))
    put_aside = sorted(folder.glob(f"*{SUFFIX}{DAMAGED}")) if folder.is_dir() else []
    return rows + [_put_aside(path) for path in put_aside]


def _put_aside(path: Path) -> Row:
    size = path.stat().st_size
    return Row(path.name, in_use=False, account="", entries=0, bytes=size, oldest=None, problem="damaged: put aside")


def _journals(folder: Path) -> list[Path]:
    return sorted(folder.glob(f"*{SUFFIX}")) if folder.is_dir() else []


def _counts(path: Path) -> list[tuple[str, int, int, float]]:
    # Not mode=ro: a journal left behind has a log that must be read in first, which writes its index.
    with contextlib.closing(sqlite3.connect(f"{path.as_uri()}?mode=rw", uri=True, timeout=2.0)) as connection:
        connection.execute("PRAGMA query_only = ON")
        return connection.execute(COUNT).fetchall()
