"""The units: systemd finds nothing wrong with them, and the programs work under what they allow."""

import ctypes.util
import hashlib
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from rundir import free_ports

from gateway import app as receiver_app
from gateway import mm7
from gateway.accounts import Outbound
from gateway.settings import Settings
from gateway.telemetry import tracing
from gateway.tools.simulator import Simulator
from tests.deploy import confined
from workers import app as worker_app

ROOT = Path(__file__).parents[2]
UNITS = ROOT / "deploy" / "systemd"
COMMON = UNITS / "mm7-.service.d" / "common.conf"
SERVICES = {"mm7-receiver@.service": "gateway", "mm7-worker@.service": "workers", "mm7-media-prune.service": ""}
MM7 = "from gateway.tools.cli import main; main()"
GUIDE = ROOT / "deploy" / "README.md"
BALANCED = 3.0  # MM7_DRAIN_SECONDS as HAProxy wants it
TIMEOUT = Outbound.model_fields["timeout"].default
EXPOSURE = 15  # of 100; the network is most of it
PICTURE = mm7.Part(content_type="image/png", data=bytes(range(256)) * 40, filename="a.png")

needs_systemd = pytest.mark.skipif(
    not shutil.which("systemd-analyze"), reason="no systemd-analyze, which cannot be had without systemd itself"
)


