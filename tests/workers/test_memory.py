"""No command is sent twice by one process."""

import asyncio

import pytest

from gateway.contract.events import Event
from workers.memory import Memory

KEY = ("sinch-us", "order-1")


def event(number: int = 1) -> Event:
    return Event(
        id=str(number), type="mt.accepted", source="/mm7/sinch-us", subject=None, time="t", dataschema="s", data={}
    )


async def test_what_was_never_sent_is_to_be_sent() -> None:
    assert await Memory().outcome(KEY) is None


async def test_the_outcome_of_an_earlier_delivery_is_known() -> None:
    memory = Memory()
    memory.begin(KEY)
    memory.end(KEY, event())
    assert await memory.outcome(KEY) == event()
    assert await memory.outcome(("other", "order-1")) is None


async def test_a_second_delivery_waits_for_the_first() -> None:
    memory = Memory()
    memory.begin(KEY)
    second = asyncio.create_task(memory.outcome(KEY))
    await asyncio.sleep(0)
    assert not second.done()
    memory.end(KEY, event())
    assert await second == event()


async def test_what_was_put_off_or_refused_may_be_sent_again() -> None:
    memory = Memory()
    memory.begin(KEY)
    memory.end(KEY, None)
    assert await memory.outcome(KEY) is None


async def test_of_many_that_waited_in_vain_one_goes_on_and_the_others_wait_for_it() -> None:
    memory, sent = Memory(), []

    async def deliver() -> Event | None:
        if (known := await memory.outcome(KEY)) is not None:
            return known
        memory.begin(KEY)
        sent.append(1)
        await asyncio.sleep(0)
        memory.end(KEY, event())
        return None

    memory.begin(KEY)
    waiting = [asyncio.create_task(deliver()) for _ in range(5)]
    await asyncio.sleep(0)
    memory.end(KEY, None)
    assert sorted(await asyncio.gather(*waiting), key=str) == sorted([None, *[event()] * 4], key=str)
    assert sent == [1]


async def test_whoever_stops_waiting_does_not_disturb_the_others() -> None:
    memory = Memory()
    memory.begin(KEY)
    one, two = (asyncio.create_task(memory.outcome(KEY)) for _ in range(2))
    await asyncio.sleep(0)
    one.cancel()
    with pytest.raises(asyncio.CancelledError):
        await one
    memory.end(KEY, event())
    assert await two == event()


async def test_it_forgets_the_oldest_and_never_what_is_under_way() -> None:
    memory = Memory(size=3)
    memory.begin(KEY)
    for number in range(10):
        memory.begin(("a", str(number)))
        memory.end(("a", str(number)), event(number))
    known = [number for number in range(10) if await memory.outcome(("a", str(number)))]
    assert known == [7, 8, 9]
    under_way = asyncio.create_task(memory.outcome(KEY))
    await asyncio.sleep(0)
    assert not under_way.done()
    memory.end(KEY, event())
    assert await under_way == event()
