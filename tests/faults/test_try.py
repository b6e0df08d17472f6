import asyncio


async def test_all_is_well(stage):
    r = stage.receiver()
    w = stage.worker()
    await r.ready()
    await w.ready()
    await stage.open_books()
    async with stage.caller.load():
        await asyncio.sleep(3)
    p = await stage.audit()
    print(stage.callbacks)
    print(
        [
            (round(x.began - stage.callbacks.posted[0].began, 2), round(x.seconds, 3))
            for x in stage.callbacks.posted[::1][:40]
        ]
    )
    print(r.log[-1500:])
    assert p == []
