"""A worker's sign of life, and when another is taken for dead."""

import asyncio

import pytest

from gateway.stores.state import StateUnavailable
from workers import pulse
from workers.pulse import Pulse


class Count:
    def __init__(self) -> None:
        self.calls = 0

    def __call__(self) -> None:
        self.calls += 1


@pytest.fixture
def failures() -> Count:
    return Count()


@pytest.fixture
def beats(desk, failures) -> Pulse:
    return Pulse(desk.ledger, unavailable=failures)


async def test_a_worker_is_ready_once_the_store_has_taken_its_beat(desk, beats) -> None:
    assert beats.reasons() == ["state store: not asked yet"]
    await beats.beat()
    assert beats.reasons() == []
    desk.state.down = True
    with pytest.raises(StateUnavailable):
        await beats.beat()
    assert beats.reasons() == ["state store: down"]


async def test_beating_goes_on_through_an_outage_and_ends_with_a_goodbye(
    desk, beats, failures, eventually, monkeypatch
) -> None:
    monkeypatch.setattr(pulse, "RETRY_EVERY", 0.01)
    monkeypatch.setattr(pulse, "BEAT_EVERY", 0.01)
    async with beats.beating():
        await eventually(lambda: not beats.reasons())
        desk.state.down = True
        await eventually(lambda: failures.calls > 2)
        desk.state.down = False
        await eventually(lambda: not beats.reasons())
        assert await desk.ledger.is_alive(beats.worker)
    assert not await desk.ledger.is_alive(beats.worker)


async def test_a_store_that_is_down_does_not_hold_up_the_end(desk, beats) -> None:
    desk.state.down = True
    async with asyncio.timeout(2), beats.beating():
        pass
    assert beats.reasons()


async def test_nobody_is_taken_for_dead_before_the_store_has_answered_for_a_while(desk, beats, monkeypatch) -> None:
    monkeypatch.setattr(pulse, "STEADY_SECONDS", 0.2)
    await beats.beat()
    assert not await beats.is_over("w2")
    await asyncio.sleep(0.21)
    assert await beats.is_over("w2")
    desk.state.down = True  # an outage, in which no sign of life is renewed
    with pytest.raises(StateUnavailable):
        await beats.beat()
    desk.state.down = False
    assert not await beats.is_over("w2")
    await desk.ledger.beat("w2")
    await asyncio.sleep(0.21)
    assert not await beats.is_over("w2")


async def test_a_sign_of_life_that_is_old_is_renewed_before_anything_is_begun(desk, beats, monkeypatch) -> None:
    await beats.ensure()
    await beats.ensure()
    assert desk.state.calls.count("put worker") == 1
    monkeypatch.setattr(pulse, "FRESH_SECONDS", -1)
    await beats.ensure()
    assert desk.state.calls.count("put worker") == 2


async def test_a_fault_of_ours_does_not_end_the_signs_of_life(desk, beats, monkeypatch, eventually) -> None:
    monkeypatch.setattr(pulse, "RETRY_EVERY", 0.001)
    beat, faults = beats._ledger.beat, [RuntimeError("a fault")] * 3

    async def faulty(worker: str) -> None:
        if faults:
            raise faults.pop()
        await beat(worker)

    beats._ledger.beat = faulty
    async with beats.beating():
        await eventually(lambda: not beats.reasons())
        assert await desk.ledger.is_alive(beats.worker)
