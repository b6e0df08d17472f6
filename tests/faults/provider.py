"""A provider that counts what it has taken to be sent, and disappoints in every way a provider can.

Strategy: HTTP by hand, so that an answer can end anywhere. A submit counts as accepted as soon as a phone may ring for
it, whether or not the sender is told: that is what must never happen twice. `SAYS` is the table of what can be
answered; `behave` (for each submit) or `script` (for the next ones) choose from it.
"""

import asyncio
import contextlib
import re
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from gateway import mm7
from gateway.tools.simulator.intake import request_of

HUGE_BYTES = 10 * 1024 * 1024
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_HTML = b"<html><body><h1>Here is no MM7</h1></body></html>"


@dataclass(frozen=True, slots=True)
class Say:
    """How one submit is answered. `accepts`: whether a phone rings for it. `seconds`: how long the answer takes."""

    what: str = "accept"
    http: int = 200
    status: int = 1000
    seconds: float = 0.0

    @property
    def accepts(self) -> bool:
        return self.what not in ("redirect", "unread", "page") and self.status in (1000, 1100)


ACCEPT = Say()
HANG = Say("hang")  # for ever
RESET = Say("reset")
HALF = Say("half")
REDIRECT = Say("redirect", http=302)
HUGE = Say("huge")
UNREAD = Say("unread")  # reset before the body was read: it was not taken, and the sender cannot know


def late(seconds: float) -> Say:
    return Say(seconds=seconds)


def refuse(status: int) -> Say:
    return Say(status=status)


def page(http: int) -> Say:
    return Say("page", http=http)


class Provider:
    """Takes submits on `port` of 127.0.0.1. Ids are the TransactionIDs, which are the commands' ids."""

    def __init__(self, behave: Callable[[str], Say] = lambda _id: ACCEPT, *, port: int = 0) -> None:
        self.behave = behave
        self.port = port
        self.received: Counter[str] = Counter()  # submits whose body came
        self.accepted: Counter[str] = Counter()  # those of them that a phone rings for
        self.script: deque[Say] = deque()
        self._server: asyncio.Server | None = None
        self._serving: set[asyncio.Task[None]] = set()
        self._hanging = asyncio.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/mm7/v1/"

    @property
    def sent_twice(self) -> dict[str, int]:
        """What a phone rang for more than once, and how often."""
        return {identity: count for identity, count in self.accepted.items() if count > 1}

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for task in list(self._serving):
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    def let_go(self) -> None:
        """Answer what hangs: it was accepted."""
        self._hanging.set()
        self._hanging = asyncio.Event()

    async def wait_for(self, identity: str, within: float = 10.0) -> None:
        """Until a submit has come, answered or not."""
        async with asyncio.timeout(within):
            while not self.received[identity]:
                await asyncio.sleep(0.01)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        try:
            while await self._one(reader, writer):
                pass
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the sender has gone, or we go
        finally:
            writer.transport.abort()
            self._serving.discard(task)

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer a request; whether the connection is kept for another."""
        head = await reader.readuntil(b"\r\n\r\n")
        if self.script and self.script[0] == UNREAD:
            self.script.popleft()
            return False
        length = _LENGTH.search(head)
        body = await reader.readexactly(int(length[1]) if length else 0)
        kind = re.search(rb"\r\ncontent-type: *([^\r]+)", head, re.IGNORECASE)
        message = mm7.decode(kind[1].decode() if kind else None, body).message
        assert isinstance(message, mm7.SubmitReq)
        identity = message.transaction_id or ""
        self.received[identity] += 1
        say = self.script.popleft() if self.script else self.behave(identity)
        if say.accepts:
            self.accepted[identity] += 1
        return await self._answer(say, message, writer)

    async def _answer(self, say: Say, message: mm7.SubmitReq, writer: asyncio.StreamWriter) -> bool:
        if say.what == "hang":
            await self._hanging.wait()
        await asyncio.sleep(say.seconds)
        answer = SAYS[say.what](say, _accepted(say, message))
        writer.write(answer)
        with contextlib.suppress(ConnectionError):
            await writer.drain()
        return say.what in ("accept", "hang", "page", "redirect")


def _accepted(say: Say, message: mm7.SubmitReq) -> tuple[str, bytes]:
    request = request_of(message)
    message_id = f"m-{message.transaction_id}" if say.status in (1000, 1100) else ""
    written = mm7.encode(mm7.response(request, say.status, None, message_id=message_id))
    return written.content_type, written.body


def _http(say: Say, content: tuple[str, bytes], *, length: int | None = None, extra: str = "") -> bytes:
    kind, body = content
    size = len(body) if length is None else length
    head = f"HTTP/1.1 {say.http} Said\r\nContent-Type: {kind}\r\n{extra}Content-Length: {size}\r\n\r\n"
    return head.encode() + body


def _half(say: Say, content: tuple[str, bytes]) -> bytes:
    whole = _http(say, content)
    return whole[: len(whole) - len(content[1]) // 2]


def _huge(say: Say, content: tuple[str, bytes]) -> bytes:
    return _http(say, ("text/xml", content[1] + b" " * HUGE_BYTES))


def _redirect(say: Say, _content: tuple[str, bytes]) -> bytes:
    return _http(say, ("text/html", _HTML), extra="Location: http://127.0.0.1:9/elsewhere\r\n")


SAYS: dict[str, Callable[[Say, tuple[str, bytes]], bytes]] = {
    "accept": _http,
    "hang": _http,
    "reset": lambda _say, _content: b"",
    "half": _half,
    "huge": _huge,
    "redirect": _redirect,
    "page": lambda say, _content: _http(say, ("text/html", _HTML)),
}
