"""What processes have used meanwhile: the processor's time of each, and the calls to Redis. Linux: from /proc."""

import contextlib
import os
import time
from pathlib import Path
from urllib.parse import urlsplit

from redis.asyncio import Redis

_TICK = os.sysconf("SC_CLK_TCK")
_LISTENING = "0A"
_NOT_OURS = ("info", "ping", "hello")  # of the measuring, and of connections


class Servers:
    """The broker and the Redis that are there, and their processes where they are this machine's."""

    def __init__(self) -> None:
        self.amqp_url, self.redis_url = os.environ["MM7_AMQP_URL"], os.environ["MM7_TEST_REDIS_URL"]
        ports = {"broker": urlsplit(self.amqp_url).port or 5672, "redis": urlsplit(self.redis_url).port or 6379}
        self.pids = {name: [pid] for name, port in ports.items() if (pid := _listens(port))}

    async def calls(self) -> dict[str, int]:
        """To Redis so far, by command; those of a script too."""
        async with Redis.from_url(self.redis_url) as client:
            told = await client.info("commandstats")
        names = {name.removeprefix("cmdstat_"): each["calls"] for name, each in told.items()}
        return {name: calls for name, calls in names.items() if name not in _NOT_OURS and "|" not in name}


class Meter:
    """Begins when it is made. `pids` are by what they are: one name may have several."""

    def __init__(self, pids: dict[str, list[int]]) -> None:
        self._pids = pids
        self._began = time.perf_counter()
        self._before = self._used()

    def _used(self) -> dict[str, float]:
        return {name: sum(map(_processor_seconds, pids)) for name, pids in self._pids.items()}

    def stop(self, count: int) -> tuple[dict[str, float], dict[str, float]]:
        """Milliseconds of a processor for each of `count`; and how busy each process was, 1 for one processor."""
        wall = time.perf_counter() - self._began
        used = {name: after - self._before[name] for name, after in self._used().items()}
        each = {name: round(1000 * value / count, 3) for name, value in used.items()}
        return each, {name: round(value / wall / len(self._pids[name]), 3) for name, value in used.items()}


def _processor_seconds(pid: int) -> float:
    """Of all its threads since its start; in the kernel's ticks, mostly of 10 ms."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICK


def _listens(port: int) -> int | None:
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
