"""A private, real Redis (or Valkey) server: loopback only, nothing kept unless asked for."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import packages
from guard import Guarded
from handshake import redis_version
from private_server import PrivateServer
from problems import NoServer
from programs import Program, unpacked
from rundir import RUN_DIR, allowed_sources, free_ports

START_WITHIN = 20.0


def find(source: str, run_dir: Path) -> Program:
    """The server of `source`, "installed" or "packages"; `NoServer` says why there is none."""
    if source == "packages":
        return unpacked(packages.REDIS, "redis-server", run_dir)
    path = shutil.which("redis-server") or shutil.which("valkey-server")
    if path is None:
        raise NoServer("no redis-server on this machine")
    return Program("installed", path)


class RedisNode(PrivateServer):
    """One server. It may be stopped or killed and started again, on the same port."""

    def __init__(self, program: Program, run_dir: Path = RUN_DIR, *, appendonly: bool = False) -> None:
        super().__init__(run_dir, "redis")
        self._program = program
        self._appendonly = appendonly
        (self.port,) = free_ports(1)
        self.version = ""

    @classmethod
    def create(cls, run_dir: Path = RUN_DIR, sources: Sequence[str] | None = None, *, appendonly: bool = False) -> Self:
        """A server of the first program that is there; `NoServer` lists what was tried."""
        tried = []
        for source in sources or allowed_sources():
            if source in {"installed", "packages"}:
                try:
                    return cls(find(source, run_dir), run_dir, appendonly=appendonly)
                except NoServer as problem:
                    tried.append(f"{source}: {problem}")
        raise NoServer("; ".join(tried) or "MM7_SETUP_SOURCES allows neither installed nor packages")

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def origin(self) -> str:
        return self._program.origin

    def start(self) -> None:
        """Return when it answers PING; `StartFailed` when it does not."""
        self.running = Guarded("redis", self._command(), folder=self.data_dir, env=self._program.environment)
        self.version = self.wait_for(lambda: redis_version(self.url), START_WITHIN, "Redis")

    def _command(self) -> list[str]:
        program = self.data_dir / "redis-server"  # by this name, so that its command line says whose it is
        if not program.is_symlink():
            program.symlink_to(self._program.path)
        appendonly = "yes" if self._appendonly else "no"
        options = {"port": str(self.port), "bind": "127.0.0.1", "dir": str(self.data_dir), "appendonly": appendonly}
        return [str(program), *(word for key, value in options.items() for word in (f"--{key}", value)), "--save", ""]
