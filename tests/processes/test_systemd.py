"""What systemd hears of the real programs, on a socket like its own."""

import asyncio
import os
import signal
import socket
import time
from itertools import pairwise

import pytest

from gateway.systemd import told

pytestmark = pytest.mark.usefixtures("tidy")


class Manager:
    """The other end of NOTIFY_SOCKET: `heard` are the messages so far, each with its time."""

    def __init__(self, address: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self.socket.bind(address.replace("@", "\0", 1))
        self._messages: list[tuple[float, str]] = []

    @property
    def heard(self) -> list[tuple[float, str]]:
        while True:
            try:
                self._messages.append((time.monotonic(), self.socket.recv(4096).decode()))
            except BlockingIOError:
                return self._messages

    def lines(self) -> list[str]:
        return [line for _, message in self.heard for line in message.splitlines()]


@pytest.fixture(params=["a file", "abstract"])
def address(request, tmp_path) -> str:
    return str(tmp_path / "notify") if request.param == "a file" else f"@mm7-{os.getpid()}-{tmp_path.name}"


@pytest.fixture
def manager(address, monkeypatch):
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    monkeypatch.setenv("WATCHDOG_USEC", "600000")
    made = Manager(address)
    yield made
    made.socket.close()


@pytest.mark.parametrize("module", ["gateway", "workers"])
async def test_a_program_tells_that_it_works_lives_and_ends(
    run, settings, amqp_url, manager, module, eventually
) -> None:
    program = await run(module, AMQP_URL=amqp_url, CONFIG=settings()).ready()
    await eventually(lambda: "STATUS=ready" in manager.lines())
    assert manager.lines()[0] == "READY=1"
    assert await program.get("readyz") == (200, '{"status":"ready","reasons":[]}'), "and listens by then"
    await eventually(lambda: manager.lines().count("WATCHDOG=1") >= 5)
    beats = [when for when, message in manager.heard if "WATCHDOG=1" in message]
    assert max(later - earlier for earlier, later in pairwise(beats)) < 0.6
    program.signal(signal.SIGTERM)
    assert await program.ended() == 0
    [message] = [message for _, message in manager.heard if "STOPPING=1" in message]
    told_seconds = int(message.partition("EXTEND_TIMEOUT_USEC=")[2].splitlines()[0]) / 1e6
    assert 15 < told_seconds < 60, "what it may take at most: answers or submits under way, and closing"


async def test_the_status_is_what_readyz_says_and_a_drain_gets_its_time(run, settings, manager, eventually) -> None:
    receiver = await run("gateway", AMQP_URL="amqp://127.0.0.1:9/", CONFIG=settings(), DRAIN_SECONDS=300).listening()
    await eventually(lambda: any(line.startswith("STATUS=degraded: broker down: ") for line in manager.lines()))
    receiver.signal(signal.SIGTERM)
    await eventually(lambda: any(line.startswith("STATUS=not ready: draining") for line in manager.lines()))
    [extended] = [line for line in manager.lines() if line.startswith("EXTEND_TIMEOUT_USEC=")]
    assert int(extended.partition("=")[2]) > 300e6
    seen = manager.lines().count("WATCHDOG=1")
    await eventually(lambda: manager.lines().count("WATCHDOG=1") > seen + 2)
    receiver.signal(signal.SIGTERM)
    assert await receiver.ended() == 0


async def test_a_loop_that_stands_still_feeds_no_watchdog(manager, eventually) -> None:
    with told(os.environ) as service:
        service.ready(lambda: "ready")
        await eventually(lambda: manager.lines().count("WATCHDOG=1") >= 2)
        seen = manager.lines().count("WATCHDOG=1")
        time.sleep(0.7)  # noqa: ASYNC251  # this is what it is about
        assert manager.lines().count("WATCHDOG=1") == seen
    await asyncio.sleep(0.3)
    assert manager.lines().count("WATCHDOG=1") == seen, "and nothing when it has ended"


async def test_a_status_that_cannot_be_told_starves_no_watchdog(manager, eventually, monkeypatch) -> None:
    statuses = iter([lambda: 1 / 0])

    def status() -> str:
        return str(next(statuses, lambda: "two\nMAINPID=1 \udc80")())

    with told(os.environ) as service:
        service.ready(status)
        await eventually(lambda: manager.lines().count("WATCHDOG=1") >= 3)
    assert manager.lines()[:3] == ["READY=1", "WATCHDOG=1", "STATUS=unknown: ZeroDivisionError"]
    assert "STATUS=two MAINPID=1 ?" in manager.lines()
    assert "MAINPID=1" not in manager.lines()


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, []),
        ({"WATCHDOG_USEC": "600000", "WATCHDOG_PID": "1"}, ["READY=1", "STATUS=so"]),
        ({"WATCHDOG_USEC": "600000", "WATCHDOG_PID": str(os.getpid())}, ["READY=1", "WATCHDOG=1", "STATUS=so"]),
    ],
)
async def test_without_systemd_nothing_is_told_and_a_watchdog_of_another_is_not_fed(
    manager, address, environ, expected
) -> None:
    with told(environ | ({"NOTIFY_SOCKET": address} if environ else {})) as service:
        service.ready(lambda: "so")
        service.stopping(1.5)
    assert manager.lines() == [
        *expected,
        *(["STOPPING=1", "EXTEND_TIMEOUT_USEC=1500000", "STATUS=so"] if environ else []),
    ]


async def test_a_manager_that_is_gone_or_does_not_read_stops_nobody(tmp_path, manager, address) -> None:
    with told({"NOTIFY_SOCKET": str(tmp_path / "nobody")}) as service:
        service.ready(lambda: "so")
    with told({"NOTIFY_SOCKET": address}) as service:
        for _ in range(5000):
            service.stopping(1)
