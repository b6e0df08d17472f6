"""A private, real Prometheus: loopback only, its data in its own folder, asked through its HTTP API."""

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import programs
from guard import Guarded
from private_server import PrivateServer
from rundir import RUN_DIR, free_ports

START_WITHIN = 20.0


class QueryFailed(Exception):
    """Prometheus' own words."""


class PrometheusServer(PrivateServer):
    """One server. `config` is what stands in prometheus.yml, as JSON is YAML too; `NoServer` where there is none."""

    def __init__(self, config: dict[str, Any], run_dir: Path = RUN_DIR, sources: Sequence[str] | None = None) -> None:
        self._program = programs.find("prometheus", run_dir, sources)
        super().__init__(run_dir, "prometheus")
        (self.port,) = free_ports(1)
        (self.data_dir / "prometheus.yml").write_text(json.dumps(config), encoding="utf-8")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Return when it answers queries; `StartFailed` when it does not."""
        self.running = Guarded("prometheus", self._command(), folder=self.data_dir, env=self._program.environment)
        self.wait_for(self._ready, START_WITHIN, "Prometheus")

    def ask(self, path: str, **parameters: object) -> Any:
        """`data` of /api/v1/<path>; `QueryFailed` where it says that a query is wrong."""
        words = urllib.parse.urlencode(parameters, doseq=True)
        try:
            with urllib.request.urlopen(f"{self.url}/api/v1/{path}?{words}", timeout=30) as answer:  # noqa: S310  # http
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise QueryFailed(error.read().decode(errors="replace")) from error

    def _ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/-/ready", timeout=2) as answer:  # noqa: S310  # http
                return bool(answer.status == 200)
        except OSError:
            return False

    def _command(self) -> list[str]:
        program = self.data_dir / "prometheus"  # by this name, so that its command line says whose it is
        if not program.is_symlink():
            program.symlink_to(self._program.path)
        options = {
            "config.file": self.data_dir / "prometheus.yml",
            "storage.tsdb.path": self.data_dir / "data",
            "web.listen-address": f"127.0.0.1:{self.port}",
        }
        return [str(program), *(f"--{name}={value}" for name, value in options.items())]
