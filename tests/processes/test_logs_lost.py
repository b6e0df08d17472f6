"""Lines of the log that cannot be written: no answer, no message and no connection depends on one."""

import asyncio
import os
import signal
import subprocess
import sys

import aiohttp
import pytest
from rundir import free_ports

from tests.conftest import config
from tests.faults.provider import Provider

ACCOUNT = {"profile": "generic", "inbound": {"open": True}}


@pytest.fixture
def deaf(tmp_path, amqp_url):
    """Start a program whose log is a pipe that nobody reads any more; its admin port is given."""
    started = []

    def start(
        module: str, name: str, *, account: dict | None = None, **settings: object
    ) -> tuple[subprocess.Popen, int]:
        (admin,) = free_ports(1)
        path = config(tmp_path / f"{module}.toml", {name: ACCOUNT | (account or {})})
        given = {"AMQP_URL": amqp_url, "CONFIG": path, "ADMIN_PORT": admin, "LOG_FORMAT": "json"} | settings
        env = {each: value for each, value in os.environ.items() if not each.startswith("MM7_")}
        env |= {f"MM7_{each}": str(value) for each, value in given.items()}
        reader, writer = os.pipe()
        process = subprocess.Popen([sys.executable, "-m", module], stdout=writer, env=env, cwd=tmp_path)
        os.close(writer)
        os.close(reader)
        started.append(process)
        return process, admin

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
            process.wait()


async def ready(admin: int) -> None:
    async with aiohttp.ClientSession() as session, asyncio.timeout(20):
        while True:
            try:
                async with session.get(f"http://127.0.0.1:{admin}/readyz") as response:
                    if (await response.json())["status"] == "ready":
                        return
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.05)


async def ends(process: subprocess.Popen) -> int:
    process.send_signal(signal.SIGTERM)
    return await asyncio.to_thread(process.wait, 15)


async def test_a_receiver_whose_log_nobody_reads_answers_and_ends_in_order(deaf, broker, caller):
    (port,) = free_ports(1)
    process, admin = deaf("gateway", "deaf-in", HTTP_PORT=port)
    await ready(admin)
    events = await broker.follow("dr.received.deaf-in.#")
    assert [(await caller.call(port, "deaf-in")).status for _ in range(3)] == [200] * 3
    for _ in range(3):
        await events.next("dr.received")
    assert await ends(process) == 0
    await broker.remove("deaf-in")


async def test_a_worker_whose_log_nobody_reads_sends_tells_and_ends_in_order(deaf, broker):
    async with Provider() as provider:
        sending = {"url": f"http://127.0.0.1:{provider.port}/", "sender": "111122", "rate": 100}
        process, admin = deaf("workers", "deaf-out", account={"outbound": sending})
        await ready(admin)
        events = await broker.follow("mt.*.deaf-out.#")
        ids = [f"deaf-{number}" for number in range(40)]  # more than it takes at a time
        for identity in ids:
            parts = [{"content_type": "text/plain", "text": "It has arrived."}]
            await broker.command("deaf-out", {"id": identity, "to": ["15553199144"], "parts": parts})
        told = [(await events.event("mt.accepted"))["data"]["command_id"] for _ in ids]
        assert sorted(told) == sorted(ids)
        assert sum(provider.accepted.values()) == len(ids)
        assert await ends(process) == 0
    await broker.remove("deaf-out")
