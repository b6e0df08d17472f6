"""HAProxy before receivers and the nodes of a cluster, on loopback."""

from collections.abc import Sequence
from typing import NamedTuple

import programs
from guard import Guarded
from private_server import PrivateServer
from rundir import RUN_DIR, free_ports

from tests.conftest import _listens

START_WITHIN = 10.0
CONFIG = """\
global
  maxconn 2000
defaults
  timeout connect 1s
  timeout client 60s
  timeout server 60s
frontend callbacks
  mode http
  bind 127.0.0.1:{port}
  default_backend receivers
backend receivers
  mode http
  balance leastconn
  option httpchk GET /readyz
  option redispatch 1
  retries 3
  retry-on conn-failure empty-response
  default-server check inter 500ms fall 1 rise 2
{receivers}
listen amqp
  mode tcp
  timeout client 1h
  timeout server 1h
  bind 127.0.0.1:{amqp_port}
  default-server check inter 500ms fall 1 rise 2 on-marked-down shutdown-sessions
{nodes}
"""


class Place(NamedTuple):
    """Where a receiver is expected."""

    http_port: int
    admin_port: int


class Balancer(PrivateServer):
    """HAProxy: callbacks to whichever receiver is ready, AMQP to whichever node is up."""

    def __init__(self, receivers: Sequence[Place], nodes: Sequence[int]) -> None:
        self._program = programs.find("haproxy")
        super().__init__(RUN_DIR, "haproxy")
        self.port, self.amqp_port = free_ports(2)
        self._receivers, self._nodes = receivers, nodes

    @property
    def amqp_url(self) -> str:
        return f"amqp://guest:guest@127.0.0.1:{self.amqp_port}/"

    def start(self) -> None:
        """Return when it listens."""
        file = self.data_dir / "haproxy.cfg"
        file.write_text(self._config())
        command = [self._program.path, "-db", "-f", str(file)]
        self.running = Guarded("haproxy", command, folder=self.data_dir, env=self._program.environment)
        self.wait_for(lambda: _listens(self.port) or None, START_WITHIN, "HAProxy")

    def _config(self) -> str:
        receivers = (
            f"  server r{n} 127.0.0.1:{each.http_port} port {each.admin_port}" for n, each in enumerate(self._receivers)
        )
        nodes = (f"  server n{n} 127.0.0.1:{port}" for n, port in enumerate(self._nodes))
        return CONFIG.format(
            port=self.port, amqp_port=self.amqp_port, receivers="\n".join(receivers), nodes="\n".join(nodes)
        )
