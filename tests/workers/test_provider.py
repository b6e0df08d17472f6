"""One POST, over a real socket: what goes out byte for byte, and what each way of failing means."""

from __future__ import annotations

import asyncio
import re
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from gateway import outbound, profiles
from gateway.accounts import Account
from gateway.contract.commands import Command
from gateway.outbound import HttpRequest
from workers import provider
from workers.outcome import Outcome

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

RSP = (
    b'<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body><SubmitRsp><Status><StatusCode>1000</StatusCode>'
    b"<StatusText>ok</StatusText></Status><MessageID>m-1</MessageID></SubmitRsp></e:Body></e:Envelope>"
)


def http(body: bytes = RSP, head: bytes = b"HTTP/1.1 200 OK", more: bytes = b"") -> bytes:
    return head + b"\r\nContent-Type: text/xml\r\n" + more + b"Content-Length: %d\r\n\r\n" % len(body) + body


class Provider:
    """Records the bytes of every request; `behave` answers. Counts connections."""

    def __init__(self) -> None:
        self.requests: list[bytes] = []
        self.connections = 0
        self.behave: Callable[[asyncio.StreamWriter], Awaitable[None]] = self.answering(http())
        self.port = 0
        self._writers: list[asyncio.StreamWriter] = []

    @staticmethod
    def answering(answer: bytes, *, close: bool = False) -> Callable[[asyncio.StreamWriter], Awaitable[None]]:
        async def behave(writer: asyncio.StreamWriter) -> None:
            writer.write(answer)
            await writer.drain()
            if close:
                writer.close()

        return behave

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.append(writer)
        try:
            while not writer.is_closing():
                head = await reader.readuntil(b"\r\n\r\n")
                length = re.search(rb"(?i)content-length: (\d+)", head)
                assert length is not None
                self.requests.append(head + await reader.readexactly(int(length[1])))
                await self.behave(writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/mm7/v1/?a=b%20c"

    def request(self, body: bytes = b"<x/>") -> HttpRequest:
        headers = {"Host": f"127.0.0.1:{self.port}", "Content-Type": "text/xml", "Content-Length": str(len(body))}
        return HttpRequest(self.url, headers, body)

    def drop(self) -> None:
        for writer in self._writers:
            writer.transport.abort()


@asynccontextmanager
async def listening() -> AsyncIterator[Provider]:
    simulated = Provider()
    server = await asyncio.start_server(simulated.serve, "127.0.0.1", 0, limit=1 << 24)
    simulated.port = server.sockets[0].getsockname()[1]
    try:
        yield simulated
    finally:
        server.close()
        simulated.drop()
        await server.wait_closed()


@pytest.fixture
async def there() -> AsyncIterator[Provider]:
    async with listening() as simulated:
        yield simulated


@pytest.fixture
async def submit() -> AsyncIterator[Callable[..., Awaitable[Outcome]]]:
    async with provider.make_session() as session:

        async def one(request: HttpRequest, timeout: float = 5.0) -> Outcome:  # noqa: ASYNC109 - as it is called
            return await provider.submit(session, request, profiles.load("generic"), timeout=timeout)

        yield one


PARTS = [{"content_type": "text/plain", "text": "hello"}, {"content_type": "image/png", "data": "iVBORw0KGgo="}]


@pytest.mark.parametrize("path", ["", "/", "/mm7/v1/", "/mm7?x=1&y=%20z", "/a%2Fb//c", "/mm7#fragment", "/ä"])
@pytest.mark.parametrize("parts", [[], PARTS], ids=["bare", "with parts"])
@pytest.mark.parametrize("basic", [{}, {"basic": {"username": "me", "password": "geheim ü"}}], ids=["open", "basic"])
async def test_what_goes_out_is_what_was_built_byte_for_byte(
    there, submit, path: str, parts: list, basic: dict
) -> None:
    url = f"http://127.0.0.1:{there.port}{path}"
    account = Account.model_validate({"name": "a", "profile": "generic", "outbound": {"url": url, **basic}})
    contents = [b"hello", b"\x89PNG\r\n\x1a\n" * 50][: len(parts)]
    request = outbound.build(
        Command.model_validate({"id": "order-1", "to": ["15553199144"], "parts": parts}), account, contents
    )
    outcome = await submit(request)
    assert (outcome.kind, outcome.message_id, outcome.http_status) == ("accepted", "m-1", 200)
    (sent,) = there.requests
    assert sent == request.as_file()
    assert b"chunked" not in sent.lower().partition(b"\r\n\r\n")[0]


async def test_credentials_in_the_url_become_basic_and_are_seen_nowhere_else(there, submit) -> None:
    url = f"http://me:p%40ss@127.0.0.1:{there.port}/mm7"
    account = Account.model_validate({"name": "a", "profile": "generic", "outbound": {"url": url}})
    request = outbound.build(Command(id="order-1", to=["15553199144"]), account, [])
    await submit(request)
    assert there.requests == [request.as_file()]
    assert b"Authorization: Basic bWU6cEBzcw==\r\n" in there.requests[0]
    assert "p%40ss" not in request.url


async def test_a_large_message_goes_out_whole(there, submit) -> None:
    request = there.request(b"x" * 5_000_000)
    assert (await submit(request)).kind == "accepted"
    assert there.requests == [request.as_file()]


async def test_a_connection_is_used_again(there, submit) -> None:
    for _ in range(5):
        assert (await submit(there.request())).kind == "accepted"
    assert (there.connections, len(there.requests)) == (1, 5)


async def test_many_at_once_have_a_connection_each(there, submit) -> None:
    outcomes = await asyncio.gather(*(submit(there.request()) for _ in range(150)))
    assert {outcome.kind for outcome in outcomes} == {"accepted"}


async def test_a_pooled_connection_that_breaks_is_unknown_and_nothing_is_sent_again(there, submit) -> None:
    await submit(there.request())

    async def reset(writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()

    there.behave = reset
    assert (await submit(there.request())).kind == "unknown"
    assert len(there.requests) == 2


async def test_no_listener_is_later(submit) -> None:
    async with listening() as gone:
        request = gone.request()
    outcome = await submit(request)
    assert (outcome.kind, outcome.http_status) == ("later", None)
    assert "no connection" in outcome.reason


async def test_a_name_that_does_not_resolve_is_later(submit) -> None:
    outcome = await submit(
        HttpRequest("http://nobody.invalid/mm7", {"Host": "nobody.invalid", "Content-Length": "1"}, b"x")
    )
    assert outcome.kind == "later"


@pytest.mark.parametrize("within", [0.4, 1.0])
async def test_a_connection_that_does_not_come_about_is_later(submit, within: float) -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        port = deaf.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):  # the only place in its queue is taken
            waiting = [socket.socket() for _ in range(3)]
            for each in waiting:
                each.setblocking(False)
                each.connect_ex(("127.0.0.1", port))
            outcome = await submit(HttpRequest(f"http://127.0.0.1:{port}/", {"Content-Length": "1"}, b"x"), within)
            for each in waiting:
                each.close()
    assert (outcome.kind, "no connection" in outcome.reason) == ("later", True)


async def test_a_tls_handshake_that_does_not_end_is_later(submit) -> None:
    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(mute, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        outcome = await submit(HttpRequest(f"https://127.0.0.1:{port}/", {"Content-Length": "1"}, b"x"), 0.6)
    assert outcome.kind == "later"


async def test_plain_http_where_tls_was_expected_is_later(there, submit) -> None:
    url = there.url.replace("http:", "https:")
    outcome = await submit(HttpRequest(url, {"Content-Length": "1"}, b"x"), 2.0)
    assert outcome.kind == "later"
    assert there.requests == []


async def test_no_answer_in_time_is_unknown(there, submit) -> None:
    async def silent(_: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    there.behave = silent
    outcome = await submit(there.request(), 0.3)
    assert (outcome.kind, outcome.reason) == ("unknown", "no answer within 0.3 s")
    assert len(there.requests) == 1
    there.drop()


async def test_an_answer_that_drips_is_unknown_at_the_timeout(there, submit) -> None:
    async def drip(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        while not writer.is_closing():
            writer.write(b"<")
            await writer.drain()
            await asyncio.sleep(0.02)

    there.behave = drip
    assert (await submit(there.request(), 0.4)).reason == "no answer within 0.4 s"


async def reset(writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


async def close(writer: asyncio.StreamWriter) -> None:
    writer.close()


@pytest.mark.parametrize(
    "behave",
    [
        reset,
        close,
        Provider.answering(b"no http\r\n\r\n", close=True),
        Provider.answering(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + RSP[:100], close=True),
        Provider.answering(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", close=True),
        Provider.answering(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nxxxxx", close=True),
        Provider.answering(b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000 + b"\r\n\r\n", close=True),
    ],
    ids=["reset", "closed", "no http", "cut off", "bad chunk", "bad gzip", "long header"],
)
async def test_whatever_breaks_behind_the_request_is_unknown(there, submit, behave) -> None:
    there.behave = behave
    outcome = await submit(there.request())
    assert outcome.kind == "unknown"
    assert len(there.requests) == 1


async def test_a_redirect_is_not_followed(there, submit) -> None:
    there.behave = there.answering(http(b"", b"HTTP/1.1 307 Over there", b"Location: /elsewhere\r\n"))
    outcome = await submit(there.request())
    assert (outcome.kind, outcome.http_status, len(there.requests)) == ("refused", 307, 1)


async def test_of_a_huge_answer_the_beginning_is_read(there, submit) -> None:
    there.behave = there.answering(http(b"x" * 20_000_000), close=True)
    outcome = await submit(there.request())
    assert (outcome.kind, outcome.http_status) == ("unknown", 200)


async def test_an_answer_in_pieces_is_put_together(there, submit) -> None:
    async def pieces(writer: asyncio.StreamWriter) -> None:
        whole = http()
        for start in range(0, len(whole), 40):
            writer.write(whole[start : start + 40])
            await writer.drain()
            await asyncio.sleep(0.001)

    there.behave = pieces
    assert (await submit(there.request())).message_id == "m-1"


async def test_a_status_and_retry_after_come_through(there, submit) -> None:
    there.behave = there.answering(http(b"busy", b"HTTP/1.1 503 Busy", b"Retry-After: 77\r\n"))
    outcome = await submit(there.request())
    assert (outcome.kind, outcome.http_status, outcome.retry_after) == ("later", 503, 77.0)


async def test_headers_that_are_no_text_do_not_hide_an_answer(there, submit) -> None:
    odd = b"Content-Type: text/xml; charset=\xff\r\nSet-Cookie: \xff=;;\r\nRetry-After: \xff\r\n"
    there.behave = there.answering(b"HTTP/1.1 200 OK\r\n" + odd + b"Content-Length: %d\r\n\r\n" % len(RSP) + RSP)
    assert (await submit(there.request())).kind == "accepted"


@pytest.mark.parametrize("url", ["http://", "http://127.0.0.1:99999/", "http://127.0.0.1:abc/", "http://[::1/"])
async def test_a_url_that_is_none_refuses(submit, url: str) -> None:
    outcome = await submit(HttpRequest(url, {"Content-Length": "1"}, b"x"))
    assert outcome.kind == "refused"
    assert "url" in outcome.reason


async def test_a_shutdown_amid_a_post_ends_it(there, submit, eventually) -> None:
    async def silent(_: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    there.behave = silent
    task = asyncio.create_task(submit(there.request()))
    await eventually(lambda: there.requests)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
