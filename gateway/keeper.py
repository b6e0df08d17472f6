"""An event's way to safety: to the broker, confirmed; else to the spool, synced, and from there to the broker later.

Strategy: what is in the spool goes first, so an account whose events wait there sends new ones behind them. The broker
has half of the time there is; what it has not confirmed by then goes to the spool, and may be published twice. Where
the media store is away the spool takes the callback whole, and it becomes its event when it is its turn.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal, Protocol

from gateway.broker import Outgoing, PublishFailed
from gateway.entries import Entry
from gateway.intake import Callback
from gateway.stores.drain import Publish
from gateway.stores.spool import Spool, SpoolFull, SpoolUnavailable
from gateway.stores.trouble import Trouble
from gateway.telemetry import logs

BROKERS_SHARE = 0.5
SETTLE_WITHIN = 5.0
REFUSED_SECONDS = 10.0  # for which a spool that has refused is taken at its word: who is not ready is not asked
FILLING_SHARE = 0.8  # of what the spool may hold, and of how long: time for a person to look at it

Place = Literal["broker", "spool"]
log = logs.get(__name__)


class Publishes(Protocol):
    """What the receiver needs of the broker."""

    async def publish(self, outgoing: Outgoing, *, within: float) -> None:
        """Return when it is confirmed; raise PublishFailed."""


class NotKept(Exception):
    """Neither broker nor spool has taken the event. It may still be published."""


class Keeper:
    """Keeps events. Without a spool what the broker does not take is not kept."""

    def __init__(self, publisher: Publishes, spool: Spool[Entry] | None = None) -> None:
        self._publisher = publisher
        self._spool = spool
        self._refused = Trouble(REFUSED_SECONDS)

    @property
    def reason(self) -> str:
        """Why nothing can be kept while the broker is away; empty if the spool would, or may by now."""
        if self._spool is None:
            return "no spool (MM7_SPOOL_DIR is empty)"
        if self._spool.full:
            return f"spool: full, with {self._spool.bytes} bytes of {self._spool.max_bytes}"
        return self._refused.reason

    @property
    def troubles(self) -> list[str]:
        """What is out of order with the spool while the broker is there: it fills, or has refused."""
        spool = self._spool
        if spool is None:
            return []
        found = [self.reason] if self.reason else []
        if spool.bytes > FILLING_SHARE * spool.max_bytes:
            found.append(f"spool: {spool.bytes} bytes of {spool.max_bytes}")
        if (age := spool.oldest_seconds) > FILLING_SHARE * spool.max_age_seconds:
            found.append(f"spool: an event has waited {age:.0f} s of {spool.max_age_seconds:g}")
        return found

    async def keep(self, account: str, message: Outgoing, *, until: float) -> Place:
        """Return when the event is safe, and where. NotKept by `until`, a time of the event loop's clock."""
        spool = self._spool
        if spool is None or not spool.holds(account):
            share = 1.0 if spool is None else BROKERS_SHARE
            try:
                await self._publisher.publish(message, within=_left(until) * share)
            except PublishFailed as error:
                if spool is None:
                    raise NotKept(error.reason) from error
            else:
                return "broker"
        await self._append(spool, account, message, until)
        return "spool"

    async def hold(self, account: str, callback: Callback, *, until: float, reason: str) -> None:
        """Return when the callback itself is safe; `reason` is why it cannot be its event. NotKept."""
        if self._spool is None:
            raise NotKept(reason)
        await self._append(self._spool, account, callback, until)

    async def _append(self, spool: Spool[Entry], account: str, entry: Entry, until: float) -> None:
        try:
            await spool.append(account, entry, within=_left(until))
        except SpoolUnavailable as error:
            if not isinstance(error, SpoolFull):  # which is this entry's, or this account's: others may be taken
                self._refused.note(f"spool: {error}")
            raise NotKept(f"spool: {error}") from error
        self._refused.clear()

    @asynccontextmanager
    async def draining(self, publish: Publish[Entry]) -> AsyncIterator[None]:
        """Publish what the spool holds, as the broker takes it; at the end what is left of it, for some seconds."""
        if self._spool is None:
            yield
            return
        drain = asyncio.create_task(self._spool.drain(publish), name="drain")
        try:
            yield
            await self._settle(self._spool)
        finally:
            drain.cancel()
            await asyncio.wait({drain})

    async def _settle(self, spool: Spool[Entry]) -> None:
        """Give the drain a moment while it gets on: a receiver that is not started again leaves nothing behind."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SETTLE_WITHIN):
                held = spool.events + 1
                while 0 < spool.events < held:
                    held = spool.events
                    await asyncio.sleep(1.0)
        if spool.events:
            log.warning("spool.left_behind", entries=spool.events, folder=str(spool.folder))


def _left(until: float) -> float:
    return max(0.0, until - asyncio.get_running_loop().time())
