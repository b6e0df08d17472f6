"""What a receiver and a worker cost, and what a second one brings: `python -m tests.bench scale [--json]`.

Strategy: the programs themselves as processes, their callers raw sockets in processes of their own (peers.py), a quorum
queue as a subscriber has it. On a small machine all of them want the same processors, so throughput says little by
itself: what carries over to other machines is the processor's time for each callback, of each process, and the ratio to
bare confirmed publishes to that same queue in the same run.
"""

import asyncio
import contextlib
import json
import os
import re
import secrets
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aio_pika
from redis.asyncio import Redis
from rundir import free_ports

from tests.bench import processor
from tests.conftest import Program, _running, config

SECONDS, WARM = 3.0, 0.7
CONNECTIONS = 32  # to each receiver
COMMANDS, COMMANDS_WARM = 1500, 300
ACCOUNT = "bench-scale"
_SUBMITS = re.compile(r"^mm7_submits_total\{[^}]*\} ([\d.e+]+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Row:
    """A case. `cpu_ms`: milliseconds of a processor for each callback, publish or command, by process."""

    case: str
    per_second: float
    median_ms: float | None = None
    p99_ms: float | None = None
    cpu_ms: dict[str, float] = field(default_factory=dict)
    busy: float | None = None  # of one processor, each of the programs measured
    redis_calls: dict[str, float] = field(default_factory=dict)

    def line(self, floor: float) -> str:
        cost = "  ".join(f"{name} {value:5.2f}" for name, value in self.cpu_ms.items())
        times = f"{self.median_ms:5.1f} {self.p99_ms:6.1f} ms" if self.p99_ms is not None else " " * 16
        busy = f"{self.busy:4.0%}" if self.busy is not None else "    "
        calls = "  ".join(f"{name} {value:.2f}" for name, value in self.redis_calls.items())
        return f"{self.case:<44} {self.per_second:7.0f} /s {self.per_second / floor:6.3f}  {times}  {busy}  {cost}  {calls}"


HEAD = f"{'':<44} {'':>10} {'ratio':>6}  {'median':>6} {'99 %':>9}  busy  milliseconds of a processor for each; calls to Redis for each"


class Servers:
    """The broker and the Redis that are there, and what they have used."""

    def __init__(self) -> None:
        self.amqp_url, self.redis_url = os.environ["MM7_AMQP_URL"], os.environ["MM7_TEST_REDIS_URL"]
        ports = {"broker": urlsplit(self.amqp_url).port or 5672, "redis": urlsplit(self.redis_url).port or 6379}
        self.pids = {name: pid for name, port in ports.items() if (pid := processor.listening(port))}

    async def calls(self) -> dict[str, int]:
        """To Redis so far, by command."""
        async with Redis.from_url(self.redis_url) as client:
            told = await client.info("commandstats")
        names = {name.removeprefix("cmdstat_"): each["calls"] for name, each in told.items()}
        return {name: calls for name, calls in names.items() if name not in ("info", "ping") and "|" not in name}


class Meter:
    """Processor's time between its making and `cpu_ms`."""

    def __init__(self, pids: dict[str, list[int]]) -> None:
        self._pids = pids
        self._began = time.perf_counter()
        self._before = self._used()

    def _used(self) -> dict[str, float]:
        return {name: sum(map(processor.seconds, pids)) for name, pids in self._pids.items()}

    def stop(self, count: int) -> tuple[dict[str, float], dict[str, float]]:
        """Milliseconds for each of `count`, and the share of the time that each process was busy."""
        wall = time.perf_counter() - self._began
        used = {name: after - self._before[name] for name, after in self._used().items()}
        each = {name: round(1000 * value / count, 3) for name, value in used.items()}
        return each, {name: value / wall / len(self._pids[name]) for name, value in used.items()}


@contextlib.asynccontextmanager
async def peer(name: str, **given: object) -> AsyncIterator[asyncio.subprocess.Process]:
    """One of the peers, once it says that it has begun."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.bench.peers", name, json.dumps(given), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        line = await process.stdout.readline()
        assert line == b"begin\n", f"{name} said {line!r}"
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def told(process: asyncio.subprocess.Process) -> dict[str, Any]:
    """What it has seen, at its end."""
    assert process.stdout is not None
    found: dict[str, Any] = json.loads(await process.stdout.readline())
    return found


class Bench:
    """The cases. Each starts what it measures, and ends it."""

    def __init__(self, folder: Path, servers: Servers) -> None:
        self._folder = folder
        self._servers = servers
        self.rows: list[Row] = []
        self._states = {"SQLite": f"sqlite:///{folder}/state.db", "Redis": servers.redis_url}

    def _settings(self, **outbound: object) -> Path:
        account = {"profile": "sinch", "inbound": {"open": True}}
        return config(
            self._folder / f"{'sending' if outbound else 'receiving'}.toml",
            {ACCOUNT: account | ({"outbound": outbound} if outbound else {})},
        )

    def _given(self, number: int, state: str, **more: object) -> dict[str, object]:
        given = {
            "AMQP_URL": self._servers.amqp_url,
            "CONFIG": self._settings(),
            "STATE_URL": self._states[state],
            "SPOOL_DIR": self._folder / f"spool-{secrets.token_hex(4)}-{number}",
        }
        return given | more

    async def floor(self, queue: str, window: int, channels: int, case: str) -> float:
        """Bare confirmed publishes of an event's size to the subscriber's queue."""
        given = {"url": self._servers.amqp_url, "exchange": "mm7.events", "key": f"dr.received.{ACCOUNT}.111122"}
        more = {"what": "event", "channels": channels, "window": window, "warm": WARM, "seconds": SECONDS, "count": 0}
        async with peer("publish", **given, **more) as publisher:
            meter = Meter({name: [pid] for name, pid in self._servers.pids.items() if name == "broker"})
            result = await told(publisher)
            cpu, _ = meter.stop(result["count"])
        self.rows.append(Row(case, result["per_second"], result["median_ms"], result["p99_ms"], cpu))
        return float(result["per_second"])

    async def receivers(
        self, kind: str, state: str, count: int, *, case: str = "", apart: bool = False, **more: object
    ) -> None:
        """Callbacks to so many receivers; `apart`: one processor for them, another for all the others."""
        with _running(self._folder) as start, self._placed(apart):
            async with self._apart(apart):
                programs = [start("gateway", **self._given(number, state, **more)) for number in range(count)]
                for program in programs:
                    await program.ready()
            before = await self._servers.calls()
            given = {"ports": [program.port for program in programs], "path": f"/mm7/{ACCOUNT}", "kind": kind}
            async with peer("call", **given, connections=CONNECTIONS, warm=WARM, seconds=SECONDS) as caller:
                pids = {"receiver": [program.process.pid for program in programs], "caller": [caller.pid]}
                meter = Meter(pids | {name: [pid] for name, pid in self._servers.pids.items()})
                result = await told(caller)
                cpu, busy = meter.stop(result["count"])
            assert result["statuses"].keys() == {"200"}, result
            calls = await self._servers.calls() if state == "Redis" else before
            answered = sum(result["statuses"].values())
            assert [await program.stop() for program in programs] == [0] * count
        self.rows.append(
            Row(
                case or f"{count} receiver{'s' * (count > 1)}, {kind}, {state}",
                result["per_second"],
                result["median_ms"],
                result["p99_ms"],
                cpu,
                busy["receiver"],
                _for_each(before, calls, answered),
            )
        )

    @contextlib.contextmanager
    def _placed(self, apart: bool) -> Iterator[None]:
        """All but the programs on the first processor."""
        if not apart:
            yield
            return
        everywhere = os.sched_getaffinity(0)
        with processor.bound({0}):
            for pid in self._servers.pids.values():
                processor.bind(pid, {0})
            try:
                yield
            finally:
                for pid in self._servers.pids.values():
                    processor.bind(pid, everywhere)

    @contextlib.asynccontextmanager
    async def _apart(self, apart: bool) -> AsyncIterator[None]:
        """The programs on the second."""
        with processor.bound({1}) if apart else contextlib.nullcontext():
            yield

    async def workers(self, state: str, count: int) -> None:
        """Commands that wait in the queue, to a provider that accepts all at once."""
        (port,) = free_ports(1)
        outbound = {"url": f"http://127.0.0.1:{port}/", "sender": "111122", "rate": 100_000, "concurrency": 32}
        with _running(self._folder) as start:
            given = self._given(0, state, CONFIG=self._settings(**outbound))
            assert await (await start("workers", **given).ready()).stop() == 0  # the queue is there
            more = {"what": "command", "channels": 1, "window": 200, "warm": 0.0, "seconds": 60.0, "count": COMMANDS}
            async with peer(
                "publish", url=given["AMQP_URL"], exchange="mm7.commands", key=ACCOUNT, **more
            ) as publisher:
                await told(publisher)
            async with peer("provide", port=port) as provider:
                before = await self._servers.calls()
                programs = [start("workers", **given) for _ in range(count)]
                for program in programs:
                    await program.listening()
                pids = {"worker": [each.process.pid for each in programs], "provider": [provider.pid]}
                sent = await _submitted(programs, COMMANDS_WARM)
                began = time.perf_counter()
                meter = Meter(pids | {name: [pid] for name, pid in self._servers.pids.items()})
                done = await _submitted(programs, COMMANDS - COMMANDS_WARM)
                cpu, busy = meter.stop(done - sent)
                rate = (done - sent) / (time.perf_counter() - began)
                await _submitted(programs, COMMANDS)
                calls = await self._servers.calls() if state == "Redis" else before
                assert [await program.stop() for program in programs] == [0] * count
        case = f"{count} worker{'s' * (count > 1)}, text, {state}"
        self.rows.append(
            Row(case, rate, cpu_ms=cpu, busy=busy["worker"], redis_calls=_for_each(before, calls, COMMANDS))
        )


def _for_each(before: dict[str, int], after: dict[str, int], count: int) -> dict[str, float]:
    found = {name: round((calls - before.get(name, 0)) / count, 2) for name, calls in after.items()}
    return {name: calls for name, calls in found.items() if calls >= 0.01}


async def _submitted(programs: list[Program], wanted: int) -> int:
    """How many submits there were, when there were so many."""
    async with asyncio.timeout(60):
        while True:
            pages = [(await program.get("metrics"))[1] for program in programs]
            found = int(sum(float(number) for page in pages for number in _SUBMITS.findall(page)))
            if found >= wanted:
                return found
            await asyncio.sleep(0.05)


@contextlib.asynccontextmanager
async def subscriber(url: str) -> AsyncIterator[str]:
    """A quorum queue bound to the account's events, gone afterwards with all that is the account's."""
    name = f"bench-{secrets.token_hex(4)}"
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        queue = await channel.declare_queue(name, durable=True, arguments={"x-queue-type": "quorum"})
        await queue.bind("mm7.events", f"*.*.{ACCOUNT}.*")
        yield name
        for each in (name, f"mm7.mt.{ACCOUNT}", f"mm7.dead.{ACCOUNT}"):
            await channel.queue_delete(each)


def syncs_per_second(folder: Path) -> float:
    """Appends of an event's size to a file, each synced."""
    began, count = time.perf_counter(), 0
    with (folder / "syncs").open("wb", buffering=0) as file:
        while time.perf_counter() - began < 1.0:
            file.write(b"x" * 1400)
            os.fsync(file.fileno())
            count += 1
    return count / (time.perf_counter() - began)


async def measure() -> tuple[list[Row], float]:
    """All rows, and the floor."""
    folder, servers = Path(tempfile.mkdtemp(prefix="mm7-bench-")), Servers()
    bench = Bench(folder, servers)
    with _running(folder) as start:  # declares the exchanges
        declaring = await start("gateway", **bench._given(0, "SQLite")).ready()
        async with subscriber(servers.amqp_url) as queue:
            assert await declaring.stop() == 0
            await bench.floor(queue, 1, 1, "confirmed publishes, one at a time")
            floor = await bench.floor(queue, 200, 4, "confirmed publishes, 4 channels of 200")
            bench.rows.append(Row("synced appends of 1.4 kB to the spool's disk", syncs_per_second(folder)))
            for kind in ("report", "MO of 50 kB"):
                for state in ("SQLite", "Redis"):
                    for count in (1, 2):
                        await bench.receivers(kind, state, count)
            await bench.receivers("report", "Redis", 1, case="1 receiver on a processor of its own, report", apart=True)
            away = {"AMQP_URL": "amqp://127.0.0.1:9/"}
            await bench.receivers("report", "Redis", 1, case="1 receiver without broker: all to the spool", **away)
            for state in ("SQLite", "Redis"):
                for count in (1, 2):
                    await bench.workers(state, count)
    return bench.rows, floor


def main(arguments: list[str]) -> None:
    """Print the table, or JSON."""
    rows, floor = asyncio.run(measure())
    if "--json" in arguments:
        sys.stdout.write(json.dumps({"floor_per_second": floor, "rows": [asdict(row) for row in rows]}) + "\n")
    else:
        sys.stdout.write(f"{HEAD}\n" + "".join(f"{row.line(floor)}\n" for row in rows))
