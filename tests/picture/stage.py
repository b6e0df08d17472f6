"""All that is looked at: two receivers and two workers under load, RabbitMQ, Redis, three providers, and Prometheus."""

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import aio_pika
from prometheus_server import PrometheusServer
from rabbitmq import RabbitNode
from redis_server import RedisNode
from rundir import free_ports

from tests.conftest import config
from tests.faults import books
from tests.faults.load import Orderer
from tests.faults.provider import Provider, Say, late
from tests.soak.programs import Process

SCRAPE_SECONDS = 2
SPOOL_MAX_BYTES = 6_000_000  # so that an outage of a minute is something of it
ALERTS = Path(__file__).parents[2] / "deploy/prometheus/alerts.yml"
FAMILIES = ["queue_coarse_metrics", "queue_consumer_count"]
PASSWORD = "callbacks"


@dataclass(frozen=True)
class Account:
    """A provider's: its profile, its callbacks and commands a second, how long it takes to answer a submit."""

    name: str
    profile: str
    callbacks: float
    commands: float
    answers_after: float  # seconds, the median


ACCOUNTS = (
    Account("sinch-us", "sinch", 14.0, 4.0, 0.09),
    Account("vibes-us", "vibes", 8.0, 2.5, 0.22),
    Account("acme-eu", "generic", 4.0, 1.5, 0.05),
)


@dataclass
class Stage:
    """What runs, by name. `moods`: how an account's provider answers meanwhile; `passwords`: with which it calls."""

    folder: Path
    node: RabbitNode
    redis: RedisNode
    prometheus: PrometheusServer
    orderer: Orderer
    settings: dict[str, dict[str, Any]]
    programs: dict[str, Process] = field(default_factory=dict)
    providers: dict[str, Provider] = field(default_factory=dict)
    moods: dict[str, Callable[[], Say]] = field(default_factory=dict)
    passwords: dict[str, str] = field(default_factory=lambda: {each.name: PASSWORD for each in ACCOUNTS})

    async def start(self, name: str) -> None:
        """Return when it listens."""
        process = Process(self.folder / f"{name}.log", lambda _entry: None)
        module = "gateway" if name.startswith("receiver") else "workers"
        await process.start(module, self.settings[name])
        self.programs[name] = process
        await asyncio.wait_for(process.listening.wait(), 40)

    async def end(self, name: str) -> None:
        """As an orchestrator would."""
        process = self.programs.pop(name)
        process.process.terminate()
        await process.ended()

    def callback_url(self, receiver: str, account: str) -> str:
        return f"http://127.0.0.1:{self.settings[receiver]['HTTP_PORT']}/mm7/{account}"

    @property
    def receivers(self) -> list[str]:
        return [name for name in self.programs if name.startswith("receiver")]


@contextlib.asynccontextmanager
async def stage(folder: Path) -> AsyncIterator[Stage]:
    """All of it, running; at the end nothing is."""
    async with AsyncExitStack() as stack:
        node, redis = RabbitNode.create(), RedisNode.create(appendonly=True)
        metrics_port = node.expose_metrics()
        stack.enter_context(redis)
        stack.enter_context(node)
        dice = Random("providers")
        moods: dict[str, Callable[[], Say]] = {}
        providers = {each.name: Provider(_behaviour(each, moods, dice)) for each in ACCOUNTS}
        for provider in providers.values():
            await stack.enter_async_context(provider)
        toml = config(folder / "mm7.toml", {each.name: _account(each, providers[each.name].url) for each in ACCOUNTS})
        settings = _settings(folder, toml, node.url, redis.url)
        prometheus = PrometheusServer(_watching(settings, metrics_port))
        stack.enter_context(prometheus)
        orderer = Orderer(books.Commands(), lambda: node.url, [each.name for each in ACCOUNTS])
        await stack.enter_async_context(orderer)
        made = Stage(folder, node, redis, prometheus, orderer, settings, providers=providers, moods=moods)
        stack.push_async_callback(_end, made)
        for name in settings:
            await made.start(name)
        subscriber = asyncio.create_task(_subscriber(node.url))
        stack.callback(subscriber.cancel)
        yield made


