"""What tests of the real programs need: a broker, our programs as processes, and an observer on the broker.

Without a broker these tests are skipped, with the reason; where CI is set they fail instead.
"""

import asyncio
import contextlib
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn, Self

import aio_pika
import aiohttp
import pytest
import structlog
from aio_pika.abc import AbstractIncomingMessage

from tests import published

ROOT = Path(__file__).parent
# These may share the machine with others; what is timed, or starts servers, may not.
COMPUTING = (
    "deploy/test_docker_compose.py",
    "deploy/test_docker_image.py",
    "deploy/test_examples.py",
    "deploy/test_kubernetes.py",
    "deploy/test_kubernetes_production.py",
    "gateway",
    "media",
    "properties",
    "released",
    "security",
    "setup",
    "soak",
    "workers",
    "test_import_rules.py",
    "test_links.py",
    "test_published.py",
    "test_readme.py",
)
TIMED = ("gateway/stores", "media/test_store_down.py", "workers/test_app.py", "workers/test_programs.py")
UP_WITHIN = 20.0
BROKEN = ("Traceback", "never retrieved", "never awaited", "Unclosed")
_started: list["Program"] = []


def pytest_configure() -> None:
    plain_logs()


def plain_logs() -> None:
    """As structlog has them, but for tracebacks that take a second to draw: answers have a deadline."""
    structlog.reset_defaults()
    *first, _ = structlog.get_config()["processors"]
    plain = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(processors=[*first, plain])


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        path = item.path.relative_to(ROOT)
        if any(map(path.is_relative_to, COMPUTING)) and not any(map(path.is_relative_to, TIMED)):
            item.add_marker("computes")


def no_broker(reason: str) -> NoReturn:
    """Skip at home, fail in CI."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def one_node() -> Iterator[Any]:
    """A private node for the whole run."""
    from problems import NoServer, StartFailed
    from rabbitmq import RabbitNode

    try:
        node = RabbitNode.create()
        node.start()
    except (NoServer, StartFailed) as error:
        no_broker(f"no private RabbitMQ node: {error}")
    yield node
    node.destroy()


@pytest.fixture
def node(one_node) -> Iterator[Any]:
    """The private node, running and well; what a test does to it is undone."""
    yield one_node
    one_node.resume()
    if not _listens(one_node.port):
        one_node.kill()
        one_node.start()


@pytest.fixture
def alarm(node) -> Iterator[Callable[[bool], Awaitable[None]]]:
    """Raise and clear the node's memory alarm."""

    async def switch(on: bool) -> None:
        await asyncio.to_thread(node.alarm, on)

    yield switch
    node.alarm(False)


@pytest.fixture
def freeze(node) -> Callable[[], None]:
    """Freeze the node, and return when it has stood still: a signal takes a moment."""
    pid = (node.data_dir / "rabbitmq.pid").read_text().strip()

    def stop() -> None:
        node.pause()
        while Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "T":
            time.sleep(0.001)

    return stop


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


@pytest.fixture(scope="session")
def s3_server() -> Iterator[Any]:
    """A real S3 API, not ours: moto's. `s3_server.env` is how clients find it."""
    from s3_server import S3Server

    with S3Server() as server:
        yield server


@pytest.fixture(scope="session")
def amqp_url(request) -> str:
    """A broker to work with, not to harm."""
    return os.environ.get("MM7_AMQP_URL") or request.getfixturevalue("one_node").url


@pytest.fixture(autouse=True)
def events_as_published() -> Iterator[None]:
    """Every event that a test meets is as the published schemas say."""
    yield
    assert not (found := published.told()), found


async def _eventually(condition: Callable[[], object], within: float = 10.0) -> Any:
    deadline = time.monotonic() + within
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not within {within} s"
        await asyncio.sleep(0.02)
    return found


@pytest.fixture
def eventually() -> Callable[..., Awaitable[Any]]:
    """Wait until something is so and give it, or fail at a deadline."""
    return _eventually


