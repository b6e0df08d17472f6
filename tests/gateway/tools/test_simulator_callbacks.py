"""Callbacks of the simulated provider against a receiver: what it takes for accepted, and its retries."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
import pytest
from aiohttp import web

from gateway import mm7
from gateway.tools.simulator import Attempt, Mo, Result, Simulator, unread

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(20)]

SHORT = 0.01
Reply = Callable[[mm7.Request], web.Response]


@dataclass
class Receiver:
    """Records callbacks, and answers each with the next reply, the last one again and again."""

    replies: list[Reply]
    url: str = ""
    bodies: list[bytes] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    messages: list[mm7.Message] = field(default_factory=list)

    async def receive(self, request: web.Request) -> web.Response:
        body = await request.read()
        message = mm7.decode(request.headers.get("Content-Type"), body).message
        self.bodies.append(body)
        self.headers.append(dict(request.headers))
        self.messages.append(message)
        reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        return reply(
            mm7.Request(
                operation=message.operation,
                transaction_id=message.transaction_id,
                namespace=message.namespace,
                mm7_version=message.mm7_version,
            )
        )


@asynccontextmanager
async def receiving(*replies: Reply) -> AsyncIterator[Receiver]:
    receiver = Receiver(list(replies))
    app = web.Application(client_max_size=2**24)
    app.router.add_post("/mm7/account", receiver.receive)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}/mm7/account"
    try:
        yield receiver
    finally:
        await runner.cleanup()


def answer(code: int = 1000, *, http: int = 200, **echo: str) -> Reply:
    def reply(request: mm7.Request) -> web.Response:
        given = mm7.Request(
            operation=echo.get("operation", request.operation),
            transaction_id=echo.get("transaction_id", request.transaction_id),
            namespace=request.namespace,
            mm7_version=request.mm7_version,
        )
        written = mm7.encode(mm7.response(given, code, message_id="1"))
        return web.Response(status=http, body=written.body, headers={"Content-Type": written.content_type})

    return reply


def plain(http: int, text: str = "") -> Reply:
    return lambda _request: web.Response(status=http, text=text)


async def test_a_callback_answered_properly_is_delivered_at_once() -> None:
    async with receiving(answer()) as receiver, Simulator(to=receiver.url, basic=("u", "p")) as provider:
        result = await provider.send_mo("Hi there", subject="S")
    assert (result.delivered, result.attempts, result.http_status, result.status_code) == (True, 1, 200, 1000)
    assert result.milliseconds > 0
    assert provider.results == [result]
    (message,) = receiver.messages
    assert isinstance(message, mm7.DeliverReq)
    assert (message.subject, message.sender) == ("S", mm7.Address("15553199144"))
    assert receiver.headers[0]["Authorization"] == aiohttp.encode_basic_auth("u", "p")
    assert "Transfer-Encoding" not in receiver.headers[0]


@pytest.mark.parametrize("profile", ["sinch", "vibes", "generic"])
@pytest.mark.parametrize("as_documented", [False, True])
async def test_every_published_shape_goes_through_an_http_server(*, profile: str, as_documented: bool) -> None:
    async with (
        receiving(answer()) as receiver,
        Simulator(profile=profile, to=receiver.url, as_documented=as_documented) as provider,
    ):
        results = [
            await provider.send_mo(),
            await provider.send_mo(None, attachments=()),
            await provider.send_report("369", mm_status="Expired"),
            await provider.send_read_reply("369"),
        ]
    assert [result.delivered for result in results] == [True] * 4
    assert len({message.transaction_id for message in receiver.messages}) == 4


async def test_a_retry_is_the_same_message_under_the_same_transaction_id() -> None:
    async with (
        receiving(plain(503), answer(http=500), answer()) as receiver,
        Simulator(to=receiver.url, retry_interval=SHORT) as provider,
    ):
        result = await provider.send_mo()
    assert (result.delivered, result.attempts) == (True, 3)
    assert receiver.messages[0] == receiver.messages[1] == receiver.messages[2]
    assert len(set(receiver.bodies)) == 3  # each with boundaries of its own


async def test_five_retries_are_made_and_no_more() -> None:
    seen: list[object] = []
    async with (
        receiving(plain(500, "no")) as receiver,
        Simulator(to=receiver.url, retry_interval=SHORT, observe=seen.append) as provider,
    ):
        result = await provider.send_report("369")
    assert (result.delivered, result.attempts, result.http_status) == (False, 6, 500)
    assert [thing.retry_in for thing in seen if isinstance(thing, Attempt)] == [SHORT] * 5 + [None]


def by_default(url: str, profile: str = "sinch") -> Simulator:
    return Simulator(profile=profile, to=url, retries=0)


@pytest.mark.parametrize(
    ("reply", "code", "reason"),
    [
        (plain(200), None, "the answer is empty"),
        (plain(200, "ok"), None, "no MM7 response"),
        (answer(transaction_id="other"), 1000, "TransactionID"),
        (answer(2007), 2007, "Message format corrupt"),
        (answer(1100), 1100, "Partial success"),
        (answer(4004, operation="Unheard"), 4004, "answered by VASPErrorRsp"),
        (answer(4006, http=503), 4006, "HTTP 503"),
        (plain(301), None, "HTTP 301"),
        (plain(204), None, "HTTP 204"),
    ],
)
async def test_anything_else_is_not_accepted(reply: Reply, code: int | None, reason: str) -> None:
    async with receiving(reply) as receiver, by_default(receiver.url) as provider:
        result = await provider.send_report("369")
    assert (result.delivered, result.status_code) == (False, code)
    assert reason in result.reason


async def test_the_response_has_to_be_that_of_the_request() -> None:
    async with (
        receiving(answer(operation="DeliverReq")) as receiver,
        by_default(receiver.url) as provider,
    ):
        result = await provider.send_report("369")
    assert not result.delivered
    assert result.reason == "answered by DeliverRsp"


@pytest.mark.parametrize("operation", ["SubmitReq", "DeliverReq"])
async def test_vibes_5_5_0_takes_either_response_to_its_submit_req(operation: str) -> None:
    async with (
        receiving(answer(operation=operation)) as receiver,
        Simulator(profile="vibes", mm7_version="5.5.0", to=receiver.url, retries=0) as provider,
    ):
        result = await provider.send_mo()
    assert result.delivered


async def test_vibes_accepts_an_empty_answer() -> None:
    async with receiving(plain(200)) as receiver, by_default(receiver.url, "vibes") as provider:
        result = await provider.send_mo()
    assert (result.delivered, result.http_status, result.status_code) == (True, 200, None)


async def test_an_answer_after_the_timeout_comes_too_late() -> None:
    async with (
        Simulator(answer=unread(60)) as silent,
        Simulator(to=silent.url, retries=1, retry_interval=SHORT, timeout=0.05) as provider,
    ):
        result = await provider.send_report("369")
    assert (result.delivered, result.attempts, result.http_status) == (False, 2, None)
    assert result.reason == "no answer in 0.05 s"


async def test_a_receiver_that_is_not_there_is_tried_again() -> None:
    async with receiving(answer()) as gone:
        url = gone.url
    async with Simulator(to=url, retries=2, retry_interval=SHORT) as provider:
        result = await provider.send_report("369")
    assert (result.delivered, result.attempts, result.http_status) == (False, 3, None)
    assert result.reason


async def test_a_duplicate_is_the_same_value_sent_again() -> None:
    async with receiving(answer()) as receiver, Simulator(to=receiver.url) as provider:
        first = await provider.send_mo(attachments=())
        again: Result = await provider.send(first.message)
    assert isinstance(again.message, Mo)
    assert receiver.messages[0] == receiver.messages[1]


async def test_sending_without_an_address_is_a_mistake_of_the_caller() -> None:
    async with Simulator() as provider:
        with pytest.raises(RuntimeError, match="no callback URL"):
            await provider.send_mo()
    with pytest.raises(RuntimeError, match="not started"):
        _ = provider.url
