"""`.run`: what a killed run left is cleaned up, and nothing else is."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from rundir import NodeDir, free_ports, plain

SETUP = Path(__file__).parents[2] / "deploy/setup"
# Takes a folder, says which, and keeps it until it is killed.
HOLDER = "import sys, time; from pathlib import Path; from rundir import NodeDir\n"
HOLDER += "print(NodeDir(Path(sys.argv[1]), 'rabbitmq').path, flush=True); time.sleep(600)"
Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start() -> Iterator[Start]:
    started: list[subprocess.Popen[str]] = []

    def run(*command: str) -> subprocess.Popen[str]:
        started.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=SETUP))
        return started[-1]

    yield run
    for process in started:
        process.kill()
        process.communicate()


def folder_of(holder: subprocess.Popen[str]) -> Path:
    assert holder.stdout is not None
    return Path(holder.stdout.readline().strip())


def test_a_folder_in_use_stays_and_a_dead_runs_goes_with_its_processes(empty_run_dir: Path, start: Start) -> None:
    alive, dead = (start(sys.executable, "-c", HOLDER, str(empty_run_dir)) for _ in range(2))
    in_use, stale = folder_of(alive), folder_of(dead)
    sleeper = "import time; time.sleep(600)"
    left_over = start(sys.executable, "-c", sleeper, str(stale))
    with_its_old_number = start(sys.executable, "-c", sleeper)
    (stale / "rabbitmq.pids").write_text(f"{left_over.pid} {with_its_old_number.pid}\n")
    dead.kill()
    dead.wait()
    mine = NodeDir(empty_run_dir, "rabbitmq")
    assert left_over.wait(10) == -9
    assert with_its_old_number.poll() is None
    assert not stale.exists()
    assert in_use.exists()
    mine.remove()
    assert not mine.path.exists()


def test_a_folder_with_a_space_gets_a_stand_in(tmp_path: Path) -> None:
    spaced = tmp_path / "my files"
    stand_in = plain(spaced)
    assert " " not in str(stand_in)
    assert plain(spaced) == stand_in
    assert plain(tmp_path) == tmp_path
    stand_in.rmdir()


def test_ports_are_below_those_that_clients_get() -> None:
    first_outgoing = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    assert max(free_ports(20)) < max(first_outgoing, 16_000)