def _behaviour(account: Account, moods: dict[str, Callable[[], Say]], dice: Random) -> Callable[[str], Say]:
    def behave(_id: str) -> Say:
        mood = moods.get(account.name)
        return mood() if mood else late(account.answers_after * math.exp(dice.gauss(0, 0.35)))

    return behave


def _account(account: Account, url: str) -> dict[str, Any]:
    outbound = {"url": url, "sender": "111122", "timeout": 5.0, "rate": 20, "retry_delays": ["10s", "30s"]}
    if account.profile != "generic":
        outbound |= {"vaspid": "simulated", "vasid": "simulated"}
    return {
        "profile": account.profile,
        "inbound": {"basic": [{"username": account.name, "password": PASSWORD}]},
        "outbound": outbound,
    }


def _settings(folder: Path, toml: Path, amqp_url: str, redis_url: str) -> dict[str, dict[str, Any]]:
    """Of each program. Each receiver has a spool of its own, as in a StatefulSet."""
    ports = free_ports(6)
    common = {"AMQP_URL": amqp_url, "CONFIG": toml, "STATE_URL": redis_url, "LOG_FORMAT": "json"}
    common |= {"MEDIA_URL": (folder / "media").as_uri(), "SPOOL_MAX_BYTES": SPOOL_MAX_BYTES}
    receivers = {
        f"receiver-{n}": common
        | {"HTTP_PORT": ports[n], "ADMIN_PORT": ports[n + 2], "SPOOL_DIR": folder / f"spool-{n}", "DRAIN_SECONDS": 2}
        for n in range(2)
    }
    return receivers | {f"worker-{n}": common | {"ADMIN_PORT": ports[n + 4]} for n in range(2)}


def _watching(settings: dict[str, dict[str, Any]], rabbitmq_port: int) -> dict[str, Any]:
    """Prometheus' configuration: as in deploy/prometheus, more often."""

    def target(port: int, instance: str) -> dict[str, Any]:
        return {"targets": [f"127.0.0.1:{port}"], "labels": {"instance": instance}}

    jobs = [
        {
            "job_name": f"mm7-{kind}",
            "static_configs": [target(own["ADMIN_PORT"], name) for name, own in settings.items() if kind in name],
        }
        for kind in ("receiver", "worker")
    ]
    node = [target(rabbitmq_port, "rabbit-0")]
    jobs += [
        {"job_name": "rabbitmq", "static_configs": node},
        {
            "job_name": "rabbitmq-queues",
            "metrics_path": "/metrics/detailed",
            "params": {"family": FAMILIES},
            "static_configs": node,
        },
    ]
    often = f"{SCRAPE_SECONDS}s"
    return {
        "global": {"scrape_interval": often, "scrape_timeout": often, "evaluation_interval": often},
        "rule_files": [str(ALERTS)],
        "scrape_configs": jobs,
    }


async def _subscriber(url: str) -> None:
    """Somebody who takes all events, for ever."""
    while True:
        with contextlib.suppress(aio_pika.exceptions.AMQPError, OSError, TimeoutError):
            lost = asyncio.Event()
            async with await aio_pika.connect(url) as connection:
                connection.close_callbacks.add(lambda *_, lost=lost: lost.set())
                channel = await connection.channel()
                queue = await channel.declare_queue("crm", durable=True, arguments={"x-queue-type": "quorum"})
                await queue.bind("mm7.events", "#")
                await queue.consume(_take, no_ack=True)
                await lost.wait()
        await asyncio.sleep(0.5)


async def _take(_message: object) -> None:
    pass


async def _end(made: Stage) -> None:
    for process in made.programs.values():
        with contextlib.suppress(ProcessLookupError):
            process.process.kill()
        await process.ended()
