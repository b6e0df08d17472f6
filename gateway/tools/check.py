"""`mm7 check`: settings, broker, stores and providers, one line each."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from gateway import app, broker
from gateway.accounts import Account
from gateway.broker import BrokerDown, Connection
from gateway.settings import Settings
from gateway.stores.media import MediaNotFound, MediaStore, MediaUnavailable

REACH_WITHIN = 2.5


@dataclass(frozen=True, slots=True)
class Line:
    """One finding."""

    what: str
    ok: bool
    detail: str


async def check(settings: Settings) -> AsyncIterator[Line]:
    """Look at everything the settings name."""
    accounts = ", ".join(settings.accounts) or "none"
    yield Line("settings", bool(settings.accounts), f"accounts: {accounts}")
    async with Connection(settings.amqp_url.get_secret_value(), "mm7 check") as connection:
        yield await _broker(connection)
        yield await _topology(connection, settings)
    yield await _media(settings)
    for account in settings.accounts.values():
        yield await _provider(account)


async def _broker(connection: Connection) -> Line:
    try:
        await connection.wait_up(REACH_WITHIN)
    except BrokerDown as error:
        return Line("broker", False, f"{connection.address}: {error.reason}")  # a Line reads in order
    return Line("broker", connection.state is broker.State.UP, f"{connection.address} {connection.state}")


async def _topology(connection: Connection, settings: Settings) -> Line:
    try:
        differences = await broker.check(connection.channel, app.topology(settings))
    except BrokerDown as error:
        return Line("topology", False, error.reason)
    if broker.EVENTS in {d.name for d in differences} and all(d.problem == "missing" for d in differences):
        return Line("topology", True, "not declared yet: the programs do so when they start")
    named = ", ".join(f"{d.kind} {d.name} {d.problem}" for d in differences)
    hint = f"{named}: `mm7 topology declare` makes what is missing" if named else "as declared"
    return Line("topology", not differences, hint)


async def _media(settings: Settings) -> Line:
    try:
        await MediaStore(settings.media_url).check()
    except (MediaUnavailable, MediaNotFound, ValueError, OSError) as error:
        return Line("media", False, str(error))
    return Line("media", True, settings.media_url)


async def _provider(account: Account) -> Line:
    """Whether the provider's port answers; nothing is sent."""
    name = f"account {account.name}"
    if account.outbound is None:
        return Line(name, True, f"callbacks at {account.callback_path}, no outbound")
    parts = urlsplit(account.outbound.url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        async with asyncio.timeout(REACH_WITHIN):
            _, writer = await asyncio.open_connection(parts.hostname, port)
            writer.close()
    except (OSError, TimeoutError) as error:
        return Line(name, False, f"{parts.hostname}:{port} cannot be reached: {error or 'no answer'}")
    return Line(name, True, f"{parts.hostname}:{port} answers")