@pytest.fixture
def analyze(tmp_path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """systemd-analyze over the units, instances as 8080; the programs are taken to be where they belong."""
    for path in UNITS.rglob("*"):
        if path.is_file() and path.suffix in (".service", ".conf", ".target", ".timer"):
            target = tmp_path / path.relative_to(UNITS).with_name(path.name.replace("@.", "@8080."))
            target.parent.mkdir(exist_ok=True)
            target.write_text(path.read_text().replace("/opt/mm7/bin/", f"{tmp_path}/bin/"))
    (tmp_path / "bin").mkdir()
    for name in ("mm7", "mm7-gateway", "mm7-worker"):
        (tmp_path / "bin" / name).symlink_to(sys.executable)

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {"SYSTEMD_UNIT_PATH": f"{tmp_path}:", "PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}
        command = ["systemd-analyze", *arguments]
        return subprocess.run(command, check=False, env=environment, cwd=tmp_path, capture_output=True, text=True)

    return run


@needs_systemd
def test_systemd_finds_nothing_wrong(analyze) -> None:
    names = [name.replace("@.", "@8080.") for name in (*SERVICES, "mm7-media-prune.timer", "mm7.target")]
    done = analyze("verify", "--man=no", *names)
    ours = [line for line in done.stderr.splitlines() if "mm7" in line]
    assert (done.returncode, ours) == (0, [])


@needs_systemd
@pytest.mark.parametrize("name", SERVICES)
def test_what_is_common_counts_for_each_and_leaves_little_open(analyze, name) -> None:
    done = analyze("security", "--offline=yes", f"--threshold={EXPOSURE}", "--no-pager", name.replace("@.", "@8080."))
    assert done.returncode == 0, done.stdout


@needs_systemd
def test_the_timer_comes_every_night(analyze) -> None:
    when = re.search(r"^OnCalendar=(.*)$", (UNITS / "mm7-media-prune.timer").read_text(), re.MULTILINE)
    assert when
    assert analyze("calendar", when[1]).returncode == 0


@pytest.mark.parametrize("name", SERVICES)
def test_every_variable_of_a_unit_is_a_setting(name) -> None:
    known = {f"MM7_{field}".upper() for field in Settings.model_fields} | {"MM7_CONFIG"}
    text = "".join((UNITS / name).read_text() + COMMON.read_text())
    assert set(re.findall(r"\bMM7_[A-Z_]+\b", text)) - known <= {"MM7_DRAIN_SECONDS"}


@pytest.mark.parametrize("name", SERVICES)
def test_a_unit_starts_a_program_that_is_installed(name) -> None:
    (program,) = shlex.split(dict(confined.directives(UNITS / name))["ExecStart"])[:1]
    assert (Path(sys.executable).parent / Path(program).name).exists()


def test_a_unit_has_the_time_that_its_program_takes_to_end() -> None:
    settings = Settings()
    longest = {
        "mm7-receiver@.service": BALANCED + settings.body_within + settings.answer_within + receiver_app.END_WITHIN,
        "mm7-worker@.service": TIMEOUT + worker_app.GRACE_SECONDS + worker_app.END_WITHIN,
    }
    for name, needed in longest.items():
        given = dict(confined.directives(UNITS / name))["TimeoutStopSec"]
        assert float(given.removesuffix("s")) > needed + tracing.FLUSH_SECONDS, name


def test_the_guide_gives_a_worker_the_time_that_it_takes_to_end() -> None:
    needed = worker_app.GRACE_SECONDS + worker_app.END_WITHIN + tracing.FLUSH_SECONDS
    told = re.findall(r"the longest `timeout` of an account (?:by|\+) (\d+) s", GUIDE.read_text())
    assert len(told) > 1
    assert all(int(seconds) >= needed for seconds in told)


def test_the_tool_runs_as_the_programs_do(tmp_path) -> None:
    recorder = tmp_path / "systemd-run"
    recorder.write_text('#!/bin/sh\nfor each; do echo "$each"; done\n')
    recorder.chmod(0o755)
    arguments = ("send", "--text", "two words", "--wait")
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    done = subprocess.run([UNITS / "mm7", *arguments], check=True, env=environment, capture_output=True, text=True)
    told = done.stdout.splitlines()
    common = confined.directives(COMMON)
    given = [tuple(each.removeprefix("--property=").split("=", 1)) for each in told if each.startswith("--property=")]
    assert set(given) <= set(common)
    assert {"User", "Group", "WorkingDirectory", "UMask", "Environment", "EnvironmentFile"} <= {
        name for name, _ in given
    }
    assert tuple(told[-len(arguments) - 1 :]) == ("/opt/mm7/bin/mm7", *arguments)


def test_the_clean_up_cleans_up(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("MM7_MEDIA_URL", tmp_path.as_uri())
    _, *arguments = shlex.split(dict(confined.directives(UNITS / "mm7-media-prune.service"))["ExecStart"])
    old = tmp_path / "ab" / ("ab" * 32)
    old.parent.mkdir()
    old.write_bytes(b"old")
    os.utime(old, (0, 0))
    done = subprocess.run([sys.executable, "-c", MM7, *arguments], check=False, capture_output=True)
    assert (done.returncode, old.exists()) == (0, False), done.stderr


class Notified:
    """systemd's end of NOTIFY_SOCKET."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._socket.bind(str(path))
        self._told = ""

    def told(self, word: str) -> bool:
        while True:
            try:
                self._told += self._socket.recv(65536).decode() + "\n"
            except BlockingIOError:
                return word in self._told

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def start(run, monkeypatch, tmp_path) -> Iterator[Callable[..., Any]]:
    """Start what a unit starts, with the unit's environment and under what it allows; and systemd's ear for it."""
    if not ctypes.util.find_library("seccomp") or not shutil.which("systemd-analyze"):
        pytest.skip("no libseccomp or no systemd-analyze: both come with systemd")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    ears = []

    def begin(name: str, instance: int, **settings: object) -> Any:
        ears.append(Notified(tmp_path / f"{instance}.socket"))
        monkeypatch.setenv("NOTIFY_SOCKET", str(ears[-1].path))
        given = variables(confined.directives(UNITS / name), instance)
        program = run("tests.deploy.confined", UNITS / name, COMMON, SERVICES[name], **given | settings)
        return program, ears[-1]

    yield begin
    for ear in ears:
        ear.close()


def variables(service: list[tuple[str, str]], instance: int) -> Mapping[str, str]:
    """The MM7_ settings of a unit's Environment=, without the prefix."""
    words = [word for name, value in service if name == "Environment" for word in shlex.split(value)]
    return dict(word.removeprefix("MM7_").replace("%i", str(instance)).split("=", 1) for word in words)


def instance() -> int:
    """A port of four digits that is free, and free with a 1 before it."""
    return next(port - 10_000 for port in iter(lambda: free_ports(1)[0], 0) if 15_000 < port < 19_999)


async def test_both_programs_work_under_what_the_units_allow(start, amqp_url, broker, tmp_path, configure, eventually):
    provider_port, account = free_ports(1)[0], f"sandbox-{instance()}"
    ports = {"mm7-receiver@.service": instance(), "mm7-worker@.service": instance()}
    outbound = {"url": f"http://127.0.0.1:{provider_port}/mm7/v1/", "vaspid": "key", "sender": "111122"}
    config = configure(
        tmp_path / "mm7.toml",
        {account: {"profile": "sinch", "inbound": {"open": True}, "outbound": outbound | {"retry_delays": ["300ms"]}}},
    )
    given = {"AMQP_URL": amqp_url, "CONFIG": config, "STATE_URL": f"sqlite:///{tmp_path}/state.db"}
    programs = {name: start(name, port, **given) for name, port in ports.items()}
    for name, (program, ear) in programs.items():
        await program.ready()
        await eventually(lambda ear=ear: ear.told("READY=1"))
        assert program.logged("receiver.listening" if "receiver" in name else "worker.consuming")
    receiver, _ = programs["mm7-receiver@.service"]
    assert receiver.port == ports["mm7-receiver@.service"]
    events = await broker.follow(f"*.*.{account}.*")
    url = f"http://127.0.0.1:{receiver.port}/mm7/{account}"
    async with Simulator(to=url, port=provider_port, retries=0) as provider:
        assert (await provider.send_mo("With a picture", attachments=[PICTURE])).delivered
        parts = (await events.event("mo.received"))["data"]["parts"]
        (picture,) = [part for part in parts if part["content_type"] == "image/png"]
        assert picture["sha256"] == hashlib.sha256(PICTURE.data).hexdigest()
        again = {"content_type": "image/png", "url": picture["url"]}
        await broker.command(account, {"id": account, "to": ["15553199144"], "parts": [again]})
        submit = await provider.next_submit()
        assert PICTURE.data in [part.data for part in submit.parts]
        assert (await events.event("mt.accepted"))["data"]["command_id"] == account
    for program, ear in programs.values():
        assert await program.stop() == 0
        assert ear.told("STOPPING=1")
    await broker.remove(account, delays=("300ms",))
