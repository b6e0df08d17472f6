"""A web server that behaves as it is told, names that lead where they are told, and a fetcher that knows both."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from ipaddress import ip_network
from typing import Any

import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver

from workers.fetch import Fetcher
from workers.rules import HostRule, Rules

LOCAL = "127.0.0.1/32"


class Names(AbstractResolver):
    """A name → its addresses; a list of lists: the next of them each time, the last for ever."""

    def __init__(self) -> None:
        self.addresses: dict[str, list[Any]] = {}
        self.asked: list[str] = []

    async def resolve(self, host: str, port: int = 0, family: Any = socket.AF_INET) -> list[Any]:
        self.asked.append(host)
        if host not in self.addresses:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        found = self.addresses[host]
        if isinstance(found[0], list):
            found = found.pop(0) if len(found) > 1 else found[0]
        return [
            {"hostname": host, "host": each, "port": port, "family": _family(each), "proto": 0, "flags": 0}
            for each in found
        ]

    async def close(self) -> None:
        pass


def _family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


class Site:
    """Answers by path; `requests` are those that came. `sent` counts the bytes of bodies without end, `cut_off` is set
    when the other side has had enough of one.
    """

    def __init__(self) -> None:
        self.port = 0
        self.requests: list[web.Request] = []
        self.pages: dict[str, Callable[[web.Request], Any]] = {}
        self.sent = 0
        self.cut_off = asyncio.Event()

    def url(self, path: str = "/", host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}{path}"

    def page(self, path: str, body: bytes = b"", status: int = 200, **headers: str) -> str:
        """A page that is there; its URL."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.pages[path] = lambda _: web.Response(body=body, status=status, headers=named)
        return self.url(path)

    def leading(self, path: str, to: str, status: int = 302) -> str:
        return self.page(path, status=status, Location=to)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request)
        page = self.pages.get(request.path)
        if page is None:
            return web.Response(status=404)
        found = page(request)
        return await found if asyncio.iscoroutine(found) else found

    def endless(self, path: str, chunk: bytes, pause: float = 0.0, length: int | None = None, **headers: str) -> str:
        """A body that goes on until the other side has had enough."""

        async def page(request: web.Request) -> web.StreamResponse:
            response = web.StreamResponse(headers={name.replace("_", "-"): each for name, each in headers.items()})
            response.content_length = length
            with contextlib.suppress(ConnectionError):
                await response.prepare(request)
                while True:
                    await response.write(chunk)
                    self.sent += len(chunk)
                    await asyncio.sleep(pause)
            self.cut_off.set()
            return response

        self.pages[path] = page
        return self.url(path)


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    site = Site()
    app = web.Application()
    app.router.add_route("*", "/{any:.*}", site.answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    site.port = runner.addresses[0][1]
    try:
        yield site
    finally:
        await runner.cleanup()


@pytest.fixture
def names() -> Names:
    return Names()


def rules_of(hosts: tuple[str, ...] = ("http://*:*",), networks: tuple[str, ...] = (LOCAL,), **rest: Any) -> Rules:
    return Rules(hosts=tuple(map(HostRule.parse, hosts)), networks=tuple(map(ip_network, networks)), **rest)


@pytest.fixture
def make_rules() -> Callable[..., Rules]:
    return rules_of


@pytest.fixture
async def make_fetcher(names: Names) -> AsyncIterator[Callable[..., Any]]:
    """Fetchers that may go to the site, by plain http and to any port, unless they are told otherwise."""
    async with contextlib.AsyncExitStack() as stack:

        async def make(**rules: Any) -> Fetcher:
            return await stack.enter_async_context(Fetcher(rules_of(**rules), resolver=names))

        yield make


@pytest.fixture
async def fetcher(make_fetcher) -> Fetcher:
    return await make_fetcher()


@pytest.fixture
def unused_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
