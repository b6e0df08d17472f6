"""The small overlay's pods run by hand: the real programs, with the environment and the settings of their containers.

Strategy: only what names another machine is replaced — broker, Redis, object store, provider, ports — and where the
pod has its volumes. Everything else is what `kubectl apply -k` would apply.
"""

import asyncio
import os
import subprocess
import sys
import tomllib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from rundir import free_ports

from gateway.broker import Connection, Delay, build
from gateway.tools.simulator import Simulator
from tests.deploy.containers import image_environment, modules
from tests.deploy.manifests import FOLDER, container, documents, environment, pod, toml, workloads

ACCOUNT = "sinch-us"
DELAYS = ("10s", "60s", "5m", "30m")
NO_BROKER = "amqp://127.0.0.1:9/"


@pytest.fixture
def port() -> int:
    """Where callbacks are received."""
    return free_ports(1)[0]


@pytest.fixture
async def provider(port) -> AsyncIterator[Simulator]:
    basic = ("sinch", environment(workloads("small")["mm7-gateway"])["SINCH_CALLBACK_PASSWORD"])
    to = f"http://127.0.0.1:{port}/mm7/{ACCOUNT}"
    async with Simulator(to=to, basic=basic, report_after=0.05, retries=0) as simulator:
        yield simulator


@pytest.fixture
def redis_url() -> str:
    url = os.environ.get("MM7_TEST_REDIS_URL")
    if url is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("no Redis: make deploy-check starts one")
    return url


@pytest.fixture
def given(tmp_path, port, amqp_url, redis_url, provider, monkeypatch) -> Callable[..., dict[str, str]]:
    """A container's environment, and its settings' file, with this machine in place of others."""
    replaced = {
        "/var/lib/mm7": f"{tmp_path}/data",
        "s3://mms": (tmp_path / "bucket").as_uri(),
        "https://api.example.net/mm7/v1/": provider.url,
    }

    def given(workload: dict[str, Any], **instead: str) -> dict[str, str]:
        settings = toml("small")
        for there, here in replaced.items():
            assert there in settings
            settings = settings.replace(there, here)
        (tmp_path / "mm7.toml").write_text(settings)
        found = {**image_environment(), **environment(workload)}
        hosts = {name: "127.0.0.1" for name in found if name.endswith("_HOST")}
        here = {"MM7_CONFIG": f"{tmp_path}/mm7.toml", "MM7_AMQP_URL": amqp_url, "MM7_STATE_URL": redis_url}
        ports = {"MM7_HTTP_PORT": str(port), "MM7_ADMIN_PORT": "0"}
        return found | hosts | here | ports | instead | {"PATH": os.environ["PATH"]}

    return given


@pytest.fixture
def start(run, given, monkeypatch) -> Callable[..., Any]:
    """Start a workload's program."""

    def start(workload: dict[str, Any], **instead: str) -> Any:
        variables = given(workload, **instead)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        (program,) = container(workload)["command"]
        ours = {name.removeprefix("MM7_"): each for name, each in variables.items() if name.startswith("MM7_")}
        return run(
            modules()[program], **ours | {"MEDIA_URL": tomllib.loads(Path(ours["CONFIG"]).read_text())["media_url"]}
        )

    return start


@pytest.fixture
async def events(amqp_url, broker) -> AsyncIterator[Any]:
    async with Connection(amqp_url, "test", build({ACCOUNT: list(map(Delay.parse, DELAYS))})) as connection:
        await connection.wait_up(10)
    yield await broker.follow(f"#.{ACCOUNT}.#")
    await broker.remove(ACCOUNT, delays=DELAYS)


async def _ended_in_time(program: Any, workload: dict[str, Any]) -> None:
    program.process.terminate()
    assert await program.ended(pod(workload)["terminationGracePeriodSeconds"]) == 0


async def test_the_pods_of_the_small_overlay_send_receive_and_end_in_time(start, broker, events, provider):
    receiver, worker = workloads("small")["mm7-gateway"], workloads("small")["mm7-worker"]
    running = [(await start(each).ready(), each) for each in (receiver, worker)]
    await broker.command(
        ACCOUNT,
        {"id": "order-1", "to": ["15553199144"], "parts": [{"content_type": "text/plain", "text": "It has arrived."}]},
    )
    assert (await events.event("mt.accepted"))["data"]["command_id"] == "order-1"
    assert (await events.event("dr.received"))["data"]["command_id"] == "order-1"
    await asyncio.gather(*(_ended_in_time(program, workload) for program, workload in running))


async def test_what_a_pod_left_in_its_spool_is_published_by_the_job(start, given, events, provider):
    receiver = workloads("small")["mm7-gateway"]
    (job,) = documents((FOLDER / "spool-flush.yaml").read_text())
    program = await start(receiver, MM7_AMQP_URL=NO_BROKER, MM7_DRAIN_SECONDS="0").listening()
    assert (await provider.send_mo(text="kept")).delivered
    await _ended_in_time(program, receiver)
    assert program.logged("spool.left_behind")
    flush = await asyncio.to_thread(_once, container(job)["command"], given(job))
    assert flush.returncode == 0, flush.stderr
    assert "nothing waits" in flush.stdout + flush.stderr
    assert (await events.event("mo.received"))["data"]["text"] == "kept"


def _once(command: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    program, *arguments = command
    start = f"from {modules()[program]} import main; main()"
    return subprocess.run(
        [sys.executable, "-c", start, *arguments],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
