"""Of two deliveries of one callback at the same time, the second hears of the first's publish as soon as it is done."""

import asyncio

import pytest

from gateway.stores.published import Published
from gateway.stores.state_memory import MemoryState


class SlowToWrite(MemoryState):
    async def put(self, *arguments: object, **options: object) -> None:
        await asyncio.sleep(60)


async def test_a_mark_that_its_caller_gives_up_makes_no_second_publish_of_one_that_waits() -> None:
    published = Published(SlowToWrite(), unavailable=lambda: None)
    done: list[int] = []

    async def publish() -> None:
        await asyncio.sleep(0.01)
        done.append(1)

    first = asyncio.create_task(published.once("e1", publish))
    second = asyncio.create_task(published.once("e1", publish))
    assert await asyncio.wait_for(second, 1) is False
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    assert done == [1]
