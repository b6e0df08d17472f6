"""The Redis state store and what can become of its server: away, silent, cut off, refusing."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import pytest

from gateway.stores import state_redis
from gateway.stores.state import StateUnavailable, open_state


class Cable:
    """A TCP proxy to the Redis: it can be cut, and it can swallow everything."""

    def __init__(self, url: str) -> None:
        self._to = (urlsplit(url).hostname, urlsplit(url).port)
        self._writers: set[asyncio.StreamWriter] = set()
        self.silent = False
        self.swallow_answers = 0
        self.connections = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        to_reader, to_writer = await asyncio.open_connection(*self._to)
        self._writers |= {writer, to_writer}
        try:
            await asyncio.gather(self._copy(reader, to_writer, False), self._copy(to_reader, writer, True))
        finally:
            writer.close()
            to_writer.close()

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answers: bool) -> None:
        try:
            while data := await reader.read(65536):
                if answers and self.swallow_answers:
                    self.swallow_answers -= 1
                    self.cut()
                elif not self.silent:
                    writer.write(data)
        except ConnectionError:
            pass
        writer.close()

    def cut(self) -> None:
        for writer in self._writers:
            writer.close()
        self._writers.clear()


@pytest.fixture
async def cable(redis_url: str) -> AsyncIterator[tuple[Cable, str]]:
    cable = Cable(redis_url)
    server = await asyncio.start_server(cable.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    yield cable, f"redis://127.0.0.1:{port}{urlsplit(redis_url).path}"
    cable.cut()
    server.close()


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[state_redis.RedisState]:
    state = open_state(url)
    assert isinstance(state, state_redis.RedisState)
    try:
        yield state
    finally:
        await state.close()


async def test_no_server_says_unavailable_at_once_and_names_no_credentials() -> None:
    async with opened("redis://someone:hunter2@127.0.0.1:1/0") as state:
        with pytest.raises(StateUnavailable) as caught:
            await state.get("a")
    assert "127.0.0.1:1" in str(caught.value)
    assert "hunter2" not in str(caught.value)


async def test_wrong_credentials_say_unavailable_and_are_not_repeated(redis_url: str) -> None:
    async with opened(redis_url.replace("redis://", "redis://nobody:hunter2@")) as state:
        with pytest.raises(StateUnavailable) as caught:
            await state.get("a")
    assert "hunter2" not in str(caught.value)


async def test_a_connection_that_was_cut_is_replaced_and_nobody_notices(cable) -> None:
    proxy, url = cable
    async with opened(url) as state:
        await state.put("cut", b"1", 60)
        for _ in range(3):
            proxy.cut()
            assert await state.get("cut") == b"1"


async def test_an_add_whose_answer_was_lost_is_repeated_and_done_once(cable) -> None:
    proxy, url = cable
    async with opened(url) as state:
        await state.delete("lost")
        proxy.swallow_answers = 1
        assert await state.add("lost", b"mine", 60) is None
        assert await state.add("lost", b"other", 60) == b"mine"


async def test_a_silent_server_costs_the_deadline_and_the_store_recovers(
    cable, eventually, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state_redis, "SOCKET_WITHIN", 0.5)
    proxy, url = cable
    async with opened(url) as state:
        await state.put("silent", b"1", 60)
        proxy.silent = True
        began = time.monotonic()
        results = await asyncio.gather(*(state.get("silent", within=0.3) for _ in range(100)), return_exceptions=True)
        assert time.monotonic() - began < 0.6
        assert all(isinstance(result, StateUnavailable) for result in results)
        proxy.silent = False
        assert await eventually(lambda: not state._running), "every task of ours ends"
        assert await state.get("silent") == b"1"
        assert proxy.connections <= 3 * state_redis.CONNECTIONS


async def test_callers_that_are_cancelled_mid_flight_never_get_anothers_answer(cable) -> None:
    _, url = cable
    async with opened(url) as state:
        await asyncio.gather(*(state.put(f"mine{n}", b"%d" % n, 60) for n in range(100)))
        for pause in (0, 0.0005, 0.002, 0.005):
            tasks = [asyncio.create_task(state.get(f"mine{n}")) for n in range(100)]
            await asyncio.sleep(pause)
            for task in tasks[::3]:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for n in range(100):
                assert await state.get(f"mine{n}") == b"%d" % n


async def test_too_many_at_once_are_refused_at_once(cable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state_redis, "IN_FLIGHT", 50)
    _, url = cable
    async with opened(url) as state:
        results = await asyncio.gather(*(state.get("x") for _ in range(60)), return_exceptions=True)
        assert sum(isinstance(result, StateUnavailable) for result in results) == 10


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({}, ""),
        ({"maxmemory": 0, "maxmemory_policy": "allkeys-lru", "aof_enabled": 1}, ""),
        ({"maxmemory": 1, "maxmemory_policy": "noeviction", "aof_enabled": 1}, ""),
        (
            {"maxmemory": 1, "maxmemory_policy": "volatile-ttl", "aof_enabled": 1},
            "(volatile-ttl): set maxmemory-policy",
        ),
        ({"maxmemory": 0, "maxmemory_policy": "noeviction", "aof_enabled": 0}, "set appendonly yes"),
    ],
)
def test_a_server_that_is_configured_to_forget_is_cautioned_against(told, said: str) -> None:
    found = state_redis.cautions_in(told)
    assert (len(found), said in "".join(found)) == (bool(said), True)


async def test_the_server_tells_how_it_is_configured_and_one_that_is_away_nothing(redis_url: str) -> None:
    state = open_state(redis_url)
    assert await state.cautions() == state_redis.cautions_in(await state._client.info())
    await state.close()
    gone = open_state("redis://127.0.0.1:9/0")
    assert await gone.cautions() == []
    await gone.close()
