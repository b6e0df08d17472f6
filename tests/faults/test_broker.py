"""The broker goes, freezes, takes nothing; the cable to it is cut: nothing acknowledged is lost, nothing sent twice."""

import asyncio
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import pytest

from tests.faults.provider import late

pytestmark = pytest.mark.asyncio(loop_scope="module")

BACK_WITHIN = 15.0


def _nothing(_: Any) -> None: ...


class Fault(NamedTuple):
    """What happens to the node or to the cable, for how long, and what ends it. `spools`: the callbacks feel it."""

    of: Literal["node", "cable"]
    begins: Callable[[Any], object]
    ends: Callable[[Any], object] = _nothing
    seconds: float = 1.5
    spools: bool = True

    async def strike(self, stage: Any, node: Any) -> None:
        """Let it happen, and pass."""
        await self._do(self.begins, stage, node)
        await asyncio.sleep(self.seconds)
        await self._do(self.ends, stage, node)

    async def _do(self, step: Callable[[Any], object], stage: Any, node: Any) -> None:
        if self.of == "cable":
            step(stage.broker)
        else:
            await asyncio.to_thread(step, node)


FAULTS = {
    "killed": Fault("node", lambda n: n.kill(), lambda n: n.start(), 0.5),
    "stopped": Fault("node", lambda n: n.stop(), lambda n: n.start(), 0.5),
    "frozen": Fault("node", lambda n: n.pause(), lambda n: n.resume(), 1.8),
    "out-of-memory": Fault("node", lambda n: n.alarm(True), lambda n: n.alarm(False)),
    "out-of-disk": Fault("node", lambda n: n.disk_alarm(True), lambda n: n.disk_alarm(False)),
    "clients-thrown-out": Fault("node", lambda n: n.close_connections(), seconds=0.5, spools=False),
    "cable-pulled-for-a-moment": Fault("cable", lambda c: c.cut(), seconds=0.5, spools=False),
    "connections-refused": Fault("cable", lambda c: c.cut(refuse=True), lambda c: c.heal()),
    "black-hole": Fault("cable", lambda c: c.black_hole(), lambda c: c.heal(), 1.8),
    "hears-nothing": Fault("cable", lambda c: c.black_hole("up"), lambda c: c.heal(), 1.8),
    "answers-nothing": Fault("cable", lambda c: c.black_hole("down"), lambda c: c.heal(), 1.8),
    "half-open": Fault("cable", lambda c: c.half_open(), lambda c: c.heal(), 1.8),
    "our-way-closed": Fault("cable", lambda c: c.half_close("up"), seconds=0.5, spools=False),
    "its-way-closed": Fault("cable", lambda c: c.half_close("down"), seconds=0.5, spools=False),
    "slow": Fault("cable", lambda c: c.slow(1000), lambda c: c.heal(), 1.8),
}


@pytest.mark.parametrize("name", FAULTS)
async def test_a_broker_that_fails_costs_nothing(shared, node, name):
    fault = FAULTS[name]
    shared.provider.behave = lambda _: late(0.1)  # so that there is always a submit under way
    receiver, worker = shared.receivers[0], shared.workers[0]
    connected = len(receiver.logged("broker.connected"))
    spooled = len(_kept(receiver, "spool"))
    async with shared.caller.load(per_second=60), shared.orderer.load(per_second=15):
        await asyncio.sleep(0.3)
        await fault.strike(shared, node)
        await worker.ready(BACK_WITHIN)
    assert await shared.audit() == []
    if fault.spools:
        assert len(_kept(receiver, "spool")) > spooled
    else:
        assert len(receiver.logged("broker.connected")) > connected


def _kept(receiver: Any, place: str) -> list[Any]:
    return [entry for entry in receiver.logged("callback.accepted") if entry.get("kept") == place]
