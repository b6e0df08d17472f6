"""A server in a container of a local Docker engine: published on loopback only, gone when we are."""

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from guard import Guarded
from problems import NoServer, StartFailed
from rundir import NodeDir, say

ENGINE_ANSWERS_WITHIN, PULL_WITHIN, START_WITHIN = 5.0, 600.0, 60.0


@dataclass(frozen=True)
class Image:
    """What to run, its port inside, the URL for a port outside, and who must answer there."""

    name: str
    port: int
    url: str
    version: Callable[[str], str | None]


class Container:
    """One server in a container; the image is there once this object is."""

    origin = "in Docker"

    def __init__(self, image: Image, run_dir: Path) -> None:
        self._image = image
        _check_engine()
        _pull(image.name)
        self._dir = NodeDir(run_dir, "docker")
        self._name = f"mm7-{self._dir.unique}"
        self.url = ""
        self.version = ""
        self._client: Guarded | None = None

    def start(self) -> None:
        """Return when the server answers; `StartFailed` when it does not within a minute."""
        publish = ["-p", f"127.0.0.1::{self._image.port}"]
        command = ["docker", "run", "--rm", "--name", self._name, *publish, self._image.name]
        remove = ["docker", "rm", "--force", "--volumes", self._name]  # killing the client would leave the container
        self._client = Guarded("docker", command, folder=self._dir.path, env=os.environ, after=remove)
        deadline = time.monotonic() + START_WITHIN
        while not self.version:
            if not self._client.alive or time.monotonic() > deadline:
                raise StartFailed(f"the container did not start; its log ends:\n{self._client.log_tail()}")
            time.sleep(0.2)
            self.url = self._image.url.format(port=_published(self._name, self._image.port))
            self.version = self._image.version(self.url) or ""

    def destroy(self) -> None:
        if self._client:
            self._client.kill()
        self._dir.remove()


def _check_engine() -> None:
    if not shutil.which("docker"):
        raise NoServer("no docker command")
    if _docker("info", within=ENGINE_ANSWERS_WITHIN) is None:
        raise NoServer("the Docker engine does not answer")


def _pull(image: str) -> None:
    if _docker("image", "inspect", image) is None:
        say(f"setup: pulling the Docker image {image} (once) …")
        if _docker("pull", "--quiet", image, within=PULL_WITHIN) is None:
            raise NoServer(f"docker pull {image} failed")


def _published(name: str, port: int) -> str:
    """The loopback port that Docker chose; "0" while it has not."""
    shown = _docker("port", name, f"{port}/tcp") or ""
    return shown.strip().splitlines()[0].rpartition(":")[2] if shown.strip() else "0"


def _docker(*args: str, within: float = 20.0) -> str | None:
    """What docker prints; None when it fails or takes longer."""
    try:
        done = subprocess.run(
            ["docker", *args], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=within, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
