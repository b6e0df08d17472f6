"""The tools of these tests: a book finds what is wrong, a proxy does what its faults are called."""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator

import pytest

from tests.faults import books
from tests.faults.books import Posted
from tests.faults.proxy import Proxy


def event(kind, identity, event_id="e-1"):
    return {"type": kind, "id": event_id, "data": {"transaction_id": identity, "command_id": identity}}


@pytest.mark.parametrize(
    ("events", "problem"),
    [
        ([], "1 acknowledged and lost: a"),
        ([event("mo.received", "a"), event("mo.received", "a", "e-2")], "1 under two event ids: a"),
        ([event("mo.received", "a"), event("mo.received", "a")], None),
    ],
)
def test_a_book_of_callbacks_finds_what_is_lost_and_what_cannot_be_told_apart(events, problem) -> None:
    book = books.Callbacks([Posted("a", 0.1, 200, acknowledged=True), Posted("b", 0.1, 503, acknowledged=False)])
    book.store(events)
    assert book.problems == ([problem] if problem else [])


@pytest.mark.parametrize(
    ("posted", "late"),
    [
        (Posted("a", 2.5, 503, acknowledged=False), True),
        (Posted("a", 10.0, None, acknowledged=False, waited=True), True),
        (Posted("a", 2.5, None, acknowledged=False), False),
        (Posted("a", 1.9, 503, acknowledged=False), False),
    ],
)
def test_an_answer_is_late_and_a_refused_connection_is_not(posted, late) -> None:
    assert posted.late is late


@pytest.mark.parametrize(
    ("accepted", "events", "problem"),
    [
        ({}, [], "1 without an outcome: a"),
        ({"a": 2}, [event("mt.accepted", "a")], "1 sent twice: a"),
        ({"a": 1}, [event("mt.accepted", "a"), event("mt.unknown", "a", "e-2")], "1 with two outcomes: a"),
        ({}, [event("mt.accepted", "a")], "1 with an outcome that is not true: a"),
        ({"a": 1}, [event("mt.refused", "a")], "1 with an outcome that is not true: a"),
        ({"a": 1}, [event("mt.unknown", "a")] * 2, None),
    ],
)
def test_a_book_of_commands_finds_what_is_untold_sent_twice_contradicted_or_untrue(accepted, events, problem) -> None:
    book = books.Commands({"a"}, Counter(accepted))
    book.store(events)
    assert book.problems == ([problem] if problem else [])


class Dial:
    """A proxy before a server that answers each line with itself; called, it connects."""

    def __init__(self, proxy: Proxy) -> None:
        self.proxy = proxy
        self.writers: list[asyncio.StreamWriter] = []

    async def __call__(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.proxy.port)
        self.writers.append(writer)
        return reader, writer


@pytest.fixture
async def dial() -> AsyncIterator[Dial]:
    answering: set[asyncio.Task[None] | None] = set()

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answering.add(asyncio.current_task())
        with contextlib.suppress(ConnectionError):
            while line := await reader.readline():
                writer.write(line)
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    async with server, Proxy(server.sockets[0].getsockname()[1]) as proxy:
        dial = Dial(proxy)
        yield dial
        proxy.heal()
        for writer in dial.writers:
            writer.close()
        await asyncio.gather(*filter(None, answering))


async def asked(streams, within=0.3, line=b"?\n"):
    """What comes back; None for nothing in time."""
    reader, writer = streams
    writer.write(line)
    try:
        async with asyncio.timeout(within):
            return await reader.readline()
    except TimeoutError:
        return None


@pytest.mark.parametrize("ways", [(), ("up",), ("down",)])
async def test_a_black_hole_passes_nothing_on_until_it_heals(dial, ways) -> None:
    known = await dial()
    assert await asked(known) == b"?\n"
    dial.proxy.black_hole(*ways)
    fresh = await dial()
    assert [await asked(known), await asked(fresh)] == [None, None]
    dial.proxy.heal()
    assert [await known[0].readline(), await fresh[0].readline()] == [b"?\n", b"?\n"]


async def test_a_cut_resets_what_is_open_and_may_refuse_what_is_new(dial) -> None:
    known = await dial()
    assert await asked(known) == b"?\n"
    dial.proxy.cut(refuse=True)
    with pytest.raises(ConnectionResetError):
        await known[0].readline()
    with pytest.raises(ConnectionError):
        await asked(await dial(), line=b"")
    dial.proxy.heal()
    assert await asked(await dial()) == b"?\n"


async def test_half_open_is_silence_until_it_heals_and_then_the_end(dial) -> None:
    known = await dial()
    assert await asked(known) == b"?\n"
    dial.proxy.half_open()
    assert await asked(known) is None
    dial.proxy.heal()
    assert await asked(known, within=5) == b""


async def test_slow_is_slow(dial) -> None:
    dial.proxy.slow(1000)
    began = time.monotonic()
    assert await asked(await dial(), 5, b"x" * 299 + b"\n")
    assert time.monotonic() - began > 0.25
