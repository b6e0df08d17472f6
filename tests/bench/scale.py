"""What a receiver and a worker cost, and what a second one brings: `python -m tests.bench scale [--json]`.

Strategy: the programs themselves as processes, their callers raw sockets in processes of their own (peers.py), a quorum
queue as a subscriber has it. On a small machine all of them want the same processors, so throughput says little by
itself: what carries over to other machines is the processor's time for each callback, of each process, and the ratio to
bare confirmed publishes to that same queue in the same run.
"""

import asyncio
import contextlib
import itertools
import json
import os
import re
import secrets
import sys
import tempfile
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import aio_pika
from rundir import free_ports

from tests.bench.figures import FLOOR
from tests.bench.meter import Meter, Servers
from tests.conftest import Program, _running, config

ROUNDS, SECONDS, WARM = 2, 3.0, 0.7
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


@contextlib.asynccontextmanager
async def peer(name: str, **given: object) -> AsyncIterator[Process]:
    """One of the peers, once it says that it has begun."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.bench.peers", name, json.dumps(given)), stdin=PIPE, stdout=PIPE
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


async def told(process: Process) -> dict[str, Any]:
    """What it has seen, at its end."""
    assert process.stdout is not None
    found: dict[str, Any] = json.loads(await process.stdout.readline())
    return found


class Bench:
    """The cases. Each starts what it measures, and ends it; `rows` has the better round of each."""

    def __init__(self, folder: Path, servers: Servers) -> None:
        self._folder = folder
        self._servers = servers
        self._states = {"SQLite": f"sqlite:///{folder}/state.db", "Redis": servers.redis_url}
        self.rows: dict[str, Row] = {}

    def _enter(self, row: Row) -> None:
        if row.case not in self.rows or row.per_second > self.rows[row.case].per_second:
            self.rows[row.case] = row

    def given(self, state: str, **outbound: object) -> dict[str, object]:
        """The settings of a program with this state; a worker's with `outbound`."""
        sending = {"outbound": outbound} if outbound else {}
        accounts = {ACCOUNT: {"profile": "sinch", "inbound": {"open": True}} | sending}
        return {
            "AMQP_URL": self._servers.amqp_url,
            "CONFIG": config(self._folder / ("sending.toml" if sending else "receiving.toml"), accounts),
            "STATE_URL": self._states[state],
            "SPOOL_DIR": self._folder / f"spool-{secrets.token_hex(4)}",
        }

    async def floor(self, case: str, window: int, channels: int) -> None:
        """Bare confirmed publishes of an event's size to the subscriber's queue."""
        given = {"url": self._servers.amqp_url, "exchange": "mm7.events", "key": f"dr.received.{ACCOUNT}.111122"}
        more = {"what": "event", "channels": channels, "window": window, "warm": WARM, "seconds": SECONDS, "count": 0}
        async with peer("publish", **given, **more) as publisher:
            meter = Meter({"publisher": [publisher.pid]} | self._servers.pids)
            result = await told(publisher)
            cpu, _ = meter.stop(result["count"])
        self._enter(Row(case, result["per_second"], result["median_ms"], result["p99_ms"], cpu))

    async def receivers(self, case: str, kind: str, state: str, count: int, **more: object) -> None:
        """Callbacks to so many receivers, `more`: other settings."""
        with _running(self._folder) as start:
            programs = [start("gateway", **self.given(state) | more) for _ in range(count)]
            for program in programs:
                await program.ready()
            before = await self._servers.calls()
            given = {"ports": [each.port for each in programs], "path": f"/mm7/{ACCOUNT}", "kind": kind}
            async with peer("call", **given, connections=CONNECTIONS, warm=WARM, seconds=SECONDS) as caller:
                pids = {"receiver": [each.process.pid for each in programs], "caller": [caller.pid]}
                meter = Meter(pids | self._servers.pids)
                result = await told(caller)
                cpu, busy = meter.stop(result["count"])
            assert result["statuses"].keys() == {"200"}, result
            calls = _for_each(before, await self._servers.calls(), result["statuses"]["200"])
            await ended(programs)
        times = result["median_ms"], result["p99_ms"]
        self._enter(Row(case, result["per_second"], *times, cpu, busy["receiver"], calls))

    async def workers(self, case: str, state: str, count: int) -> None:
        """Commands that wait in the queue, to a provider that accepts all at once."""
        (port,) = free_ports(1)
        given = self.given(
            state, url=f"http://127.0.0.1:{port}/", sender="111122", rate=100_000, concurrency=CONNECTIONS
        )
        with _running(self._folder) as start:
            await ended([await start("workers", **given).ready()])  # the queue is there
            await self._order(COMMANDS)
            before = await self._servers.calls()
            async with peer("provide", port=port) as provider:
                programs = [start("workers", **given) for _ in range(count)]
                for program in programs:
                    await program.listening()
                sent = await submitted(programs, COMMANDS_WARM)
                pids = {"worker": [each.process.pid for each in programs], "provider": [provider.pid]}
                began, meter = time.perf_counter(), Meter(pids | self._servers.pids)
                done = await submitted(programs, COMMANDS - COMMANDS_WARM) - sent
                cpu, busy = meter.stop(done)
                per_second = done / (time.perf_counter() - began)
                await submitted(programs, COMMANDS)
            calls = _for_each(before, await self._servers.calls(), COMMANDS)
            await ended(programs)
        self._enter(Row(case, per_second, cpu_ms=cpu, busy=busy["worker"], redis_calls=calls))

    async def _order(self, count: int) -> None:
        given = {"url": self._servers.amqp_url, "exchange": "mm7.commands", "key": ACCOUNT, "what": "command"}
        async with peer("publish", **given, channels=1, window=200, warm=0.0, seconds=60.0, count=count) as publisher:
            await told(publisher)


