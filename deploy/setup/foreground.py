"""The command that the servers are for: it gets the signals meant for us, and we outlive it."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence

from guard import adopt_orphans, die_with_parent

FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
LEFTOVERS_WITHIN = 5.0


def run(command: Sequence[str], env: Mapping[str, str]) -> int:
    """Run `command` in the foreground; its exit code, 128 + n when signal n ended it."""
    shared = _terminal_is_ours()
    adopt_orphans()
    program = subprocess.Popen(
        command,
        env=env,
        process_group=None if shared else 0,
        # Even our kill -9 ends it.
        preexec_fn=lambda: die_with_parent(signal.SIGTERM),  # noqa: PLW1509 - safe: one thread
    )
    for number in FORWARDED:
        signal.signal(number, lambda number, _: _forward(program, number, shared))
    code = program.wait()
    for number in FORWARDED:
        signal.signal(number, signal.SIG_IGN)  # what follows is short and must not be left half done
    if not shared:
        _end_leftovers(program.pid)
    return code if code >= 0 else 128 - code


def _forward(program: subprocess.Popen[bytes], number: int, shared: bool) -> None:  # noqa: FBT001 - private
    # A terminal's Ctrl-C has reached the whole foreground group; sent twice it would cut a clean ending short.
    if not (shared and number == signal.SIGINT):
        program.send_signal(number)


def _terminal_is_ours() -> bool:
    """Whether we are in a terminal's foreground: the command must then stay in our group to read and get Ctrl-C.

    Anywhere else it gets a group of its own, so that a signal to our whole group reaches it once, through us.
    """
    try:
        terminal = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)


def _end_leftovers(group: int) -> None:
    """What the command started and did not wait for."""
    deadline = time.monotonic() + LEFTOVERS_WITHIN
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGTERM)
        while time.monotonic() < deadline:
            _reap(group)
            os.killpg(group, 0)
            time.sleep(0.02)
        print("setup: the command left programs running that do not end; killing them", file=sys.stderr)
        os.killpg(group, signal.SIGKILL)


def _reap(group: int) -> None:
    """A zombie counts as running, and the orphans among them are ours."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-group, os.WNOHANG) != (0, 0):
            pass
