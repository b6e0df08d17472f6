"""The stage of the fault tests and of the soak: our real programs, everything that they talk to, and the accounts.

    async with Stage(start, folder, brokers=[node.port], redis=redis.port) as stage:  # start: the fixture `run`
        await stage.begin(receivers=2, workers=2)      # processes (Program of tests/conftest.py), and the shelf
        async with stage.caller.load(), stage.orderer.load():
            stage.broker.black_hole()                  # a Proxy (proxy.py) before the broker; .store before Redis,
            stage.receivers[0].signal(SIGKILL)         # .line before the provider
            await asyncio.sleep(2)
            stage.broker.heal()
            await stage.start_receiver().ready()
        assert await stage.audit() == []               # waits for what is under way, then: what must never be

`stage.callbacks` and `stage.commands` are the books (books.py), with their numbers as `str()`; `stage.provider` counts
what it took to be sent, and misbehaves as told (provider.py). Receivers share one port, spool folder and state, so
several may be started and any of them killed. Without `redis` the state is SQLite in `folder`. Settings given to one
program are laid over these (fleet.py: each receiver on a port of its own, behind a balancer).
"""

import asyncio
import contextlib
import json
import secrets
import socket
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aio_pika
from aio_pika.abc import AbstractIncomingMessage
from rundir import free_ports

from tests import published
from tests.conftest import Program, config
from tests.faults import books
from tests.faults.load import Caller, Orderer
from tests.faults.provider import Provider
from tests.faults.proxy import Proxy

READ_WITHIN = 30.0
PROVIDER_TIMEOUT = 1.5
SETTLED_WITHIN = 20.0
ACKNOWLEDGE_EVERY = 1000  # a quorum queue gives out 2000 at most that are not acknowledged
# A node that is killed within half a second of a quorum queue's declaration has forgotten its member of it: it comes
# back with a queue that is empty and confirms nothing (3.10, a single node). Queues are not declared during faults.
QUEUES_SYNCED_SECONDS = 1.2
AWAY = (aio_pika.exceptions.AMQPError, OSError, TimeoutError)  # what a client of the broker may raise while it is


class Shelf:
    """A durable quorum queue of somebody else's, bound to all events of `accounts`; `read` takes out what is new."""

    def __init__(self, url: Callable[[], str], accounts: Sequence[str]) -> None:
        self.name = f"shelf-{secrets.token_hex(4)}"
        self._url = url
        self._accounts = accounts
        self._seen: set[str | None] = set()
        self._came: list[dict[str, Any]] = []  # and not given out yet

    async def open(self) -> None:
        """Declare it. The programs, or whoever, must have declared mm7.events."""
        async with await aio_pika.connect(self._url()) as connection:
            channel = await connection.channel()
            arguments = {"x-queue-type": "quorum", "x-delivery-limit": 1_000_000}
            queue = await channel.declare_queue(self.name, durable=True, arguments=arguments)
            for account in self._accounts:
                await queue.bind("mm7.events", f"*.*.{account}.*")

    async def read(self) -> list[dict[str, Any]]:
        """The events that came since the last call. Raises what the client raises while the broker is away.

        To the end by a marker of our own behind them. What a broken connection makes come again is known by its
        message_id, which is another one for each publish.
        """
        async with asyncio.timeout(READ_WITHIN), await aio_pika.connect(self._url()) as connection:
            channel = await connection.channel(publisher_confirms=True)
            queue = await channel.get_queue(self.name, ensure=False)
            marker = secrets.token_hex(8)
            await channel.default_exchange.publish(aio_pika.Message(b"", message_id=marker), self.name)
            came: asyncio.Queue[AbstractIncomingMessage] = asyncio.Queue()
            await queue.consume(came.put)
            while (message := await came.get()).message_id != marker:
                if message.body and message.message_id not in self._seen:
                    published.look(message)
                    self._seen.add(message.message_id)
                    self._came.append(json.loads(message.body))
                if (message.delivery_tag or 0) % ACKNOWLEDGE_EVERY == 0:
                    await message.ack(multiple=True)
            await message.ack(multiple=True)
            await channel.close()
        found, self._came = self._came, []
        return found

    async def remove(self) -> None:
        async with await aio_pika.connect(self._url()) as connection:
            await (await connection.channel()).queue_delete(self.name)


