"""SIGTERM and SIGINT as an event to wait for."""

import asyncio
import signal


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
