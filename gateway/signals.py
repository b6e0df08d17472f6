"""Signals: SIGTERM and SIGINT as an event to wait for, SIGUSR1 as a switch of the logs' level."""

import asyncio
import contextlib
import signal
from collections.abc import Iterator
from functools import partial

from gateway.telemetry import logs


def stop_event() -> asyncio.Event:
    """Set at a SIGTERM or SIGINT; a SIGINT while it is set ends the process at once."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def told(number: signal.Signals) -> None:
        if stop.is_set() and number is signal.SIGINT:
            loop.remove_signal_handler(number)
            signal.raise_signal(number)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told, number)
    return stop


async def again(stop: asyncio.Event, *, within: float) -> None:
    """Wait for another signal, for `within` seconds at most; none for 0."""
    if within:
        stop.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                await stop.wait()
        stop.set()


@contextlib.contextmanager
def switching_log_level(configured: str) -> Iterator[None]:
    """At each SIGUSR1: from the configured level to debug, or back. Before and after nothing happens at it."""
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGUSR1, partial(logs.switch, configured))
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGUSR1)
        ignore_log_level()


def ignore_the_rest() -> None:
    """Let a further SIGTERM pass by: the program has ended in order, and is telling the last of its traces."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def ignore_log_level() -> None:
    """Let SIGUSR1 pass by, which by itself ends a process."""
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
