"""The receiver: `mm7-gateway`, or `python -m gateway`."""

import asyncio
import gc
import os
import sys
from collections.abc import Callable, Coroutine
from typing import Any

from gateway import signals
from gateway.app import run
from gateway.settings import ReceiverSettings, Settings, SettingsError, unknown_variables
from gateway.telemetry import logs, tracing


def start(kind: type[Settings], program: Callable[[Settings], Coroutine[Any, Any, None]], name: str) -> int:
    """Settings → logs → traces → run; the exit code.

    2 for settings that cannot be used, where another start would not help; 1 for what may pass: a port that is taken,
    an address or a name that is not there yet; 130 for a second Ctrl-C.
    """
    signals.ignore_log_level()  # until it has a meaning
    try:
        settings = kind.load()
    except SettingsError as error:
        sys.stderr.write("the settings cannot be used:\n")
        sys.stderr.writelines(f"  {problem}\n" for problem in error.problems)
        return 2
    tell_left_out = logs.configure(settings.log_level, settings.log_format)
    for variable in unknown_variables():
        logs.get(__name__).warning("settings.unknown_variable", name=variable)
    try:
        with tracing.configured(name, os.environ):
            gc.collect()
            gc.freeze()  # what is there by now stays: going through it for garbage would hold the loop up for 25 ms
            asyncio.run(program(settings))
            signals.ignore_the_rest()
    except OSError as error:  # before the other: a certificate that is not believed is both
        sys.stderr.write(f"cannot start: {error}\n")
        return 1
    except ValueError as error:  # a store that cannot be, traces without the extra
        sys.stderr.write(f"cannot start: {error}\n")
        return 2
    except KeyboardInterrupt:
        return 130
    finally:
        tell_left_out()
    return 0


def main() -> None:
    """Entry point."""
    sys.exit(start(ReceiverSettings, run, "mm7-gateway"))


if __name__ == "__main__":
    main()
