"""Cancel and replace: command → request → outcome, through the real worker, a real RabbitMQ and a simulated provider."""

import secrets

import pytest

from gateway import mm7
from gateway.tools.simulator import hang_up, page, refuse

REQUESTS = {
    "cancel": mm7.CancelReq,
    "replace": mm7.ReplaceReq,
    "extended_cancel": mm7.ExtendedCancelReq,
    "extended_replace": mm7.ExtendedReplaceReq,
}
EVERY_OPERATION = pytest.mark.parametrize("operation", REQUESTS)
TEXT = {"content_type": "text/plain", "text": "It comes tomorrow."}


def changing(operation: str, message_id: str | None = "4711", **fields):
    content = {"parts": [TEXT]} if operation.endswith("replace") else {}
    identity = {"id": f"change-{secrets.token_hex(6)}", "operation": operation, "message_id": message_id}
    return identity | content | fields


@EVERY_OPERATION
async def test_a_submitted_message_is_cancelled_or_replaced(broker, account, provider, events, command, operation):
    await broker.command(account.name, command())
    message_id = (await events.event("mt.accepted"))["data"]["message_id"]
    given = changing(operation, message_id, reference="r", metadata={"campaign": "x"})
    await broker.command(account.name, given)
    change = await provider.next_change()
    assert isinstance(change.message, REQUESTS[operation])
    assert (change.message_id, change.message.transaction_id) == (message_id, given["id"])
    texts = [part.data for part in change.parts if part.content_type == "text/plain"]
    assert texts == ([b"It comes tomorrow."] if operation.endswith("replace") else [])
    outcome = await events.event("mt.accepted")
    data = outcome["data"]
    assert (data["operation"], data["message_id"], data["command_id"]) == (operation, message_id, given["id"])
    assert (data["status_code"], data["attempts"], data["recipients"]) == (1000, 1, [])
    assert (data["reference"], data["metadata"]) == ("r", {"campaign": "x"})
    assert await broker.count(f"mm7.mt.{account.name}") == 0


@EVERY_OPERATION
async def test_a_message_that_the_provider_does_not_know_is_refused(broker, account, provider, events, operation):
    await broker.command(account.name, changing(operation))
    data = (await events.event("mt.refused"))["data"]
    assert (data["operation"], data["message_id"]) == (operation, "4711")
    assert (data["reason"], data["status_code"], data["attempts"]) == ("provider_refused", 2005, 1)
    dead = await broker.take(f"mm7.dead.{account.name}")
    assert (dead.headers["mm7-outcome"], dead.headers["mm7-status-code"]) == ("mt.refused", 2005)
    assert len(provider.changes) == 1


@EVERY_OPERATION
async def test_a_change_whose_answer_was_lost_is_unknown(broker, account, provider, events, operation):
    provider.script(hang_up())
    await broker.command(account.name, changing(operation))
    data = (await events.event("mt.unknown"))["data"]
    assert (data["operation"], data["message_id"], data["attempts"]) == (operation, "4711", 1)
    assert len(provider.changes) == 1


async def test_a_change_that_fails_first_comes_back_through_the_wait_queue(broker, account, provider, events, command):
    await broker.command(account.name, command())
    message_id = (await events.event("mt.accepted"))["data"]["message_id"]
    provider.script(page(503), refuse(4006))
    await broker.command(account.name, changing("cancel", message_id))
    data = (await events.event("mt.refused"))["data"]
    assert (data["operation"], data["reason"], data["attempts"]) == ("cancel", "attempts_exhausted", 2)
    provider.script(page(503))
    await broker.command(account.name, changing("replace", message_id))
    data = (await events.event("mt.accepted"))["data"]
    assert (data["operation"], data["message_id"], data["attempts"]) == ("replace", message_id, 2)
    first, second = provider.changes[-2:]
    assert first.message.transaction_id == second.message.transaction_id


async def test_the_same_change_twice_is_sent_once(broker, account, provider, events, command):
    await broker.command(account.name, command())
    message_id = (await events.event("mt.accepted"))["data"]["message_id"]
    given = changing("cancel", message_id)
    await broker.command(account.name, given)
    await broker.command(account.name, given)
    first, second = await events.event("mt.accepted"), await events.event("mt.accepted")
    assert (first, len(provider.changes)) == (second, 1)


@pytest.mark.parametrize(
    ("given", "paths"),
    [
        *((changing(operation, None), {"message_id"}) for operation in REQUESTS),
        (changing("cancel", ""), {"message_id"}),
        (changing("cancel", "x" * 300), {"message_id"}),
        (changing("cancel", "a\x01"), {"message_id"}),
        (changing("Cancel"), {"operation"}),
        (changing("replace", parts=[{"content_type": "image/png"}], earliest_delivery="soon"),
         {"parts[0]", "earliest_delivery"}),
        (changing("replace", parts=[{"content_type": "image/png", "url": "file:///etc/passwd"}]), {"parts[0].url"}),
        (changing("extended_replace", expires="never", surprise=1), {"expires", "surprise"}),
    ],
)  # fmt: skip
async def test_a_bad_change_is_refused_with_every_problem_by_its_path(broker, account, provider, events, given, paths):
    await broker.command(account.name, given)
    data = (await events.event("mt.refused"))["data"]
    assert (data["reason"], data["attempts"]) == ("bad_command", 0)
    assert data["operation"] == (None if given["operation"] == "Cancel" else given["operation"])
    assert {problem["path"] for problem in data["details"]} >= paths
    dead = await broker.take(f"mm7.dead.{account.name}")
    assert dead.headers["mm7-reason"] == "bad_command"
    assert (provider.changes, provider.submits) == ([], [])
