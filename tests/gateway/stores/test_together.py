"""Calls that are made as one: who joins which, and what becomes of them where it fails."""

import asyncio
from collections.abc import Mapping

import pytest

from gateway.stores import together
from gateway.stores.state import StateUnavailable
from gateway.stores.together import Together


class Store:
    """Notes what it is called with, and answers when it may; `errors` are raised by the calls to come."""

    def __init__(self, *errors: Exception) -> None:
        self.calls: list[dict[str, int]] = []
        self.errors = list(errors)
        self.free = asyncio.Event()
        self.free.set()

    async def call(self, items: Mapping[str, int]) -> dict[str, int]:
        self.calls.append(dict(items))
        await self.free.wait()
        if self.errors:
            raise self.errors.pop(0)
        return dict(items)


async def test_one_that_is_alone_is_called_at_once() -> None:
    store = Store()
    assert await Together(store.call)({"a": 1}, 1.0) == {"a": 1}
    assert store.calls == [{"a": 1}]


async def test_those_that_come_while_one_is_under_way_share_the_next_and_the_last_of_a_key_counts() -> None:
    store = Store()
    store.free.clear()
    ask = Together(store.call)
    first = asyncio.create_task(ask({"a": 1}, 5.0))
    await asyncio.sleep(0.01)
    others = [asyncio.create_task(ask({key: n}, 5.0)) for n, key in enumerate("bcb")]
    await asyncio.sleep(0.01)
    store.free.set()
    assert await first == {"a": 1}
    assert await asyncio.gather(*others) == [{"b": 2, "c": 1}] * 3
    assert store.calls == [{"a": 1}, {"b": 2, "c": 1}]


async def test_under_load_others_are_waited_for_a_moment_and_more_than_most_are_not(monkeypatch) -> None:
    monkeypatch.setattr(together, "GATHER_SECONDS", 60.0)
    monkeypatch.setattr(together, "MOST", 2)
    store = Store()
    store.free.clear()
    ask = Together(store.call)
    first = asyncio.create_task(ask({"a": 1, "b": 1}, 5.0))
    await asyncio.sleep(0.01)
    second = asyncio.create_task(ask({"c": 1, "d": 1}, 5.0))
    await asyncio.sleep(0.01)
    store.free.set()
    assert len(await first) == len(await second) == 2
    assert len(store.calls) == 2


@pytest.mark.parametrize("error", [StateUnavailable("full"), RuntimeError("a bug"), KeyError("a bug")])
async def test_whatever_a_call_raises_its_callers_get_as_unavailable_and_the_next_call_is_made(error) -> None:
    store = Store(error)
    ask = Together(store.call)
    outcomes = await asyncio.gather(ask({"a": 1}, 1.0), ask({"b": 1}, 1.0), return_exceptions=True)
    for outcome in outcomes:
        assert isinstance(outcome, StateUnavailable)
        assert error in (outcome, outcome.__cause__)
    assert await ask({"c": 1}, 1.0) == {"c": 1}


async def test_a_failure_that_nobody_waits_for_any_more_is_no_warning() -> None:
    store = Store(RuntimeError("late"))
    store.free.clear()
    ask = Together(store.call)
    with pytest.raises(StateUnavailable, match=r"no answer within 0\.01 s"):
        await ask({"a": 1}, 0.01)
    store.free.set()
    await asyncio.sleep(0.01)
    assert await ask({"b": 1}, 1.0) == {"b": 1}


@pytest.mark.parametrize("calls", [1, 2])
async def test_a_task_that_was_cancelled_is_followed_by_another(calls: int, monkeypatch) -> None:
    """In the middle of a call, and while others are waited for."""
    monkeypatch.setattr(together, "GATHER_SECONDS", 60.0)
    store = Store()
    store.free.clear()
    ask = Together(store.call)
    waiting = [asyncio.create_task(ask({"a": 1, "b": 1}, 0.2))]
    await asyncio.sleep(0.01)
    if calls == 2:
        waiting.append(asyncio.create_task(ask({"c": 1}, 0.2)))
        await asyncio.sleep(0.01)
        store.free.set()
        await asyncio.sleep(0.01)
    ask._running.cancel()
    await asyncio.wait({ask._running})
    store.free.set()
    await asyncio.wait(waiting)
    assert (await ask({"d": 1}, 1.0))["d"] == 1
