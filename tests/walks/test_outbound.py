"""Command → SubmitReq → outcome → delivery report, through the real worker, a real RabbitMQ and a simulated provider."""

import asyncio
import base64
import json
import secrets

import pytest

from gateway.tools.simulator import Answer, hang_up, late, page, refuse

OUTCOME = {
    "account", "profile", "operation", "transaction_id", "mm7_version", "namespace", "received_at", "quirks",
    "command_id", "reference", "metadata", "message_id", "status_code", "status_text", "partial", "attempts",
    "recipients",
}  # fmt: skip
DEAD = ("mm7-outcome", "mm7-reason", "mm7-cause", "mm7-attempts", "mm7-command-id", "mm7-at")


async def test_a_command_is_submitted_accepted_and_reported_on(broker, account, provider, events, command):
    picture = {"content_type": "image/png", "data": base64.b64encode(b"\x89PNG").decode(), "filename": "a.png"}
    given = command(reference="customer 99", metadata={"campaign": "x"}, subject="Your parcel")
    given["parts"].append(picture)
    await broker.command(account.name, given)
    submit = await provider.next_submit()
    assert (submit.recipients, submit.sender) == (("15553199144",), "111122")
    assert submit.message.subject == "Your parcel"
    assert {part.content_type: part.data for part in submit.parts if part.content_type != "application/smil"} == {
        "text/plain": b"It has arrived.",
        "image/png": b"\x89PNG",
    }
    outcome = await events.next()
    assert (outcome.type, outcome.correlation_id) == ("mt.accepted", given["id"])
    assert outcome.routing_key == f"mt.accepted.{account.name}.111122"
    data = json.loads(outcome.body)["data"]
    assert data.keys() >= OUTCOME
    assert (data["command_id"], data["attempts"], data["status_code"]) == (given["id"], 1, 1000)
    assert (data["reference"], data["metadata"]) == ("customer 99", {"campaign": "x"})
    assert data["message_id"] == submit.message_id
    report = await events.event("dr.received")
    assert report["data"]["message_id"] == submit.message_id
    assert (report["data"]["command_id"], report["data"]["reference"]) == (given["id"], "customer 99")
    assert report["data"]["metadata"] == {"campaign": "x"}
    assert await broker.count(f"mm7.mt.{account.name}") == 0


async def test_a_command_that_fails_first_comes_back_through_the_wait_queue(broker, account, provider, events, command):
    provider.script(page(503))
    given = command()
    await broker.command(account.name, given)
    event = await events.event("mt.accepted")
    assert (event["data"]["command_id"], event["data"]["attempts"]) == (given["id"], 2)
    first, second = provider.submits
    assert first.message.transaction_id == second.message.transaction_id
    assert (second.at - first.at).total_seconds() >= 0.3
    assert [message.type for message in events.messages].count("mt.accepted") == 1


async def test_exhausted_attempts_are_refused_and_the_command_is_a_dead_letter(
    broker, account, provider, events, command
):
    provider.script(page(503), refuse(4006, "carrier capacity"))
    given = command(reference="r")
    await broker.command(account.name, given, headers={"mine": "kept"})
    data = (await events.event("mt.refused"))["data"]
    assert (data["reason"], data["attempts"], data["status_code"]) == ("attempts_exhausted", 2, 4006)
    assert (data["reference"], len(provider.submits)) == ("r", 2)
    dead = await broker.take(f"mm7.dead.{account.name}")
    assert json.loads(dead.body) == given
    assert dead.headers.keys() >= set(DEAD)
    assert (dead.headers["mm7-outcome"], dead.headers["mm7-reason"]) == ("mt.refused", "attempts_exhausted")
    assert (dead.headers["mm7-attempts"], dead.headers["mine"]) == (2, "kept")
    assert "carrier capacity" in dead.headers["mm7-cause"]
    history = json.loads(dead.headers["mm7-history"])
    assert [(entry["outcome"], entry["status_code"]) for entry in history] == [("later", None), ("later", 4006)]
    assert dead.delivery_mode == 2


