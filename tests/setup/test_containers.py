"""Servers in Docker, with a stand-in for the `docker` command that notes how it was called."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from containers import Container, Image
from problems import NoServer, StartFailed

IMAGE = Image("thing:1", 1234, "thing://127.0.0.1:{port}/", lambda url: "9.9" if ":4567/" in url else None)
DOCKER = """#!/bin/sh
echo "$@" >> {notes}
case "$1 $2" in
  "port "*) echo 127.0.0.1:4567;;
  "run "*) exec sleep 600;;
esac
"""
# Starts a container and is killed.
VICTIM = """
import os, signal, sys
from pathlib import Path
from containers import Container, Image
server = Container(Image("thing:1", 1234, "{port}", lambda url: "9.9"), Path(sys.argv[1]))
server.start()
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The stand-in, first on PATH."""
    script = tmp_path / "bin/docker"
    script.parent.mkdir()
    script.write_text(DOCKER.format(notes=tmp_path / "notes"))
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{script.parent}:/usr/bin:/bin")
    return script


def test_a_container_is_published_on_loopback_and_removed_at_the_end(docker: Path, empty_run_dir: Path) -> None:
    server = Container(IMAGE, empty_run_dir)
    server.start()
    assert (server.url, server.version) == ("thing://127.0.0.1:4567/", "9.9")
    server.destroy()
    notes = (docker.parents[1] / "notes").read_text()
    assert "-p 127.0.0.1::1234 thing:1" in notes
    assert notes.splitlines()[-1].startswith("rm --force --volumes mm7-")


def test_kill_9_of_its_owner_removes_the_container(
    docker: Path, empty_run_dir: Path, eventually: Callable[[Callable[[], object]], bool]
) -> None:
    setup = Path(__file__).parents[2] / "deploy/setup"
    victim = subprocess.run([sys.executable, "-c", VICTIM, str(empty_run_dir)], cwd=setup, check=False)
    assert victim.returncode == -9
    assert eventually(lambda: "rm --force" in (docker.parents[1] / "notes").read_text())


def test_an_engine_that_is_down_or_cannot_pull_or_run_is_said(docker: Path, empty_run_dir: Path) -> None:
    docker.write_text('#!/bin/sh\n[ "$1" != run ]\n')
    server = Container(IMAGE, empty_run_dir)
    with pytest.raises(StartFailed, match="did not start"):
        server.start()
    server.destroy()
    docker.write_text('#!/bin/sh\n[ "$1" = info ]\n')
    with pytest.raises(NoServer, match="docker pull thing:1 failed"):
        Container(IMAGE, empty_run_dir)
    docker.write_text("#!/bin/sh\nexit 1\n")
    with pytest.raises(NoServer, match="does not answer"):
        Container(IMAGE, empty_run_dir)
