"""The rate of an account, on the loop's clock."""

import asyncio

import pytest

from workers.throttle import Throttle


async def turns(throttle: Throttle, count: int) -> list[float]:
    times: list[float] = []

    async def one() -> None:
        await throttle.turn()
        times.append(asyncio.get_running_loop().time())

    await asyncio.gather(*(one() for _ in range(count)))
    return times


async def test_the_first_turn_comes_at_once_and_the_others_spaced() -> None:
    began = asyncio.get_running_loop().time()
    times = await turns(Throttle(2), 2)
    assert times[0] - began < 0.25
    assert times[1] - began >= 0.499


async def test_time_that_was_not_used_is_not_saved_up() -> None:
    throttle = Throttle(50)
    await throttle.turn()
    await asyncio.sleep(0.1)
    began = asyncio.get_running_loop().time()
    times = await turns(throttle, 4)
    assert all(time - began >= number * 0.02 - 0.001 for number, time in enumerate(times))


async def test_turns_are_given_in_the_order_in_which_they_were_asked_for() -> None:
    throttle, order = Throttle(200), []

    async def one(number: int) -> None:
        await throttle.turn()
        order.append(number)

    await asyncio.gather(*(one(number) for number in range(8)))
    assert order == list(range(8))


async def test_whoever_stops_waiting_holds_nobody_up() -> None:
    throttle = Throttle(50)
    waiting = [asyncio.create_task(throttle.turn()) for _ in range(3)]
    await asyncio.sleep(0)
    waiting[1].cancel()
    async with asyncio.timeout(2):
        await waiting[2]
    with pytest.raises(asyncio.CancelledError):
        await waiting[1]
