"""Who talks to our programs in the benchmarks, each a process of its own: `python -m tests.bench.peers NAME '{…}'`.

Strategy: they must cost far less than what they measure, so they write bytes that were made before and look for no more
in an answer than its end. A caller and a publisher print "begin" when they are under way for `warm` seconds, and what
they saw, as JSON, when `seconds` more have passed or `count` is reached; then they stay, to be looked at, until killed.
"""

import asyncio
import json
import re
import secrets
import sys
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import pamqp.frame
from pamqp import body, commands, header

from gateway import mm7
from gateway.tools.simulator import PROFILES, VERSIONS, Form, Mo, Outbound, Report
from gateway.tools.simulator.intake import request_of

PLACEHOLDER = "0123456789abcdef"  # an id in what is made before
PICTURE = mm7.Part(content_type="image/jpeg", data=bytes(range(256)) * 200, content_id="a.jpg")
AT = datetime(2026, 1, 15, 9, 30, tzinfo=UTC)
CALLBACKS: dict[str, Outbound] = {
    "report": Report(transaction_id=PLACEHOLDER, message_id=PLACEHOLDER, at=AT),
    "MO of 50 kB": Mo(transaction_id=PLACEHOLDER, linked_id=PLACEHOLDER, at=AT, text="Hello", attachments=(PICTURE,)),
}
COMMAND = json.dumps(
    {"id": PLACEHOLDER, "to": ["15553199144"], "parts": [{"content_type": "text/plain", "text": "It has arrived."}]}
).encode()
EVENT = b'{"id": "' + PLACEHOLDER.encode() + b'", "data": "' + b"x" * 1400 + b'"}'
BODIES = {"command": COMMAND, "event": EVENT}
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_TRANSACTION = re.compile(rb"TransactionID[^>]*>([^<]+)<")


def made(template: bytes) -> Iterator[bytes]:
    """The same with ids that are never the same."""
    run, number = secrets.token_hex(4), 0
    while True:
        number += 1
        yield template.replace(PLACEHOLDER.encode(), f"{run}{number:08x}".encode())


