"""The checkout's `.run`: locks, folders of running servers, ports; what a killed run left there is cleaned up."""

import contextlib
import fcntl
import hashlib
import os
import random
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
RUN_DIR = CHECKOUT / ".run"
SOURCES = ("running", "docker", "installed", "packages")


def allowed_sources() -> tuple[str, ...]:
    """`MM7_SETUP_SOURCES` (a comma list) or all of `SOURCES`, always in their order."""
    wanted = os.environ.get("MM7_SETUP_SOURCES")
    return SOURCES if wanted is None else tuple(source for source in SOURCES if source in wanted.split(","))


def say(text: str) -> None:
    """One line of progress; whole lines, since two set-up steps may run at the same time."""
    print(text, file=sys.stderr, flush=True)


def plain(run_dir: Path) -> Path:
    """`run_dir`, or a folder of ours in its place: RabbitMQ's shell scripts break on a path with a space."""
    path = run_dir.resolve()
    if re.fullmatch(r"[\w./+@,=-]+", str(path), re.ASCII):
        path.mkdir(parents=True, exist_ok=True)
        return path
    digest = hashlib.sha256(str(path).encode()).hexdigest()[:10]
    elsewhere = Path(tempfile.gettempdir()) / f"mm7-run-{os.getuid()}-{digest}"
    elsewhere.mkdir(mode=0o700, exist_ok=True)
    if elsewhere.is_symlink() or elsewhere.stat().st_uid != os.getuid():
        raise PermissionError(f"{elsewhere} belongs to someone else")
    return elsewhere


@contextlib.contextmanager
def locked(path: Path, while_waiting: str = "") -> Iterator[None]:
    """Hold the lock file `path`; the kernel gives it back however we end."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        if not _lock(file.fileno()):
            if while_waiting:
                say(while_waiting)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


class NodeDir:
    """A folder for one server, ours for as long as we live: a lock on its `owner` file says so."""

    def __init__(self, run_dir: Path, kind: str) -> None:
        parent = plain(run_dir) / kind
        with locked(parent / ".lock"):  # else another start could take a folder without its lock for a stale one
            for stale in parent.glob("*/owner"):
                _remove_if_stale(stale)
            self.unique = f"{os.getpid()}-{secrets.token_hex(3)}"
            self.path = parent / self.unique
            self.path.mkdir(mode=0o700)
            self._owner = os.open(self.path / "owner", os.O_CREAT | os.O_WRONLY, 0o600)
            _lock(self._owner)

    def remove(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)
        with contextlib.suppress(OSError):
            os.close(self._owner)


def _remove_if_stale(owner: Path) -> None:
    with contextlib.suppress(FileNotFoundError), owner.open("a") as file:
        if _lock(file.fileno()):
            for pids in owner.parent.glob("*.pids"):
                _end_leftovers(pids)
            shutil.rmtree(owner.parent, ignore_errors=True)


def _end_leftovers(pids: Path) -> None:
    """End what a dead run's pid file names, if it still is that and not a new process with an old number."""
    for pid in map(int, pids.read_text().split()):
        if str(pids.parent) in command_line(pid):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)


def command_line(pid: int) -> str:
    """What `pid` runs, with spaces between its arguments; empty when it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(errors="replace").replace("\0", " ")
    except OSError:
        if Path("/proc/self").exists():
            return ""
    shown = subprocess.run(["ps", "-o", "command=", "-p", str(pid)], check=False, capture_output=True, text=True)
    return shown.stdout


def free_ports(count: int) -> list[int]:
    """Loopback ports that nobody listens on.

    Below the system's range for outgoing connections: a client that retries towards a killed broker inside that range
    can be given the broker's own port as its source, connect to itself and keep the broker from starting again.
    """
    first, last = 15_000, _first_outgoing_port()
    found: list[int] = []
    while len(found) < count:
        port = random.randrange(first, last)  # noqa: S311 - not a secret
        if port not in found and _is_free(port):
            found.append(port)
    return found


def _first_outgoing_port() -> int:
    try:
        return max(16_000, int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0]))
    except OSError:
        return 32_768


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
