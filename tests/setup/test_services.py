"""`services.py run`: the command gets its servers, its signals and its exit code, and nothing is left running."""

import contextlib
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from handshake import rabbitmq_version
from rundir import command_line

SERVICES = Path(__file__).parents[2] / "deploy/setup/services.py"
ELSEWHERE = "amqp://someone:secret@broker.example:5671/somewhere?heartbeat=7"
CHECK = """
import os, handshake
assert handshake.rabbitmq_version(os.environ["MM7_AMQP_URL"])
assert handshake.redis_version(os.environ["MM7_TEST_REDIS_URL"])
raise SystemExit(7)
"""
# Says that it is there, ends after a signal and says which came.
WAIT = """
import os, signal, time
seen = []
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, lambda number, _: seen.append(number))
print("here", os.environ["MM7_AMQP_URL"], flush=True)
while not seen:
    time.sleep(0.01)
time.sleep(0.3)  # for a second one, which must not come
print("signals", *map(int, seen), flush=True)
raise SystemExit(5)
"""
Eventually = Callable[[Callable[[], object]], bool]


class Services:
    """Starts `services.py` as a user would, without a terminal, with private servers only."""

    def __init__(self, run_dir: Path) -> None:
        self.run_dir = run_dir
        self.env = {k: v for k, v in os.environ.items() if k not in {"MM7_AMQP_URL", "MM7_TEST_REDIS_URL"}}
        self.env |= {"MM7_SETUP_SOURCES": "installed,packages", "PYTHONPATH": str(SERVICES.parent)}
        self.started: list[subprocess.Popen[str]] = []

    def command(self, *command: str, redis: bool = False) -> list[str]:
        options = ["--redis"] if redis else []
        return [sys.executable, str(SERVICES), "--run-dir", str(self.run_dir), "run", *options, "--", *command]

    def start(self, *command: str, redis: bool = False, **env: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            self.command(*command, redis=redis),
            env=self.env | env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.started.append(process)
        return process

    def run(self, *command: str, redis: bool = False, **env: str) -> tuple[int, str, str]:
        process = self.start(*command, redis=redis, **env)
        out, err = process.communicate(timeout=60)
        return process.returncode, out, err

    def running(self) -> list[str]:
        """What runs with our folder in its command line, but for the wrapper itself."""
        lines = [command_line(int(entry.name)) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
        return [line for line in lines if str(self.run_dir) in line and "services.py" not in line]

    def folders(self) -> list[Path]:
        return [folder for kind in ("rabbitmq", "redis") for folder in (self.run_dir / kind).glob("*/")]


def _services(folder: Path) -> Iterator[Services]:
    services = Services(folder)
    yield services
    for process in services.started:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        process.communicate()


@pytest.fixture
def services(run_dir: Path) -> Iterator[Services]:
    yield from _services(run_dir)


@pytest.fixture
def bare(empty_run_dir: Path) -> Iterator[Services]:
    """For what needs no server."""
    yield from _services(empty_run_dir)


def here(process: subprocess.Popen[str]) -> str:
    """Wait for the WAIT command; the URL it was given."""
    assert process.stdout is not None
    word, _, url = process.stdout.readline().strip().partition(" ")
    assert word == "here", process.communicate()
    return url


def test_the_command_gets_servers_that_answer_and_its_exit_code_is_ours(services: Services) -> None:
    code, _, err = services.run(sys.executable, "-c", CHECK, redis=True)
    assert code == 7, err
    assert "broker: private RabbitMQ" in err
    assert services.running() == []
    assert services.folders() == []


def test_two_runs_at_once_have_a_broker_each_and_end_cleanly_on_sigterm(services: Services) -> None:
    runs = [services.start(sys.executable, "-c", WAIT) for _ in range(2)]
    urls = {here(run) for run in runs}
    assert len(urls) == 2
    assert all(rabbitmq_version(url) for url in urls)
    for run in runs:
        run.send_signal(signal.SIGTERM)
    assert [run.communicate(timeout=30)[0] for run in runs] == ["signals 15\n", "signals 15\n"]
    assert [run.returncode for run in runs] == [5, 5]
    assert services.running() == []
    assert services.folders() == []


def test_kill_9_of_the_wrapper_leaves_nothing_running(services: Services, eventually: Eventually) -> None:
    run = services.start(sys.executable, "-c", WAIT, redis=True)
    url = here(run)
    run.kill()
    assert eventually(lambda: services.running() == []), services.running()
    assert rabbitmq_version(url) is None
    assert run.communicate(timeout=30)[0] == "signals 15\n", "the command was not ended"


def test_a_signal_while_the_broker_starts_unwinds(services: Services, eventually: Eventually) -> None:
    run = services.start(sys.executable, "-c", WAIT)
    assert eventually(services.running)
    run.send_signal(signal.SIGINT)
    out, err = run.communicate(timeout=30)
    assert (run.returncode, out) == (130, "")
    assert "Traceback" not in err
    assert services.running() == []
    assert services.folders() == []


def test_a_url_that_is_set_is_passed_on_as_it_is(bare: Services) -> None:
    show = "import os; print(os.environ['MM7_AMQP_URL'], os.environ['MM7_TEST_REDIS_URL'])"
    _, out, _ = bare.run(
        sys.executable, "-c", show, redis=True, MM7_AMQP_URL=ELSEWHERE, MM7_TEST_REDIS_URL="redis://x/3"
    )
    assert out == f"{ELSEWHERE} redis://x/3\n"


def test_stdin_reaches_the_command(bare: Services) -> None:
    env = bare.env | {"MM7_AMQP_URL": ELSEWHERE}
    done = subprocess.run(bare.command("cat"), env=env, input="words\n", capture_output=True, text=True, check=True)
    assert done.stdout == "words\n"


def test_a_command_that_is_not_there_is_said_before_anything_starts(bare: Services) -> None:
    code, _, err = bare.run("no-such-command")
    assert (code, err) == (127, "setup: there is no command no-such-command\n")


def test_a_command_ended_by_a_signal_gives_the_shell_code(bare: Services) -> None:
    code, _, _ = bare.run("sh", "-c", "kill -9 $$", MM7_AMQP_URL=ELSEWHERE)
    assert code == 128 + 9


def test_what_the_command_forgot_is_ended(bare: Services, eventually: Eventually) -> None:
    code, out, _ = bare.run("sh", "-c", "sleep 600 > /dev/null 2>&1 & echo $!", MM7_AMQP_URL=ELSEWHERE)
    assert code == 0
    assert eventually(lambda: "sleep" not in command_line(int(out)))


def test_ctrl_c_in_a_terminal_reaches_the_command_once_and_we_wait_for_it(bare: Services) -> None:
    pid, terminal = pty.fork()
    if not pid:
        command = bare.command(sys.executable, "-c", WAIT)
        os.execve(command[0], command, bare.env | {"MM7_AMQP_URL": ELSEWHERE})
    shown = _read_until(terminal, "here")
    os.write(terminal, b"\x03")
    shown += _read_until(terminal, "signals")
    _, status = os.waitpid(pid, 0)
    os.close(terminal)
    assert "signals 2\r\n" in shown
    assert os.waitstatus_to_exitcode(status) == 5


def _read_until(terminal: int, word: str) -> str:
    shown = ""
    while not (word in shown and shown.endswith("\n")):
        shown += os.read(terminal, 1024).decode()
    return shown


def test_no_server_to_be_had_is_one_message_that_says_what_to_install(bare: Services, tmp_path: Path) -> None:
    nothing = tmp_path / "bin"
    nothing.mkdir()
    code, out, err = bare.run(sys.executable, "-c", WAIT, MM7_SETUP_SOURCES="docker,packages", PATH=str(nothing))
    assert (code, out) == (69, "")
    first = "broker: no RabbitMQ can be had here. Start Docker, or install rabbitmq-server, or set MM7_AMQP_URL to "
    assert err.splitlines() == [
        f"{first}the URL of a RabbitMQ. Tried:",
        "  docker: no docker command",
        "  packages: this is not Debian or Ubuntu (apt-get is not there)",
    ]
