"""The stage of the demo: two simulated providers here, receiver and worker as processes of their own.

What runs is what runs in production: `python -m gateway` and `python -m workers`, with settings in a file.
"""

import asyncio
import os
import secrets
import signal
import socket
import sys
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import aiohttp

from gateway.tools.simulator import Simulator

READY_WITHIN = 20.0
END_WITHIN = 45.0  # more than the programs' own grace

_ACCOUNT = """\
[accounts.{name}]
profile = "{profile}"

[accounts.{name}.inbound]
networks = ["127.0.0.0/8"]
basic = [{{ username = "{name}", password = "{password}" }}]

[accounts.{name}.outbound]
url = "{url}"
vaspid = "demo-key"
vasid = "{sender}mms"
sender = "{sender}"
retry_delays = ["1s", "5s"]

"""


class StageError(Exception):
    """Something could not be started; the text says what and where its log is."""


@dataclass(frozen=True, slots=True)
class Ports:
    """Where the programs listen on 127.0.0.1; 0 for the simulators is any free port."""

    http: int
    receiver_admin: int
    worker_admin: int
    sinch: int = 0
    vibes: int = 0

    @classmethod
    def free(cls) -> Self:
        """Ports that are free at this moment."""
        with socket.socket() as a, socket.socket() as b, socket.socket() as c:
            for each in (a, b, c):
                each.bind(("127.0.0.1", 0))
            return cls(*(each.getsockname()[1] for each in (a, b, c)))


class Stage:
    """`async with Stage(folder, ports) as stage`: all is up and ready; afterwards all has ended."""

    def __init__(self, folder: Path, ports: Ports, amqp_url: str) -> None:
        self.folder = folder
        self.ports = ports
        self.amqp_url = amqp_url
        self.password = secrets.token_urlsafe(12)
        self.config = folder / "config.toml"
        self.media = folder / "media"
        self.sinch = self._simulator("demo-sinch", "sinch", ports.sinch, "6.8.0")
        self.vibes = self._simulator("demo-vibes", "vibes", ports.vibes, "5.5.0")
        self.exit_codes: dict[str, int] = {}
        self._programs: dict[str, asyncio.subprocess.Process] = {}
        self._stack = AsyncExitStack()

    def callback_url(self, account: str) -> str:
        """Where an account's callbacks go."""
        return f"http://127.0.0.1:{self.ports.http}/mm7/{account}"

    def _simulator(self, account: str, profile: str, port: int, version: str) -> Simulator:
        return Simulator(
            profile=profile,
            to=self.callback_url(account),
            basic=(account, self.password),
            port=port,
            mm7_version=version,
            as_documented=True,
            retry_interval=1.0,
            report_after=0.3,
        )

    async def __aenter__(self) -> Self:
        """Start all; what fails takes the rest down again. Raises StageError."""
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            await self._start()
        except BaseException:
            await self._end()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End all."""
        await self._end()

    async def _start(self) -> None:
        try:
            for simulator in (self.sinch, self.vibes):
                await self._stack.enter_async_context(simulator)
        except OSError as error:
            raise StageError(f"the simulated provider cannot listen: {error}") from error
        accounts = (("demo-sinch", "sinch", self.sinch, "111122"), ("demo-vibes", "vibes", self.vibes, "22333"))
        text = "".join(
            _ACCOUNT.format(name=name, profile=profile, password=self.password, url=simulator.url, sender=sender)
            for name, profile, simulator, sender in accounts
        )
        self.config.touch(mode=0o600)
        self.config.write_text(text, encoding="utf-8")
        await self._program("receiver", "gateway", self.ports.receiver_admin)
        await self._program("worker", "workers", self.ports.worker_admin)
        await asyncio.gather(
            self._ready("receiver", self.ports.receiver_admin), self._ready("worker", self.ports.worker_admin)
        )

    def environment(self, admin_port: int) -> dict[str, str]:
        """The settings of a program, as a user would export them."""
        return {
            "MM7_CONFIG": str(self.config),
            "MM7_AMQP_URL": self.amqp_url,
            "MM7_HTTP_PORT": str(self.ports.http),
            "MM7_ADMIN_PORT": str(admin_port),
            "MM7_MEDIA_URL": self.media.absolute().as_uri(),
            "MM7_SPOOL_DIR": str((self.folder / "spool").absolute()),
            "MM7_STATE_URL": f"sqlite://{(self.folder / 'state.db').absolute()}",
            "MM7_LOG_FORMAT": "json",
        }

    async def _program(self, name: str, module: str, admin_port: int) -> None:
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("MM7_")}
        with (self.folder / f"{name}.log").open("wb") as log:
            self._programs[name] = await asyncio.create_subprocess_exec(
                sys.executable, "-m", module, stdout=log, stderr=log, env=inherited | self.environment(admin_port)
            )

    async def _ready(self, name: str, admin_port: int) -> None:
        """Wait until it is ready with all it needs; the receiver without a broker would be, degraded."""
        program = self._programs[name]
        deadline = asyncio.get_running_loop().time() + READY_WITHIN
        async with aiohttp.ClientSession() as session:
            while asyncio.get_running_loop().time() < deadline and program.returncode is None:
                try:
                    async with session.get(f"http://127.0.0.1:{admin_port}/readyz") as response:
                        if (await response.json())["status"] == "ready":
                            return
                except aiohttp.ClientError:
                    pass
                await asyncio.sleep(0.05)
        raise StageError(f"the {name} is not ready; its log: {self.folder / f'{name}.log'}\n{self._log_tail(name)}")

    def _log_tail(self, name: str) -> str:
        lines = (self.folder / f"{name}.log").read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(f"  {line}" for line in lines[-5:])

    async def _end(self) -> None:
        """SIGTERM to both, so that they drain; SIGKILL to what does not end."""
        for program in self._programs.values():
            if program.returncode is None:
                program.send_signal(signal.SIGTERM)
        for name, program in self._programs.items():
            try:
                self.exit_codes[name] = await asyncio.wait_for(program.wait(), END_WITHIN)
            except TimeoutError:
                program.kill()
                self.exit_codes[name] = await program.wait()
        await self._stack.aclose()
