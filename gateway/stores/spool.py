"""The spool: what is acknowledged while the broker is away, in files of this host, until it is published.

Strategy: a journal of its own for each process, so that several share a folder and never a file; the journals that
processes left behind are taken over, at the start and while running, and go first. An account's entries are published
in the order of their arrival, and what comes meanwhile goes behind them (`holds`); accounts do not wait for each other.
The limits refuse what is new; nothing that was taken is ever dropped for them.
"""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Generic, Self, TypeVar

from .drain import Drain, Publish
from .jobs import DatabaseCorrupt, DatabaseUnavailable
from .journals import Journals

T = TypeVar("T")

MAX_BYTES = 1024**3
MAX_AGE_SECONDS = 3 * 24 * 3600.0
SMALL_BYTES = 64 * 1024  # that a larger entry does not fit says nothing of reports
_START_WITHIN = 3.0


class SpoolUnavailable(Exception):
    """The disk does not take the entry, or not in time: it is not acknowledged. It may still be published."""


class SpoolFull(SpoolUnavailable):
    """The spool holds as much, or has held it as long, as it may."""


class Spool(Generic[T]):
    """The spool in `folder`; `dump` and `load` (ValueError: damaged) make bytes of an entry and back.

    Full where this process holds `max_bytes`; and for an account whose oldest entry is older than `max_age_seconds`.
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
        self.max_bytes = max_bytes
        self.max_age_seconds = max_age_seconds
        self._clock = clock
        self._journals = Journals(folder)
        self._starting: asyncio.Task[None] | None = None
        self._news = asyncio.Event()
        self._too_many = 0  # bytes that did not fit, since anything did

    async def __aenter__(self) -> Self:
        """Take over what others have left behind. Starts whatever state the disk is in, within a few seconds."""
        self._starting = asyncio.create_task(self._journals.adopt())
        await asyncio.wait({self._starting}, timeout=_START_WITHIN)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let go of the files, within a few seconds; what is in them stays."""
        if self._starting is not None:
            self._starting.cancel()
            await asyncio.gather(self._starting, return_exceptions=True)
        await self._journals.close()

    def holds(self, account: str) -> bool:
        """Whether entries of an account wait here, or are just coming in: then a new one must go behind them.

        Not behind those whose callers have given up: while the disk hangs the broker may be there.
        """
        return any(held.entries or held.awaited for held in self._journals.held(account))

    @property
    def events(self) -> int:
        """How many entries are waiting."""
        return sum(held.entries for journal in self._journals for held in journal.held.values())

    @property
    def bytes(self) -> int:
        """Their size, with those being written."""
        return sum(held.bytes + held.pending for journal in self._journals for held in journal.held.values())

    @property
    def full(self) -> bool:
        """Whether not even a small entry fits, as far as was tried last."""
        return self.bytes >= self.max_bytes or (self._too_many > 0 and self.bytes + self._too_many > self.max_bytes)

    @property
    def set_apart(self) -> int:
        """What a person has to look at: files of the folder that were put aside, entries that cannot be published."""
        return self._journals.set_apart

    @property
    def oldest_seconds(self) -> float:
        """The age of the oldest, 0 if there is none."""
        return max((self._age(name) for name in self._journals.accounts), default=0.0)

    def _age(self, account: str) -> float:
        arrived = [held.oldest for held in self._journals.held(account) if held.oldest is not None]
        return max(self._clock() - min(arrived), 0.0) if arrived else 0.0

    async def append(self, account: str, entry: T, *, within: float = 1.0) -> None:
        """Return when the entry is synced to the disk. SpoolUnavailable, or SpoolFull, within `within` seconds."""
        frame = self._dump(entry)
        if (size := self.bytes + len(frame)) > self.max_bytes:
            self._too_many = min(len(frame), SMALL_BYTES)
            raise SpoolFull(f"the spool would hold {size} bytes: it may hold {self.max_bytes}")
        if (age := self._age(account)) > self.max_age_seconds:
            raise SpoolFull(
                f"the spool has held an entry of {account} for {age:.0f} s: it may {self.max_age_seconds:g}"
            )
        journal = self._journals.own
        try:
            await journal.append(account, self._clock(), frame, within)
        except DatabaseUnavailable as error:
            if isinstance(error, DatabaseCorrupt):
                self._journals.give_up(journal, error)
            raise SpoolUnavailable(str(error)) from error
        else:
            self._too_many = 0
        finally:
            self._news.set()  # even where nobody has waited: it may come to be there

    async def drain(self, publish: Publish[T]) -> None:
        """Publish what is here, as it comes, until cancelled; an account that gets no further rests for a moment.

        `publish` gets entries of one account in their order, says how far it came, and has a deadline of its own.
        """
        await Drain(self._journals, self._load, publish).run(self._news)

    async def flush(self, publish: Publish[T]) -> bool:
        """Publish what is here and what others have left behind, once; whether all of it went out.

        What did not is given back when the spool is left.
        """
        await self._journals.adopt()
        return await Drain(self._journals, self._load, publish).once()
