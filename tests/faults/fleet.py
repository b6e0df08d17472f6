"""A fleet: receivers and workers as on hosts of their own, behind a balancer, on a cluster and a Redis that they share.

    async with Fleet(start, folder, cluster, redis) as fleet:
        await fleet.begin(receivers=4, workers=4)
        async with fleet.load():
            async with fleet.phase("a receiver"):
                await fleet.restart_receiver(0)
        assert await fleet.audit() == []

The balancer is HAProxy with the file that is shipped, before the receivers and before the nodes. Two accounts: `wide` is
served by all workers, `narrow` by those of even numbers only. `figures` has a row a phase.
"""

import asyncio
import contextlib
import json
import secrets
import time
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Self

from fronts import HAProxy
from rundir import free_ports

from gateway.tools.simulator import Mo, Outbound, Report
from tests.conftest import Program, _eventually, config
from tests.deploy.fronting import started
from tests.faults.load import Caller
from tests.faults.provider import ACCEPT, Say
from tests.faults.stage import Stage, connected

DRAIN_SECONDS = 2.0  # four of the balancer's looks at /readyz
RATE = 25.0  # messages per second, of each account over all workers
CALLBACKS_PER_SECOND = 110.0
COMMANDS_PER_SECOND = 35.0
SETTLED_WITHIN = 30.0
STARTED_WITHIN = 40.0  # all at once, on as few processors as there may be
AT_WORK_WITHIN = 10.0


@dataclass(frozen=True, slots=True)
class Row:
    """What a phase saw."""

    phase: str
    seconds: float
    posted: int
    refused: int
    slowest_ms: int
    p99_ms: int
    sent: int

    def __str__(self) -> str:
        return (
            f"{self.phase:<32} {self.seconds:5.1f} s   posted {self.posted:5}   refused {self.refused:3}   "
            f"99 % {self.p99_ms:5} ms   slowest {self.slowest_ms:5} ms   sent {self.sent:4}"
        )


