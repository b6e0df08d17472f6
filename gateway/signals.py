"""SIGTERM and SIGINT as an event to wait for."""

import asyncio
import contextlib
import signal


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
