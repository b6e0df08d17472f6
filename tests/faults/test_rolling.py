"""Four receivers and four workers behind HAProxy, on a cluster of three and a Redis, are restarted in turn under load."""

import asyncio
import sys

import pytest

from tests.faults.fleet import RATE, Fleet

BURST = 100  # ordered at once, so that the rate is what holds the workers back


@pytest.mark.timeout(240)
async def test_a_rolling_restart_and_scale_in_lose_nothing_refuse_nothing_and_send_nothing_twice(
    cluster, redis, run, tmp_path
):
    async with Fleet(run, tmp_path, cluster, redis) as fleet:
        await fleet.begin(receivers=4, workers=4)
        await asyncio.gather(*(fleet.stage.orderer.order(account=fleet.wide) for _ in range(BURST)))
        async with fleet.load():
            async with fleet.phase("nothing"):
                await asyncio.sleep(1)
            async with fleet.phase("receivers and workers, in turn"):
                await asyncio.gather(fleet.restart_receivers(), fleet.restart_workers())
            async with fleet.phase("nodes of RabbitMQ, in turn"):
                await fleet.restart_nodes()
            async with fleet.phase("in from four to two"):
                await fleet.take_away(
                    *(fleet.receivers.pop(n) for n in (2, 3)), *(fleet.workers.pop(n) for n in (2, 3))
                )
            async with fleet.phase("out to three"):
                await asyncio.gather(fleet.add_receiver(2), fleet.add_worker(3))
        problems = await fleet.audit()
        sys.stdout.write(fleet.report())
        assert problems == []
        assert len(fleet.stage.callbacks.acknowledged) > 1000
        assert len(fleet.stage.commands.accepted) > 500
        for account in fleet.stage.accounts:
            assert fleet.busiest(account, 5.0) <= 1.05 * RATE, "one rate for all workers"
        assert not any(fleet.worked_for(fleet.narrow, worker) for worker in fleet.of_few_accounts)
