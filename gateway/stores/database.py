"""One SQLite file, in one thread of its own, with group commit.

Strategy: the standard library's sqlite3 and a thread rather than a wrapper that makes a round trip of every statement:
what has queued up while the last transaction was being synced becomes the next one, so a thousand callers share an
fsync. The thread is a daemon of ours, not of an executor, so a disk that hangs keeps neither a caller (each has a
deadline) nor the end of the process. After any error the file is closed and opened anew; and after one of the disk its
log is brought home first: a failed fsync forgets what it could not write, and what stands behind a hole in the log is
lost with it, synced or not. With `shared`, writers of several processes take turns by a lock file: fairer than SQLite's
polling, and SQLite before 3.51.3 may corrupt a WAL that two connections write and checkpoint in the same instant
(sqlite.org/wal.html, "The WAL-reset bug").
"""

import asyncio
import contextlib
import os
import queue
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from .files import FileLock, make_folder
from .jobs import DatabaseUnavailable, Job, Landing, Needs, NotBegun, Work, is_io_error, settle, unavailable

T = TypeVar("T")

BUSY_WITHIN = 1.0  # another process's transaction takes milliseconds; what lasts longer is a frozen process
QUEUE_LIMIT = 10_000
_BATCH_JOBS, _BATCH_BYTES = 1000, 32 * 1024 * 1024


