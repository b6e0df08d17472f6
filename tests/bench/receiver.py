"""Callbacks through the receiver beside bare confirmed publishes of the same events.

The receiver is measured with and without what its promises cost: state and spool on disk, or state in memory and no
spool. They take turns, so that a noisy machine is as noisy for both.
"""

import asyncio
import os
import secrets
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime

import aiohttp

from gateway import app, broker
from gateway.accounts import Account
from gateway.backlog import Backlog
from gateway.broker import Connection, Outgoing, Publisher
from gateway.intake import Intake
from gateway.keeper import Keeper
from gateway.receiver import Receiver
from gateway.server import serving
from gateway.settings import Settings
from gateway.stores.media import MediaStore
from gateway.telemetry import logs
from gateway.telemetry.metrics import Metrics
from gateway.tools.simulator import PROFILES, VERSIONS, Form, Report

COUNT, CONCURRENCY, ROUNDS = 1000, 32, 5
ACCOUNT = "bench"
Work = Callable[[int], Awaitable[None]]


async def _per_second(work: Work) -> float:
    """Calls per second, of COUNT, CONCURRENCY at a time."""
    numbers = iter(range(COUNT))

    async def one() -> None:
        for number in numbers:
            await work(number)

    began = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(CONCURRENCY)))
    return COUNT / (time.perf_counter() - began)


@asynccontextmanager
async def _receiver(publisher: Publisher, **given: object) -> AsyncIterator[Work]:
    """A receiver with these settings; the work is one delivery report, never the same twice."""
    account = Account.model_validate({"name": ACCOUNT, "profile": "sinch", "inbound": {"open": True}})
    folder = tempfile.mkdtemp(prefix="mm7-bench-")
    defaults = {"http_port": 0, "media_url": f"file://{folder}/media"}
    settings = Settings(accounts={ACCOUNT: account}, **defaults | given)  # type: ignore[arg-type]
    async with AsyncExitStack() as stack:
        state = await stack.enter_async_context(app.state(settings))
        if (spool := app.spool(settings)) is not None:
            await stack.enter_async_context(spool)
        keeper, metrics = Keeper(publisher, spool), Metrics()
        intake = Intake(settings, MediaStore(settings.media_url), state, metrics)
        await stack.enter_async_context(keeper.draining(Backlog(intake, publisher).publish))
        receiver = Receiver(settings, intake, keeper, state, metrics)
        port = await stack.enter_async_context(serving(receiver, settings))
        session = await stack.enter_async_context(aiohttp.ClientSession())
        target = f"http://127.0.0.1:{port}/mm7/{ACCOUNT}"

        async def post(_: int) -> None:
            identity = secrets.token_hex(8)
            report = Report(transaction_id=identity, message_id=identity, at=datetime.now(UTC))
            callback = PROFILES["sinch"].write(report, Form(*VERSIONS["6.8.0"]))
            async with session.post(target, data=callback.body, headers=callback.headers) as response:
                assert response.status == 200

        yield post


async def measure() -> list[str]:
    """Delivery reports per second, and the floor."""
    logs.configure("error", "json")
    folder = tempfile.mkdtemp(prefix="mm7-bench-")
    async with AsyncExitStack() as stack:
        url = os.environ["MM7_AMQP_URL"]
        connection = await stack.enter_async_context(Connection(url, "bench", broker.build({ACCOUNT: []})))
        await connection.wait_up(10)
        publisher = Publisher(connection)
        channel = await connection.channel()
        queue = (await channel.queue_declare("", exclusive=True, auto_delete=True)).queue or ""
        await channel.queue_bind(queue, broker.EVENTS, f"*.*.{ACCOUNT}.*")
        event = Outgoing(
            exchange=broker.EVENTS, routing_key=f"dr.received.{ACCOUNT}.1", body=b"x" * 1400, content_type="text/plain"
        )
        safe = {"spool_dir": f"{folder}/spool", "state_url": f"sqlite:///{folder}/state.db"}
        bare = {"spool_dir": "", "state_url": "memory://"}
        works: dict[str, Work] = {
            "confirmed publishes": lambda _: publisher.publish(event, within=10),
            "answered, state and spool off": await stack.enter_async_context(_receiver(publisher, **bare)),
            "answered, state and spool on": await stack.enter_async_context(_receiver(publisher, **safe)),
        }
        rounds = [{name: await _per_second(work) for name, work in works.items()} for _ in range(ROUNDS)]
    floor, off, on = ([each[name] for each in rounds] for name in works)
    return [
        *(f"{name:<34} {statistics.median(each[name] for each in rounds):9.0f} /s" for name in works),
        f"{'off to the floor':<34} ratio {_ratio(off, floor):5.2f}   (client and receiver share one process)",
        f"{'on to off':<34} ratio {_ratio(on, off):5.2f}   (median of {ROUNDS} rounds of {COUNT})",
    ]


def _ratio(above: list[float], below: list[float]) -> float:
    return statistics.median(a / b for a, b in zip(above, below, strict=True))
