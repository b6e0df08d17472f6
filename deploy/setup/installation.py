"""Where a RabbitMQ server's programs are: installed on the machine, or unpacked from packages."""

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import packages
from problems import NoServer

# The real scripts. Debian's wrapper in /usr/sbin refuses other users, and its `--version` starts a broker.
INSTALLED = (
    "/usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin",
    "/usr/lib/rabbitmq/bin",
    "/usr/lib64/rabbitmq/lib/rabbitmq_server-*/sbin",
    "/opt/rabbitmq/sbin",
    "/opt/homebrew/opt/rabbitmq/sbin",
    "/usr/local/opt/rabbitmq/sbin",
)
ERLANGS = ("/usr/lib", "/usr/lib64", "/usr/local/lib", "/opt/erlang/lib", "/opt/homebrew/lib")
SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin:/opt/homebrew/bin"


@dataclass(frozen=True)
class Installation:
    """The folder of the server's scripts, and the environment in which they find their Erlang."""

    origin: str
    scripts: Path
    env: dict[str, str]

    def program(self, name: str) -> str:
        return str(self.scripts / name)

    @property
    def epmd(self) -> str:
        found = shutil.which("epmd", path=self.env["PATH"])
        others = (str(path) for erlang in ERLANGS for path in Path(erlang).glob("erlang/erts-*/bin/epmd"))
        epmd = found or next(others, None)
        if epmd is None:
            raise NoServer("RabbitMQ is there, its Erlang (epmd) is not")
        return epmd


def find(source: str, run_dir: Path) -> Installation:
    """The server of `source`, "installed" or "packages"; `NoServer` says why there is none.

    `MM7_TEST_RABBITMQ` names the folder of another RabbitMQ, one with sbin/rabbitmq-server in it, to test with instead.
    """
    if folder := os.environ.get("MM7_TEST_RABBITMQ"):
        return _given(Path(folder))
    return _installed() if source == "installed" else _unpacked(run_dir)


def first(sources: Sequence[str], run_dir: Path) -> Installation:
    """The first of `sources` that has a server; `NoServer` lists what was tried."""
    tried = []
    for source in sources:
        if source in {"installed", "packages"}:
            try:
                return find(source, run_dir)
            except NoServer as problem:
                tried.append(f"{source}: {problem}")
    raise NoServer("; ".join(tried) or "MM7_SETUP_SOURCES allows neither installed nor packages")


def _given(folder: Path) -> Installation:
    scripts = folder / "sbin"
    if not (scripts / "rabbitmq-server").exists():
        raise NoServer(f"MM7_TEST_RABBITMQ = {folder}: there is no sbin/rabbitmq-server in it")
    return Installation("of MM7_TEST_RABBITMQ", scripts, {"PATH": f"{scripts}:{os.environ.get('PATH', '')}"})


def _installed() -> Installation:
    folders = [folder for pattern in INSTALLED for folder in sorted(Path("/").glob(pattern[1:]), reverse=True)]
    if on_path := shutil.which("rabbitmq-server"):
        folders.append(Path(on_path).resolve().parent)
    for scripts in folders:
        if (scripts / "rabbitmq-env").exists():  # only beside the real script
            return Installation("installed", scripts, {"PATH": f"{os.environ.get('PATH', '')}:{SYSTEM_PATH}"})
    raise NoServer("no rabbitmq-server on this machine")


def _unpacked(run_dir: Path) -> Installation:
    root = packages.unpacked(run_dir, packages.RABBITMQ)
    erlang = root / packages.ERLANG
    scripts = next(root.glob(packages.RABBITMQ.program)).parent
    env = {
        "PATH": f"{erlang / 'bin'}:{os.environ.get('PATH', '')}:{SYSTEM_PATH}",
        "ERL_ROOTDIR": str(erlang),
        "LD_LIBRARY_PATH": packages.library_path(root),
    }
    return Installation("from Debian packages", scripts, env)
