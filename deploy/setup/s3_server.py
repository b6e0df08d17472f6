"""A private S3 API server that is not ours: moto's, on loopback, all in memory."""

import os
import sys
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from guard import Guarded
from private_server import PrivateServer
from rundir import RUN_DIR, free_ports

START_WITHIN = 20.0
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # whatever proxy the machine has


class S3Server(PrivateServer):
    """One server. It may be paused, or stopped and started again on the same port; what it held is gone then."""

    def __init__(self, run_dir: Path = RUN_DIR) -> None:
        super().__init__(run_dir, "s3")
        (self.port,) = free_ports(1)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def env(self) -> Mapping[str, str]:
        """The variables by which any S3 client finds it."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": "us-east-1",
            "NO_PROXY": "127.0.0.1",
        }

    def start(self) -> None:
        """Return when it answers; `StartFailed` when it does not."""
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)]
        self.running = Guarded("s3", command, folder=self.data_dir, env=os.environ)
        self.wait_for(self._answers, START_WITHIN, "S3 server (moto)")

    def _answers(self) -> bool:
        try:
            return bool(self.ask("GET", "") == 200)
        except OSError:
            return False

    def make_bucket(self, name: str) -> None:
        self.ask("PUT", name)

    def ask(self, method: str, path: str) -> int:
        """The status of a plain request; OSError for an error of any kind."""
        request = urllib.request.Request(f"{self.url}/{path}", method=method)  # noqa: S310 - our own loopback
        with _DIRECT.open(request, timeout=5) as response:
            return int(response.status)