async def ended(programs: Sequence[Program]) -> None:
    """Each by itself, with exit code 0."""
    assert await asyncio.gather(*(program.stop() for program in programs)) == [0] * len(programs)


def _for_each(before: dict[str, int], after: dict[str, int], count: int) -> dict[str, float]:
    found = {name: round((calls - before.get(name, 0)) / count, 2) for name, calls in after.items()}
    return {name: calls for name, calls in found.items() if calls >= 0.01}


async def submitted(programs: list[Program], wanted: int) -> int:
    """How many submits there were, when there were so many."""
    async with asyncio.timeout(60):
        while True:
            pages = [(await program.get("metrics"))[1] for program in programs]
            found = int(sum(float(number) for page in pages for number in _SUBMITS.findall(page)))
            if found >= wanted:
                return found
            await asyncio.sleep(0.05)


@contextlib.asynccontextmanager
async def subscriber(url: str) -> AsyncIterator[None]:
    """A quorum queue bound to the account's events, gone afterwards with all that is the account's."""
    name = f"bench-{secrets.token_hex(4)}"
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        queue = await channel.declare_queue(name, durable=True, arguments={"x-queue-type": "quorum"})
        await queue.bind("mm7.events", f"*.*.{ACCOUNT}.*")
        yield
        for each in (name, f"mm7.mt.{ACCOUNT}", f"mm7.dead.{ACCOUNT}"):
            await channel.queue_delete(each)


def syncs(folder: Path) -> Row:
    """Appends of an event's size to a file, each synced."""
    began, count = time.perf_counter(), 0
    with (folder / "syncs").open("wb", buffering=0) as file:
        while time.perf_counter() - began < 1.0:
            file.write(b"x" * 1400)
            os.fsync(file.fileno())
            count += 1
    return Row("synced appends of 1.4 kB, one at a time", count / (time.perf_counter() - began))


async def _round(bench: Bench) -> None:
    await bench.floor("confirmed publishes, one at a time", 1, 1)
    await bench.floor(FLOOR, 200, 4)
    for kind, state, count in itertools.product(("report", "MO of 50 kB"), ("SQLite", "Redis"), (1, 2)):
        await bench.receivers(f"{_so_many(count, 'receiver')}, {kind}, {state}", kind, state, count)
    away = {"AMQP_URL": "amqp://127.0.0.1:9/"}
    await bench.receivers("1 receiver, report, no broker: to the spool", "report", "SQLite", 1, **away)
    for state, count in itertools.product(("SQLite", "Redis"), (1, 2)):
        await bench.workers(f"{_so_many(count, 'worker')}, text, {state}", state, count)


def _so_many(count: int, thing: str) -> str:
    return f"{count} {thing}{'s' if count > 1 else ''}"


async def measure(folder: Path) -> list[Row]:
    """All rows."""
    servers = Servers()
    bench = Bench(folder, servers)
    with _running(folder) as start:
        declaring = await start("gateway", **bench.given("SQLite")).ready()
        async with subscriber(servers.amqp_url):
            await ended([declaring])
            for _ in range(ROUNDS):
                await _round(bench)
    return [*bench.rows.values(), syncs(folder)]


def main(arguments: list[str]) -> None:
    """Print the table, or JSON."""
    with tempfile.TemporaryDirectory(prefix="mm7-bench-") as folder:
        rows = asyncio.run(measure(Path(folder)))
    if "--json" in arguments:
        sys.stdout.write(json.dumps([asdict(row) for row in rows]) + "\n")
        return
    floor = next(row.per_second for row in rows if row.case == FLOOR)
    sys.stdout.write(f"{HEAD}\n" + "".join(f"{row.line(floor)}\n" for row in rows))
