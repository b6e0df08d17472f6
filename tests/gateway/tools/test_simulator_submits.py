"""The side of the simulated provider that takes submits: what it refuses, how it answers, what follows."""

import asyncio
import time
from collections.abc import AsyncIterator

import aiohttp
import pytest

from gateway import mm7
from gateway.tools.simulator import (
    Answer,
    Refusal,
    Simulator,
    Submit,
    empty,
    hang_up,
    late,
    page,
    refuse,
    unread,
)

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(20)]

PHONES = ("15553199144", "15553199145")


def submit_req(**more: object) -> mm7.SubmitReq:
    given: dict[str, object] = {
        "transaction_id": "tx-1",
        "mm7_version": "6.8.0",
        "sender_identification": mm7.SenderIdentification(
            vaspid="key", sender_address=mm7.Address("111122", "ShortCode")
        ),
        "recipients": mm7.Recipients(to=tuple(mm7.Address(phone) for phone in PHONES)),
        "content": mm7.Content("cid:content"),
    }
    return mm7.SubmitReq(**(given | more))  # type: ignore[arg-type]


def encoded(message: mm7.Message) -> mm7.Encoded:
    has_content = getattr(message, "content", None) is not None
    parts = (mm7.Part(content_type="text/plain", data=b"hello", content_id="text"),) if has_content else ()
    return mm7.encode(message, parts)


async def post(
    url: str, message: mm7.Message, *, headers: dict[str, str] | None = None, chunked: bool = False
) -> tuple[int, mm7.Response]:
    status, _, content_type, body = await post_raw(url, encoded(message), headers=headers, chunked=chunked)
    answer = mm7.decode(content_type, body).message
    assert isinstance(answer, mm7.Response)
    return status, answer


async def post_raw(
    url: str, message: mm7.Encoded, *, headers: dict[str, str] | None = None, chunked: bool = False
) -> tuple[int, dict[str, str], str | None, bytes]:
    async def pieces() -> AsyncIterator[bytes]:
        yield message.body

    given = {"Content-Type": message.content_type, **(headers or {})}
    async with (
        aiohttp.ClientSession() as session,
        session.post(url, data=pieces() if chunked else message.body, headers=given) as response,
    ):
        seen = {name.lower(): value for name, value in response.headers.items()}
        return response.status, seen, seen.get("content-type"), await response.read()


async def test_a_submit_is_answered_with_a_message_id_and_kept() -> None:
    async with Simulator() as provider:
        status, answer = await post(provider.url, submit_req(namespace=mm7.REL_5_1_2, mm7_version="5.3.0"))
        submit = await provider.next_submit(within=5)
    assert status == 200
    assert isinstance(answer, mm7.SubmitRsp)
    assert (answer.transaction_id, answer.status.code) == ("tx-1", 1000)
    assert (answer.namespace, answer.mm7_version) == (mm7.REL_5_1_2, "5.3.0")
    assert answer.message_id == submit.message_id
    assert (answer.message_id or "").isdecimal()
    assert (submit.sender, submit.recipients) == ("111122", PHONES)
    assert [part.data for part in submit.parts] == [b"hello"]
    assert submit.headers["content-type"].startswith("multipart/related")
    assert provider.submits == [submit]


async def test_every_submit_gets_another_message_id() -> None:
    async with Simulator() as provider:
        answers = [(await post(provider.url, submit_req()))[1] for _ in range(5)]
    assert len({getattr(answer, "message_id", None) for answer in answers}) == 5


async def test_a_body_in_chunks_is_refused_with_2500() -> None:
    async with Simulator() as provider:
        status, answer = await post(provider.url, submit_req(), chunked=True)
    assert status == 500
    assert isinstance(answer, mm7.RSErrorRsp)
    assert (answer.status.code, answer.transaction_id) == (2500, "tx-1")
    assert provider.submits == []


