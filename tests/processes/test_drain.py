"""A receiver that ends while others call it over kept connections: every request is answered, none is cut off."""

import asyncio
import contextlib
import json
import secrets
import signal
import socket
import time
from collections.abc import AsyncIterator

import pytest

pytestmark = pytest.mark.usefixtures("tidy")
CONNECTIONS = 24
DRAIN_SECONDS = 4.0
CHECK_EVERY = 0.2  # as a balancer asks for /readyz


class Line:
    """A connection of a balancer's, kept from request to request and opened again where it was told to be closed."""

    def __init__(self, port: int, path: str, make) -> None:
        self.port, self.path, self.make = port, path, make
        self.stream = None
        self.reused = 0
        self.answers: list[tuple[float, int, bool]] = []  # when, status, whether it was the connection's last
        self.cut: list[Exception] = []

    async def open(self) -> None:
        self.stream = await asyncio.open_connection("127.0.0.1", self.port)

    def request(self, body: bytes, length: int | None = None) -> bytes:
        head = f"POST {self.path} HTTP/1.1\r\nHost: h\r\nContent-Type: text/xml\r\n"
        return f"{head}Content-Length: {length or len(body)}\r\n\r\n".encode() + body

    async def post(self) -> None:
        if self.stream is None:
            await self.open()
        else:
            self.reused += 1
        reader, writer = self.stream
        writer.write(self.request(self.make(secrets.token_hex(8))))
        answer = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = int(answer.partition(b"content-length: ")[2].split(b"\r\n")[0])
        await reader.readexactly(length)
        last = b"connection: close" in answer
        self.answers.append((time.monotonic(), int(answer.split()[1]), last))
        if last:
            self.close()

    async def run(self, until: asyncio.Event) -> None:
        try:
            while not until.is_set():
                await self.post()
                await asyncio.sleep(secrets.randbelow(20) / 1000)
        except (OSError, asyncio.IncompleteReadError) as error:
            self.cut.append(error)

    def since(self, when: float) -> list[tuple[float, int, bool]]:
        return [answer for answer in self.answers if answer[0] > when]

    def close(self) -> None:
        if self.stream is not None:
            self.stream[1].close()
            self.stream = None


@pytest.fixture
def lines(name, report):
    made: list[Line] = []

    def make(port: int, count: int = CONNECTIONS) -> list[Line]:
        made.extend(Line(port, f"/mm7/{name}", report) for _ in range(count))
        return made

    yield make
    for line in made:
        line.close()


@pytest.fixture
async def receiver(run, settings, amqp_url):
    return lambda seconds: run("gateway", AMQP_URL=amqp_url, CONFIG=settings(), DRAIN_SECONDS=seconds).ready()


async def taken_out(receiver) -> None:
    """Until a balancer that asks has found that this receiver ends."""
    async with asyncio.timeout(10):
        while (await receiver.get("readyz"))[0] == 200:
            await asyncio.sleep(CHECK_EVERY)


@contextlib.asynccontextmanager
async def calling(lines: list[Line]) -> AsyncIterator[None]:
    """Call over all of them without a pause; nothing is under way afterwards."""
    stop = asyncio.Event()
    work = [asyncio.create_task(line.run(stop)) for line in lines]
    try:
        yield
    finally:
        stop.set()
        await asyncio.wait(work)


async def test_while_it_drains_it_takes_callbacks_and_kept_connections_end_without_a_request_lost(
    receiver, lines, eventually
) -> None:
    ending = await receiver(DRAIN_SECONDS)
    made = lines(ending.port)
    async with calling(made):
        await eventually(lambda: all(line.reused for line in made))
        began = time.monotonic()
        ending.signal(signal.SIGTERM)
        await taken_out(ending)
        found = json.loads((await ending.get("readyz"))[1])
        text = (await ending.get("metrics"))[1]
        told = time.monotonic()
        await eventually(lambda: all(len(line.since(told)) >= 3 for line in made))
    assert (found["status"], found["reasons"][0]) == ("not ready", "draining")
    assert "mm7_draining 1.0\n" in text
    assert "mm7_ready 0.0\n" in text
    for line in made:
        assert (line.cut, {status for _, status, _ in line.answers}) == ([], {200})
        assert all(last for *_, last in line.since(told)[1:]), "a connection is not to be used again"
        assert not any(last for when, _, last in line.answers if when < began)
    assert await ending.ended() == 0
    assert time.monotonic() - began >= DRAIN_SECONDS
    assert len(ending.logged("callback.accepted")) == sum(len(line.answers) for line in made)


async def test_without_time_to_drain_no_request_on_a_kept_connection_is_cut_off(receiver, lines, eventually) -> None:
    ending = await receiver(0)
    made = lines(ending.port)
    async with calling(made):
        await eventually(lambda: all(line.reused for line in made))
        ending.signal(signal.SIGTERM)
        await eventually(lambda: all(line.cut for line in made))
    refused = {type(cut) for line in made for cut in line.cut}
    assert refused == {ConnectionRefusedError}, "of new connections; those that were open had answers to the last"
    assert {status for line in made for _, status, _ in line.answers} == {200}
    assert await ending.ended() == 0


async def test_connections_that_idle_to_the_end_are_closed_in_order(receiver, lines) -> None:
    ending = await receiver(0.5)
    made = lines(ending.port, 8)
    for line in made:
        await line.post()
    ending.signal(signal.SIGTERM)
    assert await ending.ended() == 0
    for line in made:
        assert await line.stream[0].read() == b"", "an end, and no reset"


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
async def test_a_second_signal_ends_the_wait_and_nothing_else(receiver, lines, eventually, report, second) -> None:
    ending = await receiver(600)
    [line, slow] = lines(ending.port, 2)
    await slow.open()
    slow.stream[1].write(slow.request(b"<half of it", length=400))
    ending.signal(signal.SIGTERM)
    await eventually(lambda: ending.logged("receiver.draining"))
    await line.post()
    assert line.answers[-1][1:] == (200, True)
    ending.signal(second)
    await eventually(lambda: _closed(ending.port))
    slow.stream[1].write(b" " * (400 - len(b"<half of it")))
    assert (await slow.stream[0].readline()).startswith(b"HTTP/1.1 400"), "no callback, and answered all the same"
    assert await ending.ended() == 0


async def test_a_third_signal_of_a_terminal_ends_it_at_once(receiver, lines, eventually) -> None:
    ending = await receiver(600)
    [slow] = lines(ending.port, 1)
    await slow.open()
    slow.stream[1].write(slow.request(b"<half of it", length=400))
    ending.signal(signal.SIGINT)
    await eventually(lambda: ending.logged("receiver.draining"))
    ending.signal(signal.SIGINT)
    await eventually(lambda: _closed(ending.port))
    ending.signal(signal.SIGINT)
    assert await ending.ended(4) == 130


def _closed(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0
