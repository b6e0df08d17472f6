"""A real Prometheus that looks at real pages: metrics of both programs, RabbitMQ's, HAProxy's, with the alerts loaded."""

import asyncio
import contextlib
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NoReturn

import programs
import pytest
from problems import NoServer, StartFailed
from prometheus_server import PrometheusServer
from rabbitmq import RabbitNode
from rundir import free_ports

from gateway.broker import Connection, Delay, build
from gateway.telemetry.metrics import Metrics
from tests.conftest import no_broker
from tests.deploy import promql

ALERTS = Path(__file__).parents[2] / "deploy/prometheus/alerts.yml"
ACCOUNT = "sinch-us"
# It has come round three times, and to the queues: RabbitMQ tells of them every five seconds.
SEEN = "count(count_over_time(rabbitmq_detailed_queue_consumers[1m]) > 3) > 3 and on () ALERTS"
FAMILIES = ("queue_coarse_metrics", "queue_consumer_count")
HAPROXY = """
defaults
  mode http
  timeout client 1s
  timeout server 1s
  timeout connect 1s
backend receivers
  server receiver1 127.0.0.1:9
frontend status
  bind 127.0.0.1:{port}
  http-request use-service prometheus-exporter
"""


def missing(reason: object) -> NoReturn:
    """Skip at home, fail in CI."""
    no_broker(str(reason))


def read(url: str) -> str:
    with urllib.request.urlopen(url, timeout=5) as answer:
        return answer.read().decode()


def listening(url: str, within: float = 10.0) -> str:
    """The page, as soon as it is there."""
    deadline = time.monotonic() + within
    while True:
        with contextlib.suppress(OSError):
            return read(url)
        assert time.monotonic() < deadline, url
        time.sleep(0.05)


def stir(metrics: Metrics) -> None:
    """Something of everything happens."""
    for outcome in ("accepted", "refused", "unavailable", "http_401"):
        metrics.callbacks.labels(ACCOUNT, "DeliverReq", outcome).inc()
    for outcome in ("mt.accepted", "mt.refused", "mt.unknown"):
        metrics.submits.labels(ACCOUNT, "submit", outcome).inc()
    for counter in (metrics.duplicates, metrics.retries, metrics.dead):
        counter.labels(ACCOUNT).inc()
    metrics.quirks.labels(ACCOUNT, "unquoted-boundary").inc()
    metrics.state_unavailable.labels("ledger").inc()
    metrics.media_unavailable.inc()
    for histogram in (metrics.answer_seconds.labels(ACCOUNT), metrics.submit_seconds.labels(ACCOUNT)):
        histogram.observe(0.1)
    metrics.publish_seconds.observe(0.01)
    for gauge in (metrics.ready, metrics.degraded, metrics.broker_up, metrics.spool_set_apart, metrics.spool_max_bytes):
        gauge.set(1)


@pytest.fixture(scope="session")
def promtool() -> Callable[..., str]:
    """Run promtool; what it prints."""
    try:
        program = programs.find("promtool")
    except NoServer as error:
        missing(error)

    def run(*arguments: object) -> str:
        command = [program.path, *map(str, arguments)]
        done = subprocess.run(command, env=program.environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


@pytest.fixture(scope="session")
def pages() -> Iterator[int]:
    """The port where both programs' metrics stand, under /mm7-receiver and /mm7-worker; each look stirs them."""
    made = {
        "/mm7-receiver": Metrics("mm7-gateway", accounts=[ACCOUNT]),
        "/mm7-worker": Metrics("mm7-worker", accounts=[ACCOUNT]),
    }

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            stir(made[self.path])
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.end_headers()
            self.wfile.write(made[self.path].text())

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


async def declare(url: str) -> None:
    """The broker's objects, as the programs declare them."""
    async with Connection(url, "test", build({ACCOUNT: [Delay.parse("10s")]})) as connection:
        await connection.wait_up(10)


@pytest.fixture(scope="session")
def rabbitmq_metrics() -> Iterator[int]:
    """The port of a node that tells of itself, and of queues of ours."""
    try:
        node = RabbitNode.create()
        port = node.expose_metrics()
        with node:
            asyncio.run(declare(node.url))
            listening(f"http://127.0.0.1:{port}/metrics")
            yield port
    except (NoServer, StartFailed) as error:
        missing(f"no private RabbitMQ node: {error}")


@pytest.fixture(scope="session")
def rabbitmq_names(rabbitmq_metrics, prometheus) -> set[str]:
    """The names of all that RabbitMQ tells; once Prometheus has come round, the queues are among them."""
    base = f"http://127.0.0.1:{rabbitmq_metrics}/metrics"
    families = "&".join(f"family={family}" for family in FAMILIES)
    return promql.shown(read(base) + "\n" + read(f"{base}/detailed?{families}"))


@pytest.fixture(scope="session")
def haproxy_page(tmp_path_factory) -> Iterator[str]:
    """What HAProxy tells of itself."""
    (port,) = free_ports(1)
    config = tmp_path_factory.mktemp("haproxy") / "haproxy.cfg"
    config.write_text(HAPROXY.format(port=port))
    try:
        program = programs.find("haproxy")
    except NoServer as error:
        missing(error)
    process = subprocess.Popen([program.path, "-db", "-q", "-f", str(config)], env=program.environment)
    try:
        yield listening(f"http://127.0.0.1:{port}/metrics")
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="session")
def prometheus(pages, rabbitmq_metrics) -> Iterator[PrometheusServer]:
    """It has looked at all of them some times, and its alerts are on."""
    jobs = [
        job("mm7-receiver", pages, "/mm7-receiver"),
        job("mm7-worker", pages, "/mm7-worker"),
        job("rabbitmq", rabbitmq_metrics, "/metrics"),
        job("rabbitmq-queues", rabbitmq_metrics, "/metrics/detailed") | {"params": {"family": FAMILIES}},
    ]
    try:
        server = PrometheusServer(
            {
                "global": {"scrape_interval": "500ms", "scrape_timeout": "500ms", "evaluation_interval": "500ms"},
                "rule_files": [str(ALERTS)],
                "scrape_configs": jobs,
            }
        )
    except NoServer as error:
        missing(error)
    with server:
        deadline = time.monotonic() + 20
        while not server.ask("query", query=SEEN)["result"]:
            assert time.monotonic() < deadline, server.ask("targets")
            time.sleep(0.1)
        yield server


def job(name: str, port: int, path: str) -> dict[str, Any]:
    """A row of scrape_configs."""
    return {"job_name": name, "metrics_path": path, "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}
