"""The processor's time that a process has had, and which processors it may use. Linux: from /proc."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK")
_LISTENING = "0A"


def seconds(pid: int) -> float:
    """Of all its threads since its start; in the granularity of the kernel's tick, mostly 10 ms."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICK


def listening(port: int) -> int | None:
    """The process that listens on a port of this machine, if it can be seen."""
    inodes = {
        f"socket:[{fields[9]}]"
        for table in ("tcp", "tcp6")
        for fields in (line.split() for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:])
        if fields[3] == _LISTENING and int(fields[1].rpartition(":")[2], 16) == port
    }
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if any(str(each.readlink()) in inodes for each in (process / "fd").iterdir()):
                return int(process.name)
    return None


def bind(pid: int, processors: set[int]) -> None:
    """Let a running process use these only, with all its threads."""
    for thread in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(ProcessLookupError):
            os.sched_setaffinity(int(thread.name), processors)


@contextlib.contextmanager
def bound(processors: set[int]) -> Iterator[None]:
    """What is started meanwhile uses these only."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, processors)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
