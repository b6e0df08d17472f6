"""The bytes of bodies under way have a limit."""

import asyncio

import pytest

from gateway import door, mm7

DELIVER = mm7.encode(mm7.DeliverReq(transaction_id="t-1", mm7_version="6.8.0", sender=mm7.Address("1"))).body


def test_there_is_room_up_to_the_limit_and_for_one_that_is_alone() -> None:
    room = door.Room(100)
    with room.place() as one:
        assert one.take(60)
        assert one.take(500), "alone"
        with room.place() as two:
            assert not two.take(1)
            assert two.size == 0
    with room.place() as three, room.place() as four:
        assert three.take(60)
        assert four.take(40)
        assert not four.take(1)
        assert not three.take(1)


@pytest.mark.parametrize("chunked", [False, True])
async def test_past_it_callbacks_are_left_with_the_provider_until_there_is_room(receiving, chunked) -> None:
    started = await receiving(max_bytes_in_flight=1024, body_within=5)
    size = 1000
    arriving = asyncio.Event()

    async def slowly():
        yield DELIVER
        await arriving.wait()
        yield b" " * (size - len(DELIVER))

    first = asyncio.create_task(started.post(slowly(), Content_Length=str(size)))
    async with asyncio.timeout(2):
        while not started.receiver._room.taken:
            await asyncio.sleep(0.01)

    async def chunks():
        yield DELIVER

    second = await started.post(chunks() if chunked else DELIVER)
    assert second.status == 503
    assert int(second.headers["Retry-After"]) > 0
    arriving.set()
    assert (await first).status == 200
    assert (await started.post(DELIVER)).status == 200
    assert started.receiver._room.taken == 0