class Watch:
    """Counts what is done, once it is warm; `over` is set at the end."""

    def __init__(self, *, warm: float, seconds: float, count: int = 0) -> None:
        self.times: list[float] = []
        self.over = asyncio.Event()
        self._count = count
        self._began = time.perf_counter() + warm
        self._ends = self._began + seconds
        self._said = False

    def done(self, began: float) -> None:
        """One that began at `began` is done."""
        now = time.perf_counter()
        if now >= self._began and not self.over.is_set():
            if not self._said:
                _say("begin")
                self._said, self._began = True, now
            self.times.append(now - began)
            if now >= self._ends or len(self.times) == self._count:
                self._ends = now
                self.over.set()

    def result(self) -> dict[str, Any]:
        times = sorted(self.times)
        seconds = self._ends - self._began
        return {
            "count": len(times),
            "seconds": seconds,
            "per_second": len(times) / seconds,
            "median_ms": times[len(times) // 2] * 1000,
            "p99_ms": times[len(times) * 99 // 100] * 1000,
        }


class Calling(asyncio.Protocol):
    """A connection that POSTs one callback after another."""

    def __init__(self, requests: Iterator[bytes], watch: Watch, statuses: Counter[str]) -> None:
        self._requests, self._watch, self._statuses = requests, watch, statuses
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._next()

    def _next(self) -> None:
        self._sent_at = time.perf_counter()
        self._transport.write(next(self._requests))

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head = self._buffer.find(b"\r\n\r\n")
        length = _LENGTH.search(self._buffer) if head >= 0 else None
        if length and len(self._buffer) >= head + 4 + int(length[1]):
            self._statuses[self._buffer[9:12].decode()] += 1
            self._buffer = b""
            self._watch.done(self._sent_at)
            if not self._watch.over.is_set():
                self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._watch.over.is_set():
            self._statuses["lost"] += 1
            self._watch.over.set()


async def call(*, ports: list[int], path: str, kind: str, connections: int, warm: float, seconds: float) -> Any:
    """Callbacks to receivers at `ports`, over `connections` to each."""
    written = PROFILES["sinch"].write(CALLBACKS[kind], Form(*VERSIONS["6.8.0"]))
    headers = {**written.headers, "Host": "localhost", "Content-Length": str(len(written.body))}
    head = f"POST {path} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    requests = made(head.encode() + b"\r\n" + written.body)
    watch, statuses = Watch(warm=warm, seconds=seconds), Counter[str]()
    loop = asyncio.get_running_loop()
    for port in ports * connections:
        await loop.create_connection(lambda: Calling(requests, watch, statuses), "127.0.0.1", port)
    await watch.over.wait()
    return watch.result() | {"statuses": dict(statuses), "bytes": len(written.body)}


class Publishing:
    """A connection that publishes persistent messages on one channel, `window` of them unconfirmed at most."""

    def __init__(self, url: str) -> None:
        self._url = urlsplit(url)
        self._buffer = b""

    async def open(self) -> None:
        """Up to a channel that confirms."""
        host, port = self._url.hostname or "localhost", self._url.port or 5672
        self._reader, self._writer = await asyncio.open_connection(host, port)
        self._writer.write(b"AMQP\x00\x00\x09\x01")
        await self._next()
        user, password = self._url.username or "guest", self._url.password or "guest"
        self._send(0, commands.Connection.StartOk(response=f"\0{user}\0{password}"))
        tune = await self._next()
        self._send(0, commands.Connection.TuneOk(tune.channel_max, tune.frame_max, 0))
        self._send(0, commands.Connection.Open(virtual_host=self._url.path.lstrip("/") or "/"))
        await self._next()
        for frame in (commands.Channel.Open(), commands.Confirm.Select()):
            self._send(1, frame)
            await self._next()

    def _send(self, channel: int, *frames: Any) -> None:
        self._writer.write(b"".join(pamqp.frame.marshal(frame, channel) for frame in frames))

    async def _next(self) -> Any:
        while True:
            size, _, frame = pamqp.frame.unmarshal(self._buffer) if self._buffer else (0, 0, None)
            if frame is not None:
                self._buffer = self._buffer[size:]
                return frame
            self._buffer += await self._reader.read(65536)

    async def run(self, exchange: str, key: str, data: bytes, window: int, watch: Watch) -> None:
        publish = commands.Basic.Publish(exchange=exchange, routing_key=key, mandatory=True)
        properties = commands.Basic.Properties(content_type="application/json", delivery_mode=2)
        frames = (publish, header.ContentHeader(body_size=len(data), properties=properties), body.ContentBody(data))
        messages = made(b"".join(pamqp.frame.marshal(frame, 1) for frame in frames))
        sent_at: list[float] = []
        confirmed = 0
        while not watch.over.is_set():
            while len(sent_at) - confirmed < window:
                sent_at.append(time.perf_counter())
                self._writer.write(next(messages))
            ack = await self._next()
            assert isinstance(ack, commands.Basic.Ack), ack
            # Not in their order where they are not `multiple`: counted all the same, the times are a little off.
            last = ack.delivery_tag if ack.multiple else confirmed + 1
            for began in sent_at[confirmed:last]:
                watch.done(began)
            confirmed = max(confirmed, last)


async def publish(
    *, url: str, exchange: str, key: str, what: str, channels: int, window: int, warm: float, seconds: float, count: int
) -> Any:
    """Confirmed publishes; `count` of them at most, 0 for any number."""
    watch = Watch(warm=warm, seconds=seconds, count=count)
    publishers = [Publishing(url) for _ in range(channels)]
    for each in publishers:
        await each.open()
    tasks = [asyncio.create_task(each.run(exchange, key, BODIES[what], window, watch)) for each in publishers]
    done, _ = await asyncio.wait([*tasks, asyncio.create_task(watch.over.wait())], return_when="FIRST_COMPLETED")
    for task in done:
        task.result()
    return watch.result()


class Taking(asyncio.Protocol):
    """A provider's connection: every submit is accepted."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head = self._buffer.find(b"\r\n\r\n")
        length = _LENGTH.search(self._buffer) if head >= 0 else None
        if length and len(self._buffer) >= head + 4 + int(length[1]):
            found = _TRANSACTION.search(self._buffer)
            identity = found[1] if found else b""
            self._buffer = b""
            self._transport.write(self._answer.replace(PLACEHOLDER.encode(), identity))


async def provide(*, port: int) -> None:
    """Accept submits, until killed."""
    submit = mm7.SubmitReq(transaction_id=PLACEHOLDER, mm7_version="6.8.0")
    answer = mm7.encode(mm7.response(request_of(submit), 1000, None, message_id=PLACEHOLDER))
    assert len(answer.body) == len(answer.body.replace(PLACEHOLDER.encode(), b"x" * len(PLACEHOLDER)))
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {answer.content_type}\r\nContent-Length: {len(answer.body)}\r\n\r\n"
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Taking(head.encode() + answer.body), "127.0.0.1", port)
    _say("begin")
    await server.serve_forever()


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


PEERS = {"call": call, "publish": publish, "provide": provide}

if __name__ == "__main__":
    _say(json.dumps(asyncio.run(PEERS[sys.argv[1]](**json.loads(sys.argv[2])))))
    sys.stdin.read()
