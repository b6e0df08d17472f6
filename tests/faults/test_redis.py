"""Redis goes, freezes, cannot be reached: callbacks are taken all the same, and nothing is sent until it is back."""

import asyncio
import signal
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.conftest import _running
from tests.faults.load import callback
from tests.faults.stage import Stage

pytestmark = pytest.mark.asyncio(loop_scope="module")

DEAD_WORKER_AFTER = 25.0
FAULTS = {
    "stopped": ("node", lambda redis: redis.stop(), lambda redis: redis.start()),
    "frozen": ("node", lambda redis: redis.pause(), lambda redis: redis.resume()),
    "black-hole": ("cable", lambda cable: cable.black_hole(), lambda cable: cable.heal()),
    "half-open": ("cable", lambda cable: cable.half_open(), lambda cable: cable.heal()),
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sharing(one_node, one_redis, tmp_path_factory) -> AsyncIterator[Stage]:
    """Two receivers and two workers that share a Redis, for all tests of this module."""
    folder = tmp_path_factory.mktemp("stage")
    with _running(folder) as start:
        async with Stage(start, folder, brokers=[one_node.port], redis=one_redis.port) as stage:
            await stage.begin(receivers=2, workers=2)
            yield stage


@pytest.mark.parametrize("name", FAULTS)
async def test_a_redis_that_fails_costs_no_callback_and_sends_nothing_twice(sharing, redis, name):
    of, begins, ends = FAULTS[name]
    subject = sharing.store if of == "cable" else redis
    async with sharing.caller.load(per_second=40), sharing.orderer.load(per_second=15):
        await asyncio.sleep(0.3)
        await asyncio.to_thread(begins, subject) if of == "node" else begins(subject)
        await asyncio.sleep(0.5)  # what was marked before it may still be sent
        sent = sharing.provider.received.total()
        await asyncio.sleep(1.2)
        assert sharing.provider.received.total() == sent, "nothing is sent without the state"
        await asyncio.to_thread(ends, subject) if of == "node" else ends(subject)
    assert await sharing.audit() == []


async def test_two_workers_one_of_them_killed_send_nothing_twice(sharing, redis):
    async with sharing.orderer.load(per_second=60):
        await asyncio.sleep(0.5)
        sharing.workers[0].signal(signal.SIGKILL)
        await asyncio.sleep(0.5)
    assert await sharing.audit(DEAD_WORKER_AFTER) == []


async def test_a_callback_that_another_receiver_has_published_is_not_published_again(sharing, redis):
    message = callback()
    for _ in range(8):  # each on a connection of its own: both receivers get some
        assert (await sharing.caller.post(message)).acknowledged
    assert await sharing.audit() == []
    assert sharing.callbacks.stored[message.transaction_id] == 1
