"""The course of a soak: all is started; load and faults; a calm, in which everything comes to its end; the accounts."""

import asyncio
import contextlib
import shutil
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import aio_pika

from gateway.stores.journal import COUNT
from tests import published
from tests.faults.stage import AWAY
from tests.soak import report, schedule
from tests.soak.load import Load
from tests.soak.reader import Reader
from tests.soak.report import Figures, Seen
from tests.soak.scene import Options, Scene, scene

SAY_EVERY = 5.0
DELIVERED_WITHIN, SETTLED_WITHIN = 60.0, 90.0
QUIET_SECONDS = 3.0  # after the last event: what comes twice has come by then
Say = Callable[[str], None]
Result = tuple[str, Figures, list[str]]


async def soak(options: Options, folder: Path, say: Say) -> Result:
    """(title, figures, problems)"""
    async with scene(options, folder) as made:
        try:
            return await _play(made, say)
        finally:
            for node in made.nodes:
                with contextlib.suppress(OSError):
                    shutil.copy(node.data_dir / "rabbitmq.log", folder / f"rabbitmq-{node.port}.log")


async def _play(made: Scene, say: Say) -> Result:
    await made.stage.open_books()
    load, reader = Load(made), Reader(made.stage)
    ending, storm = asyncio.Event(), asyncio.Event()
    seconds, now = 60 * made.options.minutes, asyncio.get_running_loop().time
    began = now()
    say(f"soak: RabbitMQ {made.nodes[0].version} and our programs are up, the load begins")
    async with (
        _going(reader.read(), _tell(made, load, reader, say)) as watchers,
        _going(load.callbacks(ending), load.commands(ending)) as loads,
        _going(*(schedule.run(name, made, storm) for name in schedule.LANES)) as lanes,
    ):
        await asyncio.wait({*watchers, *loads, *lanes}, timeout=seconds, return_when=asyncio.FIRST_EXCEPTION)
        storm.set()
        await asyncio.gather(*lanes)
        ending.set()
        await _calm(made, loads)
        settled = await _settled(made, load, reader)
        left = await _left(made) | {"calm, seconds": f"{now() - began - seconds:.0f}"}
        await asyncio.gather(*(slot.terminate() for slot in made.slots))
        for task in watchers:
            if task.done():
                task.result()  # it has failed: then the figures say nothing
    return _accounts(made, load, reader, left, settled)


def _accounts(made: Scene, load: Load, reader: Reader, left: dict[str, object], settled: str) -> Result:
    seen = Seen(
        posts=load.posts,
        clock=made.clock,
        kept=made.kept,
        events=reader.events,
        ordered=made.stage.commands.ordered,
        doubled=load.doubled,
        accepted=made.stage.provider.accepted,
        reported=load.reported,
    )
    report.write(seen, made.folder)
    figures, problems = report.make(seen)
    starts = sum(len(slot.runs) for slot in made.slots)
    broken = sum(run.broken for slot in made.slots for run in slot.runs)
    figures["after it"] = left | {"left in spools": _spooled(made.stage.spool)}
    figures["faults"] = {
        "in all": len(made.done),
        **dict(sorted(Counter(made.done).items())),
        "starts of programs": starts,
        "tracebacks and warnings in logs": broken,
    }
    problems += published.told()
    problems += [*made.troubles, *(trouble for slot in made.slots for trouble in slot.troubles)]
    problems += [settled] if settled else []
    options = made.options
    title = (
        f"seed {options.seed}, {options.minutes:g} min, {options.receivers} receiver(s), {options.workers} worker(s), "
        f"{'Redis' if options.redis else 'SQLite'}, RabbitMQ {made.nodes[0].version} × {len(made.nodes)}"
    )
    return title, figures, problems


@contextlib.asynccontextmanager
async def _going(*coroutines: Coroutine[Any, Any, None]) -> AsyncIterator[list["asyncio.Task[None]"]]:
    """Let these go on meanwhile."""
    tasks = [asyncio.create_task(each) for each in coroutines]
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _calm(made: Scene, loads: list["asyncio.Task[None]"]) -> None:
    """All is well again; what is under way is delivered."""
    for slot in made.slots:
        if not slot.up:
            await slot.start()
    done, late = await asyncio.wait(loads, timeout=DELIVERED_WITHIN)
    for task in done:
        task.result()
    if late:
        made.troubles.append(f"callbacks or commands were not taken within {DELIVERED_WITHIN:g} s of the calm")


async def _settled(made: Scene, load: Load, reader: Reader) -> str:
    """Wait until everything has come to its end and nothing more comes; what has not."""
    now = asyncio.get_running_loop().time
    deadline, since, count = now() + SETTLED_WITHIN, now(), -1
    while True:
        told = {each["data"].get("command_id") for each in reader.events if each["type"].startswith("mt.")}
        stored = {each["data"]["transaction_id"] for each in reader.events if not each["type"].startswith("mt.")}
        waiting = len(made.stage.commands.ordered - told) + len(load.acknowledged - stored)
        if waiting or len(reader.events) != count:
            since, count = now(), len(reader.events)
        if not waiting and now() - since > QUIET_SECONDS:
            return ""
        if now() > deadline:
            return f"not settled within {SETTLED_WITHIN:g} s: {waiting} are waited for"
        await asyncio.sleep(0.5)


async def _left(made: Scene) -> dict[str, object]:
    """What is in the broker's queues after all."""
    found: dict[str, object] = {}
    with contextlib.suppress(*AWAY):
        async with asyncio.timeout(10), await aio_pika.connect(made.stage.direct_url()) as connection:
            for kind in ("mt", "dead"):
                names = [f"mm7.{kind}.{account}" for account in made.stage.accounts]
                found[f"in mm7.{kind}.*"] = sum([await _count(connection, name) for name in names])
            found["in mm7.unrouted"] = await _count(connection, "mm7.unrouted")
    return found


async def _count(connection: aio_pika.abc.AbstractConnection, queue: str) -> int:
    channel = await connection.channel()
    declared = await channel.declare_queue(queue, passive=True)
    return declared.declaration_result.message_count or 0


def _spooled(folder: Path) -> int:
    total = 0
    for path in folder.glob("*.spool"):
        with contextlib.closing(sqlite3.connect(path)) as connection:
            total += sum(row[1] for row in connection.execute(COUNT))
    return total


async def _tell(made: Scene, load: Load, reader: Reader, say: Say) -> None:
    """A line of progress, for ever."""
    now = asyncio.get_running_loop().time
    began = now()
    while True:
        await asyncio.sleep(SAY_EVERY)
        down = [slot.name for slot in made.slots if not slot.up]
        events = Counter("mt" if each["type"].startswith("mt.") else "in" for each in reader.events)
        say(
            f"{now() - began:4.0f} s  acknowledged {len(load.acknowledged)} (+{load.in_flight}) stored {events['in']} "
            f"503 {load.statuses['503']}  ordered {len(made.stage.commands.ordered)} outcomes {events['mt']} "
            f"sent {made.stage.provider.accepted.total()} "
            f"twice {len(made.stage.provider.sent_twice)}  "
            f"{'; '.join(sorted(made.on.values())) or 'calm'}{f'  down: {down}' if down else ''}"
        )