async def test_what_the_provider_refuses_for_good_is_not_sent_again(broker, account, provider, events, command):
    provider.script(refuse(2002, "no such number"))
    await broker.command(account.name, command())
    data = (await events.event("mt.refused"))["data"]
    assert (data["reason"], data["status_code"], data["attempts"]) == ("provider_refused", 2002, 1)
    dead = await broker.take(f"mm7.dead.{account.name}")
    assert (dead.headers["mm7-status-code"], len(provider.submits)) == (2002, 1)


@pytest.mark.parametrize(
    ("body", "paths"),
    [
        (b"no json", {""}),
        (b"[]", {""}),
        (b"\xff\xfe", {""}),
        ({"id": "a", "parts": [{"content_type": "x", "url": "nope"}], "surprise": 1, "priority": "urgent"},
         {"parts[0].content_type", "parts[0].url", "surprise", "priority", "to"}),
        ({"id": "é" * 200, "to": ["15553199144"]}, {"id"}),
        ({"id": "x" * 300, "to": [""], "metadata": 1}, {"id", "to[0]", "metadata"}),
        ({"id": "a", "operation": "cancel"}, {"message_id"}),
        ({"id": "a", "operation": "explode"}, {"operation"}),
        ({"id": "a", "to": ["15553199144", "15553199145"]}, {"to", "parts"}),
        ({"id": "a", "to": ["15553199144"], "parts": [{"content_type": "image/png", "url": "file:///etc/passwd"}]},
         {"parts[0].url"}),
    ],
)  # fmt: skip
async def test_a_bad_command_is_refused_with_every_problem_by_its_path(broker, account, provider, events, body, paths):
    await broker.command(account.name, body)
    message = await events.next("mt.refused")
    data = json.loads(message.body)["data"]
    assert (data["reason"], data["attempts"]) == ("bad_command", 0)
    assert {problem["path"] for problem in data["details"]} >= paths
    assert all(problem["problem"] for problem in data["details"])
    dead = await broker.take(f"mm7.dead.{account.name}")
    assert dead.body == (body if isinstance(body, bytes) else json.dumps(body).encode())
    assert dead.headers["mm7-reason"] == "bad_command"
    assert provider.submits == []


@pytest.mark.parametrize(
    "answer",
    [hang_up(), late(5), page(502), page(504), Answer(body="html", http=200)],
    ids=["hang_up", "late", "502", "504", "html"],
)
async def test_an_unknown_outcome_is_told_and_never_sent_again(broker, account, provider, events, command, answer):
    provider.script(answer)
    given = command()
    await broker.command(account.name, given)
    data = (await events.event("mt.unknown"))["data"]
    assert (data["command_id"], data["attempts"], data["message_id"]) == (given["id"], 1, None)
    assert data["reason"]
    dead = await broker.take(f"mm7.dead.{account.name}")
    assert dead.headers["mm7-outcome"] == "mt.unknown"
    await asyncio.sleep(0.8)  # longer than the retry delay: a second attempt would have come
    assert len(provider.submits) == 1


async def test_an_expired_command_is_not_sent(broker, account, provider, events, command):
    await broker.command(account.name, command(not_after="2020-01-01T00:00:00Z"))
    data = (await events.event("mt.refused"))["data"]
    assert (data["reason"], data["attempts"], provider.submits) == ("expired", 0, [])


@pytest.mark.parametrize("answers", [(), (page(503),)], ids=["at_once", "after_a_retry"])
async def test_the_outcome_goes_to_reply_to_as_well(broker, account, provider, events, command, answers):
    provider.script(*answers)
    queue = await broker.queue("mm7.events")
    replies = await broker.read(queue)
    given = command()
    await broker.command(account.name, given, reply_to=queue.name, correlation_id="mine")
    reply, event = await replies.next(), await events.next("mt.accepted")
    assert (reply.correlation_id, reply.body) == ("mine", event.body)
    assert event.correlation_id == given["id"]
    assert json.loads(reply.body)["data"]["attempts"] == len(answers) + 1


