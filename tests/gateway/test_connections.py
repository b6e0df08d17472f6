"""Callbacks over connections that are slow, cut, shared or no HTTP at all; and what happens to them at shutdown."""

import asyncio
import contextlib
import logging
import random

import pytest

from gateway import mm7

DELIVER = mm7.encode(mm7.DeliverReq(transaction_id="t-1", mm7_version="6.8.0", sender=mm7.Address("15550001111"))).body
HEAD = b"POST /mm7/open HTTP/1.1\r\nHost: x\r\nContent-Type: text/xml\r\n"


class Client:
    """A socket, to write what no HTTP client would."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def send(self, data: bytes) -> None:
        self._writer.write(data)
        with contextlib.suppress(ConnectionError):
            await self._writer.drain()

    async def answer(self) -> tuple[int, bytes]:
        """(status, head and body) of the next answer."""
        async with asyncio.timeout(5):
            head = await self._reader.readuntil(b"\r\n\r\n")
            length = next(
                (int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0
            )
            return int(head.split()[1]), head + await self._reader.readexactly(length)

    async def rest(self) -> bytes:
        """All that comes until the other side closes."""
        async with asyncio.timeout(5):
            with contextlib.suppress(ConnectionError):
                return await self._reader.read()
            return b""

    def cut(self) -> None:
        self._writer.transport.abort()


@pytest.fixture
async def connect():
    writers = []

    async def open_(started) -> Client:
        reader, writer = await asyncio.open_connection("127.0.0.1", started.port)
        writers.append(writer)
        return Client(reader, writer)

    yield open_
    for writer in writers:
        writer.transport.abort()


async def until(condition) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("framing", [b"Content-Length: 500\r\n", b"Transfer-Encoding: chunked\r\n"])
async def test_a_body_that_does_not_arrive_is_answered_408_and_the_connection_closed(
    receiving, connect, framing
) -> None:
    started = await receiving(body_within=0.2)
    client = await connect(started)
    await client.send(HEAD + framing + b"\r\n")
    status, answer = await client.answer()
    assert status == 408
    assert b"did not arrive within 0.2 s" in answer
    assert await client.rest() == b""
    assert started.publisher.sent == []


async def test_a_body_that_dribbles_is_late_as_a_whole(receiving, connect) -> None:
    client = await connect(await receiving(body_within=0.3))
    await client.send(HEAD + b"Content-Length: 5000\r\n\r\n")
    answering = asyncio.create_task(client.answer())
    while not answering.done():
        await client.send(b" ")
        await asyncio.wait({answering}, timeout=0.05)
    assert answering.result()[0] == 408


@pytest.mark.parametrize(
    "sent", [b"Content-Length: 500\r\n\r\n<half", b"Transfer-Encoding: chunked\r\n\r\n5\r\n<half\r\n"]
)
async def test_a_connection_that_is_cut_in_the_body_leaves_nothing_behind(receiving, connect, sent, caplog) -> None:
    started = await receiving()
    client = await connect(started)
    await client.send(HEAD + sent)
    await until(lambda: started.receiver.in_flight)
    client.cut()
    await until(lambda: not started.receiver.in_flight)
    assert (await started.post(DELIVER)).status == 200
    assert len(started.publisher.sent) == 1
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


async def test_a_client_that_goes_away_before_the_answer_does_not_lose_its_event(receiving, connect) -> None:
    started = await receiving()
    confirmed = asyncio.Event()
    started.publisher.hold = confirmed.wait
    client = await connect(started)
    await client.send(HEAD + b"Content-Length: %d\r\n\r\n" % len(DELIVER) + DELIVER)
    await until(lambda: started.receiver.in_flight)
    client.cut()
    confirmed.set()
    await until(lambda: started.publisher.sent)
    await until(lambda: not started.receiver.in_flight)
    assert len(started.publisher.sent) == 1


@pytest.mark.parametrize(
    "framing",
    [
        b"Transfer-Encoding: chunked\r\n\r\nZZ\r\nx\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n0\r\n\r\n",
        b"Content-Length: x\r\n\r\n",
        b"Content-Length: -1\r\n\r\n",
        b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
        b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"Folded: a\r\n  b\r\nContent-Length: 0\r\n\r\n",
        b"No colon\r\n\r\n",
    ],
)
async def test_bad_framing_is_answered_400_and_does_not_touch_the_next_request(
    receiving, connect, framing, caplog
) -> None:
    started = await receiving(body_within=0.3)
    client = await connect(started)
    await client.send(HEAD + framing)
    status, _ = await client.answer()
    assert status in (400, 408)
    assert await client.rest() == b""
    assert started.publisher.sent == []
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


async def test_what_is_left_of_a_refused_body_is_not_the_next_request(receiving, connect) -> None:
    smuggled = HEAD + b"Content-Length: %d\r\n\r\n" % len(DELIVER) + DELIVER
    started = await receiving()
    for head in (
        HEAD.replace(b"/mm7/open", b"/nowhere"),
        HEAD.replace(b"POST", b"PUT"),
        HEAD + b"Content-Encoding: gzip\r\n",
    ):
        client = await connect(started)
        await client.send(head + b"Content-Length: %d\r\n\r\n" % len(smuggled) + smuggled)
        status, _ = await client.answer()
        assert status in (404, 405, 415)
        assert await client.rest() == b""
    assert started.publisher.sent == []


async def test_requests_may_share_a_connection_and_expect_to_be_told_to_continue(receiving, connect) -> None:
    started = await receiving()
    client = await connect(started)
    whole = HEAD + b"Content-Length: %d\r\n\r\n" % len(DELIVER) + DELIVER
    await client.send(whole + whole)
    assert [(await client.answer())[0] for _ in range(2)] == [200, 200]
    await client.send(HEAD + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(DELIVER))
    assert (await client.answer())[0] == 100
    await client.send(DELIVER)
    assert (await client.answer())[0] == 200
    told = {"account": "open", "operation": "DeliverReq", "outcome": "accepted"}
    assert started.metrics.registry.get_sample_value("mm7_callbacks_total", told) == 3


async def test_http_1_0_and_a_bare_head_are_served(receiving, connect) -> None:
    client = await connect(await receiving())
    await client.send(b"POST /mm7/open HTTP/1.0\r\ncontent-length: %d\r\n\r\n" % len(DELIVER) + DELIVER)
    answer = await client.rest()
    assert answer.split(b" ", 2)[1] == b"200"
    assert b"DeliverRsp" in answer


@pytest.mark.parametrize(
    "name", [b"X-Mblox-Carrier-Id", b"Content-Type", b"traceparent", b"Authorization", b"X-Other", b"Content-Encoding"]
)
@pytest.mark.parametrize("value", [b"\xff\xfe", b"", b"\xc3\xa9", b"a" * 7000, b"%00%ff", b"00-" + b"\xe9" * 32])
async def test_any_bytes_in_a_header_are_answered(receiving, connect, name, value, caplog) -> None:
    started = await receiving({"open": {"profile": "sinch", "inbound": {"open": True}}})
    for body in (DELIVER, b"garbage"):
        client = await connect(started)
        await client.send(
            b"POST /mm7/open HTTP/1.1\r\nHost: x\r\n%s: %s\r\nContent-Length: %d\r\n\r\n" % (name, value, len(body))
            + body
        )
        status, _ = await client.answer()
        assert status in ((200, 415) if body == DELIVER else (400, 415))
        client.cut()
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


@pytest.mark.parametrize(
    "path",
    [b"/\xff", b"/mm7/\xc3\xa9", b"/%ff", b"//", b"/" + b"a" * 7000, b"http://x/mm7/nowhere", b"*", b"/?\xff", b"/#a"],
)
async def test_any_path_is_answered(receiving, connect, path, caplog) -> None:
    client = await connect(await receiving())
    await client.send(b"POST " + path + b" HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
    status, _ = await client.answer()
    assert status in (400, 404)
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


async def test_garbage_on_the_port_is_answered_or_closed_and_never_harms(receiving, connect, caplog) -> None:
    whole = HEAD + b"Content-Length: %d\r\n\r\n" % len(DELIVER) + DELIVER
    started = await receiving(body_within=0.2)
    seeded = random.Random(7)  # the same garbage each time
    answers: set[bytes] = set()
    for _ in range(150):
        data = bytearray(whole)
        for _ in range(seeded.randint(1, 12)):
            at = seeded.randrange(len(data))
            data[at : at + seeded.randint(0, 3)] = seeded.randbytes(seeded.randint(0, 3))
        client = await connect(started)
        await client.send(bytes(data) + b"\r\n\r\n")
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            status, _ = await client.answer()
            answers.add(b"%d" % status)
        client.cut()
    assert not [answer for answer in answers if answer in (b"500", b"503")]
    assert {b"200", b"400"} <= answers
    assert (await started.post(DELIVER)).status == 200
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


async def test_those_under_way_are_answered_at_shutdown_and_new_ones_do_not_come_in(receiving, connect) -> None:
    started = await receiving(body_within=3)
    slow, idle = await connect(started), await connect(started)
    await slow.send(HEAD + b"Content-Length: %d\r\n\r\n" % len(DELIVER) + DELIVER[:50])
    await until(lambda: started.receiver.in_flight)
    stopping = asyncio.create_task(started.stop())
    await until(lambda: started.receiver.draining)
    with pytest.raises(OSError):  # noqa: PT012  # the listening socket goes a moment later
        async with asyncio.timeout(5):
            while True:
                (await connect(started)).cut()
                await asyncio.sleep(0.01)
    await slow.send(DELIVER[50:])
    status, answer = await slow.answer()
    assert (status, b"onnection: close" in answer) == (200, True)
    await stopping
    assert len(started.publisher.sent) == 1
    assert await idle.rest() == b""


async def test_a_body_that_never_comes_does_not_hold_up_the_shutdown(receiving, connect) -> None:
    started = await receiving(body_within=0.3)
    client = await connect(started)
    await client.send(HEAD + b"Content-Length: 500\r\n\r\n")
    await until(lambda: started.receiver.in_flight)
    async with asyncio.timeout(3):
        await started.stop()
    assert (await client.rest()).startswith(b"HTTP/1.1 408")
