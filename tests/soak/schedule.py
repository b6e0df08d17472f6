"""The faults as data, and the lanes they come in: one at a time in a lane, all lanes at the same time."""

import asyncio
import contextlib
import inspect
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from signal import SIGCONT, SIGSTOP
from subprocess import SubprocessError
from typing import Any, NamedTuple

from problems import StartFailed

from tests.faults.provider import ACCEPT, HALF, HANG, HUGE, REDIRECT, RESET, UNREAD, Say, late, page, refuse
from tests.soak.programs import Slot
from tests.soak.scene import USUAL, Scene

QUIET_SECONDS = (3.0, 12.0)  # between two faults of a lane
UNDO_TRIES, AGAIN_SECONDS = 5, 1.0
Act = Callable[[Any], Any]


def _nothing(_target: Any) -> None:
    pass


def _in_thread(method: str, *arguments: Any) -> Act:
    """A method of a node or a Redis, which blocks."""
    return lambda target: asyncio.to_thread(getattr(target, method), *arguments)


def _call(method: str, *arguments: Any, **named: Any) -> Act:
    return lambda target: getattr(target, method)(*arguments, **named)


@dataclass(frozen=True, slots=True)
class Fault:
    """What is done to a target, for how long (least and most seconds), and what undoes it."""

    start: Act
    undo: Act = _nothing
    seconds: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Lane:
    """Faults that exclude each other, and what they may be done to; no target: not in this soak."""

    targets: Callable[[Scene], list[Any]]
    faults: Mapping[str, Fault]


def _server(stop: tuple[float, float], freeze: tuple[float, float]) -> dict[str, Fault]:
    return {
        "kill -9": Fault(_in_thread("kill"), _in_thread("start"), stop),
        "stopped": Fault(_in_thread("stop"), _in_thread("start"), stop),
        "frozen": Fault(_in_thread("pause"), _in_thread("resume"), freeze),
    }


BROKER = _server((0.0, 8.0), (0.5, 20.0)) | {
    "memory alarm": Fault(_in_thread("alarm", True), _in_thread("alarm", False), (0.5, 6.0)),
    "disk alarm": Fault(_in_thread("disk_alarm", True), _in_thread("disk_alarm", False), (0.5, 6.0)),
    "connections closed": Fault(_in_thread("close_connections")),
}
_HEAL = _call("heal")
WAY = {
    "reset": Fault(_call("cut"), _HEAL),
    "refused": Fault(_call("cut", refuse=True), _HEAL, (0.5, 5.0)),
    "black hole": Fault(_call("black_hole"), _HEAL, (0.5, 15.0)),
    "black hole up": Fault(_call("black_hole", "up"), _HEAL, (0.5, 8.0)),
    "black hole down": Fault(_call("black_hole", "down"), _HEAL, (0.5, 8.0)),
    "half open": Fault(_call("half_open"), _HEAL, (0.5, 8.0)),
    "half closed up": Fault(_call("half_close", "up"), _HEAL, (0.5, 2.0)),
    "half closed down": Fault(_call("half_close", "down"), _HEAL, (0.5, 2.0)),
    "slow": Fault(_call("slow", 20_000), _HEAL, (1.0, 8.0)),
}


def _mood(*answers: Say) -> Fault:
    """The provider answers so, half of the time; at the end what hangs is answered."""

    def start(scene: Scene) -> None:
        scene.mood = ((len(answers), ACCEPT), *((1, answer) for answer in answers))

    return Fault(start, _good, (1.0, 6.0))


def _good(scene: Scene) -> None:
    scene.mood = USUAL
    scene.stage.provider.script.clear()
    scene.stage.provider.let_go()


PROVIDER = {
    "hangs": _mood(HANG),
    "resets": _mood(RESET),
    "half answers": _mood(HALF),
    "late": _mood(late(0.7), late(1.4), late(1.6), late(2.5)),
    "temporary errors": _mood(refuse(3000), refuse(4006), page(503), page(500)),
    "too fast": _mood(page(429)),
    "nonsense": _mood(REDIRECT, HUGE, page(200), page(504), page(404)),
    "unread": Fault(lambda scene: scene.stage.provider.script.extend([UNREAD] * 5), _good, (1.0, 4.0)),
}
PROGRAM = {
    "kill -9": Fault(_call("kill"), _call("start"), (0.0, 3.0)),
    "kill -9 again": Fault(_call("kill"), _call("start"), (0.0, 0.1)),
    "restart": Fault(_call("terminate"), _call("start"), (0.0, 3.0)),
    "disk full": Fault(
        lambda slot: slot.process.fill_disk(True), lambda slot: slot.process.fill_disk(False), (0.5, 5.0)
    ),
}
FROZEN = Fault(lambda slot: slot.process.signal(SIGSTOP), lambda slot: slot.process.signal(SIGCONT), (0.5, 15.0))


