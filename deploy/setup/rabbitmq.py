"""A private, real RabbitMQ node: loopback only, its own data, name, cookie and ports; and its faults, for the tests."""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import installation
from guard import Guarded
from handshake import rabbitmq_version
from installation import Installation
from private_server import PrivateServer
from rundir import RUN_DIR, allowed_sources, free_ports

START_WITHIN = 60.0
MEMORY_BYTES = 1 << 30
CONFIG = f"""\
vm_memory_high_watermark.absolute = {MEMORY_BYTES}
disk_free_limit.absolute = 50MB
log.console = true
log.console.level = info
log.file = false
"""
LOOPBACK = "-kernel inet_dist_use_interface {127,0,0,1}"


class Epmd:
    """Erlang's directory of nodes: in the foreground and ours. The one that Erlang would start stays as a daemon."""

    def __init__(self, program: str, folder: Path) -> None:
        self._program = folder / "epmd"  # by this name, so that its command line says whose it is
        self._program.symlink_to(program)
        (self.port,) = free_ports(1)
        self._running: Guarded | None = None

    def start(self) -> None:
        if not (self._running and self._running.alive):
            command = [str(self._program), "-port", str(self.port), "-address", "127.0.0.1"]
            self._running = Guarded("epmd", command, folder=self._program.parent, env=os.environ)

    def stop(self) -> None:
        if self._running:
            self._running.kill()
            self._running = None


class RabbitNode(PrivateServer):
    """One node. It may be stopped or killed and started again, on the same ports with the same data.

    Nodes that are to find each other share an `epmd`, which is then not theirs to start and to stop, and a `cookie`.
    """

    stop_within = 20.0

    def __init__(
        self, server: Installation, run_dir: Path = RUN_DIR, *, epmd: Epmd | None = None, cookie: str = ""
    ) -> None:
        super().__init__(run_dir, "rabbitmq")
        self._server = server
        self.port, self._dist_port = free_ports(2)
        self.name = f"mm7-{self._dir.unique}@localhost"
        self.version = ""
        self._shares_epmd = epmd is not None
        self._epmd = epmd or Epmd(server.epmd, self.data_dir)
        self._env = self._environment()
        self.configure(CONFIG)
        (self.data_dir / "enabled_plugins").write_text("[].\n")
        if cookie:
            (self.data_dir / ".erlang.cookie").write_text(cookie)
            (self.data_dir / ".erlang.cookie").chmod(0o400)

    @classmethod
    def create(cls, run_dir: Path = RUN_DIR, sources: Sequence[str] | None = None) -> Self:
        """A node of the first server that is there; `NoServer` lists what was tried."""
        return cls(installation.first(sources or allowed_sources(), run_dir), run_dir)

    @property
    def url(self) -> str:
        return f"amqp://guest:guest@127.0.0.1:{self.port}/"

    @property
    def origin(self) -> str:
        return self._server.origin

    def configure(self, text: str) -> None:
        """Add lines to rabbitmq.conf; they count from the next start."""
        with (self.data_dir / "rabbitmq.conf").open("a") as file:
            file.write(text)

    def expose_metrics(self) -> int:
        """Let it tell Prometheus of itself from the next start on; the port. (Its plugin, part of every RabbitMQ.)"""
        (port,) = free_ports(1)
        self.configure(f"prometheus.tcp.ip = 127.0.0.1\nprometheus.tcp.port = {port}\n")
        (self.data_dir / "enabled_plugins").write_text("[rabbitmq_prometheus].\n")
        return port

    def start(self) -> None:
        """Return when a client can connect; `StartFailed` after a minute or when the node gives up."""
        if not self._shares_epmd:
            self._epmd.start()
        command = [self._server.program("rabbitmq-server")]
        self.running = Guarded("rabbitmq", command, folder=self.data_dir, env=self._env)
        self.version = self.wait_for(lambda: rabbitmq_version(self.url), START_WITHIN, "RabbitMQ node")

    def stop(self) -> None:
        """End the node, and its directory of nodes."""
        super().stop()
        self._stop_epmd()

    def kill(self) -> None:
        """The same at once."""
        super().kill()
        self._stop_epmd()

    def ctl(self, *args: str, program: str = "rabbitmqctl", timeout: float = 30) -> str:
        """What `rabbitmqctl` (or another of its kind) prints for `args`; about half a second a call."""
        command = [self._server.program(program), "--quiet", *args]
        done = subprocess.run(
            command,
            env=self._env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{program} {' '.join(args)}: {done.stdout}{done.stderr}")
        return done.stdout

    def wait_until_dispensable(self) -> None:
        """Return when no quorum queue would lose its majority with this node: it may be stopped."""
        self.ctl("await_online_quorum_plus_one", program="rabbitmq-upgrade", timeout=60)

    def alarm(self, on: bool) -> None:  # noqa: FBT001 - alarm(True) reads as it should
        """Raise or clear the memory alarm: while it is on, publishers are blocked."""
        self.ctl("set_vm_memory_high_watermark", *(["0.000001"] if on else ["absolute", str(MEMORY_BYTES)]))

    def close_connections(self, reason: str = "closed by a test") -> None:
        self.ctl("close_all_connections", reason)

    def disk_alarm(self, on: bool) -> None:  # noqa: FBT001 - as above
        """Raise or clear the disk alarm."""
        self.ctl("set_disk_free_limit", "1000000GB" if on else "50MB")

    def _stop_epmd(self) -> None:
        if not self._shares_epmd:
            self._epmd.stop()

    def _environment(self) -> dict[str, str]:
        """All that makes the node private; whatever the user has set for another RabbitMQ is left out."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("RABBITMQ_", "ERL_")) and k != "NOTIFY_SOCKET"}
        folder = str(self.data_dir)
        return {
            **kept,
            **self._server.env,
            "LC_ALL": "C.UTF-8",
            "HOME": folder,  # the Erlang cookie's place
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": str(self._epmd.port),
            "RABBITMQ_NODENAME": self.name,
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(self._dist_port),
            "RABBITMQ_MNESIA_BASE": f"{folder}/data",
            "RABBITMQ_LOG_BASE": f"{folder}/log",
            "RABBITMQ_CONFIG_FILE": f"{folder}/rabbitmq.conf",
            "RABBITMQ_ADVANCED_CONFIG_FILE": f"{folder}/advanced.config",
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{folder}/enabled_plugins",
            "RABBITMQ_GENERATED_CONFIG_DIR": f"{folder}/config",
            "RABBITMQ_PID_FILE": f"{folder}/rabbitmq.pid",
            "RABBITMQ_CONF_ENV_FILE": f"{folder}/rabbitmq-env.conf",  # never there, so not the one in /etc
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": f"{LOOPBACK} -start_epmd false -mm7 folder {folder}",
            # Without its busy waiting, a call on a machine that is at its limit takes two seconds and not thirty.
            "RABBITMQ_CTL_ERL_ARGS": f"{LOOPBACK} -start_epmd false +sbwt none +sbwtdcpu none +sbwtdio none",
            "RABBITMQ_CTL_DIST_PORT_MIN": "0",  # any port: ten fixed ones would be shared by all nodes
            "RABBITMQ_CTL_DIST_PORT_MAX": "0",
            "RABBITMQ_SCHEDULER_BUSY_WAIT_THRESHOLD": "very_short",  # the default, none, doubles the time to start
            "RUNNING_UNDER_SYSTEMD": "true",  # the script then becomes the virtual machine: one process to signal
        }