class Stage:
    """See above. `start` makes a process of a module and its settings; `brokers` are the ports of one or more nodes.

    `outbound` is laid over the settings of the accounts: by default the provider has 1.5 s, attempts wait 300 ms.
    """

    def __init__(
        self,
        start: Callable[..., Program],
        folder: Path,
        *,
        brokers: Sequence[int],
        redis: int | None = None,
        accounts: int = 1,
        **outbound: Any,
    ) -> None:
        self.folder = folder
        self.accounts = [f"fault-{secrets.token_hex(4)}" for _ in range(accounts)]
        self.account = self.accounts[0]
        self.brokers = brokers
        (self.port,) = free_ports(1)
        self.broker = Proxy(*brokers)
        self.store = Proxy(redis) if redis else None
        self.provider = Provider()
        self.line = Proxy()
        self.callbacks, self.commands = books.Callbacks(), books.Commands()
        self.caller = Caller(self.callbacks, *(self.callback_url(name) for name in self.accounts))
        self.orderer = Orderer(self.commands, self.direct_url, self.accounts)
        self.shelf = Shelf(self.direct_url, self.accounts)
        self._start = start
        self._outbound = outbound
        self._stack = contextlib.AsyncExitStack()
        self.receivers: list[Program] = []  # all that were started, the newest last
        self.workers: list[Program] = []

    async def begin(self, *, receivers: int = 1, workers: int = 1, kills: bool = False, **settings: object) -> None:
        """Start the programs, wait until they are ready, and open the books: every event from now on is counted.

        `kills`: a broker is going to be killed, so its queues must have settled.
        """
        programs = [self.start_receiver(**settings) for _ in range(receivers)]
        programs += [self.start_worker(**settings) for _ in range(workers)]
        for program in programs:
            await program.ready()
            await connected(program)
        await (self.open_books() if kills else self.shelf.open())

    async def __aenter__(self) -> Self:
        for each in (self.provider, self.broker, self.store, self.caller, self.orderer):
            if each is not None:
                await self._stack.enter_async_context(each)
        self.line.targets = (self.provider.port,)
        await self._stack.enter_async_context(self.line)
        self.config = config(self.folder / "config.toml", {name: self._settings() for name in self.accounts})
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    def _settings(self) -> dict[str, Any]:
        sending = {
            "url": f"http://127.0.0.1:{self.line.port}/mm7/v1/",
            "sender": "111122",
            "timeout": PROVIDER_TIMEOUT,
            "rate": 200,
            "retry_delays": ["300ms", "301ms", "302ms"],
        }
        return {"profile": "generic", "inbound": {"open": True}, "outbound": sending | self._outbound}

    def callback_url(self, account: str) -> str:
        return f"http://127.0.0.1:{self.port}/mm7/{account}"

    def direct_url(self) -> str:
        """Of the first broker that can be reached, past the proxy."""
        for port in self.brokers:
            if _listens(port):
                return _amqp(port)
        return _amqp(self.brokers[0])

    @property
    def spool(self) -> Path:
        return self.folder / "spool"

    def start_receiver(self, **settings: object) -> Program:
        """Start a receiver; `await` its ready() or listening()."""
        shared = {"HTTP_PORT": self.port, "REUSE_PORT": "true"}
        self.receivers.append(self._program("gateway", **shared | settings))
        return self.receivers[-1]

    def start_worker(self, **settings: object) -> Program:
        """Start a worker, likewise."""
        self.workers.append(self._program("workers", **settings))
        return self.workers[-1]

    def _program(self, module: str, **settings: object) -> Program:
        state = self.store.redis_url if self.store else f"sqlite:///{self.folder}/state.db"
        given = {
            "AMQP_URL": self.broker.amqp_url,
            "CONFIG": self.config,
            "SPOOL_DIR": self.spool,
            "STATE_URL": state,
            "MEDIA_URL": (self.folder / "media").as_uri(),
            "ADMIN_PORT": 0,
            "LOG_FORMAT": "json",
        }
        return self._start(module, **given | settings)

    async def open_books(self) -> None:
        """Bind the shelf; needs a program that is connected, or was. After it brokers may be killed."""
        await self.shelf.open()
        await asyncio.sleep(QUEUES_SYNCED_SECONDS)

    async def read(self) -> None:
        """Enter what has come into the shelf, and what the provider has taken."""
        events = await self.shelf.read()
        self.callbacks.store(events)
        self.commands.store(events)
        self.commands.accepted = self.provider.accepted

    async def audit(self, within: float = SETTLED_WITHIN) -> list[str]:
        """What must never be; asked when everything has come to its end, or time is up."""
        deadline = time.monotonic() + within
        while True:
            with contextlib.suppress(*AWAY):
                await self.read()
            if not (self.callbacks.lost or self.commands.unfinished) or time.monotonic() > deadline:
                break
            await asyncio.sleep(0.1)
        return self.callbacks.problems + self.commands.problems


async def connected(program: Program, times: int = 1, within: float = 10.0) -> None:
    """Until it has connected to the broker so often: a receiver with a spool is ready without."""
    async with asyncio.timeout(within):
        while len(program.logged("broker.connected")) < times:
            await asyncio.sleep(0.02)


def _amqp(port: int) -> str:
    return f"amqp://guest:guest@127.0.0.1:{port}/"


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.5):
        return True
    return False
