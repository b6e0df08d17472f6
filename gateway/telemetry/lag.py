"""How late the event loop is: what a timer waits too long, everything else in the loop has waited too.

Strategy: of the lags only those are kept that no later one exceeds, so the first is the longest of the window and a
reading takes nothing away: however many read, each sees every peak.
"""

import asyncio
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from .metrics import Metrics

EVERY_SECONDS = 0.005  # what holds the loop up shows shorter than it is, by as much as this
WINDOW_SECONDS = 60.0  # as metrics.py says of the gauge; no scrape interval is longer


@contextmanager
def watched(metrics: Metrics, window_seconds: float = WINDOW_SECONDS) -> Iterator[None]:
    """Observe the running loop. The gauge is the longest lag within the last `window_seconds`."""
    watch = _Watch(metrics, window_seconds)
    metrics.loop_lag_max_seconds.set_function(watch.longest)
    try:
        yield
    finally:
        watch.stop()


class _Watch:
    def __init__(self, metrics: Metrics, window_seconds: float) -> None:
        self._observe = metrics.loop_lag_seconds.observe
        self._window = window_seconds
        self._loop = asyncio.get_running_loop()
        self._peaks: deque[tuple[float, float]] = deque()  # when, and how late: ever later, ever less late
        self._timer = self._next()

    def _next(self) -> asyncio.TimerHandle:
        due = self._loop.time() + EVERY_SECONDS
        return self._loop.call_at(due, self._fired, due)

    def _fired(self, due: float) -> None:
        now = self._loop.time()
        lag = max(now - due, 0.0)
        self._keep(now, lag)
        self._observe(lag)
        self._timer = self._next()

    def _keep(self, now: float, lag: float) -> None:
        peaks = self._peaks
        while peaks and peaks[-1][1] <= lag:
            peaks.pop()
        peaks.append((now, lag))
        while peaks[0][0] < now - self._window:
            peaks.popleft()

    def longest(self) -> float:
        return self._peaks[0][1] if self._peaks else 0.0

    def stop(self) -> None:
        self._timer.cancel()
