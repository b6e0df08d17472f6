"""This worker's sign of life, and what it tells of the state store.

Strategy: what a worker has marked as being sent is taken for lost when its sign of life is gone. After an outage of the
store all signs are gone, for a moment: so nobody is taken for dead before the store has answered for a while, and
nothing is begun while one's own sign is old.
"""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Callable

from gateway.stores.ledger import ALIVE_SECONDS, BEAT_EVERY, Ledger
from gateway.stores.state import StateUnavailable
from gateway.telemetry import logs

STEADY_SECONDS = 2 * BEAT_EVERY
FRESH_SECONDS = ALIVE_SECONDS / 2
RETRY_EVERY = 0.5

log = logs.get(__name__)


class Pulse:
    """Beats while `beating`. `unavailable` is called for each beat that the store did not take."""

    def __init__(self, ledger: Ledger, *, unavailable: Callable[[], None]) -> None:
        self.worker = secrets.token_hex(8)
        self._ledger = ledger
        self._unavailable = unavailable
        self._last = 0.0  # beat that the store has taken
        self._steady_since: float | None = None
        self._failure = ""

    def reasons(self) -> list[str]:
        """What stands against being ready: without the store nothing can be sent."""
        return [] if self._steady_since is not None else [f"state store: {self._failure or 'not asked yet'}"]

    async def beat(self) -> None:
        """Say that this worker is alive. Raises StateUnavailable."""
        clock = asyncio.get_running_loop().time
        began = clock()
        try:
            await self._ledger.beat(self.worker)
        except StateUnavailable as error:
            if not self._failure:
                log.warning("state.unavailable", reason=str(error))
            self._steady_since, self._failure = None, str(error)
            raise
        if self._failure:
            log.info("state.available")
        if self._steady_since is None:
            self._steady_since = began
        self._last, self._failure = began, ""

    async def ensure(self) -> None:
        """Beat if the last time is long ago. Raises StateUnavailable."""
        if self._steady_since is None or asyncio.get_running_loop().time() - self._last > FRESH_SECONDS:
            await self.beat()

    async def is_over(self, worker: str) -> bool:
        """Whether a worker has ended for certain. Raises StateUnavailable."""
        await self.ensure()
        if await self._ledger.is_alive(worker):
            return False
        since = self._steady_since
        return since is not None and asyncio.get_running_loop().time() - since >= STEADY_SECONDS

    @contextlib.asynccontextmanager
    async def beating(self) -> AsyncIterator[None]:
        """Beat until the end; then this worker is over at once, and nobody waits for it."""
        task = asyncio.create_task(self._keep_beating(), name="pulse")
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait({task})
            with contextlib.suppress(StateUnavailable):
                await self._ledger.leave(self.worker)

    async def _keep_beating(self) -> None:
        while True:
            try:
                await self.beat()
            except StateUnavailable:
                self._unavailable()
                await asyncio.sleep(RETRY_EVERY)
            except Exception:  # a beat that ends unnoticed leaves this worker's commands to be taken for lost
                log.exception("pulse.crashed")
                self._unavailable()
                await asyncio.sleep(RETRY_EVERY)
            else:
                await asyncio.sleep(BEAT_EVERY)
