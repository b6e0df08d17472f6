"""The load of the picture: callbacks in their providers' own shapes, commands; a little more and a little less."""

import asyncio
import base64
import contextlib
import math
import secrets
import time
from datetime import UTC, datetime
from random import Random

import aiohttp

from gateway import mm7
from gateway.tools.simulator import PROFILES, Form, Mo, Outbound, Report, sunset
from tests.picture.stage import Account, Stage

PATIENCE_SECONDS = 10.0
REPEATED, HALF, WRONG = 0.03, 0.01, 0.02  # of callbacks: sent once more, cut off; of commands: with a mistake
AS_DOCUMENTED = {"vibes-us": 0.1}  # of its callbacks, in the shape of its documents, mistakes and all
dice = Random("load")


async def callbacks(made: Stage, account: Account) -> None:
    """For ever."""
    connector = aiohttp.TCPConnector(limit=0)
    timeout = aiohttp.ClientTimeout(total=PATIENCE_SECONDS)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session, asyncio.TaskGroup() as tasks:
        while True:
            tasks.create_task(_deliver(made, session, account))
            await asyncio.sleep(dice.expovariate(account.callbacks * _swell(150 * account.callbacks**0.3)))


async def commands(made: Stage, account: Account) -> None:
    """For ever."""
    while True:
        more = {"to": []} if dice.random() < WRONG else {}
        await made.orderer.order(account=account.name, **more)
        await asyncio.sleep(dice.expovariate(account.commands * _swell(200)))


async def _deliver(made: Stage, session: aiohttp.ClientSession, account: Account) -> None:
    """POST until it is acknowledged, or refused as unreadable; some once more after that."""
    body, headers = _written(made, account)
    patience, pause = time.monotonic() + 100, 3.0
    while time.monotonic() < patience:
        word = base64.b64encode(f"{account.name}:{made.passwords[account.name]}".encode()).decode()
        url = made.callback_url(dice.choice(made.receivers), account.name)
        with contextlib.suppress(aiohttp.ClientError, TimeoutError, OSError):
            async with session.post(url, data=body, headers=headers | {"Authorization": f"Basic {word}"}) as answer:
                await answer.read()
            if answer.status in (200, 400) and dice.random() >= REPEATED:
                return
            pause = 15.0 if answer.status == 401 else 3.0
        await asyncio.sleep(dice.uniform(pause / 3, pause))


def _written(made: Stage, account: Account) -> tuple[bytes, dict[str, str]]:
    """A message, or a report on one that was accepted."""
    identity, at, chance = secrets.token_hex(8), datetime.now(UTC), dice.random()
    sent = list(made.providers[account.name].accepted)[-300:-5] or [identity]
    message: Outbound = Report(transaction_id=identity, message_id=f"m-{dice.choice(sent)}", at=at)
    if chance < 0.7:
        picture = mm7.Part(content_type="image/png", data=sunset(64, 64) + identity.encode())
        parts = (picture,) if chance < 0.2 else ()
        text = f"callback {identity}"
        message = Mo(transaction_id=identity, linked_id=identity, at=at, text=text, attachments=parts)
    callback = PROFILES[account.profile].write(
        message, Form(as_documented=dice.random() < AS_DOCUMENTED.get(account.name, 0))
    )
    body = callback.body[: len(callback.body) // 3] if dice.random() < HALF else callback.body
    return body, dict(callback.headers)


def _swell(period: float) -> float:
    return 1.0 + 0.3 * math.sin(2 * math.pi * time.monotonic() / period)
