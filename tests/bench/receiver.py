"""Callbacks through the receiver beside bare confirmed publishes of the same events."""

import asyncio
import os
import tempfile
import time
from datetime import UTC, datetime

import aiohttp

from gateway import broker
from gateway.accounts import Account
from gateway.broker import Connection, Outgoing, Publisher
from gateway.receiver import Receiver
from gateway.server import serving
from gateway.settings import Settings
from gateway.stores.media import MediaStore
from gateway.telemetry import logs
from gateway.telemetry.metrics import Metrics
from gateway.tools.simulator import PROFILES, VERSIONS, Form, Report

COUNT, CONCURRENCY = 2000, 32
ACCOUNT = "bench"


async def _all(work, count: int) -> float:  # type: ignore[no-untyped-def]
    """Seconds for `count` calls, CONCURRENCY at a time."""
    numbers = iter(range(count))

    async def one() -> None:
        for number in numbers:
            await work(number)

    began = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(CONCURRENCY)))
    return time.perf_counter() - began


async def measure() -> list[str]:
    """Delivery reports per second, and the floor."""
    logs.configure("error", "json")
    account = Account.model_validate({"name": ACCOUNT, "profile": "sinch", "inbound": {"open": True}})
    media = tempfile.mkdtemp(prefix="mm7-bench-")
    settings = Settings(accounts={ACCOUNT: account}, http_port=0, media_url=f"file://{media}")  # type: ignore[arg-type]
    url = os.environ["MM7_AMQP_URL"]
    async with Connection(url, "bench", broker.build({ACCOUNT: []})) as connection:
        await connection.wait_up(10)
        publisher = Publisher(connection)
        channel = await connection.channel()
        queue = (await channel.queue_declare("", exclusive=True, auto_delete=True)).queue or ""
        await channel.queue_bind(queue, broker.EVENTS, f"*.*.{ACCOUNT}.*")
        event = Outgoing(
            exchange=broker.EVENTS, routing_key=f"dr.received.{ACCOUNT}.1", body=b"x" * 1400, content_type="text/plain"
        )
        floor = COUNT / await _all(lambda _: publisher.publish(event, within=10), COUNT)
        receiver = Receiver(settings, publisher, MediaStore(settings.media_url), Metrics())
        async with serving(receiver, settings) as port, aiohttp.ClientSession() as session:

            async def post(number: int) -> None:
                report = Report(transaction_id=str(number), message_id=str(number), at=datetime.now(UTC))
                callback = PROFILES["sinch"].write(report, Form(*VERSIONS["6.8.0"]))
                target = f"http://127.0.0.1:{port}/mm7/{ACCOUNT}"
                async with session.post(target, data=callback.body, headers=callback.headers) as response:
                    assert response.status == 200

            reached = COUNT / await _all(post, COUNT)
    return [
        f"{'confirmed publishes':<34} {floor:9.0f} /s",
        (
            f"{'delivery reports answered':<34} {reached:9.0f} /s   ratio to the floor {reached / floor:5.2f}"
            "   (client and receiver share one process)"
        ),
    ]