class Program:
    """A program of ours as a process; its output is in a file, and shown where the test fails."""

    def __init__(self, folder: Path, *arguments: str, **settings: object) -> None:
        self.name = f"{arguments[0]}-{secrets.token_hex(3)}"
        self.folder = folder
        self._output = folder / f"{self.name}.log"
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("MM7_")}
        given = {f"MM7_{name}": str(value) for name, value in settings.items()}
        with self._output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=inherited | given,
                cwd=folder,
            )
        _started.append(self)

    @property
    def log(self) -> str:
        return self._output.read_text("utf-8", "replace")

    def logged(self, event: str) -> list[dict[str, Any]]:
        """The log's entries of this event."""
        lines = (line for line in self.log.splitlines(keepends=True) if line.startswith("{") and line.endswith("\n"))
        return [entry for entry in map(json.loads, lines) if entry.get("event") == event]

    async def ready(self, within: float = UP_WITHIN) -> "Program":
        """Wait for /readyz, as an orchestrator would."""
        await self.listening(within)
        async with aiohttp.ClientSession() as session:
            deadline = time.monotonic() + within
            while (found := await self.get("readyz", session))[0] != 200:
                assert time.monotonic() < deadline, f"{self.name} is not ready: {found}"
                await asyncio.sleep(0.02)
        return self

    async def listening(self, within: float = UP_WITHIN) -> "Program":
        """Wait until it has its ports; it may have no broker."""
        await _eventually(lambda: self._facts() or self.process.poll() is not None, within)
        assert self.process.poll() is None, f"{self.name} has ended"
        return self

    def _facts(self) -> dict[str, Any] | None:
        found = self.logged("receiver.listening") or self.logged("worker.consuming")
        return found[0] if found else None

    @property
    def port(self) -> int:
        facts = self._facts()
        assert facts
        return int(facts["port"])

    async def get(self, path: str, session: aiohttp.ClientSession | None = None) -> tuple[int, str]:
        """The status and the text of an admin page."""
        facts = self._facts()
        assert facts
        async with contextlib.AsyncExitStack() as stack:
            session = session or await stack.enter_async_context(aiohttp.ClientSession())
            async with session.get(f"http://127.0.0.1:{facts['admin_port']}/{path}") as response:
                return response.status, await response.text()

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    async def ended(self, within: float = 15.0) -> int:
        """Its exit code."""
        await _eventually(lambda: self.process.poll() is not None, within)
        return self.process.returncode

    async def stop(self) -> int:
        self.signal(signal.SIGTERM)
        return await self.ended()

    def end(self) -> None:
        """Whatever state it is in; then its log must be free of what a bug leaves there."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        _started.remove(self)
        log = self.log
        found = [word for word in BROKEN if word in log]
        assert not found, f"the log of {self.name} has {found}:\n{log[-4000:]}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report = yield
    if report.failed:
        report.sections += [(f"log of {program.name}", program.log[-6000:]) for program in _started]
    return report


@contextlib.contextmanager
def _running(folder: Path) -> Iterator[Callable[..., Program]]:
    mine: list[Program] = []

    def start(*arguments: str, **settings: object) -> Program:
        defaults = {"HTTP_PORT": 0, "ADMIN_PORT": 0, "MEDIA_URL": (folder / "media").as_uri(), "LOG_FORMAT": "json"}
        mine.append(Program(folder, *arguments, **defaults | settings))
        return mine[-1]

    yield start
    for program in mine:
        program.end()


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Callable[..., Program]]:
    """Start `python -m arguments…` with MM7_ settings; it ends with the test."""
    with _running(tmp_path) as start:
        yield start


@pytest.fixture(scope="session")
def run_for_all(tmp_path_factory) -> Iterator[Callable[..., Program]]:
    """The same, for the whole run."""
    with _running(tmp_path_factory.mktemp("programs")) as start:
        yield start


def config(path: Path, accounts: Mapping[str, Mapping[str, Any]]) -> Path:
    """A TOML file of accounts."""
    lines = []
    for name, account in accounts.items():
        lines += [f"[accounts.{name}]", *(f"{key} = {_toml(value)}" for key, value in account.items())]
    path.write_text("\n".join(lines))
    return path


def _toml(value: object) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key} = {_toml(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value)  # strings, numbers and booleans are written alike


@pytest.fixture(scope="session")
def configure() -> Callable[..., Path]:
    """Write a settings' file: configure(path, {name: account, …})."""
    return config


