"""What systemd is told of a program, where it asks (Type=notify): ready, how it is, alive, ending. See sd_notify(3).

Strategy: a datagram a message, and nobody waits for it. The watchdog is fed from the event loop, so a loop that stands
still is noticed; so is how the program is told, as /readyz says it.
"""

import asyncio
import os
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress

EVERY_SECONDS = 5.0
_MICROSECONDS = 1_000_000


class Systemd:
    """The other end of NOTIFY_SOCKET; without one nothing is told to anybody."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._address = environ.get("NOTIFY_SOCKET", "").replace("@", "\0", 1)  # an abstract one begins with a zero
        ours = environ.get("WATCHDOG_PID") in (None, str(os.getpid()))
        watchdog = int(environ.get("WATCHDOG_USEC") or 0) / _MICROSECONDS if ours else 0.0
        self._alive = ["WATCHDOG=1"] if watchdog else []
        self._every = min(EVERY_SECONDS, watchdog / 3 or EVERY_SECONDS)
        self._status: Callable[[], str] = str
        self._timer: asyncio.TimerHandle | None = None

    def ready(self, status: Callable[[], str]) -> None:
        """It works from now on; `status` is asked now and then."""
        self._status = status
        self._tell("READY=1")
        self._beat()

    def stopping(self, within: float) -> None:
        """It is to end, and will have `within` so many seconds, whatever the unit's TimeoutStopSec."""
        self._tell("STOPPING=1", f"EXTEND_TIMEOUT_USEC={int(within * _MICROSECONDS)}")
        self._tell_status()

    def _beat(self) -> None:
        # Each by itself: whatever becomes of the status, the watchdog is fed, now and the next time.
        self._timer = asyncio.get_running_loop().call_later(self._every, self._beat)
        self._tell(*self._alive)
        self._tell_status()

    def _tell_status(self) -> None:
        try:
            status = self._status()
        except Exception as error:  # noqa: BLE001  # no start and no end depends on it
            status = f"unknown: {type(error).__name__}"
        self._tell(f"STATUS={' '.join(status.split())}")  # a line: more would be told as something else

    def _tell(self, *lines: str) -> None:
        if self._address and lines:
            with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sender:
                sender.sendto("\n".join(lines).encode(errors="replace"), self._address)

    def end(self) -> None:
        """Nothing is told any more."""
        if self._timer is not None:
            self._timer.cancel()


@contextmanager
def told(environ: Mapping[str, str]) -> Iterator[Systemd]:
    """Until the end."""
    systemd = Systemd(environ)
    try:
        yield systemd
    finally:
        systemd.end()
