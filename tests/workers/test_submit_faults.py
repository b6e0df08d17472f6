"""What goes wrong round a POST: none of it loses a command, sends it twice or acknowledges it too early."""

import asyncio

import pytest

from gateway.broker import PublishFailed, Unroutable
from gateway.broker.message import MAX_BODY_BYTES


@pytest.mark.parametrize(
    "error", [PublishFailed("not confirmed"), Unroutable("returned: no queue")], ids=lambda e: type(e).__name__
)
async def test_an_outcome_is_published_until_it_is_confirmed_and_the_command_is_sent_once(desk, error) -> None:
    desk.broker.failures = [error] * 5
    await desk.handle()
    assert desk.steps == ["POST", "mm7.events", "ack"]
    assert desk.broker.failures == []


@pytest.mark.parametrize("exchange", ["mm7.dead", "mm7.wait.10s", "mm7.events"])
@pytest.mark.parametrize("error", [PublishFailed("nack"), Unroutable("no queue")], ids=lambda e: type(e).__name__)
async def test_nothing_is_acknowledged_while_its_letter_is_not_safe(
    desk, outcome_of, eventually, exchange: str, error: Exception
) -> None:
    kind = {"mm7.dead": "refused", "mm7.wait.10s": "later", "mm7.events": "accepted"}[exchange]
    desk.provider.outcomes = [outcome_of(kind)]
    desk.broker.refuse[exchange] = error
    delivery = desk.delivery()
    task = asyncio.create_task(desk.submitter.handle(delivery))
    await eventually(lambda: desk.steps)
    for _ in range(50):
        await asyncio.sleep(0)
    assert not delivery.acked
    assert exchange not in desk.steps
    del desk.broker.refuse[exchange]
    await task
    assert desk.steps[-2:] == [exchange, "ack"]
    assert desk.steps.count("POST") == 1


async def test_a_reply_queue_that_takes_nothing_does_not_hold_up_the_account(desk, failing) -> None:
    desk.broker.refuse[""] = failing
    await desk.handle(reply_to="full")
    assert desk.steps == ["POST", "mm7.events", "ack"]


async def test_a_reply_that_is_refused_for_a_while_still_comes(desk, failing) -> None:
    async def publish(outgoing, *, within: float) -> None:
        if not outgoing.exchange and len(refused) < 5:
            refused.append(outgoing)
            raise failing
        await confirmed(outgoing, within=within)

    refused: list = []
    confirmed, desk.broker.publish = desk.broker.publish, publish
    await desk.handle(reply_to="answers")
    assert desk.steps == ["POST", "mm7.events", "reply answers", "ack"]


async def test_a_redelivery_while_the_post_is_under_way_waits_for_its_outcome(desk, eventually) -> None:
    desk.provider.gate.clear()
    first = asyncio.create_task(desk.handle())
    await eventually(lambda: desk.provider.posts)
    second = asyncio.create_task(desk.handle(redelivered=True, reply_to="answers"))
    for _ in range(20):
        await asyncio.sleep(0)
    assert desk.steps == ["POST"]
    desk.provider.gate.set()
    await asyncio.gather(first, second)
    assert desk.steps.count("POST") == 1
    assert sorted(desk.steps[1:]) == ["ack", "ack", "mm7.events", "mm7.events", "reply answers"]
    one, two = desk.broker.events
    assert one == two


@pytest.mark.parametrize(("kind", "letters"), [("accepted", 0), ("unknown", 1), ("refused", 1)])
async def test_a_second_command_with_the_id_of_one_that_was_sent_repeats_its_outcome(
    desk, outcome_of, kind: str, letters: int
) -> None:
    desk.provider.outcomes = [outcome_of(kind)]
    await desk.handle()
    await desk.handle({"subject": "another"}, correlation_id="c-2")
    assert len(desk.provider.posts) == 1
    one, two = desk.broker.to("mm7.events")
    assert one.body == two.body
    assert len(desk.broker.to("mm7.dead")) == 2 * letters, "the worker may have ended before it wrote the first"
    assert desk.counted("mm7_submits_total", operation="submit", outcome=f"mt.{kind}") == 1
    assert desk.steps[-1] == "ack"


async def test_what_was_put_off_is_sent_again_when_it_comes_back(desk, outcome_of) -> None:
    desk.provider.outcomes = [outcome_of("later"), outcome_of("accepted")]
    await desk.handle()
    await desk.handle(headers=desk.broker.sent[0].headers)
    assert len(desk.provider.posts) == 2
    assert desk.broker.events[0].data["attempts"] == 2


