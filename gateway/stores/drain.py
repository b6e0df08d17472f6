"""The way out of the spool: an account's entries in their order, a chunk at a time.

Strategy: of a chunk that did not get through, the entries in front that are confirmed are removed, and the rest is
tried again from the first of them. What had arrived behind it arrives twice: subscribers drop the second.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Generic, Protocol, TypeVar

from gateway.telemetry import logs

from .held import Entry
from .jobs import DatabaseCorrupt, DatabaseUnavailable
from .journal import Journal
from .journals import Journals

T = TypeVar("T")

_CHUNK_ENTRIES = 256
_END_WITHIN = 1.0
_REST_SECONDS = 0.5
_ADOPT_EVERY = 5.0

log = logs.get(__name__)


class Progress(Protocol):
    """How far a chunk got: the first `confirmed` are out. The next is not, because of `reason`; if it was `refused`,
    it never will be.
    """

    @property
    def confirmed(self) -> int: ...
    @property
    def reason(self) -> str: ...
    @property
    def refused(self) -> bool: ...


Publish = Callable[[Sequence[T]], Awaitable[Progress]]


class Drain(Generic[T]):
    """Publishes what `journals` hold; `load` (ValueError: damaged) makes an entry of its bytes."""

    def __init__(self, journals: Journals, load: Callable[[bytes], T], publish: Publish[T]) -> None:
        self._journals = journals
        self._load = load
        self._publish = publish
        self._failing: set[str] = set()

    async def once(self) -> bool:
        """Publish what is there; whether all of it went out."""
        results = [await self._publish_account(name) for name in sorted(self._journals.accounts)]
        return all(results)

    async def run(self, news: asyncio.Event) -> None:
        """Publish until cancelled; `news` is set where there may be something new."""
        clock = asyncio.get_running_loop().time
        at_work: dict[str, asyncio.Task[bool]] = {}
        resting: dict[str, float] = {}
        tending = asyncio.create_task(self._tend())
        try:
            while True:
                news.clear()
                for account in [name for name, task in at_work.items() if task.done()]:
                    if not _went_well(at_work.pop(account)):
                        resting[account] = clock() + _REST_SECONDS
                for account in self._journals.accounts - at_work.keys():
                    if resting.get(account, 0.0) <= clock():
                        task = at_work[account] = asyncio.create_task(self._publish_account(account))
                        task.add_done_callback(lambda _: news.set())
                if tending.done() and not _went_well(tending):
                    tending = asyncio.create_task(self._tend())
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_REST_SECONDS):
                        await news.wait()
        finally:
            running: list[asyncio.Task[Any]] = [tending, *at_work.values()]
            for each in running:
                each.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    async def _tend(self) -> None:
        while True:
            await asyncio.sleep(_ADOPT_EVERY)
            await self._journals.tend()

    async def _publish_account(self, account: str) -> bool:
        """Publish the entries of an account, the oldest first, until there are none or one is not confirmed.

        The first goes alone, then twice as many each time: a broker that has just come back is asked gently, and an
        entry that it refuses is in the end tried alone, and told from those round it.
        """
        size = 1
        while (journal := self._journals.first(account)) is not None:
            try:
                entries = await journal.oldest(account, size)
                if not entries:
                    await journal.recount()
                    return False
            except DatabaseUnavailable as error:
                log.warning("spool.unreadable", journal=journal.path.name, reason=str(error))
                if isinstance(error, DatabaseCorrupt):
                    self._journals.give_up(journal, error)
                return False
            if not await self._publish_chunk(journal, entries):
                return False
            size = min(2 * size, _CHUNK_ENTRIES)
            self._failing.discard(account)
        return True

    async def _publish_chunk(self, journal: Journal, entries: Sequence[Entry]) -> bool:
        """Publish what can be read of a chunk; whether to go on at once."""
        loaded, damage = self._loaded(entries)
        if not loaded:
            self._set_apart(journal, entries[0], damage)
            return True
        progress = await self._published(journal, entries, loaded)
        if progress.confirmed >= len(loaded):
            return True
        if progress.refused:
            self._set_apart(journal, entries[progress.confirmed], progress.reason)
            return True
        self._say(journal, entries[0].account, progress.reason)
        return False

    def _say(self, journal: Journal, account: str, reason: str) -> None:
        """Once for an outage: it is tried twice a second."""
        if account not in self._failing:
            self._failing.add(account)
            waiting = journal.held[account].entries
            log.warning("spool.publish_failed", account=account, waiting=waiting, reason=reason)

    async def _published(self, journal: Journal, entries: Sequence[Entry], loaded: Sequence[T]) -> Progress:
        """Remove what goes out; at the end of the program too, if that is soon: it would be published again."""
        publishing = asyncio.ensure_future(self._publish(loaded))
        try:
            await asyncio.wait({publishing})
        except asyncio.CancelledError:
            await asyncio.wait({publishing}, timeout=_END_WITHIN)
            raise
        finally:
            publishing.cancel()  # nothing, if it is done
            if publishing.done() and not publishing.cancelled() and publishing.exception() is None:
                journal.published(entries[: publishing.result().confirmed])
        return publishing.result()

    def _loaded(self, entries: Sequence[Entry]) -> tuple[list[T], str]:
        """Those in front that can be read, and what is wrong with the next."""
        loaded: list[T] = []
        for entry in entries:
            try:
                loaded.append(self._load(entry.frame))
            except ValueError as error:
                return loaded, str(error)
        return loaded, ""

    def _set_apart(self, journal: Journal, entry: Entry, reason: str) -> None:
        """Let the others pass an entry that can never be published; it is kept in the journal's file."""
        log.error("spool.entry_set_apart", journal=journal.path.name, account=entry.account, reason=reason)
        journal.set_apart(entry)


def _went_well(task: asyncio.Task[Any]) -> bool:
    if task.cancelled():  # by what it called: we cancel only at the end
        return False
    error = task.exception()
    if error is not None:
        log.error("spool.drain_failed", exc_info=error)
    return error is None and bool(task.result())
