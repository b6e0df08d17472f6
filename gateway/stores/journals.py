"""The journals that this process holds: its own, and those that ended processes have left behind.

Strategy: whatever may hang with the disk has a deadline or goes on in the background, so that neither the start nor the
end waits for it. A journal that was found is ours, and is given back at the end, from the moment its lock is taken.
"""

import asyncio
from collections.abc import Coroutine, Iterator
from pathlib import Path

from gateway.telemetry import logs

from . import leftovers
from .held import Held
from .jobs import DatabaseCorrupt, DatabaseUnavailable, aside
from .journal import Journal

_LOOK_WITHIN = 5.0
Found = tuple[int, list[Journal]]  # files that were put aside, journals that nobody held

log = logs.get(__name__)


class Journals:
    """Those of the spool in `folder`; iteration gives those taken over, the oldest first, and its own at the end."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.own = Journal.fresh(folder)
        self._adopted: list[Journal] = []
        self._found: list[Journal] = []  # and not counted yet
        self._adopting = asyncio.Lock()
        self._looking: asyncio.Future[Found] | None = None
        self._put_aside = 0
        self._ending: set[asyncio.Task[None]] = set()

    def __iter__(self) -> Iterator[Journal]:
        return iter([*self._adopted, self.own])

    def held(self, account: str) -> list[Held]:
        """What each holds of an account."""
        return [held for journal in self if (held := journal.held.get(account)) is not None]

    @property
    def accounts(self) -> set[str]:
        """Of whom there are entries."""
        return {name for journal in self for name, held in journal.held.items() if held.entries}

    @property
    def set_apart(self) -> int:
        """Files that were put aside, and entries in files that are in use; as of the last look."""
        return self._put_aside + sum(journal.apart for journal in self)

    def first(self, account: str) -> Journal | None:
        """The one with the oldest entries of an account, None if there are none."""
        return next((each for each in self if (held := each.held.get(account)) and held.entries), None)

    async def adopt(self) -> None:
        """Take over what ended processes have left behind, as far as it can be read."""
        async with self._adopting:
            await self._look()
            while self._found:
                await self._count(self._found[0])
            if not self.own.is_used and self._adopted and self.own.order < self._adopted[-1].order:
                self.own = Journal.fresh(self.folder, self)  # the clock was set back

    async def _look(self) -> None:
        """Find what nobody holds. A disk that hangs is asked no second time before it has answered."""
        if self._looking is None:
            self._looking = aside(lambda: (leftovers.put_aside(self.folder), leftovers.take(self.folder)))
        done, _ = await asyncio.wait({self._looking}, timeout=_LOOK_WITHIN)
        if not done:
            log.warning("spool.unreadable", folder=str(self.folder), reason=f"no answer within {_LOOK_WITHIN:g} s")
            return
        looking, self._looking = self._looking, None
        try:
            self._put_aside, found = looking.result()
        except OSError as error:
            log.warning("spool.unreadable", folder=str(self.folder), reason=error.strerror)
        else:
            self._found += found

    async def _count(self, journal: Journal) -> None:
        try:
            await journal.recount()
        except DatabaseCorrupt as error:
            self.give_up(journal, error)
        except DatabaseUnavailable as error:
            log.warning("spool.unreadable", journal=journal.path.name, reason=str(error))
            self._found.remove(journal)
            self._in_background(journal.close())  # and once more in a while
        else:
            held = sum(held.entries for held in journal.held.values())
            log.info("spool.taken_over", journal=journal.path.name, entries=held)
            self._found.remove(journal)
            self._adopted.append(journal)
            self._adopted.sort(key=lambda each: each.order)

    def give_up(self, journal: Journal, error: Exception) -> None:
        """Go on without a file that cannot be read any more; it is kept for a person to look at."""
        if journal is self.own:
            self.own = Journal.fresh(self.folder, self)
        elif journal in self._adopted:
            self._adopted.remove(journal)
        elif journal in self._found:
            self._found.remove(journal)
        else:
            return  # of several that met the damage another was first
        entries = sum(held.entries for held in journal.held.values())
        log.error("spool.damaged", journal=journal.path.name, entries=entries, reason=str(error))
        self._in_background(journal.give_up())

    async def tend(self) -> None:
        """Catch up on removals, end journals that were taken over and are empty, look for more."""
        for journal in self:
            journal.tidy()
        for journal in [each for each in self._adopted if each.is_empty]:
            self._adopted.remove(journal)
            self._in_background(journal.close())
        await self.adopt()

    def _in_background(self, ending: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(ending)
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    async def close(self) -> None:
        """Let go of all of them, within a few seconds in any state of the disk; what is in them stays."""
        if self._looking is not None:
            self._looking.add_done_callback(_let_go)
        await asyncio.gather(*(journal.close() for journal in [*self._found, *self]), *self._ending)


def _let_go(looking: asyncio.Future[Found]) -> None:
    if looking.exception() is None:
        for journal in looking.result()[1]:
            journal.lock.close()
