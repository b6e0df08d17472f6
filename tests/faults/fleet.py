"""A fleet: receivers and workers as on hosts of their own, behind a balancer, on a cluster and a Redis that they share.

    async with Fleet(start, folder, cluster, redis) as fleet:
        await fleet.begin(receivers=4, workers=4)
        async with fleet.load():
            async with fleet.phase("a receiver"):
                await fleet.restart_receiver(0)
        assert await fleet.audit() == []

Two accounts: `wide` is served by all workers, `narrow` by those of even numbers only. `figures` has a row a phase.
"""

import asyncio
import contextlib
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from rundir import free_ports

from tests.conftest import Program, config
from tests.faults.balancer import Balancer, Place
from tests.faults.load import Caller
from tests.faults.provider import ACCEPT, Say
from tests.faults.stage import Stage, connected

DRAIN_SECONDS = 1.5  # three of the balancer's looks at /readyz
RATE = 25.0  # messages per second, of each account over all workers
CALLBACKS_PER_SECOND = 120.0
COMMANDS_PER_SECOND = 30.0
AT_ONCE = 40  # callbacks of each caller: a report on a message that nobody knows waits 0.4 s for its submit's answer
SETTLED_WITHIN = 30.0
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
    """See above. `receivers` and `workers` are by number; one that was taken away is None."""

    def __init__(self, start: Callable[..., Program], folder: Path, cluster: Any, redis: Any) -> None:
        self.cluster = cluster
        self.stage = Stage(
            start, folder, brokers=[node.port for node in cluster.nodes], redis=redis.port, accounts=2, rate=RATE
        )
        self.wide, self.narrow = self.stage.accounts
        self.receivers: dict[int, Program] = {}
        self.workers: dict[int, Program] = {}
        self.figures: list[Row] = []
        self.sent_at: dict[str, list[float]] = defaultdict(list)  # by account
        self._stack = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        await self._stack.enter_async_context(self.stage)
        self.stage.provider.behave = self._take
        self._few = config(self.stage.folder / "wide.toml", {self.wide: self.stage._settings()})
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    def _take(self, identity: str) -> Say:
        self.sent_at[identity.rpartition("-")[0]].append(time.monotonic())
        return ACCEPT

    async def begin(self, *, receivers: int, workers: int) -> None:
        """Start all of them, the balancer before them, and open the books."""
        ports = iter(free_ports(2 * receivers))
        self._places = [Place(next(ports), next(ports)) for _ in range(receivers)]
        self.balancer = Balancer(self._places, self.stage.brokers)
        self._stack.enter_context(self.balancer)
        self.stage.port = self.balancer.port
        urls = [self.stage.callback_url(name) for name in self.stage.accounts]
        self._callers = [
            await self._stack.enter_async_context(Caller(self.stage.callbacks, *urls, kept=kept))
            for kept in (True, False)
        ]
        for number in range(receivers):
            self._start_receiver(number)
        for number in range(workers):
            self._start_worker(number)
        for program in (*self.receivers.values(), *self.workers.values()):
            await program.ready()
            await connected(program)
        await self.stage.open_books()

    def _start_receiver(self, number: int) -> Program:
        place = self._places[number]
        self.receivers[number] = self.stage.start_receiver(
            HTTP_PORT=place.http_port,
            ADMIN_PORT=place.admin_port,
            REUSE_PORT="false",
            SPOOL_DIR=self.stage.folder / f"spool-{number}",
            AMQP_URL=self.balancer.amqp_url,
            DRAIN_SECONDS=DRAIN_SECONDS,
        )
        return self.receivers[number]

    def _start_worker(self, number: int) -> Program:
        served = {} if number % 2 == 0 else {"CONFIG": self._few}
        self.workers[number] = self.stage.start_worker(AMQP_URL=self.balancer.amqp_url, **served)
        return self.workers[number]

    async def add_receiver(self, number: int) -> None:
        """Return when the balancer sends callbacks to it."""
        receiver = await self._start_receiver(number).ready()
        async with asyncio.timeout(AT_WORK_WITHIN):
            while not receiver.logged("callback.accepted"):
                await asyncio.sleep(0.1)

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
            for caller in self._callers:
                await stack.enter_async_context(caller.load(at_once=AT_ONCE, per_second=per_second))
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

    def summary(self) -> dict[str, Any]:
        """The figures, for people and for programs."""
        callbacks, commands = self.stage.callbacks, self.stage.commands
        return {
            "phases": [asdict(row) for row in self.figures],
            "callbacks": {
                "sent": len(callbacks.posted),
                "acknowledged": len(callbacks.acknowledged),
                "stored": len(callbacks.stored),
                "stored twice, one id": len(callbacks.duplicated),
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
