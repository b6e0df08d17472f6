"""The side of a provider that takes submits, and what changes them: one aiohttp server, any path."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from gateway import mm7

from . import answers, intake
from .answers import Answer
from .ids import Ids
from .intake import Basic, Change, Refusal, Submit

Choice = Answer | Callable[[mm7.SubmitReq], Answer]

UNKNOWN_MESSAGE = 2005
MAX_BODY_BYTES = 20 * 1024 * 1024
_HANDLERS_WITHIN = 0.2  # seconds that late answers get when the server stops


@dataclass(frozen=True, slots=True, kw_only=True)
class Doors:
    """Where and from whom submits are taken; port 0 is any free one. `basic`: their user and password."""

    host: str = "127.0.0.1"
    port: int = 0
    basic: Basic | None = None


class Server:
    """Takes submits, cancels and replaces, and answers them as told.

    A change of a message that is none of its own it answers 2005, unless `script` has an answer.
    `accepted` is called with each accepted submit and an event that is set once it has been answered: no
    report comes before the answer, and a submit that can be seen has its reports under way.
    """

    def __init__(
        self,
        doors: Doors,
        choice: Choice,
        *,
        observe: Callable[[Submit | Change | Refusal], None],
        accepted: Callable[[Submit, asyncio.Event], None],
    ) -> None:
        """Nothing is opened yet."""
        self.submits: list[Submit] = []
        self.changes: list[Change] = []
        self.script: deque[Answer] = deque()
        self._doors = doors
        self._choice = choice
        self._observe = observe
        self._accepted = accepted
        self._ids = Ids()
        self._given: set[str] = set()
        self._unseen: asyncio.Queue[Submit] = asyncio.Queue()
        self._unseen_changes: asyncio.Queue[Change] = asyncio.Queue()
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        """Where it listens; RuntimeError before `start`."""
        if self._runner is None or not self._runner.addresses:
            raise RuntimeError("the simulator is not started: it has no address yet")
        host, port = self._runner.addresses[0][:2]
        return f"http://{f'[{host}]' if ':' in host else host}:{port}/mm7/v1/"

    async def start(self) -> None:
        """Listen. OSError where the port is taken."""
        app = web.Application(client_max_size=MAX_BODY_BYTES)
        app.router.add_route("*", "/{path:.*}", self._receive)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=_HANDLERS_WITHIN)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self._doors.host, self._doors.port).start()
        except OSError:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Close the port; answers that are still to come are not given."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    async def next_submit(self, within: float | None) -> Submit:
        """The next submit that was not asked for yet; TimeoutError after `within` seconds."""
        try:
            return await asyncio.wait_for(self._unseen.get(), within)
        except TimeoutError:
            raise TimeoutError(f"no SubmitReq within {within:g} s, {len(self.submits)} so far") from None

    async def next_change(self, within: float | None) -> Change:
        """The next cancel or replace that was not asked for yet; TimeoutError after `within` seconds."""
        try:
            return await asyncio.wait_for(self._unseen_changes.get(), within)
        except TimeoutError:
            raise TimeoutError(f"no cancel or replace within {within:g} s, {len(self.changes)} so far") from None

    async def _receive(self, request: web.Request) -> web.StreamResponse:
        if request.method != "POST":
            return self._refuse(Refusal(answers.page(405)), Allow="POST")
        if not intake.authorised(request.headers.get("Authorization"), self._doors.basic):
            return self._refuse(Refusal(answers.page(401)), **{"WWW-Authenticate": 'Basic realm="mm7"'})
        scripted = self.script.popleft() if self.script else None
        choice = scripted or self._choice
        if isinstance(choice, Answer) and choice.ends == "unread":
            await asyncio.sleep(choice.delay_seconds)
            return _hang_up(request)
        examined = intake.examine(request.headers, await request.read())
        if isinstance(examined, Refusal):
            return self._refuse(examined)
        if not isinstance(examined.message, mm7.SubmitReq):
            return await self._answer(request, self._keep_change(request, examined, scripted))
        submit, answered = self._keep(request, examined, choice), asyncio.Event()
        if submit.message_id is not None:
            self._accepted(submit, answered)
        try:
            return await self._answer(request, submit)
        finally:
            answered.set()

    def _refuse(self, refusal: Refusal, **headers: str) -> web.Response:
        self._observe(refusal)
        return _http(answers.render(refusal.answer, refusal.request, None), headers)

    def _keep(self, request: web.Request, decoded: mm7.Decoded, choice: Choice) -> Submit:
        message = decoded.message
        assert isinstance(message, mm7.SubmitReq)  # intake has refused all else
        answer = choice if isinstance(choice, Answer) else choice(message)
        message_id = self._ids.new() if answer.accepts else None
        submit = Submit(message=message, message_id=message_id, answer=answer, **_came(request, decoded))
        if message_id is not None:
            self._given.add(message_id)
        self.submits.append(submit)
        self._unseen.put_nowait(submit)
        self._observe(submit)
        return submit

    def _keep_change(self, request: web.Request, decoded: mm7.Decoded, scripted: Answer | None) -> Change:
        message = decoded.message
        assert isinstance(message, intake.Changing)  # as above
        known = intake.named(message) in self._given
        usual = self._choice if isinstance(self._choice, Answer) else answers.ACCEPT
        answer = scripted or (usual if known else answers.refuse(UNKNOWN_MESSAGE))
        change = Change(message=message, answer=answer, **_came(request, decoded))
        self.changes.append(change)
        self._unseen_changes.put_nowait(change)
        self._observe(change)
        return change

    async def _answer(self, request: web.Request, taken: Submit | Change) -> web.StreamResponse:
        """Answer here and not by returning: when this is over the answer is on its way."""
        request_read = intake.request_of(taken.message)
        response = _http(answers.render(taken.answer, request_read, taken.message_id), {})
        await asyncio.sleep(taken.answer.delay_seconds)
        if taken.answer.ends != "answered":
            return _hang_up(request)
        with contextlib.suppress(ConnectionError):  # the sender has given up: it is accepted all the same
            await response.prepare(request)
            await response.write_eof()
        return response


def _came(request: web.Request, decoded: mm7.Decoded) -> dict[str, Any]:
    """What submits and changes have alike."""
    return {
        "parts": decoded.parts,
        "quirks": decoded.quirks,
        "headers": {name.lower(): value for name, value in request.headers.items()},
        "at": datetime.now(UTC),
    }


def _http(reply: answers.Reply, headers: dict[str, str]) -> web.Response:
    return web.Response(status=reply.http, headers={**reply.headers, **headers}, body=reply.body or None)


def _hang_up(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()
