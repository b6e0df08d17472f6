import asyncio
from itertools import islice
from types import SimpleNamespace

import pytest

from tests.faults.proxy import Proxy
from tests.soak import schedule
from tests.soak.schedule import LANES, Fault, Lane


def scene():
    return SimpleNamespace(options=SimpleNamespace(seed=1), on={}, done=[], troubles=[])


@pytest.mark.parametrize("name", LANES)
def test_the_same_seed_makes_the_same_faults(name):
    def planned(seed):
        return list(islice(schedule.plan(name, LANES[name], ["one", "two"], seed), 20))

    assert planned(1) == planned(1) != planned(2)
    for each in planned(1):
        least, most = LANES[name].faults[each.kind].seconds
        assert least <= each.seconds <= most


def test_a_lane_without_a_target_is_empty():
    assert list(schedule.plan("redis", LANES["redis"], [], 1)) == []


async def test_what_is_begun_is_undone_when_the_end_comes(monkeypatch):
    monkeypatch.setattr(schedule, "QUIET_SECONDS", (0.0, 0.0))
    here, done, ending = scene(), [], asyncio.Event()

    def start(target):
        done.append(f"start {target}")
        ending.set()

    lane = Lane(lambda _scene: ["it"], {"a": Fault(start, lambda target: done.append(f"undo {target}"), (60.0, 60.0))})
    async with asyncio.timeout(1):
        await schedule.run("name", here, ending, lane)
    assert done == ["start it", "undo it"]
    assert here.done == ["name a"]
    assert here.on == {}


async def test_an_undoing_that_fails_is_tried_again(monkeypatch):
    monkeypatch.setattr(schedule, "QUIET_SECONDS", (0.0, 0.0))
    monkeypatch.setattr(schedule, "AGAIN_SECONDS", 0.0)
    here, tries, ending = scene(), [], asyncio.Event()

    def undo(_target):
        tries.append(1)
        ending.set()
        if len(tries) < 3:
            raise RuntimeError("overloaded")

    await schedule.run("name", here, ending, Lane(lambda _scene: ["it"], {"a": Fault(lambda _target: None, undo)}))
    assert len(tries) == 3
    assert here.troubles == []


async def test_the_faults_of_a_way_are_those_of_the_proxy():
    async with Proxy() as proxy:
        for fault in schedule.WAY.values():
            fault.start(proxy)
            fault.undo(proxy)