class Fleet:
    """See above. `receivers` and `workers` are those that run, by number."""

    def __init__(self, start: Callable[..., Program], folder: Path, cluster: Any, redis: Any) -> None:
        self.cluster = cluster
        self.stage = Stage(
            start, folder, brokers=[node.port for node in cluster.nodes], redis=redis.port, accounts=2, rate=RATE
        )
        self.wide, self.narrow = self.stage.accounts
        self.receivers, self.workers = dict[int, Program](), dict[int, Program]()
        self.of_few_accounts: list[Program] = []  # the workers of `wide` alone, those that have ended too
        self.figures: list[Row] = []
        self.sent_at: dict[str, list[float]] = defaultdict(list)  # by account
        self._to_report: dict[str, deque[str]] = defaultdict(deque)  # by account
        self._callers: list[tuple[str, Caller]] = []
        self._stack = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        await self._stack.enter_async_context(self.stage)
        self.stage.provider.behave = self._take
        self._few = config(self.stage.folder / "wide.toml", {self.wide: self.stage._settings()})
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    def _take(self, identity: str) -> Say:
        account = identity.rpartition("-")[0]
        self.sent_at[account].append(time.monotonic())
        self._to_report[account].append(identity)
        return ACCEPT

    def _callback(self, account: str) -> Outbound:
        """A report on what was sent about a second ago, if there is one that has none yet; else a message."""
        at, identity, to_report = datetime.now(UTC), secrets.token_hex(8), self._to_report[account]
        if len(to_report) > COMMANDS_PER_SECOND / 2:
            return Report(transaction_id=identity, message_id=f"m-{to_report.popleft()}", at=at)
        return Mo(transaction_id=identity, linked_id=identity, at=at, text=f"callback {identity}")

    async def begin(self, *, receivers: int, workers: int) -> None:
        """Start all of them, the balancer before them, and open the books."""
        ports = iter(free_ports(2 * receivers))
        self._places = [(next(ports), next(ports)) for _ in range(receivers)]  # for callbacks, for the admin pages
        self.balancer = self._stack.enter_context(started(lambda: HAProxy(self._places, self.stage.brokers)))
        self._amqp_url = f"amqp://guest:guest@127.0.0.1:{self.balancer.amqp_port}/"
        self.stage.port = self.balancer.port
        for account in self.stage.accounts:
            for kept in (True, False):
                caller = Caller(self.stage.callbacks, self.stage.callback_url(account), kept=kept)
                self._callers.append((account, await self._stack.enter_async_context(caller)))
        for number in range(receivers):
            self._start_receiver(number)
        for number in range(workers):
            self._start_worker(number)
        for program in (*self.receivers.values(), *self.workers.values()):
            await program.ready(STARTED_WITHIN)
            await connected(program)
        await self.stage.open_books()

    def _start_receiver(self, number: int) -> Program:
        port, admin_port = self._places[number]
        self.receivers[number] = self.stage.start_receiver(
            HTTP_PORT=port,
            ADMIN_PORT=admin_port,
            REUSE_PORT="false",
            SPOOL_DIR=self.stage.folder / f"spool-{number}",
            AMQP_URL=self._amqp_url,
            TRUSTED_PROXIES="127.0.0.1/32",
            DRAIN_SECONDS=DRAIN_SECONDS,
        )
        return self.receivers[number]

    def _start_worker(self, number: int) -> Program:
        served = {} if number % 2 == 0 else {"CONFIG": self._few}
        self.workers[number] = self.stage.start_worker(AMQP_URL=self._amqp_url, **served)
        if served:
            self.of_few_accounts.append(self.workers[number])
        return self.workers[number]

    async def add_receiver(self, number: int) -> None:
        """Return when the balancer sends callbacks to it."""
        receiver = await self._start_receiver(number).ready()
        await _eventually(lambda: receiver.logged("callback.accepted"), AT_WORK_WITHIN)

    async def add_worker(self, number: int) -> None:
        """Return when it consumes."""
        await self._start_worker(number).ready()

    async def take_away(self, *programs: Program) -> None:
        """As an orchestrator does: SIGTERM, and all of them must end by themselves."""
        assert await asyncio.gather(*(program.stop() for program in programs)) == [0] * len(programs)

    async def restart_receivers(self) -> None:
        """One after another."""
        for number, receiver in list(self.receivers.items()):
            await self.take_away(receiver)
            await self.add_receiver(number)

    async def restart_workers(self) -> None:
        """One after another."""
        for number, worker in list(self.workers.items()):
            await self.take_away(worker)
            await self.add_worker(number)

    async def restart_nodes(self) -> None:
        """One after another, each when the others have all queues without it."""
        for node in self.cluster.nodes:
            for step in (node.wait_until_dispensable, node.stop, node.start):
                await asyncio.to_thread(step)

    @contextlib.asynccontextmanager
    async def load(self) -> AsyncIterator[None]:
        """Callbacks over kept and over new connections, and commands for both accounts."""
        per_second = CALLBACKS_PER_SECOND / len(self._callers)
        async with contextlib.AsyncExitStack() as stack:
            for account, caller in self._callers:
                make = partial(self._callback, account)
                await stack.enter_async_context(caller.load(per_second=per_second, make=make))
            await stack.enter_async_context(self.stage.orderer.load(per_second=COMMANDS_PER_SECOND))
            yield

    @contextlib.asynccontextmanager
    async def phase(self, name: str) -> AsyncIterator[None]:
        """What happens meanwhile gets a row of its own."""
        began, posted, sent = time.monotonic(), len(self.stage.callbacks.posted), self.stage.provider.received.total()
        yield
        mine = self.stage.callbacks.posted[posted:]
        times = sorted(round(each.seconds * 1000) for each in mine) or [0]
        self.figures.append(
            Row(
                phase=name,
                seconds=round(time.monotonic() - began, 1),
                posted=len(mine),
                refused=sum(not each.acknowledged for each in mine),
                slowest_ms=times[-1],
                p99_ms=times[len(times) * 99 // 100],
                sent=self.stage.provider.received.total() - sent,
            )
        )

    def busiest(self, account: str, seconds: float) -> float:
        """The most that was sent of an account in any so long time, per second."""
        times, first, most = self.sent_at[account], 0, 0
        for last, at in enumerate(times):
            while times[first] <= at - seconds:
                first += 1
            most = max(most, last - first + 1)
        return most / seconds

    async def audit(self) -> list[str]:
        """What must never be."""
        refused = self.stage.callbacks.refused
        statuses = sorted({str(each.status) for each in refused})
        found = await self.stage.audit(SETTLED_WITHIN)
        return found + ([f"{len(refused)} refused: {', '.join(statuses)}"] if refused else [])

    def worked_for(self, account: str, worker: Program) -> bool:
        """Whether a worker has brought a command of this account to its outcome."""
        return any(entry["account"] == account for entry in worker.logged("command.accepted"))

    def report(self) -> str:
        """The figures, for people and then as JSON."""
        rates = {f"busiest 5 s of {name}, per second": self.busiest(name, 5.0) for name in self.stage.accounts}
        lines = [*map(str, self.figures), self.stage.callbacks, self.stage.commands, f"{rates}, of {RATE}"]
        return "\n" + "".join(f"{line}\n" for line in [*lines, json.dumps(self._summary())])

    def _summary(self) -> dict[str, Any]:
        callbacks, commands = self.stage.callbacks, self.stage.commands
        return {
            "phases": [asdict(row) for row in self.figures],
            "callbacks": {
                "sent": len(callbacks.posted),
                "acknowledged": len(callbacks.acknowledged),
                "stored": len(callbacks.stored),
                "stored twice under one id": len(callbacks.duplicated),
                "refused": len(callbacks.refused),
                "lost": len(callbacks.lost),
            },
            "commands": {
                "ordered": len(commands.ordered),
                "sent": len(commands.accepted),
                "outcomes": len(commands.outcomes),
                "sent twice": len(commands.sent_twice),
            },
        }
