"""The state store in this process's memory: for tests, and to look at how little a store must do."""

import time
from collections.abc import Callable

from .state import WITHIN, State, next_turn


class MemoryState(State):
    """A dict with times. Nothing survives the process."""

    def __init__(self, *, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._entries: dict[str, tuple[bytes, float]] = {}
        self._prune_above = 100
        self._turns: dict[str, tuple[float, float]] = {}

    def _get(self, key: str) -> bytes | None:
        value, expires = self._entries.get(key, (None, 0.0))
        return value if expires > self._clock() else None

    def _put(self, key: str, value: bytes, ttl_seconds: float) -> None:
        now = self._clock()
        self._entries[key] = (value, now + ttl_seconds)
        if len(self._entries) > self._prune_above:
            self._entries = {key: entry for key, entry in self._entries.items() if entry[1] > now}
            self._prune_above = 2 * len(self._entries) + 100

    async def get(self, key: str, *, within: float = WITHIN) -> bytes | None:  # noqa: ARG002  # never waits
        """See State."""
        return self._get(key)

    async def put(
        self,
        key: str,
        value: bytes,
        ttl_seconds: float,
        *,
        durable: bool = True,  # noqa: ARG002  # nothing is
        within: float = WITHIN,  # noqa: ARG002  # never waits
    ) -> None:
        """See State."""
        self._put(key, value, ttl_seconds)

    async def swap(
        self,
        key: str,
        expected: bytes | None,
        value: bytes,
        ttl_seconds: float,
        *,
        durable: bool = True,  # noqa: ARG002  # nothing is
        within: float = WITHIN,  # noqa: ARG002  # never waits
    ) -> bytes | None:
        """See State."""
        if (found := self._get(key)) != expected:
            return found
        self._put(key, value, ttl_seconds)
        return value

    async def delete(self, key: str, *, expected: bytes | None = None, within: float = WITHIN) -> None:  # noqa: ARG002  # never waits
        """See State."""
        if expected is None or self._get(key) == expected:
            self._entries.pop(key, None)

    async def pace(self, name: str, interval: float, pause: float, *, within: float = WITHIN) -> float:  # noqa: ARG002  # never waits
        """See State."""
        now = self._clock()
        due, wait = next_turn(*self._turns.get(name, (now, now)), now, interval, pause)
        self._turns[name] = (due, now)
        return wait

    async def close(self) -> None:
        """See State."""
