"""All that runs in a soak: brokers, Redis, the stage of the fault tests, our programs. Faults are done to it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from cluster import RabbitCluster
from rabbitmq import RabbitNode
from redis_server import RedisNode
from rundir import free_ports

from tests.faults.provider import ACCEPT, Say, page, refuse
from tests.faults.stage import Stage
from tests.soak.accounts import Clock, Kept
from tests.soak.programs import Process, Slot

ACCOUNTS = 2
SPOOL_MAX_BYTES = 4_000_000  # a long outage fills it: then it is 503
TICK_SECONDS, STALL_SECONDS = 0.02, 0.03

Mood = tuple[tuple[float, Say], ...]  # weight and answer of the provider
USUAL: Mood = ((92, ACCEPT), (3, refuse(2007)), (2, refuse(3000)), (2, page(503)), (1, Say(status=1100)))


@dataclass(frozen=True, slots=True)
class Options:
    """What to soak, and how."""

    minutes: float = 5.0
    receivers: int = 1
    workers: int = 1
    redis: bool = False
    cluster: bool = False
    seed: int = 0
    callbacks_per_second: float = 30.0
    commands_per_second: float = 8.0


@dataclass
class Scene:
    """`on`: the faults that are on just now. `troubles`: what went wrong with programs, or with the soak itself."""

    options: Options
    folder: Path
    nodes: list[RabbitNode]
    redis: RedisNode | None
    stage: Stage
    clock: Clock = field(default_factory=Clock)
    kept: list[Kept] = field(default_factory=list)
    on: dict[str, str] = field(default_factory=dict)
    done: list[str] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)
    receivers: list[Slot] = field(default_factory=list)
    workers: list[Slot] = field(default_factory=list)
    ports: dict[str, int] = field(default_factory=dict)
    mood: Mood = USUAL

    @property
    def slots(self) -> list[Slot]:
        return self.receivers + self.workers

    def build(self) -> None:
        """A place for each program; a receiver has a port of its own, so that it is known who has answered."""
        moods = Random(f"{self.options.seed} provider")
        self.stage.provider.behave = lambda _id: moods.choices(
            [say for _, say in self.mood], [weight for weight, _ in self.mood]
        )[0]
        for kind, slots, count in (
            ("receiver", self.receivers, self.options.receivers),
            ("worker", self.workers, self.options.workers),
        ):
            slots += [Slot(f"{kind} {number + 1}", self._launch, self._away) for number in range(count)]
        ports = free_ports(len(self.receivers))
        self.ports = {slot.name: port for slot, port in zip(self.receivers, ports, strict=True)}

    async def _launch(self, slot: Slot) -> Process:
        port = self.ports.get(slot.name)
        module, own = ("gateway", {"HTTP_PORT": port, "REUSE_PORT": "false"}) if port else ("workers", {})
        _, settings = self.stage._program(module, SPOOL_MAX_BYTES=SPOOL_MAX_BYTES)
        run = f"{slot.name.replace(' ', '-')}.{len(slot.runs) + 1}"
        process = Process(self.folder / f"{run}.log", lambda entry: self._note(run, entry))
        await process.start(module, settings | own)
        return process

    def _note(self, run: str, entry: dict[str, Any]) -> None:
        if entry.get("event") == "callback.accepted":
            self.kept.append(Kept(entry["event_id"], run, entry["kept"]))

    def _away(self, name: str, began: float, ended: float) -> None:
        spans = self.clock.away[name]
        if spans and spans[-1][0] == began:
            spans.pop()
        spans.append((began, ended))

    async def measure_stalls(self) -> None:
        """For ever: when this process did not get to run, or was busy with one thing."""
        now = asyncio.get_running_loop().time
        while True:
            due = now() + TICK_SECONDS
            await asyncio.sleep(TICK_SECONDS)
            if now() - due > STALL_SECONDS:
                self.clock.stalls.append((due, now()))


def pair(module: str, **settings: object) -> Any:
    """What the stage would have started; a scene starts it itself."""
    return module, settings


@contextlib.asynccontextmanager
async def scene(options: Options, folder: Path) -> AsyncIterator[Scene]:
    """All of it, running; at the end nothing is."""
    async with AsyncExitStack() as stack:
        nodes = await _brokers(options, stack)
        redis = None
        if options.redis:
            redis = RedisNode.create(appendonly=True)
            stack.callback(redis.destroy)
            await asyncio.to_thread(redis.start)
        made = Stage(
            pair, folder, brokers=[node.port for node in nodes], redis=redis.port if redis else None, accounts=ACCOUNTS
        )
        stage = await stack.enter_async_context(made)
        found = Scene(options, folder, nodes, redis, stage)
        found.build()
        stack.push_async_callback(_end, found.slots)
        canary = asyncio.create_task(found.measure_stalls())
        stack.callback(canary.cancel)
        await asyncio.gather(*(slot.start() for slot in found.slots))
        if failed := [trouble for slot in found.slots for trouble in slot.troubles]:
            raise RuntimeError("; ".join(failed))
        yield found


async def _brokers(options: Options, stack: AsyncExitStack) -> list[RabbitNode]:
    server: Any = RabbitCluster.create() if options.cluster else RabbitNode.create()
    stack.callback(server.destroy)
    await asyncio.to_thread(server.start)
    return server.nodes if options.cluster else [server]


async def _end(slots: list[Slot]) -> None:
    await asyncio.gather(*(slot.end() for slot in slots))
