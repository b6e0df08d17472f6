"""The receiver is killed, or its disk takes nothing: what it has acknowledged is there, and it acknowledges no other."""

import asyncio
import resource
import secrets
import signal
from datetime import UTC, datetime

from gateway.mm7 import Part
from gateway.tools.simulator import Mo
from tests.faults.load import callback

LIVING_TAKES_OVER_WITHIN = 20.0


async def killed(program):
    program.signal(signal.SIGKILL)
    await program.ended()


def limit_files(program, size):
    """No file of the program grows beyond `size` bytes from now on; None takes the limit away. As a full disk would."""
    most = resource.RLIM_INFINITY if size is None else size
    resource.prlimit(program.process.pid, resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))


def with_picture(size_bytes):
    """A message whose picture goes to the media store."""
    picture = Part(content_type="image/png", data=bytes(size_bytes), filename="a.png")
    return Mo(transaction_id=secrets.token_hex(8), linked_id="1", at=datetime.now(UTC), attachments=(picture,))


def with_text(size_bytes):
    """A message whose text is a part of the event."""
    return Mo(transaction_id=secrets.token_hex(8), linked_id="1", at=datetime.now(UTC), text="x" * size_bytes)


async def test_killed_while_it_publishes_to_a_frozen_broker_it_has_acknowledged_nothing(stage, node, freeze):
    await stage.begin(workers=0)
    freeze()
    async with asyncio.TaskGroup() as tasks:
        for _ in range(30):
            tasks.create_task(stage.caller.deliver(callback()))
        await asyncio.sleep(0.3)  # all of them are being published, and none is given up yet
        await killed(stage.receivers[0])
        assert not stage.callbacks.acknowledged
        node.resume()
        await stage.start_receiver().ready()
    assert len(stage.callbacks.acknowledged) == 30
    assert await stage.audit() == []


async def test_killed_when_its_events_are_published_and_it_has_not_heard_they_come_again_under_the_same_ids(stage):
    await stage.begin(workers=0)
    await asyncio.gather(*(stage.caller.deliver(callback()) for _ in range(16)))  # opens channels to publish on
    known = len(stage.callbacks.acknowledged)
    stage.broker.black_hole("down")
    async with asyncio.TaskGroup() as tasks:
        for _ in range(8):
            tasks.create_task(stage.caller.deliver(callback()))
        await asyncio.sleep(0.3)  # on their way, and not given up yet
        await killed(stage.receivers[0])
        assert len(stage.callbacks.acknowledged) == known
        stage.broker.heal()
        await stage.start_receiver().ready()
    async with asyncio.timeout(10):
        while not stage.callbacks.duplicated:  # what the first has published, and the second has spooled
            await stage.read()
    assert await stage.audit() == []


async def test_killed_with_a_spool_that_waits_its_next_start_publishes_it(stage):
    await stage.begin(workers=0)
    stage.broker.cut(refuse=True)
    await asyncio.gather(*(stage.caller.deliver(callback()) for _ in range(40)))
    await killed(stage.receivers[0])
    stage.broker.heal()
    await stage.read()
    assert stage.callbacks.lost == stage.callbacks.acknowledged, "nothing but the spool has it"
    await stage.start_receiver().ready()
    assert await stage.audit() == []
    assert not stage.callbacks.duplicated


async def test_the_spool_of_one_that_was_killed_is_taken_over_by_another_that_lives(stage):
    await stage.begin(receivers=2, workers=0)
    stage.broker.cut(refuse=True)
    await asyncio.gather(*(stage.caller.deliver(callback()) for _ in range(40)))
    dead, living = stage.receivers
    assert dead.logged("callback.accepted")
    await killed(dead)
    await asyncio.gather(*(stage.caller.deliver(callback()) for _ in range(10)))
    stage.broker.heal()
    assert await stage.audit(LIVING_TAKES_OVER_WITHIN) == []
    assert living.logged("spool.taken_over")


async def test_without_spool_and_broker_the_provider_keeps_its_callbacks(stage):
    await stage.begin(workers=0, SPOOL_DIR="")
    async with stage.caller.load(per_second=60):
        stage.broker.cut(refuse=True)
        await asyncio.sleep(1)
        stage.broker.heal()
    assert await stage.audit() == []
    assert 503 in {posted.status for posted in stage.callbacks.posted}


async def test_a_spool_folder_that_cannot_be_used_is_noticed_when_it_is_needed(stage):
    (stage.folder / "file").touch()
    await stage.begin(workers=0, SPOOL_DIR=stage.folder / "file" / "spool")
    assert (await stage.caller.post(callback())).acknowledged
    stage.broker.cut(refuse=True)
    refused = [await stage.caller.post(callback()) for _ in range(3)]
    assert {posted.status for posted in refused} == {503}
    stage.broker.heal()
    await stage.caller.deliver(callback())
    assert await stage.audit() == []


async def test_on_a_disk_that_is_full_for_media_and_spool_no_picture_is_acknowledged(stage):
    await stage.begin(workers=0)
    limit_files(stage.receivers[0], 50_000)
    posted = [await stage.caller.post(with_picture(60_000)) for _ in range(3)]
    assert {each.status for each in posted} == {503}
    limit_files(stage.receivers[0], None)
    await stage.caller.deliver(with_picture(60_000))
    assert await stage.audit() == []


async def test_while_the_media_folder_cannot_be_used_pictures_wait_in_the_spool_whole(stage):
    media = stage.folder / "media"
    await stage.begin(workers=0)
    media.rename(stage.folder / "away")
    media.touch()
    posted = [await stage.caller.post(with_picture(60_000)) for _ in range(3)]
    assert all(each.acknowledged for each in posted)
    await stage.read()
    assert stage.callbacks.lost == stage.callbacks.acknowledged, "nothing but the spool has it"
    media.unlink()
    (stage.folder / "away").rename(media)
    assert await stage.audit() == []


async def test_on_a_disk_that_is_full_for_the_spool_what_it_does_not_take_is_not_acknowledged(stage):
    await stage.begin(workers=0)
    stage.broker.cut(refuse=True)
    limit_files(stage.receivers[0], 200_000)
    posted = [await stage.caller.post(with_text(40_000)) for _ in range(8)]
    assert {each.status for each in posted} == {200, 503}
    limit_files(stage.receivers[0], None)
    await stage.caller.deliver(with_text(40_000))
    stage.broker.heal()
    assert await stage.audit() == []


async def test_a_full_disk_for_the_state_costs_no_callback(stage):
    await stage.begin(workers=0)
    receiver = stage.receivers[0]
    limit_files(receiver, 60_000)
    posted = await asyncio.gather(*(stage.caller.post(callback()) for _ in range(40)))
    assert all(each.acknowledged for each in posted)
    assert 'mm7_state_unavailable_total{use="published"}' in (await receiver.get("metrics"))[1]
    limit_files(receiver, None)
    assert await stage.audit() == []
