"""An account's rate: requests are spaced evenly, so that no second ever holds more than the rate allows."""

import asyncio


class Throttle:
    """Gives turns, `rate` a second, in the order in which they were asked for. One process."""

    def __init__(self, rate: float) -> None:
        self._interval = 1 / rate
        self._next = 0.0

    async def turn(self) -> None:
        """Return when it is this caller's turn."""
        now = asyncio.get_running_loop().time()
        mine = max(now, self._next)
        self._next = mine + self._interval
        if mine > now:
            await asyncio.sleep(mine - now)
