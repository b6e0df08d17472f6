"""/livez, /readyz and /metrics, for both programs.

Strategy: alive means that the event loop answers — a broker's outage must not restart anybody. Ready means that work
can be done now; what stands against it is listed. What fails and costs nobody anything yet is degraded, and ready.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import orjson
from aiohttp import web

from gateway.broker import Connection, State
from gateway.stores.spool import Spool
from gateway.telemetry import logs
from gateway.telemetry.metrics import Metrics


@dataclass(frozen=True, slots=True)
class Health:
    """What stands against being ready, and what is out of order all the same."""

    against: list[str] = field(default_factory=list)
    degraded: list[str] = field(default_factory=list)
    draining: bool = False

    @property
    def status(self) -> Literal["ready", "degraded", "not ready"]:
        """In a word."""
        if self.draining or self.against:
            return "not ready"
        return "degraded" if self.degraded else "ready"

    @property
    def reasons(self) -> list[str]:
        """Why it is not simply ready."""
        return [*(["draining"] if self.draining else []), *self.against, *self.degraded]

    def __str__(self) -> str:
        return f"{self.status}: {'; '.join(self.reasons)}" if self.reasons else self.status


def broker_reasons(*connections: Connection) -> list[str]:
    """What stands against being ready, of the broker."""
    return list(dict.fromkeys(f"broker {c.state}: {c.reason}" for c in connections if c.state is not State.UP))


def watch_broker(metrics: Metrics, *connections: Connection) -> None:
    """Let the broker's gauges tell the state at the time they are read."""
    metrics.broker_up.set_function(lambda: float(all(c.state is not State.DOWN for c in connections)))
    metrics.broker_blocked.set_function(lambda: float(any(c.state is State.BLOCKED for c in connections)))


def watch_spool(metrics: Metrics, spool: Spool[Any] | None) -> None:
    """Let the spool's gauges tell what it holds at the time they are read."""
    if spool is not None:
        metrics.spool_events.set_function(lambda: spool.events)
        metrics.spool_oldest_seconds.set_function(lambda: spool.oldest_seconds)
        metrics.spool_bytes.set_function(lambda: spool.bytes)
        metrics.spool_max_bytes.set(spool.max_bytes)
        metrics.spool_set_apart.set_function(lambda: spool.set_apart)


def watch_health(metrics: Metrics, health: Callable[[], Health]) -> None:
    """Let the gauges say what /readyz says."""
    metrics.ready.set_function(lambda: health().status != "not ready")
    metrics.degraded.set_function(lambda: health().status == "degraded")
    metrics.draining.set_function(lambda: health().draining)


@asynccontextmanager
async def serving(host: str, port: int, metrics: Metrics, health: Callable[[], Health]) -> AsyncIterator[int]:
    """Listen; gives the port."""
    watch_health(metrics, health)

    async def livez(_request: web.Request) -> web.Response:
        return _json(200, {"status": "alive"})

    async def readyz(_request: web.Request) -> web.Response:
        found = health()
        status = 503 if found.status == "not ready" else 200
        return _json(status, {"status": found.status, "reasons": found.reasons})

    async def metrics_text(_request: web.Request) -> web.Response:
        headers = {"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
        pieces = []
        for piece in metrics.pieces():
            pieces.append(piece)
            await asyncio.sleep(0)
        return web.Response(body=b"".join(pieces), headers=headers)

    app = web.Application()
    app.router.add_get("/livez", livez)
    app.router.add_get("/readyz", readyz)
    app.router.add_get("/metrics", metrics_text)
    runner = web.AppRunner(app, access_log=None, logger=logs.of_http(), lingering_time=1)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            where = f"MM7_ADMIN_HOST = {host!r}, MM7_ADMIN_PORT = {port}"
            raise OSError(f"{where}: {error.strerror or error}; choose another") from error
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()


def _json(status: int, value: object) -> web.Response:
    return web.Response(status=status, body=orjson.dumps(value), content_type="application/json")
