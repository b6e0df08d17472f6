"""Runs a command with a broker (and a Redis) at hand, and leaves nothing running.

    python3 deploy/setup/services.py run [--redis] -- COMMAND ARGUMENT…
    python3 deploy/setup/services.py prepare [--redis]      only fetches what `run` would need

COMMAND gets `MM7_AMQP_URL` (and `MM7_TEST_REDIS_URL`). Where they come from, the first that works: the variable itself;
a server that answers at the usual place on this machine; a private one from Docker, from an installed server, from
Debian's or Ubuntu's packages unpacked under `.run/` without root. `MM7_SETUP_SOURCES` narrows that, for a test or a
machine where one is broken: a comma list of running, docker, installed, packages.

Exit codes: COMMAND's own; 69 no server can be had; 127 no such command. Only the standard library: no .venv yet.
"""

import argparse
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import NoReturn, Protocol

import foreground
import installation
import redis_server
from containers import Container, Image
from handshake import rabbitmq_version, redis_version
from problems import NoServer, StartFailed
from rabbitmq import RabbitNode
from redis_server import RedisNode
from rundir import RUN_DIR, allowed_sources, say

UNAVAILABLE, NO_COMMAND = 69, 127


class Server(Protocol):
    """A private server, whatever it comes from; nothing runs before `start`."""

    @property
    def url(self) -> str: ...
    @property
    def version(self) -> str: ...
    @property
    def origin(self) -> str: ...
    def start(self) -> None: ...
    def destroy(self) -> None: ...


@dataclass(frozen=True)
class Kind:
    """A kind of server, where it may be had, and what to install when it cannot be."""

    name: str
    product: str
    variable: str
    usual_url: str
    version: Callable[[str], str | None]
    private: Mapping[str, Callable[[Path], Server]]
    package: str


BROKER = Kind(
    name="broker",
    product="RabbitMQ",
    variable="MM7_AMQP_URL",
    usual_url="amqp://guest:guest@127.0.0.1:5672/",
    version=rabbitmq_version,
    private={
        "docker": lambda run_dir: Container(
            Image("rabbitmq:4", 5672, "amqp://guest:guest@127.0.0.1:{port}/", rabbitmq_version), run_dir
        ),
        "installed": lambda run_dir: RabbitNode(installation.find("installed", run_dir), run_dir),
        "packages": lambda run_dir: RabbitNode(installation.find("packages", run_dir), run_dir),
    },
    package="rabbitmq-server",
)
REDIS = Kind(
    name="redis",
    product="Redis",
    variable="MM7_TEST_REDIS_URL",
    usual_url="redis://127.0.0.1:6379/0",
    version=redis_version,
    private={
        "docker": lambda run_dir: Container(
            Image("redis:7", 6379, "redis://127.0.0.1:{port}/0", redis_version), run_dir
        ),
        "installed": lambda run_dir: RedisNode(redis_server.find("installed", run_dir), run_dir),
        "packages": lambda run_dir: RedisNode(redis_server.find("packages", run_dir), run_dir),
    },
    package="redis-server",
)


def present(kind: Kind) -> str | None:
    """The URL of a server that is there without our doing."""
    if url := os.environ.get(kind.variable):
        say(f"{kind.name}: the one of {kind.variable}")
        return url
    if "running" in allowed_sources() and (version := kind.version(kind.usual_url)):
        say(f"{kind.name}: {kind.product} {version}, already running at {kind.usual_url.rpartition('@')[2]}")
        return kind.usual_url
    return None


def private(kind: Kind, run_dir: Path, *, start: bool) -> Server:
    """The first private server that works; `NoServer` lists what was tried and says what to install."""
    tried = []
    for source in allowed_sources():
        if source in kind.private:
            try:
                return _from(source, kind, run_dir, start=start)
            except (NoServer, StartFailed, OSError) as problem:
                tried.append(f"  {source}: {problem}")
    why = "\n".join(tried) or "  nothing: MM7_SETUP_SOURCES allows no private server"
    remedy = f"Start Docker, or install {kind.package}, or set {kind.variable} to the URL of a {kind.product}."
    raise NoServer(f"{kind.name}: no {kind.product} can be had here. {remedy} Tried:\n{why}")


def _from(source: str, kind: Kind, run_dir: Path, *, start: bool) -> Server:
    server = kind.private[source](run_dir)
    begun = time.monotonic()
    with ExitStack() as undo:
        undo.callback(server.destroy)
        try:
            if start:
                server.start()
                where = server.url.rpartition("/")[0].rpartition("/")[2].rpartition("@")[2]
                took = f"ready in {time.monotonic() - begun:.0f} s"
                say(f"{kind.name}: private {kind.product} {server.version} {server.origin} on {where}, {took}")
        except StartFailed as problem:
            say(f"{kind.name}: {source} failed, trying the next. {problem}")
            raise
        undo.pop_all()
    return server


def run(kinds: Sequence[Kind], command: Sequence[str], run_dir: Path) -> int:
    """Run `command` with a server of each kind."""
    if not shutil.which(command[0]):
        say(f"setup: there is no command {command[0]}")
        return NO_COMMAND
    env = dict(os.environ)
    with ExitStack() as servers:
        for kind in kinds:
            url = present(kind)
            if url is None:
                server = private(kind, run_dir, start=True)
                servers.callback(server.destroy)
                url = server.url
            env[kind.variable] = url
        return foreground.run(command, env)


def prepare(kinds: Sequence[Kind], run_dir: Path) -> int:
    """Fetch what `run` would have to, start nothing."""
    for kind in kinds:
        if present(kind) is None:
            server = private(kind, run_dir, start=False)
            say(f"{kind.name}: {kind.product} {server.origin} is at hand")
            server.destroy()
    return 0


def arguments(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="services.py", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--run-dir", type=Path, default=RUN_DIR, help="where servers and packages live (default: .run)")
    actions = parser.add_subparsers(dest="action", required=True)
    actions.add_parser("prepare").add_argument("--redis", action="store_true", help="a Redis too")
    runs = actions.add_parser("run")
    runs.add_argument("--redis", action="store_true", help="a Redis too")
    runs.add_argument("command", nargs="+", metavar="COMMAND")
    return parser.parse_args(argv)


def _leave(number: int, _: FrameType | None) -> NoReturn:
    """Before the command runs, a signal only unwinds."""
    sys.exit(128 + number)


def main(argv: Sequence[str]) -> int:
    given = arguments(argv)
    kinds = [BROKER, REDIS] if given.redis else [BROKER]
    for number in foreground.FORWARDED:
        signal.signal(number, _leave)
    try:
        return run(kinds, given.command, given.run_dir) if given.action == "run" else prepare(kinds, given.run_dir)
    except NoServer as problem:
        say(str(problem))
        return UNAVAILABLE


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
