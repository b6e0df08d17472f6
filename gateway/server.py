"""The HTTP server that callbacks come in through, and how it ends: nobody who has begun is cut off."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing

from aiohttp import web

from gateway import handover
from gateway.receiver import Receiver
from gateway.settings import Settings
from gateway.telemetry import logs

SETTLE_SECONDS = 0.05
BACKLOG = 128  # connections that wait while the event loop is busy


@asynccontextmanager
async def serving(receiver: Receiver, settings: Settings) -> AsyncIterator[int]:
    """Listen for callbacks; gives the port. On the way out: no new ones, those under way are answered."""
    app = web.Application()
    app.router.add_route("*", "/{path:(?s:.*)}", receiver.receive)  # a line break in it too
    # 75 s: longer than the proxies before us keep a connection (60), so it is never we who close it first.
    runner = web.AppRunner(
        app, access_log=None, logger=logs.of_http(), auto_decompress=False, lingering_time=1, keepalive_timeout=75
    )
    await runner.setup()
    try:
        with closing(await _listen(runner, settings)) as listener:
            yield int(listener.sockets[0].getsockname()[1])
            receiver.draining = True
            if settings.reuse_port:
                await handover.leave(listener.sockets)
        # The runner's own clean-up cuts off bodies that are still arriving, and connections of this very moment: wait
        # for what has come in to become handlers, and for the handlers.
        deadline = asyncio.get_running_loop().time() + settings.body_within + settings.answer_within
        await asyncio.sleep(SETTLE_SECONDS)
        while receiver.in_flight and asyncio.get_running_loop().time() < deadline:  # noqa: ASYNC110  # a counter, while draining
            await asyncio.sleep(SETTLE_SECONDS)
    finally:
        await runner.cleanup()


async def _listen(runner: web.AppRunner, settings: Settings) -> asyncio.Server:
    assert runner.server is not None  # it was set up
    listen = asyncio.get_running_loop().create_server
    host, port = settings.http_host, settings.http_port
    try:
        return await listen(runner.server, host, port, backlog=BACKLOG, reuse_port=settings.reuse_port or None)
    except OSError as error:
        where = f"MM7_HTTP_HOST = {host!r}, MM7_HTTP_PORT = {port}"
        raise OSError(f"{where}: {error.strerror or error}; choose another, or set MM7_REUSE_PORT") from error
