"""The receiver: `mm7-gateway`, or `python -m gateway`."""

import asyncio
import gc
import sys
from collections.abc import Callable, Coroutine
from typing import Any

from gateway.app import run
from gateway.settings import ReceiverSettings, Settings, SettingsError, unknown_variables
from gateway.telemetry import logs


def start(kind: type[Settings], program: Callable[[Settings], Coroutine[Any, Any, None]]) -> int:
    """Settings → logs → run; the exit code. 2 for settings that cannot be used, 130 for a second Ctrl-C."""
    try:
        settings = kind.load()
    except SettingsError as error:
        sys.stderr.write("the settings cannot be used:\n")
        sys.stderr.writelines(f"  {problem}\n" for problem in error.problems)
        return 2
    logs.configure(settings.log_level, settings.log_format)
    for name in unknown_variables():
        logs.get().warning("settings.unknown_variable", name=name)
    gc.collect()
    gc.freeze()  # what is there by now stays: going through it for garbage would hold the event loop up for 25 ms
    try:
        asyncio.run(program(settings))
    except (OSError, ValueError) as error:  # a port that is taken, an address that is none
        sys.stderr.write(f"cannot start: {error}\n")
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


def main() -> None:
    """Entry point."""
    sys.exit(start(ReceiverSettings, run))


if __name__ == "__main__":
    main()
