"""The worker as it runs: commands from a real RabbitMQ to a real HTTP server and back, and its end at SIGTERM."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import signal
import socket
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from aiohttp import web

from gateway import mm7
from gateway.broker import dead_queue, mt_queue
from gateway.settings import WorkerSettings
from workers import __main__ as program
from workers import app

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

WITHIN = 20.0


class Provider:
    """Answers each submit with the next HTTP status of `script` (200 when it is empty), not before the gate opens."""

    def __init__(self) -> None:
        self.script: list[int] = []
        self.bodies: list[bytes] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def take(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.bodies.append(body)
        await self.gate.wait()
        status = self.script.pop(0) if self.script else 200
        message = mm7.decode(request.headers["Content-Type"], body).message
        asked = mm7.Request(
            operation="SubmitReq",
            transaction_id=message.transaction_id,
            namespace=message.namespace,
            mm7_version="6.8.0",
        )
        answer = mm7.encode(mm7.response(asked, 1000, message_id=f"m-{len(self.bodies)}"))
        return web.Response(
            status=status, body=answer.body if status == 200 else b"busy", headers={"Content-Type": answer.content_type}
        )


@pytest.fixture
async def provider() -> AsyncIterator[Provider]:
    simulated = Provider()
    application = web.Application()
    application.router.add_post("/mm7", simulated.take)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    simulated.url = f"http://127.0.0.1:{runner.addresses[0][1]}/mm7"
    yield simulated
    await runner.cleanup()


class Place:
    """A running worker with an account of its own; `events` follows its outcomes."""

    def __init__(self, url: str, provider: Provider, media: str) -> None:
        self.account, self.delay = f"test-{secrets.token_hex(4)}", f"{200 + secrets.randbelow(300)}ms"
        self.mt, self.dead = mt_queue(self.account), dead_queue(self.account)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.admin = free.getsockname()[1]
        outbound = {
            "url": provider.url,
            "sender": "111122",
            "retry_delays": [self.delay],
            "concurrency": 4,
            "rate": 1000,
        }
        self.settings = WorkerSettings(
            amqp_url=url,
            admin_port=self.admin,
            media_url=media,
            state_url=f"sqlite://{media.removeprefix('file://')}/state.db",
            accounts={
                self.account: {"profile": "generic", "outbound": outbound},
                f"{self.account}-in": {"profile": "generic", "inbound": {"open": True}},
            },
        )

    async def ready(self) -> tuple[int, list[str]]:
        async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{self.admin}/readyz") as response:
            return response.status, (await response.json())["reasons"]

    async def send(self, **command: Any) -> None:
        properties = command.pop("properties", {})
        await self.observer.command(self.account, {"id": "order-1", "to": ["15553199144"], **command}, **properties)


async def until(condition: Callable[[], Awaitable[object]]) -> None:
    async with asyncio.timeout(WITHIN):
        while not await condition():
            await asyncio.sleep(0.02)


@pytest.fixture
async def place(broker, amqp_url: str, provider: Provider, tmp_path) -> AsyncIterator[Place]:
    place = Place(amqp_url, provider, tmp_path.as_uri())
    place.observer = broker
    place.worker = asyncio.create_task(app.run(place.settings))

    async def is_ready() -> bool:
        with contextlib.suppress(aiohttp.ClientConnectorError):
            return (await place.ready())[0] == 200
        return False

    await until(is_ready)
    place.events = await broker.follow(f"mt.*.{place.account}.#")
    try:
        yield place
    finally:
        provider.gate.set()
        if not place.worker.done():
            os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(place.worker, WITHIN)
        await broker.remove(place.account, f"{place.account}-in", delays=(place.delay,))


async def test_a_command_waits_in_the_broker_and_its_outcome_goes_to_the_subscribers_and_to_whoever_asked(
    place: Place, provider: Provider
) -> None:
    provider.script = [503]
    answers = await place.observer.queue("mm7.events")
    await place.send(reference="r", properties={"reply_to": answers.name, "correlation_id": "c-1"})
    event = await place.events.event()
    assert (event["type"], event["data"]["attempts"], event["data"]["message_id"]) == ("mt.accepted", 2, "m-2")
    assert provider.bodies[0] == provider.bodies[1]
    reply = await place.observer.take(answers.name)
    assert (json.loads(reply.body), reply.correlation_id) == (event, "c-1")


async def test_a_bad_command_is_refused_and_kept_with_its_cause(place: Place, provider: Provider) -> None:
    await place.send(to=["nobody"], priority="x")
    event = await place.events.event()
    assert {problem["path"] for problem in event["data"]["details"]} == {"to[0]", "priority"}
    letter = await place.observer.take(place.dead)
    assert (letter.headers["mm7-reason"], letter.headers["mm7-event-id"]) == ("bad_command", event["id"])
    assert provider.bodies == []


async def test_the_same_command_twice_is_sent_once(place: Place, provider: Provider) -> None:
    await place.send()
    await place.send()
    one, two = await place.events.event(), await place.events.event()
    assert one == two
    assert len(provider.bodies) == 1


async def test_headers_that_fill_a_frame_do_not_hold_up_a_command(place: Place, provider: Provider) -> None:
    provider.script = [503, 503]
    await place.send(properties={"headers": {f"h{number}": "x" * 1000 for number in range(127)}})
    assert (await place.events.event())["data"]["reason"] == "attempts_exhausted"
    letter = await place.observer.take(place.dead)
    assert letter.headers["mm7-attempts"] == 2
    assert len(letter.headers) > 60


async def test_at_sigterm_the_work_at_hand_is_finished_and_acknowledged(
    place: Place, provider: Provider, eventually
) -> None:
    provider.gate.clear()
    await place.send()
    await eventually(lambda: provider.bodies)
    os.kill(os.getpid(), signal.SIGTERM)

    async def draining() -> bool:
        return await place.ready() == (503, ["draining"])

    await until(draining)
    await place.send(id="order-2")
    assert not place.worker.done()
    provider.gate.set()
    await asyncio.wait_for(place.worker, WITHIN)
    assert (await place.events.event())["data"]["command_id"] == "order-1"
    assert len(provider.bodies) == 1
    assert await place.observer.count(place.mt) == 1  # the next worker's


async def test_at_sigterm_a_command_that_waits_for_its_turn_is_left_to_the_next_worker(
    place: Place, provider: Provider, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    waits = asyncio.Event()

    async def turn(_: object) -> None:
        waits.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(app.Pace, "turn", turn)
    await place.send()
    await asyncio.wait_for(waits.wait(), WITHIN)
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.wait_for(place.worker, 5)  # the grace is 35 s
    await until(lambda: place.observer.count(place.mt))
    assert provider.bodies == []
    assert "handler.crashed" not in "".join(capsys.readouterr())


async def test_at_the_end_of_its_patience_a_worker_leaves_the_rest_to_the_broker(
    place: Place, provider: Provider, eventually, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "GRACE_SECONDS", -49.8)  # beyond the timeout, which is 30 s, and the 20 s for fetching
    provider.gate.clear()
    await place.send()
    await eventually(lambda: provider.bodies)
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.wait_for(place.worker, WITHIN)
    await until(lambda: place.observer.count(place.mt))
    assert len(provider.bodies) == 1


def test_settings_that_cannot_be_used_end_the_program_with_2(monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    for name in [name for name in os.environ if name.startswith("MM7_")]:
        monkeypatch.delenv(name)
    with pytest.raises(SystemExit) as caught:
        program.main()
    assert caught.value.code == 2
    assert "no account can send" in capsys.readouterr().err
