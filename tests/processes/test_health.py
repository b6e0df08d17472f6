"""What the real programs say of themselves while something is away, as an orchestrator and Prometheus read it."""

import asyncio
import json
import signal

import pytest

from gateway.mm7 import Address, Content, DeliverReq, Part, encode
from gateway.tools.simulator import Simulator, late

pytestmark = pytest.mark.usefixtures("tidy")
NOWHERE = "amqp://127.0.0.1:9/"
GAUGES = ("mm7_ready", "mm7_degraded", "mm7_draining")


async def told(program) -> tuple[int, str, list[str]]:
    """Status, word and reasons of /readyz; the gauges must agree with it."""
    status, text = await program.get("readyz")
    found = json.loads(text)
    shown = dict(line.split(" ") for line in (await program.get("metrics"))[1].splitlines() if line.startswith(GAUGES))
    expected = (found["status"] != "not ready", found["status"] == "degraded", "draining" in found["reasons"])
    assert [float(shown[name]) for name in GAUGES] == list(expected)
    return status, found["status"], found["reasons"]


async def until(program, reason_like: str) -> tuple[int, str, list[str]]:
    async with asyncio.timeout(15):
        while reason_like not in "; ".join((found := await told(program))[2]):
            await asyncio.sleep(0.05)
    return found


async def metric(program, name: str) -> float:
    lines = (await program.get("metrics"))[1].splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith((f"{name} ", f"{name}{{")))


async def test_a_spool_that_fills_degrades_and_full_without_a_broker_it_is_not_ready(
    run, settings, name, caller
) -> None:
    receiver = await run("gateway", AMQP_URL=NOWHERE, CONFIG=settings(), SPOOL_MAX_BYTES=20_000).listening()
    status, word, reasons = await told(receiver)
    assert (status, word, len(reasons)) == (200, "degraded", 1)
    assert await metric(receiver, "mm7_spool_max_bytes") == 20_000
    degraded = []
    while (answered := await caller.call(receiver.port, name)).status == 200:
        degraded.append((await told(receiver))[2][1:])
    assert answered.status == 503
    assert degraded[0] == []
    assert [reason.startswith("spool: ") and reason.endswith(" bytes of 20000") for reason in degraded[-1]] == [True]
    status, word, reasons = await told(receiver)
    assert (status, word) == (503, "not ready")
    assert reasons[1].startswith("spool: full, with ")
    assert 16_000 < await metric(receiver, "mm7_spool_bytes") <= 20_000
    assert (await receiver.get("livez"))[0] == 200


async def test_without_the_state_store_a_receiver_is_degraded_and_a_worker_not_ready(
    run, settings, amqp_url, name, caller
) -> None:
    options = {"AMQP_URL": amqp_url, "CONFIG": settings(), "STATE_URL": "redis://127.0.0.1:9/0"}
    receiver, worker = run("gateway", **options), run("workers", **options)
    await receiver.ready()
    assert (await caller.call(receiver.port, name)).status == 200
    status, word, reasons = await told(receiver)
    assert (status, word) == (200, "degraded")
    assert any(reason.startswith("state store: ") for reason in reasons)
    await worker.listening()
    status, word, reasons = await until(worker, "state store: ")
    assert (status, word) == (503, "not ready")
    async with asyncio.timeout(10):  # its first try takes a moment
        while not await metric(worker, "mm7_state_unavailable_total"):
            await asyncio.sleep(0.05)


async def test_without_the_media_store_a_receiver_is_degraded_until_it_is_back(
    run, settings, amqp_url, name, caller, tmp_path
) -> None:
    folder = tmp_path / "away"
    folder.write_text("in the way")
    receiver = await run("gateway", AMQP_URL=amqp_url, CONFIG=settings(), MEDIA_URL=folder.as_uri()).ready()
    part = Part(content_type="image/png", content_id="p", data=b"\x89PNG\r\n\x1a\n" + bytes(100))
    message = DeliverReq(
        transaction_id="t", mm7_version="6.8.0", sender=Address("15553199144"), content=Content("cid:p")
    )
    encoded = encode(message, [part])
    async with caller.session.post(
        f"http://127.0.0.1:{receiver.port}/mm7/{name}",
        data=encoded.body,
        headers={"Content-Type": encoded.content_type},
    ) as response:
        assert response.status == 200
    status, word, _ = await until(receiver, "media store: ")
    assert (status, word) == (200, "degraded")
    assert await metric(receiver, "mm7_media_unavailable_total") > 0
    assert await metric(receiver, "mm7_spool_events") == 1
    folder.unlink()
    async with asyncio.timeout(15):
        while (await told(receiver))[1] != "ready":
            await asyncio.sleep(0.05)
    assert await metric(receiver, "mm7_spool_events") == 0


async def test_a_worker_whose_media_store_is_away_is_degraded(
    run, settings, amqp_url, broker, name, monkeypatch
) -> None:
    store = {"ENDPOINT_URL": "http://127.0.0.1:9", "ALLOW_HTTP": "true", "REGION": "us-east-1"}
    for variable, value in (store | {"ACCESS_KEY_ID": "nobody", "SECRET_ACCESS_KEY": "nothing"}).items():
        monkeypatch.setenv(f"AWS_{variable}", value)
    worker = await run("workers", AMQP_URL=amqp_url, CONFIG=settings(), MEDIA_URL="s3://mms").ready()
    part = {"content_type": "image/png", "url": f"s3://mms/ab/{'ab' * 32}"}
    await broker.command(name, {"id": "a", "to": ["15553199144"], "parts": [part]})
    status, word, _ = await until(worker, "media store: ")
    assert (status, word) == (200, "degraded")
    assert await metric(worker, "mm7_media_unavailable_total") > 0


async def test_each_program_shows_its_own_and_its_process(run, settings, amqp_url, name, caller) -> None:
    options = {"AMQP_URL": amqp_url, "CONFIG": settings()}
    receiver, worker = run("gateway", **options), run("workers", **options)
    for program, others in ((receiver, "mm7_commands_in_flight"), (worker, "mm7_spool_events")):
        await program.ready()
        text = (await program.get("metrics"))[1]
        for own in ("mm7_build_info{", "process_cpu_seconds_total ", "process_open_fds ", "mm7_loop_lag_max_seconds "):
            assert f"\n{own}" in text
        assert others not in text
    assert (await caller.call(receiver.port, name)).status == 200
    assert await metric(receiver, "mm7_callbacks_total") == 1
    for gauge in ("mm7_callbacks_in_flight", "mm7_body_bytes_in_flight"):
        assert await metric(receiver, gauge) == 0


async def test_a_worker_that_ends_says_so_while_it_finishes(run, settings, amqp_url, broker, name) -> None:
    async with Simulator() as provider:
        provider.script(late(2.0))
        worker = await run("workers", AMQP_URL=amqp_url, CONFIG=settings(provider.url)).ready()
        await broker.command(name, {"id": "a", "to": ["15553199144"]})
        await provider.next_submit()
        assert await metric(worker, "mm7_commands_in_flight") == 1
        worker.signal(signal.SIGTERM)
        status, word, reasons = await until(worker, "draining")
        assert (status, word, reasons) == (503, "not ready", ["draining"])
        assert await worker.ended() == 0
