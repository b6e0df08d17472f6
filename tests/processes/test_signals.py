"""The real programs and real signals: what is begun is finished, what is not is given back."""

import asyncio
import os
import signal
import time

import pytest

from gateway.tools.simulator import Simulator, late

pytestmark = pytest.mark.usefixtures("tidy")


async def _open(port: int, name: str, length: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = f"POST /mm7/{name} HTTP/1.1\r\nHost: h\r\nContent-Type: text/xml\r\nContent-Length: {length}\r\n\r\n"
    writer.write(head.encode())
    await writer.drain()
    return reader, writer


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_receiver_answers_a_callback_whose_body_is_still_arriving(
    run, settings, amqp_url, broker, name, report, number, eventually
):
    receiver = await run("gateway", AMQP_URL=amqp_url, CONFIG=settings()).ready()
    events = await broker.follow(f"*.*.{name}.*")
    body = report("slow-1")
    reader, writer = await _open(receiver.port, name, len(body))
    writer.write(body[:100])
    await writer.drain()
    await asyncio.sleep(0.1)  # the head must have been read: only then is it a callback under way
    receiver.signal(number)
    await eventually(lambda: receiver.logged("receiver.draining"))
    with pytest.raises(ConnectionError):
        await asyncio.open_connection("127.0.0.1", receiver.port)
    writer.write(body[100:])
    answer = await reader.read()
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"<StatusCode>1000</StatusCode>" in answer
    assert await receiver.ended() == 0
    assert (await events.event("dr.received"))["data"]["message_id"] == "slow-1"
    writer.close()


async def test_a_receiver_that_drains_says_so_and_ends_without_the_rest_of_a_body(
    run, settings, amqp_url, name, eventually
):
    receiver = await run("gateway", AMQP_URL=amqp_url, CONFIG=settings(), BODY_WITHIN=1).ready()
    reader, writer = await _open(receiver.port, name, 1000)
    await asyncio.sleep(0.1)
    receiver.signal(signal.SIGTERM)
    await eventually(lambda: receiver.logged("receiver.draining"))
    status, text = await receiver.get("readyz")
    assert (status, "draining" in text) == (503, True)
    assert (await reader.read()).startswith(b"HTTP/1.1 408 ")
    assert await receiver.ended() == 0
    writer.close()


async def test_an_idle_kept_connection_does_not_hold_up_the_end(run, settings, amqp_url, name, caller):
    receiver = await run("gateway", AMQP_URL=amqp_url, CONFIG=settings()).ready()
    assert (await caller.call(receiver.port, name)).status == 200
    began = time.monotonic()
    assert await receiver.stop() == 0
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_worker_finishes_the_submit_under_way(run, settings, amqp_url, broker, name, number, eventually):
    async with Simulator() as provider:
        provider.script(late(1.5))
        worker = await run("workers", AMQP_URL=amqp_url, CONFIG=settings(provider.url)).ready()
        events = await broker.follow(f"mt.*.{name}.*")
        await broker.command(name, {"id": "a", "to": ["15553199144"]})
        await provider.next_submit()
        worker.signal(number)
        await eventually(lambda: worker.logged("worker.draining"))
        await broker.command(name, {"id": "b", "to": ["15553199144"]})
        assert await worker.ended() == 0
        assert (await events.event("mt.accepted"))["data"]["command_id"] == "a"
        assert len(provider.submits) == 1
        left = await broker.take(f"mm7.mt.{name}")
        assert (left.body, left.redelivered) == (b'{"id": "b", "to": ["15553199144"]}', False)
        assert await broker.count(f"mm7.mt.{name}") == 0


async def test_a_second_ctrl_c_ends_at_once_and_quietly(run, settings, amqp_url, broker, name, eventually):
    async with Simulator() as provider:
        provider.script(late(30))
        worker = await run("workers", AMQP_URL=amqp_url, CONFIG=settings(provider.url)).ready()
        await broker.command(name, {"id": "a", "to": ["15553199144"]})
        await provider.next_submit()
        worker.signal(signal.SIGINT)
        await eventually(lambda: worker.logged("worker.draining"))
        worker.signal(signal.SIGINT)
        assert await worker.ended(5) != 0
        assert "Traceback" not in worker.log


@pytest.mark.parametrize(("module", "ready"), [("gateway", 200), ("workers", 503)])
async def test_a_program_without_a_broker_ends_as_quickly(run, settings, module, ready):
    program = await run(module, AMQP_URL="amqp://127.0.0.1:9/", CONFIG=settings()).listening()
    status, text = await program.get("readyz")
    assert (status, "broker down" in text) == (ready, True)  # the receiver has its spool, and is ready: degraded
    assert (await program.get("livez"))[0] == 200
    began = time.monotonic()
    assert await program.stop() == 0
    assert time.monotonic() - began < 6


async def test_two_receivers_share_a_port(run, settings, amqp_url, name, report, caller):
    from rundir import free_ports

    (port,) = free_ports(1)
    options = {"AMQP_URL": amqp_url, "CONFIG": settings(), "HTTP_PORT": port, "REUSE_PORT": "true"}
    first, second = run("gateway", **options), run("gateway", **options)
    await first.ready()
    await second.ready()
    answers = await asyncio.gather(*(_once(port, name, report(f"shared-{number}")) for number in range(40)))
    assert all(answer.startswith(b"HTTP/1.1 200 ") for answer in answers)
    if os.uname().sysname == "Linux":  # where the kernel spreads connections over the listeners
        assert first.logged("callback.accepted")
        assert second.logged("callback.accepted")
    assert await first.stop() == 0
    assert (await caller.call(port, name)).status == 200


async def _once(port: int, name: str, body: bytes) -> bytes:
    """A connection of its own, for it is connections that are spread."""
    reader, writer = await _open(port, name, len(body))
    writer.write(body)
    answer = await reader.readuntil(b"\r\n")
    writer.close()
    return answer


@pytest.mark.parametrize("module", ["gateway", "workers"])
async def test_sigusr1_switches_to_debug_and_back(run, settings, amqp_url, module, eventually):
    program = await run(module, AMQP_URL=amqp_url, CONFIG=settings(), LOG_LEVEL="info").ready()
    for count, level in enumerate(("debug", "info"), 1):
        program.signal(signal.SIGUSR1)
        lines = await eventually(lambda count=count: len(found := program.logged("log.level")) == count and found)
        assert (lines[-1]["now"], lines[-1]["configured"]) == (level, "info")
    assert await program.stop() == 0


async def test_sigusr1_ends_no_program_that_is_ending(run, settings, amqp_url, eventually):
    program = await run("gateway", AMQP_URL=amqp_url, CONFIG=settings(), DRAIN_SECONDS=1).ready()
    program.signal(signal.SIGTERM)
    while program.process.poll() is None:
        program.signal(signal.SIGUSR1)
        await asyncio.sleep(0.01)
    assert program.process.returncode == 0
    assert program.logged("receiver.ended")
