"""Messages of a megabyte through a receiver process, and every part fetched back as a subscriber would.

What the machine itself costs is measured in the same run: bare synced writes of the same bytes, and the lag of another
receiver's loop that has nothing to do meanwhile.
"""

import asyncio
import base64
import hashlib
import json
import os
import re
import secrets
import statistics
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import aio_pika
import aiohttp

from gateway.mm7 import Part
from gateway.stores.media import MediaStore
from gateway.tools.simulator import PROFILES, Form, Mo
from tests.conftest import Program, _running, config

COUNT, CONCURRENCY, PICTURE_BYTES = 200, 50, 1_000_000
ARRIVED_WITHIN = 60.0
ACCOUNT = "bench-media"
_BINARY, _BASE64 = b"Content-Transfer-Encoding: binary", b"Content-Transfer-Encoding: base64"
_BUCKET = re.compile(r'mm7_loop_lag_seconds_bucket\{le="([\d.]+|\+Inf)"\} ([\d.]+)')


@dataclass(slots=True)
class Result:
    """What came of the load; `sent` and `fetched` are digests."""

    sent: set[str]
    fetched: set[str] = field(default_factory=set)
    answer_seconds: list[float] = field(default_factory=list)
    statuses: set[int] = field(default_factory=set)
    seconds: float = 0.0


def message(number: int) -> tuple[str, dict[str, str], bytes]:
    """The digest of a picture, and a callback that brings it: the even ones in base64, the odd ones as they are."""
    data = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01" + os.urandom(PICTURE_BYTES) + b"\xff\xd9"
    picture = Part(content_type="image/jpeg", data=data, filename="photo.jpg")
    identity = secrets.token_hex(8)
    mo = Mo(transaction_id=identity, linked_id=identity, at=datetime.now(UTC), attachments=(picture,))
    written = PROFILES["generic"].write(mo, Form())
    body = written.body
    if number % 2 == 0:
        body = body.replace(data, base64.encodebytes(data)).replace(_BINARY, _BASE64)
    return hashlib.sha256(data).hexdigest(), dict(written.headers), body


async def _load(url: str, media: MediaStore, queue: aio_pika.abc.AbstractQueue) -> Result:
    messages = [message(number) for number in range(COUNT)]
    result = Result({digest for digest, _, _ in messages})
    left = iter(messages)
    arrived: asyncio.Queue[bytes] = asyncio.Queue()

    async def take(event: aio_pika.abc.AbstractIncomingMessage) -> None:
        await arrived.put(event.body)

    await queue.consume(take, no_ack=True)

    async def one(session: aiohttp.ClientSession) -> None:
        for _, headers, body in left:
            began = time.perf_counter()
            async with session.post(url, data=body, headers=headers) as response:
                await response.read()
            result.answer_seconds.append(time.perf_counter() - began)
            result.statuses.add(response.status)

    began = time.perf_counter()
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        await asyncio.gather(*(one(session) for _ in range(CONCURRENCY)))
    result.seconds = time.perf_counter() - began
    assert result.statuses == {200}, result.statuses
    async with asyncio.timeout(ARRIVED_WITHIN):
        while result.fetched != result.sent:
            event = json.loads(await arrived.get())
            for part in event["data"]["parts"]:
                data = await media.get(part["url"])
                assert len(data) == part["bytes"]
                result.fetched.add(hashlib.sha256(data).hexdigest())
    return result


def _bare_writes(folder: Path) -> float:
    """Seconds for as many files of that size: written by four threads, synced, renamed."""
    data = os.urandom(PICTURE_BYTES)

    def write(number: int) -> None:
        path = folder / str(number)
        with path.open("wb", buffering=0) as file:
            file.write(data)
            os.fsync(file.fileno())
        path.rename(path.with_suffix(".jpg"))

    began = time.perf_counter()
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(write, range(COUNT)))
    return time.perf_counter() - began


