"""Warnings that repeat themselves: the first of a kind are shown, then their number.

Strategy: a window of time for each kind, opened by its first line. What was left out is told with the next line of
ours, of whatever kind, that comes after the window's end: no timer, no thread.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

FIRST, WINDOW_SECONDS = 10, 60.0
MOST_KINDS = 1000  # a library may write a number into each of its messages


class Kind(NamedTuple):
    """What counts as the same line."""

    event: str
    about: str | None = None


OTHERS = Kind("(others)")


@dataclass(slots=True)
class _Window:
    until: float
    lines: int = 0


class Sampling:
    """Counts lines. Any thread may ask."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._windows: dict[Kind, _Window] = {}
        self._untold: Counter[Kind] = Counter()
        self._lock = threading.Lock()
        self._next_end = float("inf")

    def passes(self, kind: Kind) -> bool:
        """Whether this line is to be shown."""
        now = self._clock()
        with self._lock:
            if kind not in self._windows and len(self._windows) >= MOST_KINDS:
                self._end_those_over(now)
                kind = kind if len(self._windows) < MOST_KINDS else OTHERS
            window = self._windows.get(kind)
            if window is None or window.until <= now:
                self._end(kind)
                window = self._windows[kind] = _Window(now + WINDOW_SECONDS)
                self._next_end = min(self._next_end, window.until)
            window.lines += 1
            return window.lines <= FIRST

    def left_out(self, *, all_of_them: bool = False) -> list[tuple[Kind, int]]:
        """How many of which kinds were not shown, in windows that are over (or in all of them); told once."""
        now = float("inf") if all_of_them else self._clock()
        if now < self._next_end:
            return []
        with self._lock:
            self._end_those_over(now)
            self._next_end = min((window.until for window in self._windows.values()), default=float("inf"))
            told, self._untold = self._untold, Counter()
        return list(told.items())

    def _end_those_over(self, now: float) -> None:
        for kind in [kind for kind, window in self._windows.items() if window.until <= now]:
            self._end(kind)

    def _end(self, kind: Kind) -> None:
        window = self._windows.pop(kind, None)
        if window is not None and window.lines > FIRST:
            self._untold[kind] += window.lines - FIRST
            self._next_end = 0.0  # there is something to tell