async def test_what_is_no_mm7_is_refused_with_a_fault_and_400() -> None:
    seen: list[object] = []
    async with Simulator(observe=seen.append) as provider:
        status, _, content_type, body = await post_raw(provider.url, mm7.Encoded("text/xml", b"no xml"))
    answer = mm7.decode(content_type, body).message
    assert status == 400
    assert isinstance(answer, mm7.RSErrorRsp)
    assert answer.status.code == 4004
    assert [type(thing) for thing in seen] == [Refusal]


async def test_another_operation_is_refused_with_4003() -> None:
    message = mm7.DeliverReq(transaction_id="tx-9", mm7_version="6.8.0", sender=mm7.Address(PHONES[0]))
    async with Simulator() as provider:
        status, answer = await post(provider.url, message)
    assert status == 500
    assert isinstance(answer, mm7.RSErrorRsp)
    assert (answer.status.code, answer.transaction_id) == (4003, "tx-9")


@pytest.mark.parametrize(
    ("header", "status"),
    [
        (None, 401),
        ("Basic !!", 401),
        ("Bearer dXNlcjpzZWNyZXQ=", 401),
        (aiohttp.encode_basic_auth("user", "wrong"), 401),
        (aiohttp.encode_basic_auth("user", "secret"), 200),
    ],
)
async def test_wanted_credentials_are_asked_for(header: str | None, status: int) -> None:
    async with Simulator(submit_basic=("user", "secret")) as provider:
        headers = {"Authorization": header} if header else {}
        seen = await post_raw(provider.url, encoded(submit_req()), headers=headers)
    assert seen[0] == status
    assert ("www-authenticate" in seen[1]) == (status == 401)


async def test_another_method_is_not_allowed() -> None:
    async with (
        Simulator() as provider,
        aiohttp.ClientSession() as session,
        session.get(provider.url) as answer,
    ):
        assert (answer.status, answer.headers["Allow"]) == (405, "POST")


@pytest.mark.parametrize(
    ("scripted", "http", "kind", "code"),
    [
        (refuse(2007), 200, "SubmitRsp", 2007),
        (refuse(4006, fault=True), 200, "RSErrorRsp", 4006),
        (refuse(2002, fault=True, http=500), 500, "RSErrorRsp", 2002),
        (Answer(status=1100), 200, "SubmitRsp", 1100),
        (refuse(9999), 200, "SubmitRsp", 9999),
    ],
)
async def test_a_scripted_status_is_answered_once(scripted: Answer, http: int, kind: str, code: int) -> None:
    async with Simulator() as provider:
        provider.script(scripted)
        status, answer = await post(provider.url, submit_req())
        _, after = await post(provider.url, submit_req())
    assert (status, answer.operation, answer.status.code, answer.transaction_id) == (http, kind, code, "tx-1")
    assert after.status.code == 1000
    assert [submit.message_id is not None for submit in provider.submits] == [scripted.accepts, True]


@pytest.mark.parametrize("http", [429, 503, 599])
async def test_a_scripted_page_is_html_with_its_status(http: int) -> None:
    async with Simulator(answer=page(http, retry_after=7)) as provider:
        status, headers, content_type, body = await post_raw(provider.url, encoded(submit_req()))
    assert (status, content_type, headers["retry-after"]) == (http, "text/html", "7")
    assert str(http).encode() in body
    assert provider.submits[0].message_id is None


async def test_an_empty_answer_has_accepted() -> None:
    async with Simulator(answer=empty()) as provider:
        status, headers, _, body = await post_raw(provider.url, encoded(submit_req()))
    assert (status, body, headers["content-length"]) == (200, b"", "0")
    assert provider.submits[0].message_id is not None


async def test_a_late_answer_is_late() -> None:
    async with Simulator(answer=late(0.3)) as provider:
        began = time.monotonic()
        await post(provider.url, submit_req())
    assert time.monotonic() - began >= 0.3


