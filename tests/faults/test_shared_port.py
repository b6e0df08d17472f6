"""Receivers of one host that share a port, without anything before them."""

RESTARTS = 4


async def test_of_two_receivers_on_one_port_each_may_be_restarted_under_load_and_nobody_is_refused(stage):
    await stage.begin(receivers=2, workers=0)
    async with stage.caller.load(at_once=16, per_second=200):
        for _ in range(RESTARTS):
            oldest = next(program for program in stage.receivers if program.process.poll() is None)
            await stage.start_receiver().ready()
            assert await oldest.stop() == 0
    assert await stage.audit() == []
    assert stage.callbacks.refused == []
