"""Workers as processes that share a state store: what one of them leaves behind, the next one finishes."""

import asyncio
import json
import secrets
import signal
from contextlib import asynccontextmanager

import pytest

from gateway.broker import Connection, Delay, Publisher, build
from gateway.stores.ledger import Ledger, Outcome
from gateway.stores.state import open_state
from gateway.tools.simulator import Simulator, late
from workers import letters
from workers.retry import Again


def name() -> str:
    return f"once-{secrets.token_hex(4)}"


@asynccontextmanager
async def without_a_trace(observe, url: str, *accounts: str, delay: str):
    yield
    async with observe(url) as observer:
        await observer.remove(*accounts, delays=(delay,))


def sending(provider: Simulator, delay: str, **outbound: object) -> dict:
    given = {"url": provider.url, "sender": "111122", "retry_delays": [delay], "rate": 100}
    return {"profile": "generic", "outbound": given | outbound}


@pytest.fixture
def delay() -> str:
    return f"{300 + secrets.randbelow(400)}ms"


@pytest.fixture
def state_url(tmp_path) -> str:
    return f"sqlite://{tmp_path}/shared/state.db"


async def test_a_worker_killed_amid_a_post_leaves_it_unknown_or_to_be_sent_again_as_the_account_says(
    run, configure, tmp_path, amqp_url, broker, observe, delay, state_url
):
    park, resend = name(), name()
    async with Simulator() as one, Simulator() as two, without_a_trace(observe, amqp_url, park, resend, delay=delay):
        one.script(late(60))
        two.script(late(60))
        accounts = {park: sending(one, delay), resend: sending(two, delay, on_unknown="resend")}
        options = {
            "AMQP_URL": amqp_url,
            "CONFIG": configure(tmp_path / "config.toml", accounts),
            "STATE_URL": state_url,
        }
        worker = await run("workers", **options).ready()
        parked, resent = await broker.follow(f"mt.*.{park}.*"), await broker.follow(f"mt.*.{resend}.*")
        for account, provider in ((park, one), (resend, two)):
            await broker.command(account, {"id": "a", "to": ["15553199144"]})
            await provider.next_submit()
        worker.signal(signal.SIGKILL)
        await worker.ended()
        await run("workers", **options).ready()
        data = (await parked.event("mt.unknown", 25))["data"]
        assert (data["reason"], data["attempts"]) == ("the worker ended while it was sent", 1)
        assert (await broker.take(f"mm7.dead.{park}")).headers["mm7-reason"] == data["reason"]
        assert (await resent.event("mt.accepted", 25))["data"]["attempts"] == 2
        assert (len(one.submits), len(two.submits)) == (1, 2)
        assert await broker.count(f"mm7.mt.{park}") == 0


async def test_two_workers_send_each_command_once_and_keep_the_rate_together(
    run, configure, tmp_path, amqp_url, broker, observe, delay, state_url
):
    account = name()
    async with Simulator() as provider, without_a_trace(observe, amqp_url, account, delay=delay):
        config = configure(tmp_path / "config.toml", {account: sending(provider, delay, rate=25)})
        options = {"AMQP_URL": amqp_url, "CONFIG": config, "STATE_URL": state_url}
        workers = [run("workers", **options) for _ in range(2)]
        for worker in workers:
            await worker.ready()
        events = await broker.follow(f"mt.*.{account}.*")
        for number in (*range(50), *range(50)):
            await broker.command(account, {"id": f"order-{number}", "to": ["15553199144"]})
        for _ in range(100):
            await events.next("mt.accepted", 20)
        bodies = {json.loads(message.body)["id"]: message.body for message in events.messages}
        assert len(bodies) == 50
        assert all(message.body == bodies[json.loads(message.body)["id"]] for message in events.messages)
        assert sorted(submit.message.transaction_id for submit in provider.submits) == sorted(
            f"order-{number}" for number in range(50)
        )
        assert all(worker.logged("command.accepted") for worker in workers), "both have worked"
        times = sorted(submit.at.timestamp() for submit in provider.submits)
        assert times[-1] - times[0] >= 49 / 25 - 0.2
        assert min(later - earlier for earlier, later in zip(times, times[10:], strict=False)) > 0.2, "ten take 0.4 s"
        assert [await worker.stop() for worker in workers] == [0, 0]


async def test_an_outcome_that_a_killed_worker_could_not_publish_is_published_by_the_next(
    run, configure, tmp_path, node, alarm, observe, delay, state_url, eventually
):
    account = name()
    async with Simulator() as provider:
        provider.script(late(1))
        config = configure(tmp_path / "config.toml", {account: sending(provider, delay)})
        options = {"AMQP_URL": node.url, "CONFIG": config, "STATE_URL": state_url}
        worker = await run("workers", **options).ready()
        async with observe(node.url) as observer:
            await observer.queue("mm7.events", f"mt.*.{account}.*", name=account, durable=True)
            await observer.command(account, {"id": "a", "to": ["15553199144"]})
        await provider.next_submit()
        await alarm(True)  # the provider accepts it, and the broker takes nothing
        state = open_state(state_url)
        while not isinstance(found := await Ledger(state).look(account, "a"), Outcome):
            await asyncio.sleep(0.02)
        await state.close()
        worker.signal(signal.SIGKILL)
        await worker.ended()
        await alarm(False)
        await run("workers", **options).ready()
        async with observe(node.url) as observer:
            events = await observer.read(await observer.channel.get_queue(account, ensure=False))
            assert await events.event("mt.accepted", 20) == json.loads(found.event)
            await observer.channel.queue_delete(account)
            await observer.remove(account, delays=(delay,))
        assert len(provider.submits) == 1


async def test_a_wait_that_is_shorter_than_its_queues_ends_in_the_accounts_queue(amqp_url, broker):
    account, delay = name(), Delay.parse("47m")
    async with Connection(amqp_url, "test", build({account: [delay]})) as connection:
        await connection.wait_up(10)
        again = letters.again(
            letters.Delivery(body=b"{}", headers={"mine": "kept"}), account, "a", Again(delay, 1, "busy"), share=0.0001
        )
        assert again.expiration == 282
        await Publisher(connection).publish(again, within=5)
        back = await broker.take(f"mm7.mt.{account}")
    assert (back.routing_key, back.exchange, back.body) == (account, "mm7.commands", b"{}")
    assert (back.headers["mine"], back.headers["mm7-attempts"], back.expiration) == ("kept", 1, None)
    await broker.remove(account, delays=(delay.text,))
