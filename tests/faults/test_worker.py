"""The worker is killed at every await that matters, or its disk takes nothing: each command has one outcome."""

import asyncio
import resource
import signal

from tests.faults.provider import ACCEPT, HANG, late
from tests.faults.stage import Stage

AFTER_A_DEAD_WORKER = 25.0  # a worker counts as dead ten seconds after its last sign of life


async def killed(program):
    program.signal(signal.SIGKILL)
    await program.ended()


async def order(stage, kind, count):
    return await asyncio.gather(*(stage.orderer.order(f"{kind}-{stage.account}-{n}") for n in range(count)))


async def kill_a_worker_in_the_middle(stage, *ways):
    """With commands whose answer is not there, whose outcome is not published, and that are not begun."""
    says = {"before": late(0.4), "hangs": HANG, "answered": late(0.4), "waits": ACCEPT}
    stage.provider.behave = lambda identity: says[identity.partition("-")[0]]
    await stage.begin(receivers=0)
    before = await order(stage, "before", 8)  # the channels that they are published on stay open
    assert await stage.audit() == []
    hanging, answered = await order(stage, "hangs", 4), await order(stage, "answered", 4)
    await asyncio.gather(*(stage.provider.wait_for(identity) for identity in (*hanging, *answered)))
    stage.broker.black_hole(*ways)
    waiting = await order(stage, "waits", 4)
    await asyncio.sleep(0.8)  # the answers are there, and their outcomes on the way
    await killed(stage.workers[0])
    await stage.read()
    told = len(stage.commands.outcomes.keys() & set(answered))
    stage.broker.heal()
    await stage.start_worker().ready()
    assert await stage.audit(AFTER_A_DEAD_WORKER) == []
    assert stage.commands.of("mt.unknown") == set(hanging)
    assert stage.commands.of("mt.accepted") == {*before, *answered, *waiting}
    return bool(told)


async def test_killed_at_any_moment_of_a_command_nothing_is_sent_twice_and_every_outcome_is_told(run, node, tmp_path):
    async def one(name, *ways):
        (tmp_path / name).mkdir()
        async with Stage(run, tmp_path / name, brokers=[node.port]) as stage:
            return await kill_a_worker_in_the_middle(stage, *ways)

    # Of the second the broker has the outcomes, and the worker has not heard of it.
    assert await asyncio.gather(one("deaf"), one("unheard", "down")) == [False, True]


async def test_thrown_out_by_the_broker_amid_a_post_it_sends_nothing_again(stage, node):
    stage.provider.behave = lambda _: late(0.6)
    await stage.begin(receivers=0)
    ids = await order(stage, "late", 8)
    await asyncio.gather(*map(stage.provider.wait_for, ids))
    await asyncio.to_thread(node.close_connections)  # its acknowledgements will be too late
    assert await stage.audit() == []
    assert stage.commands.of("mt.accepted") == set(ids)


async def test_a_full_disk_for_the_state_stops_sending_and_nothing_else(stage):
    await stage.begin(receivers=0)
    await order(stage, "before", 4)
    assert await stage.audit() == []
    worker = stage.workers[0]
    resource.prlimit(worker.process.pid, resource.RLIMIT_FSIZE, (1024, resource.RLIM_INFINITY))
    held = await order(stage, "held", 8)
    await asyncio.sleep(1)
    assert not any(stage.provider.received[identity] for identity in held)
    resource.prlimit(worker.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert await stage.audit() == []
    assert stage.commands.of("mt.accepted") >= set(held)
