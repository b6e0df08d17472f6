"""A cluster of three loses a node under load: nothing else is lost."""

import asyncio

from tests.faults.provider import late
from tests.faults.stage import Stage

BACK_WITHIN = 20.0


async def test_a_cluster_that_loses_the_leader_of_its_queues_under_load_loses_nothing(cluster, run, tmp_path):
    async with Stage(run, tmp_path, brokers=[node.port for node in cluster.nodes]) as stage:
        stage.provider.behave = lambda _: late(0.1)
        await stage.begin(kills=True)
        assert len(await asyncio.to_thread(cluster.members, stage.shelf.name)) == 3
        async with stage.caller.load(per_second=60), stage.orderer.load(per_second=20):
            await asyncio.sleep(0.5)
            killed = await leader_of(stage, cluster)  # all programs are connected to it
            await asyncio.to_thread(killed.kill)
            leader = await leader_of(stage, cluster, after=killed)
            await asyncio.to_thread(killed.start)
            leader.pause()  # and then the one that stood in for it does not answer
            await asyncio.sleep(2)
            leader.resume()
            await stage.workers[0].ready(BACK_WITHIN)
        assert await stage.audit(BACK_WITHIN) == []
        assert len(stage.callbacks.acknowledged) > 50
        assert len(stage.commands.ordered) > 20


async def leader_of(stage, cluster, after=None):
    """Of the shelf; another one than `after`, as soon as there is one."""
    async with asyncio.timeout(BACK_WITHIN):
        while (leader := await asyncio.to_thread(cluster.leader, stage.shelf.name)) in (None, after):
            pass
        return leader