class Locked:
    """SQLite files that somebody else holds, so that nobody can write to them."""

    def __init__(self, folder: Path, pattern: str) -> None:
        self._folder, self._pattern = folder, pattern
        self._held: list[sqlite3.Connection] = []

    def hold(self) -> None:
        for path in self._folder.glob(self._pattern):
            with contextlib.suppress(sqlite3.Error):
                connection = sqlite3.connect(f"file:{path}?mode=rw", uri=True, timeout=0.2, isolation_level=None)
                self._held.append(connection)
                connection.execute("BEGIN IMMEDIATE")

    def let_go(self) -> None:
        for connection in self._held:
            connection.close()
        self._held.clear()


def _files(scene: Scene) -> list[Locked]:
    spool = [Locked(scene.folder, "spool/*.spool")]
    return spool if scene.redis else [*spool, Locked(scene.folder, "state.db")]


LANES: Mapping[str, Lane] = {
    "broker": Lane(lambda scene: scene.nodes, BROKER),
    "way to broker": Lane(lambda scene: [scene.stage.broker], WAY),
    "redis": Lane(lambda scene: [scene.redis] if scene.redis else [], _server((0.0, 6.0), (0.3, 12.0))),
    "way to redis": Lane(lambda scene: [scene.stage.store] if scene.redis else [], WAY),
    "way to provider": Lane(lambda scene: [scene.stage.line], WAY),
    "provider": Lane(lambda scene: [scene], PROVIDER),
    "receiver": Lane(lambda scene: scene.receivers, PROGRAM),
    "worker": Lane(lambda scene: scene.workers, PROGRAM | {"frozen": FROZEN}),
    "files": Lane(_files, {"locked": Fault(_call("hold"), _call("let_go"), (0.3, 4.0))}),
}


class Planned(NamedTuple):
    """What a lane does next: after so much quiet, to this target, this fault, for so long."""

    quiet: float
    target: Any
    kind: str
    seconds: float


def plan(name: str, lane: Lane, targets: Sequence[Any], seed: int) -> Iterator[Planned]:
    """Without end, and the same for the same seed."""
    dice = Random(f"{seed} {name}")
    while targets:
        quiet, target, kind = dice.uniform(*QUIET_SECONDS), dice.choice(targets), dice.choice(sorted(lane.faults))
        yield Planned(quiet, target, kind, dice.uniform(*lane.faults[kind].seconds))


async def run(name: str, scene: Scene, ending: asyncio.Event, lane: Lane | None = None) -> None:
    """One lane until `ending`; what it has begun it undoes."""
    lane = lane or LANES[name]
    for quiet, target, kind, seconds in plan(name, lane, lane.targets(scene), scene.options.seed):
        if await _is_set(ending, quiet):
            return
        fault = lane.faults[kind]
        what = f"{target.name if isinstance(target, Slot) else name} {kind}"
        scene.on[name] = what
        scene.done.append(what)
        await _do(scene, what, fault.start, target, tries=1)
        await _is_set(ending, seconds)
        await _do(scene, f"{what}: its undoing", fault.undo, target, tries=UNDO_TRIES)
        del scene.on[name]


async def _do(scene: Scene, what: str, act: Act, target: Any, *, tries: int) -> None:
    """A broker that is overloaded may refuse its own administrator."""
    for number in range(tries):
        try:
            done = act(target)
            if inspect.isawaitable(done):
                await done
        except (StartFailed, RuntimeError, SubprocessError, OSError) as error:
            if number + 1 == tries:
                scene.troubles.append(f"{what} failed: {error}"[:300])
            await asyncio.sleep(AGAIN_SECONDS)
        else:
            return


async def _is_set(ending: asyncio.Event, seconds: float) -> bool:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(ending.wait(), seconds)
    return ending.is_set()
