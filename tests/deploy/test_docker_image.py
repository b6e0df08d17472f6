"""The Dockerfile, and its steps done by hand: what is built runs as nobody in particular, and is alive.

Strategy: there may be no Docker where the tests run, so RUN and COPY are carried out with the image's folders put
below one of the test's own, by this machine's Python. What is not shown: the base image itself.
"""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from rundir import free_ports

from tests.deploy.containers import DEPLOY, KINDS, ROOT, UID, image_environment, instructions

OURS = re.compile(r"(?<![\w./*-])(?=/(?:opt/mm7|src|dist|var/lib/mm7)\b)")
START_WITHIN = 20.0
ACCOUNT = '[accounts.one]\nprofile = "sinch"\ninbound = { open = true }\noutbound = { url = "http://127.0.0.1:9/" }\n'


def pins(lock: Path) -> dict[str, frozenset[str]]:
    """What a lock holds: "aiohttp==3.14.5" → its hashes."""
    found = re.findall(r"^([\w.-]+==[^ ;\\]+)((?:.|\n(?= ))*)", lock.read_text(), re.MULTILINE)
    return {pin: frozenset(re.findall(r"sha256:\w+", rest)) for pin, rest in found}


def test_the_linter_has_nothing_to_say():
    hadolint = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([hadolint, DEPLOY / "Dockerfile"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize(
    ("name", "has", "lacks"),
    [
        ("run.lock", {"aiohttp", "aio-pika", "lxml", "opentelemetry-sdk", "pillow"}, {"pytest", "ruff", "hatchling"}),
        ("build.lock", {"hatchling"}, {"pytest", "aiohttp"}),
    ],
)
def test_the_image_is_locked_to_what_was_tested(name, has, lacks):
    locked = pins(DEPLOY / "docker" / name)
    assert locked.items() <= pins(ROOT / "requirements.lock").items(), "make lock"
    names = {pin.partition("==")[0] for pin in locked}
    assert has <= names
    assert not lacks & names


def test_the_context_holds_what_is_copied_and_nothing_else():
    ignored = (ROOT / ".dockerignore").read_text().split("*\n", 1)[1].split()
    copied = [rest.split()[:-1] for name, rest in instructions() if name == "COPY" and "--from" not in rest]
    assert {f"!{source}" for sources in copied for source in sources} == set(ignored) - {"**/__pycache__"}


def test_the_image_says_who_it_is_how_it_ends_and_what_it_runs():
    last = dict(instructions())
    assert last["USER"] == f"{UID}:{UID}"
    assert last["STOPSIGNAL"] == "SIGTERM"
    assert json.loads(last["CMD"]) == ["mm7-gateway"]
    assert json.loads(last["HEALTHCHECK"].partition("CMD ")[2]) == ["python", "/opt/mm7/alive.py"]
    assert set(last["EXPOSE"].split()) == {"8080", "8081", "8082"}


@pytest.mark.parametrize(
    ("listens", "variables", "toml"),
    [
        ("127.0.0.1", {"MM7_ADMIN_HOST": "0.0.0.0", "MM7_ADMIN_PORT": "{port}"}, "admin_port = 1"),
        ("127.0.0.1", {"MM7_ADMIN_HOST": "0.0.0.0"}, "admin_port = {port}"),
        ("::1", {"MM7_ADMIN_HOST": "::"}, "admin_port = {port}"),
        ("127.0.0.1", {"MM7_ADMIN_PORT": "{port}"}, "admin_port is not TOML"),
    ],
)
def test_the_health_check_asks_where_the_settings_say(listens, variables, toml, tmp_path):
    path = tmp_path / "mm7.toml"
    with Pages((listens, 0), Live) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        path.write_text(toml.format(port=server.server_port))
        given = {name: value.format(port=server.server_port) for name, value in variables.items()}
        try:
            assert _check({"MM7_CONFIG": str(path), **given}) == 0
        finally:
            server.shutdown()
    assert _check({"MM7_CONFIG": str(path), **given}) == 1, "nobody is there any more"


class Pages(ThreadingHTTPServer):
    """One that takes either kind of address."""

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        super().__init__(address, handler)


class Live(BaseHTTPRequestHandler):
    """200 at /livez."""

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/livez" else 404)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def _check(environment: dict[str, str]) -> int:
    command = [sys.executable, DEPLOY / "docker" / "alive.py"]
    return subprocess.run(command, env=environment, check=False).returncode


@pytest.fixture(scope="module")
def image() -> Iterator[Path]:
    """A folder with what the image holds; others may look into it, as into an image."""
    folder = Path(tempfile.mkdtemp(prefix="mm7-image-"))
    folder.chmod(0o755)
    try:
        _build(folder)
        yield folder
    finally:
        shutil.rmtree(folder)


def _build(folder: Path) -> None:
    tools = folder / "tools"
    _run([sys.executable, "-m", "venv", tools], folder)  # stands for the base image's Python
    # Nothing of the tests' own Python: what pip finds there it takes for installed.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    environment["PATH"] = f"{tools}/bin:{environment['PATH']}"
    working = folder
    for name, rest in instructions():
        if name == "WORKDIR":
            working = Path(OURS.sub(str(folder), rest))
            working.mkdir(parents=True, exist_ok=True)
        elif name == "COPY" and "--from" not in rest:
            *sources, target = rest.split()
            _copy(sources, working / OURS.sub(str(folder), target))
        elif name == "RUN":
            command = OURS.sub(str(folder), rest).replace("--no-cache-dir", "")  # 28 MB, each time
            if os.geteuid():  # who is not root can give nothing away
                command = command.replace(f"-o {UID} -g {UID}", "")
            _run(["/bin/sh", "-ec", command], working, environment)


def _copy(sources: Sequence[str], target: Path) -> None:
    for source in sources:
        path = ROOT / source
        if path.is_dir():
            shutil.copytree(path, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(path, target)


def _run(command: Sequence[str | Path], folder: Path, environment: dict[str, str] | None = None) -> None:
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}:\n{done.stdout}\n{done.stderr}"


def _as_nobody() -> list[str | Path]:
    """Whoever starts the tests, the program is nobody in particular; it may read, as the interpreter may be root's."""
    if os.geteuid():
        return []
    if (setpriv := shutil.which("setpriv")) is None:
        pytest.skip("setpriv is not installed")
    reads = "-all,+dac_read_search"
    bounds = ["--bounding-set", reads, "--inh-caps", reads, "--ambient-caps", reads]
    return [setpriv, "--reuid", str(UID), "--regid", str(UID), "--clear-groups", "--no-new-privs", *bounds]


@pytest.fixture
def environment(image, tmp_path) -> dict[str, str]:
    """What the image sets, with loopback for the world, free ports, and a broker that is not there."""
    http, admin = free_ports(2)
    config = image / "mm7.toml"
    config.write_text(ACCOUNT)
    inner = {name: OURS.sub(str(image), value) for name, value in image_environment().items()}
    mine = {"MM7_CONFIG": str(config), "MM7_AMQP_URL": "amqp://127.0.0.1:9/", "HOME": "/nowhere"}
    ports = {"MM7_HTTP_PORT": str(http), "MM7_ADMIN_PORT": str(admin)}
    hosts = {"MM7_HTTP_HOST": "127.0.0.1", "MM7_ADMIN_HOST": "127.0.0.1"}
    return {**inner, **mine, **ports, **hosts, "PATH": f"{image}/opt/mm7/bin:/usr/bin:/bin"}


@pytest.mark.builds
@pytest.mark.timeout(300)  # half a minute's work, most of it pip's; on a busy machine more
@pytest.mark.parametrize("program", KINDS)
def test_its_steps_done_by_hand_give_a_program_that_runs_as_nobody_and_is_alive(image, environment, program):
    before = _files(image / "opt")
    check = [*_as_nobody(), image / "opt/mm7/bin/python", image / "opt/mm7/alive.py"]
    start = [*_as_nobody(), image / "opt/mm7/bin" / program]
    folder = image / "var/lib/mm7"
    assert subprocess.run(check, env=environment, check=False).returncode == 1, "nothing runs yet"
    with subprocess.Popen(start, env=environment, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as run:
        try:
            deadline = time.monotonic() + START_WITHIN
            while subprocess.run(check, env=environment, check=False).returncode:
                assert run.poll() is None, run.stdout.read().decode()
                assert time.monotonic() < deadline, "not alive"
            status = Path(f"/proc/{run.pid}/status").read_text()
            run.terminate()
            log = run.stdout.read().decode()
            assert (run.wait(15), "Traceback" in log) == (0, False), log
        finally:
            run.kill()
    assert re.search(r"^Uid:\s+(?!0\s)\d+", status, re.MULTILINE)
    assert _files(image / "opt") == before, "an image is read-only"


def _files(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))
