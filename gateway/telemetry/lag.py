"""How late the event loop is: what a timer waits too long, everything else in the loop has waited too."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from .metrics import Metrics

EVERY_SECONDS = 0.005  # what holds the loop up shows shorter than it is, by as much as this


@contextmanager
def watched(metrics: Metrics) -> Iterator[None]:
    """Observe the running loop. The gauge is the longest since it was read last: one scraper sees every peak."""
    watch = _Watch(metrics)
    metrics.loop_lag_max_seconds.set_function(watch.longest)
    try:
        yield
    finally:
        watch.stop()


class _Watch:
    def __init__(self, metrics: Metrics) -> None:
        self._observe = metrics.loop_lag_seconds.observe
        self._loop = asyncio.get_running_loop()
        self._longest = 0.0
        self._timer = self._next()

    def _next(self) -> asyncio.TimerHandle:
        due = self._loop.time() + EVERY_SECONDS
        return self._loop.call_at(due, self._fired, due)

    def _fired(self, due: float) -> None:
        lag = max(self._loop.time() - due, 0.0)
        self._longest = max(self._longest, lag)
        self._observe(lag)
        self._timer = self._next()

    def longest(self) -> float:
        found, self._longest = self._longest, 0.0
        return found

    def stop(self) -> None:
        self._timer.cancel()
