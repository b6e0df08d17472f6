"""Our programs as processes that are killed, ended and started again, each in a place of its own."""

import asyncio
import contextlib
import json
import os
import resource
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from guard import die_with_parent

LISTENING = ("receiver.listening", "worker.consuming")
BROKEN = ("Traceback", "never retrieved", "never awaited", "Unclosed")
UP_WITHIN, ENDED_WITHIN = 40.0, 40.0
Note = Callable[[dict[str, Any]], None]


class Process:
    """`python -m module` with MM7_ settings. Its output goes through a pipe of ours into a file.

    Through a pipe, so that a disk that is full for the process does not take its log away: `note` gets each entry.
    """

    def __init__(self, log: Path, note: Note) -> None:
        self.log = log
        self.broken = 0  # lines that a bug leaves
        self.listening = asyncio.Event()
        self._note = note

    async def start(self, module: str, settings: dict[str, object]) -> None:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("MM7_")}
        self.process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            module,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=inherited | {f"MM7_{name}": str(value) for name, value in settings.items()},
            cwd=self.log.parent,
            limit=1 << 20,
            preexec_fn=die_with_parent,  # even our kill -9 ends it
        )
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self.process.stdout is not None
        with self.log.open("ab") as file:
            async for line in self.process.stdout:
                file.write(line)
                self.broken += any(word.encode() in line for word in BROKEN)
                if line.startswith(b"{"):
                    entry = json.loads(line)
                    if entry.get("event") in LISTENING:
                        self.listening.set()
                    self._note(entry)

    def signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(number)

    def fill_disk(self, full: bool) -> None:
        """Every write to a file fails, as on a full disk; or no more."""
        _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        with contextlib.suppress(ProcessLookupError):
            resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE, (1 if full else hard, hard))

    async def ended(self) -> int:
        """Its exit code, when all it has said is read."""
        code = await self.process.wait()
        await asyncio.shield(self._reading)
        return code


class Slot:
    """A place for one program, which runs there again and again. `away` is told when it began and ceased not to."""

    def __init__(self, name: str, launch: Callable[["Slot"], Any], away: Callable[[str, float, float], None]) -> None:
        self.name = name
        self.troubles: list[str] = []
        self.runs: list[Process] = []
        self._launch = launch
        self._away = away
        self._left = 0.0
        self._leaving = False

    @property
    def process(self) -> Process:
        return self.runs[-1]

    @property
    def up(self) -> bool:
        return bool(self.runs) and self.process.process.returncode is None and self.process.listening.is_set()

    async def start(self) -> None:
        """Return when it listens."""
        self._leaving = False
        self.runs.append(await self._launch(self))
        listening = asyncio.create_task(self.process.listening.wait())
        self._watching = asyncio.create_task(self._watch(self.process))
        await asyncio.wait({listening, self._watching}, timeout=UP_WITHIN, return_when=asyncio.FIRST_COMPLETED)
        listening.cancel()
        if self.up:
            self._away(self.name, self._left, _now())
        else:
            self.troubles.append(f"{self.name} does not listen: {self.process.log}")

    async def _watch(self, process: Process) -> None:
        code = await process.ended()
        if not self._leaving:
            self.troubles.append(f"{self.name} has ended by itself with {code}: {process.log}")
            self._leaves()

    async def kill(self) -> None:
        """As a power cut would, but for the disk's own memory."""
        self._leaves()
        self.process.signal(signal.SIGKILL)
        await self.process.ended()

    async def terminate(self) -> None:
        """As an orchestrator would; it has to end by itself, well."""
        self._leaves()
        self.process.signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(ENDED_WITHIN):
                code = await self.process.ended()
        except TimeoutError:
            self.troubles.append(f"{self.name} did not end within {ENDED_WITHIN:g} s of SIGTERM: {self.process.log}")
            await self.kill()
        else:
            if code:
                self.troubles.append(f"{self.name} ended with {code}: {self.process.log}")

    def _leaves(self) -> None:
        if self._leaving:
            return
        self._leaving = True
        self._left = _now()
        self._away(self.name, self._left, float("inf"))

    async def end(self) -> None:
        """At the end of all, whatever it does."""
        if self.runs:
            await self.kill()


def _now() -> float:
    return asyncio.get_running_loop().time()
