"""A deadline that holds whatever the library does."""

from __future__ import annotations

import asyncio
import time

import pytest

from gateway.broker import BrokerDown
from gateway.broker.wire import bounded


async def test_a_call_that_does_not_take_its_cancellation_is_left_behind() -> None:
    release = asyncio.Event()

    async def stubborn() -> None:
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue

    began = time.monotonic()
    with pytest.raises(TimeoutError):
        await bounded(stubborn(), 0.05)
    assert time.monotonic() - began < 0.5
    release.set()


async def test_a_cancellation_by_the_library_is_a_lost_broker() -> None:
    async def stuck() -> None:
        raise asyncio.CancelledError

    with pytest.raises(BrokerDown, match="no sign of life"):
        await bounded(stuck(), 1)


async def test_our_own_cancellation_stays_one() -> None:
    ended = asyncio.Event()

    async def long() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    task = asyncio.create_task(bounded(long(), 10))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.wait_for(ended.wait(), 1)


async def test_a_failure_after_the_deadline_is_no_noise() -> None:
    async def late() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise ConnectionError("late") from None

    with pytest.raises(TimeoutError):
        await bounded(late(), 0.01)
