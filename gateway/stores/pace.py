"""The rate of an account over all its workers: turns come evenly, from the shared state.

While the store is down each worker keeps the rate by itself: n workers are n times too fast at worst.
"""

import asyncio
from collections.abc import Callable

from .state import State, StateUnavailable, next_turn


class Pace:
    """Turns for one name, `per_second` of them. `unavailable` is called for each that the store did not give."""

    def __init__(
        self,
        state: State,
        name: str,
        per_second: float,
        *,
        unavailable: Callable[[], None],
        within: float = 0.5,
    ) -> None:
        self._state = state
        self._name = name
        self._per_second = per_second
        self._unavailable = unavailable
        self._within = within
        self._due = 0.0  # the next turn by our own count
        self._quiet_until = 0.0

    async def turn(self) -> None:
        """Return when it is this caller's turn."""
        clock = asyncio.get_running_loop().time
        await self._one_turn()
        while clock() < self._quiet_until:  # given before the provider said that it was too fast
            await self._one_turn()

    async def _one_turn(self) -> None:
        clock = asyncio.get_running_loop().time
        try:
            wait = await self._state.turn(self._name, self._per_second, within=self._within)
        except StateUnavailable:
            self._unavailable()
            self._due, wait = next_turn(self._due, 0.0, clock(), 1 / self._per_second, 0.0)
        else:
            self._due = max(self._due, clock() + wait + 1 / self._per_second)
        if wait > 0:
            await asyncio.sleep(wait)

    async def slow_down(self, seconds: float) -> None:
        """No turns for a while, for nobody: the provider has said that it was too fast."""
        self._quiet_until = max(self._quiet_until, asyncio.get_running_loop().time() + seconds)
        self._due = max(self._due, self._quiet_until)
        try:
            await self._state.pause(self._name, seconds, within=self._within)
        except StateUnavailable:
            self._unavailable()
