"""Three private RabbitMQ nodes that are one cluster, on loopback; for the tests."""

import secrets
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self

import installation
from private_server import Startable
from rabbitmq import Epmd, RabbitNode
from rundir import RUN_DIR, NodeDir, allowed_sources

SIZE = 3
CONFIG = """\
cluster_formation.peer_discovery_backend = classic_config
{}cluster_partition_handling = pause_minority
"""


class RabbitCluster(Startable):
    """Nodes that may each be killed, stopped and frozen, and started again: `nodes` are ordinary RabbitNodes."""

    def __init__(self, server: installation.Installation, run_dir: Path = RUN_DIR, size: int = SIZE) -> None:
        self._dir = NodeDir(run_dir, "epmd")
        self._epmd = Epmd(server.epmd, self._dir.path)  # outlives each of the nodes
        cookie = secrets.token_hex(16)
        self.nodes = [RabbitNode(server, run_dir, epmd=self._epmd, cookie=cookie) for _ in range(size)]
        first = self.nodes[0]
        for node in self.nodes:
            # The first knows of none but itself: it would wait five seconds for the others before it founds a cluster.
            node.configure(CONFIG.format("".join(map(_seed, range(1, 3), dict.fromkeys([first.name, node.name])))))

    @classmethod
    def create(cls, run_dir: Path = RUN_DIR, sources: Sequence[str] | None = None) -> Self:
        """Of the first server that is there; `NoServer` lists what was tried."""
        return cls(installation.first(sources or allowed_sources(), run_dir), run_dir)

    def start(self) -> None:
        """Return when a client can connect to every node. The first node founds the cluster that the others join."""
        self._epmd.start()
        first, *others = self.nodes
        first.start()
        with ThreadPoolExecutor() as threads:
            list(threads.map(RabbitNode.start, others))

    def leader(self, queue: str) -> RabbitNode | None:
        """The node that has the say over a quorum queue; None if there is none just now."""
        name = self._column("leader", queue)
        return next((node for node in self.nodes if node.name == name), None)

    def members(self, queue: str) -> list[RabbitNode]:
        """The nodes that hold a quorum queue, those that are down included."""
        names = self._column("members", queue)
        return [node for node in self.nodes if node.name in names]

    def _column(self, name: str, queue: str) -> str:
        asked = next(node for node in self.nodes if node.alive)
        rows = asked.ctl("list_queues", "name", name, "--no-table-headers").splitlines()
        return dict(row.split("\t", 1) for row in rows if "\t" in row).get(queue, "")

    def destroy(self) -> None:
        for node in self.nodes:
            node.destroy()
        self._epmd.stop()
        self._dir.remove()


def _seed(number: int, name: str) -> str:
    return f"cluster_formation.classic_config.nodes.{number} = {name}\n"