@pytest.mark.parametrize(("answer", "kept"), [(hang_up(), 1), (unread(), 0), (unread(0.05), 0)])
async def test_a_connection_can_be_closed_instead(answer: Answer, kept: int) -> None:
    async with Simulator(answer=answer) as provider:
        with pytest.raises(aiohttp.ClientError):
            await post(provider.url, submit_req())
    assert len(provider.submits) == kept


async def test_an_answer_can_depend_on_the_message() -> None:
    def choose(message: mm7.SubmitReq) -> Answer:
        return refuse(2003) if message.subject == "no" else Answer()

    async with Simulator(answer=choose) as provider:
        _, refused = await post(provider.url, submit_req(subject="no"))
        _, accepted = await post(provider.url, submit_req(subject="yes"))
    assert (refused.status.code, accepted.status.code) == (2003, 1000)


async def test_waiting_for_a_submit_ends_in_time_and_says_how_many_came() -> None:
    async with Simulator() as provider:
        with pytest.raises(TimeoutError, match="0 so far"):
            await provider.next_submit(within=0.01)


async def test_stopping_does_not_wait_for_a_late_answer() -> None:
    provider = await Simulator(answer=late(60)).start()
    posting = asyncio.create_task(post_raw(provider.url, encoded(submit_req())))
    await provider.next_submit()
    began = time.monotonic()
    await provider.stop()
    assert time.monotonic() - began < 5
    with pytest.raises(aiohttp.ClientError):
        await posting


@pytest.mark.parametrize(
    ("profile", "asked", "sent"),
    [
        ("sinch", None, True),
        ("sinch", True, True),
        ("sinch", False, False),
        ("vibes", None, False),
        ("generic", True, True),
    ],
)
async def test_reports_follow_where_they_are_wanted(*, profile: str, asked: bool | None, sent: bool) -> None:
    async with (
        Simulator(profile="generic") as customer,  # whatever is POSTed there is seen, and refused
        Simulator(profile=profile, to=customer.url, retries=0, report_after=0) as provider,
    ):
        await post(provider.url, submit_req(delivery_report=asked))
        await provider.idle(within=5)
        reported = [result.message for result in provider.results]
        submit: Submit = await provider.next_submit()
    assert sorted(message.recipient for message in reported) == (sorted(PHONES) if sent else [])
    assert {getattr(message, "message_id", None) for message in reported} <= {submit.message_id}
    assert {message.sender for message in reported} <= {"111122"}


async def test_a_submit_that_was_seen_has_its_report_to_come_and_the_answer_goes_first() -> None:
    happened: list[tuple[str, float]] = []
    one = mm7.Recipients(to=(mm7.Address(PHONES[0]),))
    async with (
        Simulator() as customer,
        Simulator(
            to=customer.url,
            retries=0,
            report_after=0,
            answer=late(0.2),
            observe=lambda thing: happened.append((type(thing).__name__, time.monotonic())),
        ) as provider,
    ):
        posting = asyncio.create_task(post(provider.url, submit_req(recipients=one)))
        await provider.next_submit()
        await provider.idle(within=5)
        await posting
    (first, taken), (second, reported) = happened
    assert (first, second) == ("Submit", "Attempt")
    assert reported - taken >= 0.2


async def test_no_report_follows_a_refused_submit_nor_for_a_number_that_is_only_shown() -> None:
    shown = mm7.Recipients(to=(mm7.Address(PHONES[0]), mm7.Address(PHONES[1], display_only=True)))
    async with (
        Simulator() as customer,
        Simulator(to=customer.url, retries=0, report_after=0, mm_statuses=("Deferred", "Retrieved")) as provider,
    ):
        provider.script(refuse(2007))
        await post(provider.url, submit_req())
        await post(provider.url, submit_req(recipients=shown))
        await provider.idle(within=5)
    assert [(m.message.recipient, getattr(m.message, "mm_status", None)) for m in provider.results] == [
        (PHONES[0], "Deferred"),
        (PHONES[0], "Retrieved"),
    ]
