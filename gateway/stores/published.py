"""The callbacks that were published: a provider's retry of one is answered and not published again.

Strategy: marked after the publish, never before, so a crash between the two publishes twice and loses nothing. Of one
callback that comes a second time while the first is still being published, the second waits. A store that is down
costs a callback its check and `within` seconds at most, and after that is left alone for a moment.
"""

import asyncio
from collections.abc import Awaitable, Callable

from .state import State, StateUnavailable
from .trouble import Trouble

SEEN_SECONDS = 48 * 3600.0  # more than the providers' day of resends
_REST_SECONDS = 1.0


class Published:
    """The ids of the events that were published; `unavailable` is called for each check and mark that failed."""

    def __init__(
        self,
        state: State,
        *,
        unavailable: Callable[[], None],
        ttl_seconds: float = SEEN_SECONDS,
        within: float = 0.25,
    ) -> None:
        self._state = state
        self._unavailable = unavailable
        self._ttl_seconds = ttl_seconds
        self._within = within
        self._resting_until = 0.0
        self.trouble = Trouble()  # of the store
        self._under_way: dict[str, asyncio.Future[bool]] = {}

    async def once(self, event_id: str, publish: Callable[[], Awaitable[None]]) -> bool:
        """Publish unless this event was; whether that was done now. What `publish` raises comes through."""
        while (other := self._under_way.get(event_id)) is not None:
            if await asyncio.shield(other):
                return False
        mine = self._under_way[event_id] = asyncio.get_running_loop().create_future()
        try:
            if await self.seen(event_id):
                mine.set_result(True)
                return False
            await publish()
            mine.set_result(True)  # whatever becomes of the mark
            await self.mark(event_id)
            return True
        finally:
            del self._under_way[event_id]
            if not mine.done():
                mine.set_result(False)

    async def seen(self, event_id: str) -> bool:
        """Whether the event was published; no if the store does not say."""
        found = await self._ask(lambda: self._state.get(_key(event_id), within=self._within))
        return found is not None

    async def mark(self, event_id: str) -> None:
        """Remember that the event was published."""
        # Not durable: what a power cut forgets is published twice at worst.
        put = self._state.put
        await self._ask(lambda: put(_key(event_id), b"1", self._ttl_seconds, durable=False, within=self._within))

    async def _ask(self, call: Callable[[], Awaitable[bytes | None]]) -> bytes | None:
        clock = asyncio.get_running_loop().time
        if clock() >= self._resting_until:
            try:
                found = await call()
            except StateUnavailable as error:
                self._resting_until = clock() + _REST_SECONDS
                self.trouble.note(str(error))
            else:
                self.trouble.clear()
                return found
        self._unavailable()
        return None


def _key(event_id: str) -> str:
    return f"published:{event_id}"
