"""A broker that goes, freezes or takes nothing: without a spool callbacks are turned back in time."""

import asyncio
import json

import pytest

ANSWER_WITHIN = 2.0


@pytest.fixture
async def receiver(run, settings, node):
    return await run("gateway", AMQP_URL=node.url, CONFIG=settings(), SPOOL_DIR="").ready()


@pytest.fixture
async def kept(node, observe, name):
    """A durable queue that is bound before anything happens; gives the MessageIDs in it."""

    async def ids() -> set[str]:
        async with observe(node.url) as observer:
            queue = await observer.channel.get_queue(name, ensure=False)
            found = set()
            while message := await queue.get(no_ack=True, fail=False):
                found.add(json.loads(message.body)["data"]["message_id"])
            return found

    async with observe(node.url) as observer:
        await observer.queue("mm7.events", f"#.{name}.#", name=name, durable=True)
    yield ids
    async with observe(node.url) as observer:
        await observer.channel.queue_delete(name)


async def _turned_back(caller, receiver, name):
    answered = await caller.call(receiver.port, name)
    assert (answered.status, "4006" in answered.text) == (503, True)
    assert int(answered.headers["Retry-After"]) > 0
    assert answered.seconds < ANSWER_WITHIN
    return answered


async def test_a_broker_that_is_away_turns_callbacks_back_and_its_return_is_noticed(node, receiver, kept, caller, name):
    before = await caller.call(receiver.port, name)
    assert before.status == 200
    await asyncio.to_thread(node.stop)
    for _ in range(3):
        await _turned_back(caller, receiver, name)
    status, text = await receiver.get("readyz")
    assert (status, json.loads(text)["reasons"][0].startswith("broker down: ")) == (503, True)
    assert (await receiver.get("livez"))[0] == 200
    assert "mm7_broker_up 0.0" in (await receiver.get("metrics"))[1]
    await asyncio.to_thread(node.start)
    after = await caller.until(200, receiver.port, name, 10)
    assert (await receiver.get("readyz"))[0] == 200
    assert {before.id, after.id} <= await kept()
    assert len(receiver.logged("receiver.listening")) == 1


async def test_a_frozen_broker_turns_callbacks_back_in_time(node, freeze, receiver, caller, name):
    assert (await caller.call(receiver.port, name)).status == 200
    freeze()
    answers = await asyncio.gather(*(_turned_back(caller, receiver, name) for _ in range(40)))
    assert len(answers) == 40
    assert (await receiver.get("livez"))[0] == 200
    node.resume()
    await caller.until(200, receiver.port, name, 10)


async def test_a_broker_that_takes_nothing_turns_callbacks_back(node, alarm, receiver, caller, name, eventually):
    assert (await caller.call(receiver.port, name)).status == 200
    await alarm(True)
    await caller.until(503, receiver.port, name, 5)  # the broker takes a moment to believe it
    await _turned_back(caller, receiver, name)
    await eventually(lambda: receiver.logged("broker.blocked"))
    status, text = await receiver.get("readyz")
    assert (status, "blocked" in json.loads(text)["reasons"][0]) == (503, True)
    assert "mm7_broker_blocked 1.0" in (await receiver.get("metrics"))[1]
    again = await _turned_back(caller, receiver, name)
    assert again.seconds < 0.5  # known by now
    await alarm(False)
    await caller.until(200, receiver.port, name, 10)
    assert (await receiver.get("readyz"))[0] == 200


async def test_a_receiver_ends_while_the_broker_is_frozen(freeze, receiver, caller, name):
    freeze()
    calling = asyncio.create_task(caller.call(receiver.port, name))
    await asyncio.sleep(0.2)  # until it is under way
    assert await receiver.stop() == 0
    assert (await calling).status == 503
