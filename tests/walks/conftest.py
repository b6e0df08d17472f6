"""One receiver and one worker for all walks, with an account for each test."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest
from rundir import free_ports

from gateway.tools.simulator import PROFILES, Form, Mo, Simulator

ACCOUNTS = 80
PROVIDER_TIMEOUT = 1.5


@dataclass(frozen=True)
class Walker:
    """An account of one test: `provider` builds the simulator that its settings name."""

    name: str
    callback_url: str
    port: int
    media: Path

    def provider(self, **options: Any) -> Simulator:
        return Simulator(
            to=self.callback_url, basic=(self.name, "secret"), port=self.port, report_after=0.05, retries=0, **options
        )


@pytest.fixture(scope="session")
def stage(amqp_url, observe, configure, run_for_all, tmp_path_factory) -> Iterator[SimpleNamespace]:
    unique = secrets.token_hex(3)
    delay = f"{300 + secrets.randbelow(200)}ms"
    names = [f"walk-{unique}-{number}" for number in range(ACCOUNTS)]
    ports = dict(zip(names, free_ports(ACCOUNTS), strict=True))
    accounts = {
        name: {
            "profile": "sinch",
            "inbound": {"basic": [{"username": name, "password": "secret"}]},
            "outbound": {
                "url": f"http://127.0.0.1:{port}/mm7/v1/",
                "vaspid": "key",
                "vasid": "111122mms",
                "sender": "111122",
                "retry_delays": [delay],
                "timeout": PROVIDER_TIMEOUT,
                "rate": 100,
            },
        }
        for name, port in ports.items()
    }
    path = configure(tmp_path_factory.mktemp("walks") / "config.toml", accounts)
    programs = [run_for_all(module, AMQP_URL=amqp_url, CONFIG=path) for module in ("gateway", "workers")]
    for program in programs:
        asyncio.run(program.ready(60))
    receiver = programs[0]
    media = Path(receiver.folder) / "media"
    free = iter([Walker(n, f"http://127.0.0.1:{receiver.port}/mm7/{n}", p, media) for n, p in ports.items()])
    yield SimpleNamespace(receiver=receiver, worker=programs[1], free=free, delay=delay)
    codes = [asyncio.run(program.stop()) for program in programs]
    asyncio.run(_remove(observe, amqp_url, names, delay))
    assert codes == [0, 0]


async def _remove(observe: Any, url: str, names: list[str], delay: str) -> None:
    async with observe(url) as observer:
        await observer.remove(*names, delays=(delay,))


@pytest.fixture
def account(stage) -> Walker:
    """An account that no other test has."""
    return next(stage.free)


@pytest.fixture
async def provider(account) -> AsyncIterator[Simulator]:
    """Its provider, which accepts everything and reports on it."""
    async with account.provider() as simulator:
        yield simulator


@pytest.fixture
async def events(broker, account) -> Any:
    """The account's events, in an exclusive queue."""
    return await broker.follow(f"*.*.{account.name}.*")


@pytest.fixture
def command() -> Any:
    """A command of its own id."""

    def build(**fields: Any) -> dict[str, Any]:
        text = {"content_type": "text/plain", "text": "It has arrived."}
        return {"id": f"order-{secrets.token_hex(6)}", "to": ["15553199144"], "parts": [text]} | fields

    return build


@pytest.fixture
async def post() -> AsyncIterator[Any]:
    """POST a callback by hand; its status and its answer."""
    async with aiohttp.ClientSession() as session:

        async def send(account: Walker, body: bytes | None = None, password: str = "secret", **more: Any) -> Any:
            message = Mo(transaction_id=secrets.token_hex(6), linked_id="1", at=datetime.now(UTC), text="By hand")
            callback = PROFILES["sinch"].write(message, Form())
            known = {"Authorization": aiohttp.encode_basic_auth(account.name, password)}
            headers = {**callback.headers, **known, **more.pop("headers", {})}
            data = callback.body if body is None else body
            async with session.post(account.callback_url, data=data, headers=headers, **more) as response:
                return response.status, await response.text()

        yield send
