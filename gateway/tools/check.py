"""`mm7 check`: settings, broker, stores and providers, one line each."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from gateway import app, broker
from gateway.accounts import Account
from gateway.broker import BrokerDown, Connection
from gateway.settings import Settings
from gateway.stores import leftovers
from gateway.stores.media import MediaNotFound, MediaStore, MediaUnavailable
from gateway.stores.state import StateUnavailable, open_state

from . import spool
from .console import REACH_WITHIN


@dataclass(frozen=True, slots=True)
class Line:
    """One finding."""

    what: str
    ok: bool
    detail: str


async def check(settings: Settings) -> AsyncIterator[Line]:
    """Look at everything the settings name."""
    accounts = ", ".join(settings.accounts) or "none: name a TOML file with [accounts.<name>] in MM7_CONFIG"
    yield Line("settings", bool(settings.accounts), f"accounts: {accounts}")
    async with Connection(settings.amqp_url.get_secret_value(), "mm7 check") as connection:
        yield await _broker(connection)
        yield await _topology(connection, settings)
    yield await _media(settings)
    yield await asyncio.to_thread(_spool, settings)
    yield await _state(settings)
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


def _spool(settings: Settings) -> Line:
    if not settings.spool_dir:
        return Line("spool", True, spool.OFF)
    folder = Path(settings.spool_dir)
    there = next(each for each in (folder, *folder.absolute().parents) if each.exists())
    try:
        tempfile.TemporaryFile(dir=there).close()
        waiting = spool.total(leftovers.summaries(folder))
    except OSError as error:
        return Line("spool", False, f"{folder}: {error.strerror}")
    return Line("spool", True, f"{folder}: {waiting}")


async def _state(settings: Settings) -> Line:
    url = settings.state_url.get_secret_value()
    try:
        parts = urlsplit(url)
        state = open_state(url)
    except ValueError as error:
        return Line("state", False, str(error))
    place = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
    try:
        await state.check()
        cautions = await state.cautions()
    except StateUnavailable as error:
        return Line("state", False, f"{place}: {error}")
    finally:
        await state.close()
    return Line("state", True, "; ".join((place, *cautions)))


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
