"""Calls that are made as one: those that come while one is under way wait for the next, and share it.

A round trip to the store's thread costs more than what is done there, most of all while the event loop is busy: the two
pass the interpreter's lock back and forth. So under load others are waited for a moment; a caller that is alone is not.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Generic, TypeVar

from .state import StateUnavailable

GATHER_SECONDS = 0.002
MOST = 500  # to a call

K = TypeVar("K")
A = TypeVar("A")
R = TypeVar("R")


class Together(Generic[K, A, R]):
    """`call` takes key → argument, of the last caller where two name one key, and gives one result for all of them."""

    def __init__(self, call: Callable[[Mapping[K, A]], Awaitable[R]]) -> None:
        self._call = call
        self._items: dict[K, A] = {}
        self._waiting: asyncio.Future[R] | None = None
        self._running: asyncio.Task[None] | None = None

    async def __call__(self, items: Mapping[K, A], within: float) -> R:
        """Join the next call. StateUnavailable: it failed, or not within `within` seconds."""
        self._items.update(items)
        if self._waiting is None:
            self._waiting = asyncio.get_running_loop().create_future()
        if self._running is None:
            self._running = asyncio.create_task(self._run())
        mine = self._waiting
        done, _ = await asyncio.wait({mine}, timeout=within)
        if not done:
            raise StateUnavailable(f"no answer within {within:g} s")
        return mine.result()

    async def _run(self) -> None:
        made = 1
        try:
            while (mine := self._waiting) is not None:
                if made > 1 and len(self._items) < MOST:
                    await asyncio.sleep(GATHER_SECONDS)
                items, self._items, self._waiting = self._items, {}, None
                made = len(items)
                try:
                    mine.set_result(await self._call(items))
                except Exception as error:  # noqa: BLE001  # the outermost place of this task: the callers get it
                    mine.set_exception(_unavailable(error))
                    mine.exception()  # looked at here: nobody may wait any more
        finally:
            self._running = None


def _unavailable(error: Exception) -> StateUnavailable:
    if isinstance(error, StateUnavailable):
        return error
    failure = StateUnavailable(f"{type(error).__name__}: {error}")
    failure.__cause__ = error
    return failure