class Observer:
    """Somebody else's view of the broker, with a client of their own."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.followed: list[Follower] = []

    async def __aenter__(self) -> Self:
        self.connection = await aio_pika.connect(self._url)
        self.channel = await self.connection.channel(publisher_confirms=True)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.connection.close()

    async def queue(self, exchange: str, *patterns: str, name: str = "", durable: bool = False) -> Any:
        queue = await self.channel.declare_queue(name or None, exclusive=not durable, durable=durable)
        for pattern in patterns:
            await queue.bind(exchange, pattern)
        return queue

    async def follow(self, *patterns: str) -> "Follower":
        """Events whose keys match, from now on, in an exclusive queue."""
        return await self.read(await self.queue("mm7.events", *patterns))

    async def read(self, queue: Any) -> "Follower":
        follower = Follower()
        await queue.consume(follower.take, no_ack=True)
        self.followed.append(follower)
        return follower

    async def command(self, account: str, body: object, **properties: Any) -> None:
        """Publish as a user would."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        exchange = await self.channel.get_exchange("mm7.commands")
        message = aio_pika.Message(data, **{"content_type": "application/json"} | properties)
        await exchange.publish(message, account)

    async def take(self, queue: str, within: float = 10.0) -> AbstractIncomingMessage:
        """The next message of a queue, taken out."""
        found = await self.channel.get_queue(queue, ensure=False)
        deadline = time.monotonic() + within
        while (message := await found.get(no_ack=True, fail=False)) is None:
            assert time.monotonic() < deadline, f"nothing in {queue} within {within} s"
            await asyncio.sleep(0.05)
        published.look(message)
        return message

    async def count(self, queue: str) -> int:
        """How many messages are ready."""
        found = await self.channel.declare_queue(queue, passive=True)
        return found.declaration_result.message_count or 0

    async def remove(self, *accounts: str, delays: tuple[str, ...] = ()) -> None:
        for name in (f"mm7.{kind}.{account}" for account in accounts for kind in ("mt", "dead")):
            await self.channel.queue_delete(name)
        for delay in delays:
            await self.channel.queue_delete(f"mm7.wait.{delay}")
            await self.channel.exchange_delete(f"mm7.wait.{delay}")


class Follower:
    """Messages as they come; `next` passes by what is not wanted."""

    def __init__(self) -> None:
        self.messages: list[AbstractIncomingMessage] = []
        self._read = 0

    async def take(self, message: AbstractIncomingMessage) -> None:
        published.look(message)
        self.messages.append(message)

    async def next(self, kind: str = "", within: float = 10.0) -> AbstractIncomingMessage:
        deadline = time.monotonic() + within
        while True:
            while self._read < len(self.messages):
                self._read += 1
                if (found := self.messages[self._read - 1]).type == kind or not kind:
                    return found
            seen = [message.type for message in self.messages]
            assert time.monotonic() < deadline, f"no {kind or 'message'} within {within} s, but {seen}"
            await asyncio.sleep(0.02)

    async def event(self, kind: str = "", within: float = 10.0) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((await self.next(kind, within)).body)
        return found


@pytest.fixture
async def broker(amqp_url: str) -> AsyncIterator[Observer]:
    async with Observer(amqp_url) as observer:
        yield observer


@pytest.fixture(scope="session")
def observe() -> type[Observer]:
    """For brokers that a test has of its own."""
    return Observer
