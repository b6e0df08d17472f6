"""Queues that are full, gone or not bound."""

import asyncio

import aio_pika

from tests.faults import provider
from tests.faults.load import callback
from tests.faults.stage import connected

WAITS = ("300ms", "301ms", "302ms")  # the stage's


async def test_events_that_a_full_queue_refuses_wait_in_the_spool(stage):
    await stage.begin(workers=0)
    async with await aio_pika.connect(stage.direct_url()) as connection:
        channel = await connection.channel()
        limits = {"x-queue-type": "quorum", "x-max-length": 3, "x-overflow": "reject-publish"}
        full = await channel.declare_queue(f"full-{stage.account}", durable=True, arguments=limits)
        await full.bind("mm7.events", f"*.*.{stage.account}.*")
        for _ in range(20):
            assert (await stage.caller.post(callback())).acknowledged
        assert [entry for entry in stage.receivers[0].logged("callback.accepted") if entry["kept"] == "spool"]
        await channel.queue_delete(full.name)
    assert await stage.audit() == []


async def test_an_outcome_that_a_full_queue_refuses_is_told_when_there_is_room(stage):
    await stage.begin(receivers=0)
    async with await aio_pika.connect(stage.direct_url()) as connection:
        channel = await connection.channel()
        limits = {"x-queue-type": "quorum", "x-max-length": 1, "x-overflow": "reject-publish"}
        full = await channel.declare_queue(f"full-{stage.account}", durable=True, arguments=limits)
        await full.bind("mm7.events", f"*.*.{stage.account}.*")
        ids = [await stage.orderer.order() for _ in range(8)]
        await asyncio.gather(*map(stage.provider.wait_for, ids))
        await asyncio.sleep(0.3)
        assert stage.workers[0].logged("publish.failed")
        await channel.queue_delete(full.name)
    assert await stage.audit() == []


async def test_a_worker_outlives_the_deletion_of_its_queue_and_no_command_is_lost(stage, eventually):
    await stage.begin(receivers=0)
    async with await aio_pika.connect(stage.direct_url()) as connection:
        channel = await connection.channel()
        await channel.queue_delete(f"mm7.mt.{stage.account}")
        await asyncio.gather(*(stage.orderer.order() for _ in range(5)))
        unrouted = await unrouted_of(channel, *stage.commands.ordered)
        stage.commands.ordered -= unrouted  # they came while the queue was not there
        await eventually(lambda: len(stage.workers[0].logged("consumer.subscribed")) == 2)
        await stage.orderer.order()
    assert await stage.audit() == []


async def test_events_that_nobody_is_bound_for_are_kept(stage):
    await connected(await stage.start_receiver().ready())
    posted = await stage.caller.post(callback())
    assert posted.acknowledged
    async with await aio_pika.connect(stage.direct_url()) as connection:
        assert await unrouted_of(await connection.channel(), posted.id) == {posted.id}


async def test_the_queue_of_what_nobody_is_bound_for_comes_back_when_it_is_deleted(stage):
    await connected(await stage.start_receiver().ready())
    async with await aio_pika.connect(stage.direct_url()) as connection:
        channel = await connection.channel()
        await channel.queue_delete("mm7.unrouted")
        posted = [await stage.caller.post(callback()) for _ in range(3)]
        assert all(each.acknowledged for each in posted)
        expected = {each.id for each in posted}
        async with asyncio.timeout(10):
            while expected:
                expected -= await unrouted_of(channel, *expected)
                await asyncio.sleep(0.1)


async def test_wait_queues_and_a_dead_letter_queue_that_are_deleted_come_back(stage):
    await stage.begin(receivers=0)
    says = {"busy": provider.page(503), "refused": provider.refuse(2000)}
    stage.provider.script += says.values()
    async with await aio_pika.connect(stage.direct_url()) as connection:
        channel = await connection.channel()
        for name in (*(f"mm7.wait.{delay}" for delay in WAITS), f"mm7.dead.{stage.account}"):
            await channel.queue_delete(name)
        ids = [await stage.orderer.order() for _ in says]
        assert await stage.audit() == []
        dead = await channel.get_queue(f"mm7.dead.{stage.account}")
        assert dead.declaration_result.message_count == 1
    assert (stage.commands.of("mt.accepted") | stage.commands.of("mt.refused")) == set(ids)
    assert len(stage.commands.of("mt.refused")) == 1


async def unrouted_of(channel, *ids):
    """Which of these are in mm7.unrouted; what else is there stays."""
    found = set()
    queue = await channel.get_queue("mm7.unrouted", ensure=False)
    while (message := await queue.get(fail=False)) is not None:
        mine = {identity for identity in ids if identity.encode() in message.body}
        found |= mine
        if mine:
            await message.ack()
    return found
