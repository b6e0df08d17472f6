"""Signals: SIGTERM and SIGINT as an event to wait for, SIGUSR1 as a switch of the logs' level."""

import asyncio
import signal
from functools import partial

from gateway.telemetry import logs


def stop_event() -> asyncio.Event:
    """Set at the first SIGTERM or SIGINT; a second SIGINT ends the process at once."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def told(number: signal.Signals) -> None:
        stop.set()
        if number is signal.SIGINT:
            loop.remove_signal_handler(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told, number)
    return stop


def switch_log_level(configured: str) -> None:
    """At each SIGUSR1: from the configured level to debug, or back."""
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, partial(logs.switch, configured))
