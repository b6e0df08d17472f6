"""Callbacks by hand, and the settings of programs of a test's own."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

REPORT = """\
<?xml version="1.0" encoding="UTF-8"?>
<env:Envelope xmlns:env="http://schemas.xmlsoap.org/soap/envelope/"
 xmlns="http://www.3gpp.org/ftp/Specs/archive/23_series/23.140/schema/REL-6-MM7-1-4">
<env:Header><TransactionID env:mustUnderstand="1">{id}</TransactionID></env:Header>
<env:Body><DeliveryReportReq><MM7Version>6.8.0</MM7Version><MessageID>{id}</MessageID>
<Recipient><Number>15553199144</Number></Recipient><Sender><Number>111122</Number></Sender>
<Date>2026-03-16T14:03:51Z</Date><MMStatus>Retrieved</MMStatus></DeliveryReportReq></env:Body></env:Envelope>
"""


@dataclass(frozen=True)
class Answered:
    """What a callback got. `id`: its TransactionID and MessageID."""

    id: str
    status: int
    text: str
    headers: Any
    seconds: float


class Caller:
    """A provider that POSTs delivery reports, each with an id of its own."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self.session = session

    async def call(self, port: int, account: str) -> Answered:
        identity = secrets.token_hex(8)
        body = REPORT.format(id=identity).encode()
        began = time.monotonic()
        async with self.session.post(
            f"http://127.0.0.1:{port}/mm7/{account}", data=body, headers={"Content-Type": "text/xml"}
        ) as response:
            text = await response.text()
            return Answered(identity, response.status, text, response.headers, time.monotonic() - began)

    async def until(self, status: int, port: int, account: str, within: float) -> Answered:
        """Call again and again until it is answered so."""
        deadline = time.monotonic() + within
        while (answered := await self.call(port, account)).status != status:
            assert time.monotonic() < deadline, f"still {answered.status} after {within} s"
            await asyncio.sleep(0.05)
        return answered


@pytest.fixture
async def caller() -> AsyncIterator[Caller]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=15)) as session:
        yield Caller(session)


@pytest.fixture
def report() -> Callable[[str], bytes]:
    return lambda identity: REPORT.format(id=identity).encode()


@pytest.fixture
def name() -> str:
    """An account that nobody else has."""
    return f"proc-{secrets.token_hex(4)}"


@pytest.fixture
def delay() -> str:
    return f"{300 + secrets.randbelow(400)}ms"


@pytest.fixture
def settings(tmp_path, configure, name, delay) -> Callable[..., Path]:
    """The settings' file of one account; its provider's URL where it sends."""

    def write(url: str = "http://127.0.0.1:9/", **outbound: Any) -> Path:
        sending = {"url": url, "retry_delays": [delay], "sender": "111122", "rate": 100} | outbound
        account = {"profile": "generic", "inbound": {"open": True}, "outbound": sending}
        return configure(tmp_path / "config.toml", {name: account})

    return write


@pytest.fixture
async def tidy(broker, name, delay) -> AsyncIterator[None]:
    """Leave nothing of the account on a broker that is not ours alone."""
    yield
    await broker.remove(name, delays=(delay,))
