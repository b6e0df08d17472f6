"""/livez, /readyz and /metrics, for both programs.

Strategy: alive means that the event loop answers — a broker's outage must not restart anybody. Ready means that work
can be done now; what stands against it is listed.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import orjson
from aiohttp import web

from gateway.broker import Connection, State
from gateway.telemetry import logs
from gateway.telemetry.metrics import Metrics


def broker_reasons(*connections: Connection) -> list[str]:
    """What stands against being ready, of the broker."""
    return [f"broker {c.state}: {c.reason}" for c in connections if c.state is not State.UP]


def watch_broker(metrics: Metrics, *connections: Connection) -> None:
    """Let the broker's gauges tell the state at the time they are read."""
    metrics.broker_up.set_function(lambda: float(all(c.state is not State.DOWN for c in connections)))
    metrics.broker_blocked.set_function(lambda: float(any(c.state is State.BLOCKED for c in connections)))


@asynccontextmanager
async def serving(host: str, port: int, metrics: Metrics, reasons: Callable[[], list[str]]) -> AsyncIterator[int]:
    """Listen; gives the port. `reasons` lists what stands against being ready."""

    async def livez(_request: web.Request) -> web.Response:
        return _json(200, {"status": "alive"})

    async def readyz(_request: web.Request) -> web.Response:
        found = reasons()
        return _json(503 if found else 200, {"status": "not ready" if found else "ready", "reasons": found})

    async def metrics_text(_request: web.Request) -> web.Response:
        headers = {"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
        return web.Response(body=metrics.text(), headers=headers)

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