async def test_two_copies_of_what_was_put_off_are_sent_once_more_and_no_more(desk, outcome_of) -> None:
    desk.provider.outcomes = [outcome_of("later"), outcome_of("accepted")]
    await desk.handle()
    await desk.handle(redelivered=True)  # the acknowledgement of the first did not get through
    await desk.handle(headers=desk.broker.to("mm7.wait.10s")[0].headers)
    assert len(desk.provider.posts) == 2
    assert [event.type for event in desk.broker.events] == ["mt.accepted", "mt.accepted"]


async def test_two_accounts_may_have_commands_of_one_id(make_desk, make_account) -> None:
    desk = make_desk()
    await desk.handle()
    other = make_desk(beside=desk)
    other.submitter._account = make_account().model_copy(update={"name": "other"})
    await other.handle()
    assert len(desk.provider.posts) == 2


async def test_a_shutdown_amid_a_post_leaves_the_command_with_the_broker(desk, eventually) -> None:
    desk.provider.gate.clear()
    delivery = desk.delivery()
    task = asyncio.create_task(desk.submitter.handle(delivery))
    await eventually(lambda: desk.provider.posts)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert desk.steps == ["POST"]
    assert not delivery.acked


async def test_a_shutdown_while_the_outcome_is_not_confirmed_leaves_the_command_with_the_broker(
    desk, failing, eventually
) -> None:
    desk.broker.refuse["mm7.events"] = failing
    delivery = desk.delivery()
    task = asyncio.create_task(desk.submitter.handle(delivery))
    await eventually(lambda: desk.provider.posts)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not delivery.acked
    del desk.broker.refuse["mm7.events"]
    await desk.handle(redelivered=True)
    assert len(desk.provider.posts) == 1  # this process knows what became of it


async def test_a_fault_of_ours_amid_a_post_is_an_unknown_outcome_and_not_another_post(desk) -> None:
    desk.provider.outcomes = [RuntimeError("Session is closed")]
    await desk.handle()
    assert desk.steps == ["POST", "mm7.events", "mm7.dead", "ack"]
    assert desk.broker.events[0].type == "mt.unknown"
    assert "Session is closed" in desk.broker.events[0].data["reason"]


async def test_a_fault_of_ours_before_the_post_is_a_crash_that_may_be_repeated(desk) -> None:
    delivery = desk.delivery({"parts": [{"content_type": "image/png", "url": "s3://bucket/nowhere"}]})
    with pytest.raises(KeyError):
        await desk.submitter.handle(delivery)
    assert not delivery.acked
    desk.media.blobs["s3://bucket/nowhere"] = b"PNG"
    await desk.submitter.handle(delivery)
    assert desk.steps == ["POST", "mm7.events", "ack"]


async def test_an_acknowledgement_that_does_not_get_through_is_no_error(desk) -> None:
    async def ack() -> bool:
        return False

    delivery = desk.delivery()
    delivery.send_ack = ack
    await desk.submitter.handle(delivery)
    assert delivery.acked


@pytest.mark.parametrize(
    "odd",
    [
        {"id": "x" * 255, "from": "1" * 128},
        {"id": "ä" * 127, "from": f"a@{'ö' * 120}"},
        {"reference": "ö" * 1000, "metadata": {"m": "ö" * 32_000}},
        {"to": ["1" * 128] * 1000, "cc": ["1" * 128] * 1000, "bcc": ["2" * 128] * 1000},
    ],
    ids=["longest id", "longest bytes", "longest texts", "most recipients"],
)
@pytest.mark.parametrize("kind", ["accepted", "refused", "unknown", "later"])
async def test_the_outcome_of_every_good_command_can_be_published(desk, outcome_of, odd: dict, kind: str) -> None:
    desk.provider.outcomes = [outcome_of(kind, status_code=1000, status_text="ö" * 100_000, reason="ö" * 100_000)]
    delivery = await desk.handle(
        odd, reply_to="q" * 255, correlation_id="c" * 255, type="t" * 255, content_type="x" * 255
    )
    assert delivery.acked
    assert len(desk.provider.posts) == 1
    assert all(len(message.body) < MAX_BODY_BYTES for message in desk.broker.sent)
