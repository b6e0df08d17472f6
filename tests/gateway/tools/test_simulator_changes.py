"""The simulated provider takes back and replaces what it has accepted, and knows no other message."""

import json

import aiohttp
import pytest

from gateway import mm7
from gateway.tools.simulator import Change, Refusal, Simulator, lines, refuse

pytestmark = pytest.mark.timeout(20)

WHO = mm7.SenderIdentification(vaspid="key", sender_address=mm7.Address("111122", "ShortCode"))
COMMON = {"transaction_id": "tx-1", "mm7_version": "6.8.0"}
PART = mm7.Part(content_type="text/plain", data=b"hello again", content_id="text")
CONTENT = mm7.Content("cid:content")
CHANGES = {
    "CancelReq": lambda known: mm7.CancelReq(**COMMON, sender_identification=WHO, message_id=known),
    "ReplaceReq": lambda known: mm7.ReplaceReq(
        **COMMON, sender_identification=WHO, message_id=known, read_reply=True, content=CONTENT
    ),
    "extendedCancelReq": lambda known: mm7.ExtendedCancelReq(**COMMON, sender_identification=WHO, cancel_id=known),
    "extendedReplaceReq": lambda known: mm7.ExtendedReplaceReq(**COMMON, replace_id=known, content=CONTENT),
}
EVERY_CHANGE = pytest.mark.parametrize("operation", CHANGES)


async def post(url: str, message: mm7.Message) -> tuple[int, mm7.Response]:
    written = mm7.encode(message, (PART,) if getattr(message, "content", None) else ())
    headers = {"Content-Type": written.content_type}
    async with aiohttp.ClientSession() as session, session.post(url, data=written.body, headers=headers) as response:
        answer = mm7.decode(response.headers.get("Content-Type"), await response.read()).message
    assert isinstance(answer, mm7.Response)
    return response.status, answer


async def submitted(provider: Simulator) -> str:
    recipients = mm7.Recipients(to=(mm7.Address("15553199144"),))
    message = mm7.SubmitReq(**COMMON, sender_identification=WHO, recipients=recipients, content=CONTENT)
    _, answer = await post(provider.url, message)
    assert isinstance(answer, mm7.SubmitRsp)
    assert answer.message_id
    return answer.message_id


@EVERY_CHANGE
async def test_a_change_of_a_submitted_message_is_accepted_and_kept(operation) -> None:
    async with Simulator() as provider:
        known = await submitted(provider)
        message = CHANGES[operation](known)
        status, answer = await post(provider.url, message)
        change = await provider.next_change()
    assert (status, type(answer)) == (200, mm7.RESPONSES[operation])
    assert (answer.status.code, answer.transaction_id, answer.namespace) == (1000, "tx-1", mm7.REL_6_1_4)
    assert (change.message, change.message_id) == (message, known)
    assert [part.data for part in change.parts] == ([b"hello again"] if "eplace" in operation else [])
    assert (provider.changes, len(provider.submits)) == ([change], 1)


@EVERY_CHANGE
async def test_a_change_of_a_message_that_is_not_its_own_is_answered_2005(operation) -> None:
    async with Simulator() as provider:
        await submitted(provider)
        status, answer = await post(provider.url, CHANGES[operation]("another"))
    assert (status, type(answer), answer.status.code) == (200, mm7.RESPONSES[operation], 2005)
    assert [change.answer.status for change in provider.changes] == [2005]


async def test_a_submit_that_was_refused_cannot_be_cancelled() -> None:
    async with Simulator() as provider:
        provider.script(refuse(2002))
        await post(provider.url, mm7.SubmitReq(**COMMON, sender_identification=WHO, recipients=mm7.Recipients()))
        _, answer = await post(provider.url, CHANGES["CancelReq"](""))
        assert isinstance(answer, mm7.RSErrorRsp)  # a CancelReq without MessageID says nothing
        _, answer = await post(provider.url, CHANGES["CancelReq"]("0"))
    assert answer.status.code == 2005


async def test_a_script_answers_changes_too() -> None:
    async with Simulator() as provider:
        provider.script(refuse(4006, fault=True, http=500))
        status, answer = await post(provider.url, CHANGES["CancelReq"]("any"))
        assert (status, type(answer), answer.status.code) == (500, mm7.RSErrorRsp, 4006)
        assert (await provider.next_change()).answer.status == 4006
        with pytest.raises(TimeoutError, match=r"no cancel or replace within 0\.01 s, 1 so far"):
            await provider.next_change(within=0.01)


async def test_what_submits_are_answered_counts_for_changes_as_well() -> None:
    async with Simulator(answer=lambda _submit: refuse(3000)) as chosen:
        _, answer = await post(chosen.url, CHANGES["CancelReq"]("any"))
        assert answer.status.code == 2005
    async with Simulator() as provider:
        known = await submitted(provider)
        provider._server._choice = refuse(3000)
        _, answer = await post(provider.url, CHANGES["CancelReq"](known))
        assert answer.status.code == 3000


async def test_a_release_without_an_operation_refuses_it() -> None:
    body = mm7.encode(CHANGES["extendedCancelReq"]("1")).body.replace(mm7.REL_6_1_4.encode(), mm7.REL_5_1_2.encode())
    seen: list[object] = []
    async with (
        Simulator(observe=seen.append) as provider,
        aiohttp.ClientSession() as session,
        session.post(provider.url, data=body, headers={"Content-Type": "text/xml"}) as response,
    ):
        answer = mm7.decode(response.headers["Content-Type"], await response.read()).message
    assert isinstance(answer, mm7.RSErrorRsp)
    assert (response.status, answer.status.code, provider.changes) == (500, 4003, [])
    assert [type(thing) for thing in seen] == [Refusal]


async def test_a_change_is_printed_for_people_and_as_json() -> None:
    seen: list[object] = []
    async with Simulator(observe=seen.append) as provider:
        await post(provider.url, CHANGES["extendedReplaceReq"]("7"))
    [change] = seen
    assert isinstance(change, Change)
    assert lines.human(change) == "← extendedReplaceReq of 7: answered 2005"
    facts = json.loads(lines.as_json(change))
    assert facts.items() >= {"event": "change.received", "operation": "extendedReplaceReq", "message_id": "7"}.items()
    assert facts["parts"] == [{"content_type": "text/plain", "bytes": 11}]
