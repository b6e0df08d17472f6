"""Workers killed anywhere, a store that fails anywhere, commands and replays twice: the sums always come out."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from gateway.broker import Outgoing, PublishFailed
from gateway.stores.state import StateUnavailable
from workers.outcome import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.outbound import HttpRequest

COMMANDS, WORKERS, KILLS = 12, 3, 6
KINDS = ("accepted", "later", "later", "refused", "unknown")


@dataclass(eq=False, slots=True)
class Queued:
    """A message of the broker's that is not acknowledged."""

    headers: dict
    identity: str


class Life:
    """Of a process. A killed one does nothing any more, it does not even tidy up."""

    def __init__(self, world: World) -> None:
        self.dice = world.dice
        self.over = world.over
        self.dead = False

    async def step(self) -> None:
        for _ in range(self.dice.randrange(4)):
            await asyncio.sleep(0)
        if self.dead:
            await self.over.wait()
            raise RuntimeError("killed")


class Worker:
    """A desk whose every call may fail, and end for ever."""

    def __init__(self, world: World, desk: Any) -> None:
        self.world, self.desk, self.life = world, desk, Life(world)
        self.tasks: dict[asyncio.Task[None], Queued] = {}
        desk.broker.publish, desk.submitter._submit = self.publish, self.submit
        desk.state = desk.ledger._state = desk.correlation._state = desk.pace._state = self
        self.store = world.store

    def __getattr__(self, name: str) -> Any:
        """The store's calls."""

        async def call(*args: Any, **kwargs: Any) -> Any:
            await self.life.step()
            if self.world.dice.random() < 0.04:
                raise StateUnavailable("not done")
            found = await getattr(self.store, name)(*args, **kwargs)
            await self.life.step()
            if self.world.dice.random() < 0.04:
                raise StateUnavailable("done, and not said")
            return found

        return call

    async def publish(self, outgoing: Outgoing, *, within: float) -> None:
        await self.life.step()
        if self.world.dice.random() < 0.1:
            raise PublishFailed("nack")
        self.world.take(outgoing)
        await self.life.step()

    async def submit(self, request: HttpRequest) -> Outcome:
        await self.life.step()
        kind = self.world.dice.choice(KINDS)
        identity = next(
            word for word in request.body.decode().replace("<", ">").split(">") if word.startswith("order-")
        )
        self.world.posts[identity, kind] += 1
        await self.life.step()
        return Outcome(kind=kind, reason=kind, message_id=f"m-{identity}" if kind == "accepted" else None)

    def begin(self, queued: Queued) -> None:
        async def ack() -> bool:
            await self.life.step()
            self.world.queue.remove(queued)
            return True

        delivery = self.desk.delivery({"id": queued.identity}, headers=queued.headers)
        delivery.send_ack = ack
        self.tasks[asyncio.create_task(self.desk.submitter.handle(delivery))] = queued


class World:
    """Broker, provider and store, and the books."""

    def __init__(self, seed: int, make_desk: Callable[..., Any], *, replays: bool = False) -> None:
        self.dice, self.over = random.Random(seed), asyncio.Event()
        self.replays = replays
        self.replayed: set[str] = set()
        self.killed: list[Worker] = []
        self.make_desk = make_desk
        self.first = make_desk(delays="10s 60s 5m")
        self.store = self.first.state
        self.posts: Counter[tuple[str, str]] = Counter()
        self.events: dict[str, list[bytes]] = {}
        self.dead: Counter[str] = Counter()
        self.queue: list[Queued] = []
        self.workers = [self.worker() for _ in range(WORKERS)]

    def worker(self) -> Worker:
        return Worker(self, self.make_desk(delays="10s 60s 5m", state=self.store))

    def take(self, outgoing: Outgoing) -> None:
        identity = outgoing.correlation_id or str(outgoing.headers["mm7-command-id"])
        if outgoing.exchange == "mm7.events":
            self.events.setdefault(identity, []).append(outgoing.body)
        elif outgoing.exchange == "mm7.dead":
            self.dead[identity] += 1
            if self.replays and identity not in self.replayed:
                replay = {"mm7-replay": "token", "mm7-replay-of": outgoing.headers["mm7-event-id"]}
                self.replayed.add(identity)
                for headers in (replay, replay, {}):
                    self.deliver(headers, identity)
        else:  # a wait queue: it comes back at once, to anybody
            self.deliver(dict(outgoing.headers), identity)

    def deliver(self, headers: dict, identity: str) -> None:
        self.queue.append(Queued(headers, identity))
        self.dice.choice(self.workers).begin(self.queue[-1])

    async def kill(self) -> None:
        victim = self.dice.choice(self.workers)
        victim.life.dead = True
        self.workers[self.workers.index(victim)] = self.worker()
        self.killed.append(victim)
        for queued in victim.tasks.values():
            if queued in self.queue:
                self.dice.choice(self.workers).begin(queued)

    async def run(self) -> None:
        for number in (*range(COMMANDS), *range(COMMANDS // 3)):
            self.deliver({}, f"order-{number}")
        for _ in range(KILLS):
            await asyncio.sleep(self.dice.random() * 0.01)
            await self.kill()
        while self.queue:
            await asyncio.sleep(0.001)
            for worker in self.killed:
                await self.first.ledger.leave(worker.desk.pulse.worker)  # their signs of life end in time
            crashed = [task for worker in self.workers for task in worker.tasks if task.done() and task.exception()]
            assert not crashed
        self.over.set()
        await asyncio.gather(*(task for worker in self.workers for task in worker.tasks))
        await asyncio.gather(*(task for worker in self.killed for task in worker.tasks), return_exceptions=True)


@pytest.mark.parametrize("seed", range(25))
async def test_each_command_has_one_outcome_and_no_phone_rings_twice(make_desk, seed: int) -> None:
    world = World(seed, make_desk)
    async with asyncio.timeout(20):
        await world.run()
    for identity in (f"order-{number}" for number in range(COMMANDS)):
        perhaps_sent = world.posts[identity, "accepted"] + world.posts[identity, "unknown"]
        assert perhaps_sent <= 1, identity
        assert len(set(world.events[identity])) == 1, identity
        told = world.events[identity][0]
        assert perhaps_sent or b'"type":"mt.accepted"' not in told
        assert (b'"type":"mt.accepted"' in told) is not bool(world.dead[identity])


@pytest.mark.parametrize("seed", range(25))
async def test_a_replay_makes_a_phone_ring_once_more_at_most_and_comes_to_one_outcome(make_desk, seed: int) -> None:
    world = World(seed, make_desk, replays=True)
    async with asyncio.timeout(20):
        await world.run()
    assert world.replayed
    for identity in (f"order-{number}" for number in range(COMMANDS)):
        told = set(world.events[identity])
        perhaps_sent = world.posts[identity, "accepted"] + world.posts[identity, "unknown"]
        assert len(told) == 1 + (identity in world.replayed), identity
        assert perhaps_sent <= sum(b'"type":"mt.refused"' not in event for event in told), identity