async def _lag(program: Program) -> tuple[float, list[tuple[str, float]]]:
    """The longest lag within the last minute, and how many were up to each bucket's bound since the start."""
    text = (await program.get("metrics"))[1]
    found = re.search(r"^mm7_loop_lag_max_seconds ([\d.e-]+)$", text, re.MULTILINE)
    assert found
    return float(found[1]), [(bound, float(count)) for bound, count in _BUCKET.findall(text)]


def _peak_megabytes(program: Program) -> float:
    """The most memory it has had so far (VmHWM)."""
    status = Path(f"/proc/{program.process.pid}/status").read_text()
    return int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) / 1000


async def measure() -> list[str]:
    """The figures, a line each."""
    folder = Path(tempfile.mkdtemp(prefix="mm7-bench-"))
    settings = config(folder / "config.toml", {ACCOUNT: {"profile": "generic", "inbound": {"open": True}}})
    given = {"AMQP_URL": os.environ["MM7_AMQP_URL"], "CONFIG": settings, "STATE_URL": f"sqlite:///{folder}/state.db"}
    media = MediaStore((folder / "media").as_uri())
    (folder / "bare").mkdir()
    floor = await asyncio.to_thread(_bare_writes, folder / "bare")
    with _running(folder) as start:
        receiver, idle = (start("gateway", **given, SPOOL_DIR=folder / f"spool-{number}") for number in range(2))
        for each in (receiver, idle):
            await each.ready()
        async with await aio_pika.connect(os.environ["MM7_AMQP_URL"]) as connection:
            channel = await connection.channel()
            queue = await channel.declare_queue(exclusive=True)
            await queue.bind("mm7.events", f"*.*.{ACCOUNT}.*")
            before, _ = await _lag(receiver), await _lag(idle)
            result = await _load(f"http://127.0.0.1:{receiver.port}/mm7/{ACCOUNT}", media, queue)
        after, nothing = await _lag(receiver), await _lag(idle)
        peak, resting = _peak_megabytes(receiver), _peak_megabytes(idle)
        whole = sum(entry["kept"] != "broker" for entry in receiver.logged("callback.accepted"))
        assert [await each.stop() for each in (receiver, idle)] == [0, 0]
    return _lines(result, floor, after[0], nothing[0], _over(before[1], after[1]), peak, resting, whole)


def _over(before: Sequence[tuple[str, float]], after: Sequence[tuple[str, float]]) -> tuple[float, float]:
    """How many observations there were in between, and how many of them over 20 ms."""
    were, are = dict(before), dict(after)
    count, under = (are[bound] - were[bound] for bound in ("+Inf", "0.02"))
    return count, count - under


def _lines(
    result: Result,
    floor: float,
    worst: float,
    idle: float,
    over: tuple[float, float],
    peak: float,
    resting: float,
    spooled: int,
) -> list[str]:
    megabytes = COUNT * PICTURE_BYTES / 1e6
    rate, bare = megabytes / result.seconds, megabytes / floor
    median, p99 = statistics.median(result.answer_seconds) * 1e3, statistics.quantiles(result.answer_seconds, n=100)[98]
    late = f"over 20 ms: {over[1]:.0f} of {over[0]:.0f}"
    what = f"{COUNT} messages of {PICTURE_BYTES / 1e6:.0f} MB, {CONCURRENCY} at a time, all answered with 200"
    return [
        f"{what}: {len(result.fetched)} pictures fetched back byte-exact, {spooled} by way of the spool",
        f"{'throughput':<34} {rate:9.1f} MB/s   bare synced writes {bare:7.1f} MB/s   ratio {rate / bare:5.2f}",
        f"{'answer, median and 99 %':<34} {median:9.0f} ms   {p99 * 1e3:.0f} ms",
        f"{'peak memory (VmHWM)':<34} {peak:9.0f} MB     with nothing to do {resting:7.0f} MB",
        f"{'longest lag of its event loop':<34} {worst * 1e3:9.1f} ms     with nothing to do {idle * 1e3:5.1f} ms   {late}",
    ]