class Database:
    """A file with a schema, used from one event loop. Nothing is opened before the first job."""

    def __init__(
        self, path: Path, schema: str, *, before_open: Callable[[], None] | None = None, shared: bool = False
    ) -> None:
        self.path = path
        self._schema = schema
        self._before_open = before_open
        self._turns = FileLock(path.with_name(f"{path.name}.lock")) if shared else None
        self._queue: queue.SimpleQueue[Job[Any] | asyncio.Future[None]] = queue.SimpleQueue()
        self._waiting = 0
        self._thread: threading.Thread | None = None
        self._closed = False
        self._loop: asyncio.AbstractEventLoop | None = None
        # From here on the thread's own.
        self._connection: sqlite3.Connection | None = None
        self._identity: os.stat_result | None = None
        self._synchronous = Needs.SYNC
        self._log_in_doubt = False

    def submit(self, work: Work[T], needs: Needs, *, weight: int = 0) -> Job[T]:
        """Queue a job, without waiting for it. DatabaseUnavailable if too many wait, or it is closed."""
        if self._closed:
            raise DatabaseUnavailable(f"{self.path}: closed")
        if self._waiting >= QUEUE_LIMIT:
            raise DatabaseUnavailable(f"{self.path}: {self._waiting} operations are waiting already")
        if self._thread is None:
            self._start()
        assert self._loop is not None
        job = Job(work, needs, weight, self._loop.create_future())
        job.future.add_done_callback(self._landed)
        self._waiting += 1
        self._queue.put(job)
        return job

    def _start(self) -> None:
        self._loop = asyncio.get_running_loop()
        thread = threading.Thread(target=self._run, name=self.path.name, daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            raise DatabaseUnavailable(f"{self.path}: {error}") from error
        self._thread = thread

    @property
    def is_used(self) -> bool:
        """Whether there was a job yet."""
        return self._thread is not None

    def _landed(self, future: asyncio.Future[Any]) -> None:
        self._waiting -= 1
        future.exception()  # looked at here, so that nobody is warned of one that no caller waits for any more

    async def run(self, work: Work[T], needs: Needs, *, within: float, weight: int = 0) -> T:
        """The result of a job. DatabaseUnavailable after `within` seconds; it may then still be done, or not."""
        return await self.result(self.submit(work, needs, weight=weight), within)

    async def result(self, job: Job[T], within: float) -> T:
        """What became of a job that was submitted; one that nobody waits for any more is not begun."""
        try:
            done, _ = await asyncio.wait({job.future}, timeout=within)
        except asyncio.CancelledError:
            job.abandoned = True
            raise
        if not done:
            job.abandoned = True
            raise DatabaseUnavailable(f"{self.path}: no answer within {within:g} s")
        return job.future.result()

    async def close(self, within: float = 5.0) -> None:
        """End the thread when it has done what was queued; a disk that hangs is left to itself."""
        if self._closed:
            return
        self._closed = True
        if self._thread is not None:
            assert self._loop is not None
            ended = self._loop.create_future()
            self._queue.put(ended)
            await asyncio.wait({ended}, timeout=within)

    def _run(self) -> None:
        while True:
            batch, ended = self._next_batch()
            if batch:
                self._serve(batch)
            if ended is not None:
                self._disconnect()
                if self._turns is not None:
                    self._turns.close()
                self._tell([(ended, None, None)])
                return

    def _next_batch(self) -> tuple[list[Job[Any]], asyncio.Future[None] | None]:
        """Wait for a job; with it comes all that is queued behind it, up to a limit."""
        jobs: list[Job[Any]] = []
        weight = 0
        with contextlib.suppress(queue.Empty):
            item = self._queue.get()
            while True:
                if isinstance(item, asyncio.Future):
                    return jobs, item
                jobs.append(item)
                weight += item.weight
                if len(jobs) >= _BATCH_JOBS or weight >= _BATCH_BYTES or item.needs is Needs.ALONE:
                    break
                item = self._queue.get_nowait()
        return jobs, None

    def _serve(self, batch: list[Job[Any]]) -> None:
        """Do a batch: its writes as one transaction, all of it or nothing, in the order in which they were asked for.

        Reads come first and apart: on a full disk they go on.
        """
        gone = NotBegun(f"{self.path}: not begun in time")
        self._tell([(job.future, None, gone) for job in batch if job.abandoned])
        jobs = [job for job in batch if not job.abandoned]
        for kinds in ((Needs.READ,), (Needs.WRITE, Needs.SYNC), (Needs.ALONE,)):
            group = [job for job in jobs if job.needs in kinds]
            try:
                results = self._do(group) if group else []
                self._tell([(job.future, result, None) for job, result in zip(group, results, strict=True)])
            except Exception as error:  # noqa: BLE001  # the thread's outermost place: the callers get it
                self._log_in_doubt = self._log_in_doubt or is_io_error(error)
                self._disconnect()  # which also rolls back
                self._tell([(job.future, None, unavailable(self.path, error)) for job in group])

    def _do(self, jobs: list[Job[Any]]) -> list[Any]:
        needs = max(job.needs for job in jobs)
        if self._connection is None:
            make_folder(self.path.parent)
        if self._turns is None or (needs is Needs.READ and self._connection is not None):
            return self._transact(jobs, needs)
        if not self._turns.acquire(BUSY_WITHIN):
            raise DatabaseUnavailable(f"{self.path}: another process has held it for {BUSY_WITHIN:g} s")
        try:
            return self._transact(jobs, needs)
        finally:
            self._turns.release()

    def _transact(self, jobs: list[Job[Any]], needs: Needs) -> list[Any]:
        connection = self._connected()
        if needs in (Needs.READ, Needs.ALONE):
            return [job.work(connection) for job in jobs]
        if self._log_in_doubt:
            self._bring_home(connection)
        if needs is not self._synchronous:
            connection.execute(f"PRAGMA synchronous = {'FULL' if needs is Needs.SYNC else 'NORMAL'}")
            self._synchronous = needs
        connection.execute("BEGIN IMMEDIATE")
        results = [job.work(connection) for job in jobs]
        connection.execute("COMMIT")
        return results

    def _bring_home(self, connection: sqlite3.Connection) -> None:
        """Have all of the log written and synced into the file, and begin another log."""
        ((busy, _, _),) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        if busy:
            raise DatabaseUnavailable(f"{self.path}: in use, and its log is in doubt since the disk has failed")
        self._log_in_doubt = False

    def _connected(self) -> sqlite3.Connection:
        if self._connection is not None and not self._is_moved():
            return self._connection
        self._disconnect()
        if self._before_open is not None:
            self._before_open()
        self._connection = sqlite3.connect(self.path, timeout=BUSY_WITHIN, isolation_level=None)
        _prepare(self._connection, self.path, self._schema)
        self._synchronous = Needs.SYNC
        self._identity = self.path.stat()
        return self._connection

    def _is_moved(self) -> bool:
        """Whether the name is another file's by now: what is written to a deleted file is kept by nobody."""
        try:
            return self._identity is None or not os.path.samestat(self.path.stat(), self._identity)
        except FileNotFoundError:
            return True

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(sqlite3.Error):
                connection.close()

    def _tell(self, outcomes: list[Landing]) -> None:
        assert self._loop is not None
        if not outcomes:
            return
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(settle, outcomes)


def _prepare(connection: sqlite3.Connection, path: Path, schema: str) -> None:
    ((mode,),) = connection.execute("PRAGMA journal_mode = WAL").fetchall()
    if mode != "wal":
        raise DatabaseUnavailable(f"{path}: this file system cannot hold it (no WAL)")
    careful = "PRAGMA synchronous = FULL; PRAGMA fullfsync = ON; PRAGMA checkpoint_fullfsync = ON;"
    connection.executescript(f"{careful} PRAGMA journal_size_limit = {_BATCH_BYTES}; {schema}")