async def test_direct_reply_to_works_without_a_queue(broker, account, provider, command):
    replies = await broker.read(await broker.channel.get_queue("amq.rabbitmq.reply-to", ensure=False))
    await broker.command(account.name, command(), reply_to="amq.rabbitmq.reply-to", correlation_id="rpc")
    reply = await replies.next()
    assert (reply.type, reply.correlation_id) == ("mt.accepted", "rpc")


async def test_a_reply_queue_that_has_gone_holds_nothing_up(broker, account, provider, events, command):
    await broker.command(account.name, command(), reply_to=f"gone-{secrets.token_hex(4)}")
    await events.next("mt.accepted")
    after = command()
    await broker.command(account.name, after)
    assert (await events.event("mt.accepted"))["data"]["command_id"] == after["id"]


async def test_a_command_may_be_a_structured_cloudevent(broker, account, provider, events, command):
    given = command()
    identity = given.pop("id")
    envelope = {"specversion": "1.0", "id": identity, "type": "mms.send", "source": "/shop", "data": given}
    await broker.command(account.name, envelope, content_type="application/cloudevents+json")
    assert (await events.event("mt.accepted"))["data"]["command_id"] == identity


async def test_a_command_may_be_a_binary_cloudevent(broker, account, provider, events, command):
    given = command()
    identity = given.pop("id")
    headers = {"ce-specversion": "1.0", "ce-id": identity, "ce-type": "mms.send", "ce-source": "/shop"}
    await broker.command(account.name, given, headers=headers)
    assert (await events.event("mt.accepted"))["data"]["command_id"] == identity


async def test_a_command_without_an_id_takes_that_of_its_message_and_keeps_it(
    broker, account, provider, events, command
):
    provider.script(page(503))
    given = command()
    del given["id"]
    await broker.command(account.name, given, message_id="message-1")
    data = (await events.event("mt.accepted"))["data"]
    assert (data["command_id"], data["attempts"]) == ("message-1", 2)


async def test_the_same_command_twice_is_sent_once_and_its_outcome_published_twice(
    broker, account, provider, events, command
):
    given = command()
    await broker.command(account.name, given)
    await broker.command(account.name, given)
    first, second = await events.event("mt.accepted"), await events.event("mt.accepted")
    assert (first, len(provider.submits)) == (second, 1)


async def test_a_command_is_sent_once_more_where_it_is_replayed_on_purpose(broker, account, provider, events, command):
    provider.script(refuse(2002, "no such number"))
    given = command()
    await broker.command(account.name, given)
    letter = await events.event("mt.refused")
    await broker.command(account.name, given)
    await events.event("mt.refused")
    for _ in range(2):
        await broker.command(account.name, given, headers={"mm7-replay": "token-1", "mm7-replay-of": letter["id"]})
        await events.event("mt.accepted")
    await broker.command(account.name, given)
    await events.event("mt.accepted")
    assert len(provider.submits) == 2


async def test_throughput_exceeded_costs_no_attempt(broker, account, provider, events, command):
    provider.script(refuse(3510, "throughput exceeded"), refuse(3510, "throughput exceeded"))
    await broker.command(account.name, command())
    assert (await events.event("mt.accepted"))["data"]["attempts"] == 1
    first, _, third = provider.submits
    assert (third.at - first.at).total_seconds() >= 2


async def test_a_provider_that_is_not_there_is_waited_for(broker, account, events, command):
    await broker.command(account.name, command())
    waiting = asyncio.create_task(events.event("mt.accepted"))
    async with account.provider():
        assert (await waiting)["data"]["attempts"] <= 2
