"""The spool: what is acknowledged while the broker is away, in files of this host, until it is published.

Strategy: a journal of its own for each process, so that several share a folder and never a file; the journals that
processes left behind are taken over, at the start and while running, and go first. An account's entries are published
one after the other in the order of their arrival, and what comes meanwhile goes behind them (`holds`); accounts do not
wait for each other. The limits refuse what is new; nothing that was taken is ever dropped for them.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

import structlog

from . import leftovers
from .jobs import DatabaseCorrupt, DatabaseUnavailable
from .journal import Entry, Journal

T = TypeVar("T")
Publish = Callable[[T], Awaitable[None]]
Failed = type[Exception] | tuple[type[Exception], ...]

MAX_BYTES = 1024**3
MAX_AGE_SECONDS = 3 * 24 * 3600.0
_REST_SECONDS = 0.5
_ADOPT_EVERY = 5.0

log = structlog.get_logger()


class SpoolUnavailable(Exception):
    """The disk does not take the entry, or not in time: it is not acknowledged. It may still be published."""


class SpoolFull(SpoolUnavailable):
    """The spool holds as much, or has held it as long, as it may."""


class Spool(Generic[T]):
    """The spool in `folder`; `dump` and `load` (ValueError: damaged) make bytes of an entry and back.

    Full at `max_bytes` in all; and for an account whose oldest entry is older than `max_age_seconds`.
    """

    def __init__(
        self,
        folder: Path,
        dump: Callable[[T], bytes],
        load: Callable[[bytes], T],
        *,
        max_bytes: int = MAX_BYTES,
        max_age_seconds: float = MAX_AGE_SECONDS,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.folder = folder
        self._dump = dump
        self._load = load
        self._max_bytes = max_bytes
        self._max_age_seconds = max_age_seconds
        self._clock = clock
        self._own = Journal.fresh(folder)
        self._adopted: list[Journal] = []
        self._news = asyncio.Event()

    async def __aenter__(self) -> Self:
        """Take over what others have left behind. Starts whatever state the disk is in."""
        await self.adopt()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let go of the files; what is in them stays."""
        await asyncio.gather(*(journal.close() for journal in self._journals()))

    def _journals(self) -> list[Journal]:
        return [*self._adopted, self._own]

    def _accounts(self) -> set[str]:
        return {name for each in self._journals() for name, held in each.held.items() if held.entries}

    def holds(self, account: str) -> bool:
        """Whether entries of an account wait here, or are just coming in: then a new one must go behind them."""
        found = (journal.held.get(account) for journal in self._journals())
        return any(held is not None and (held.entries or held.pending) for held in found)

    @property
    def events(self) -> int:
        """How many entries are waiting."""
        return sum(held.entries for journal in self._journals() for held in journal.held.values())

    @property
    def bytes(self) -> int:
        """Their size, with those being written."""
        return sum(held.bytes + held.pending for journal in self._journals() for held in journal.held.values())

    @property
    def oldest_seconds(self) -> float:
        """The age of the oldest, 0 if there is none."""
        return max((self._age(name) for name in self._accounts()), default=0.0)

    def _age(self, account: str) -> float:
        found = (journal.held.get(account) for journal in self._journals())
        arrived = [held.oldest for held in found if held is not None and held.oldest is not None]
        return max(self._clock() - min(arrived), 0.0) if arrived else 0.0

    async def append(self, account: str, entry: T, *, within: float = 1.0) -> None:
        """Return when the entry is synced to the disk. SpoolUnavailable, or SpoolFull, within `within` seconds."""
        frame = self._dump(entry)
        if (size := self.bytes + len(frame)) > self._max_bytes:
            raise SpoolFull(f"the spool would hold {size} bytes: it may hold {self._max_bytes}")
        if (age := self._age(account)) > self._max_age_seconds:
            raise SpoolFull(
                f"the spool has held an entry of {account} for {age:.0f} s: it may {self._max_age_seconds:g}"
            )
        journal = self._own
        try:
            await journal.append(account, self._clock(), frame, within)
        except DatabaseUnavailable as error:
            if isinstance(error, DatabaseCorrupt):
                await self._give_up(journal, error)
            raise SpoolUnavailable(str(error)) from error
        finally:
            self._news.set()  # even where nobody has waited: it may come to be there

    async def adopt(self) -> None:
        """Take over the journals that ended processes have left behind."""
        try:
            found = await asyncio.to_thread(leftovers.take, self.folder)
        except OSError as error:
            log.warning("spool.unreadable", folder=str(self.folder), reason=error.strerror)
            return
        for journal in found:
            try:
                await journal.recount()
            except DatabaseCorrupt as error:
                await self._give_up(journal, error)
            except DatabaseUnavailable as error:
                log.warning("spool.unreadable", journal=journal.path.name, reason=str(error))
                await journal.close()  # and once more in a while
            else:
                held = sum(held.entries for held in journal.held.values())
                log.info("spool.taken_over", journal=journal.path.name, entries=held)
                self._adopted.append(journal)
        self._adopted.sort(key=lambda journal: journal.path.name)

    async def _give_up(self, journal: Journal, error: Exception) -> None:
        """Go on without a file that cannot be read any more; it is kept for a person to look at."""
        if journal is self._own:
            self._own = Journal.fresh(self.folder)
        elif journal in self._adopted:
            self._adopted.remove(journal)
        entries = sum(held.entries for held in journal.held.values())
        log.error("spool.damaged", journal=journal.path.name, entries=entries, reason=str(error))
        await journal.give_up()

    async def drain(self, publish: Publish[T], *, failed: Failed) -> None:
        """Publish what is here, as it comes, until cancelled; an account whose publish `failed` rests for a moment."""
        clock = asyncio.get_running_loop().time
        at_work: dict[str, asyncio.Task[bool]] = {}
        resting: dict[str, float] = {}
        tending = asyncio.create_task(self._tend())
        try:
            while True:
                self._news.clear()
                for account in [name for name, task in at_work.items() if task.done()]:
                    if not _went_well(at_work.pop(account)):
                        resting[account] = clock() + _REST_SECONDS
                for account in self._accounts() - at_work.keys():
                    if resting.get(account, 0.0) <= clock():
                        task = at_work[account] = asyncio.create_task(self._publish_all(account, publish, failed))
                        task.add_done_callback(lambda _: self._news.set())
                if tending.done() and not _went_well(tending):
                    tending = asyncio.create_task(self._tend())
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_REST_SECONDS):
                        await self._news.wait()
        finally:
            running: list[asyncio.Task[Any]] = [tending, *at_work.values()]
            for each in running:
                each.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    async def flush(self, publish: Publish[T], *, failed: Failed) -> bool:
        """Publish what is here, once; whether all of it went out."""
        results = [await self._publish_all(name, publish, failed) for name in sorted(self._accounts())]
        return all(results)

    async def _tend(self) -> None:
        """Now and then catch up on removals, end journals that were taken over and are empty, look for more."""
        while True:
            await asyncio.sleep(_ADOPT_EVERY)
            for journal in self._journals():
                journal.tidy()
            for journal in [each for each in self._adopted if each.is_empty]:
                self._adopted.remove(journal)
                await journal.close()
            await self.adopt()

    async def _publish_all(self, account: str, publish: Publish[T], failed: Failed) -> bool:
        """Publish the entries of an account, the oldest first, until there are none or a publish fails."""
        while (journal := self._first(account)) is not None:
            try:
                entries = await journal.oldest(account)
                if not entries:
                    await journal.recount()
                    return False
            except DatabaseUnavailable as error:
                log.warning("spool.unreadable", journal=journal.path.name, reason=str(error))
                if isinstance(error, DatabaseCorrupt):
                    await self._give_up(journal, error)
                return False
            for entry in entries:
                if not await self._publish_one(journal, entry, publish, failed):
                    return False
        return True

    def _first(self, account: str) -> Journal | None:
        return next((each for each in self._journals() if (held := each.held.get(account)) and held.entries), None)

    async def _publish_one(self, journal: Journal, entry: Entry, publish: Publish[T], failed: Failed) -> bool:
        try:
            loaded = self._load(entry.frame)
        except ValueError as error:
            facts = {"journal": journal.path.name, "account": entry.account, "reason": str(error)}
            log.error("spool.entry_damaged", **facts)  # noqa: TRY400  # the disk's fault: a traceback says nothing
            journal.published(entry, damaged=True)
            return True
        try:
            await publish(loaded)
        except failed as error:
            log.warning("spool.publish_failed", account=entry.account, waiting=self.events, reason=str(error))
            return False
        journal.published(entry)
        return True


def _went_well(task: asyncio.Task[Any]) -> bool:
    error = task.exception()
    if error is not None:
        log.error("spool.drain_failed", exc_info=error)
    return error is None and bool(task.result())
