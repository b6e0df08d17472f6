"""At the door: what is answered before anything of MM7 is read, by a request's head and its body's arrival."""

import asyncio
import io
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

from aiohttp import web
from aiohttp.web_protocol import RequestPayloadError

from gateway import access, answers
from gateway.access import Verdict
from gateway.accounts import Account
from gateway.answers import Answer
from gateway.settings import Settings

RECEIVED_AT_ONCE_BYTES = 64 * 1024


class Room:
    """The bytes of all bodies that are being read or answered: `taken` by now."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.taken = 0

    @contextmanager
    def place(self) -> Iterator["Place"]:
        """A request's place, until it is answered."""
        place = Place(self)
        try:
            yield place
        finally:
            self.taken -= place.size

    def take(self, place: "Place", size: int) -> bool:
        """Whether there is room for `size` bytes more. There always is for a request that is alone."""
        if self.taken > place.size and self.taken + size > self._limit:
            return False
        self.taken += size
        place.size += size
        return True


class Place:
    """What one request has taken of the room, in bytes."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self.size = 0

    def take(self, size: int) -> bool:
        """Whether there was room for so many bytes more."""
        return self._room.take(self, size)


def caller(request: web.Request, settings: Settings) -> str | None:
    """The address that a request is judged by; None where a trusted proxy does not say."""
    return access.caller(request.remote, request.headers.getall("X-Forwarded-For", ()), settings.trusted_proxies)


def refuse(  # noqa: PLR0911  # a row of the table of answers each
    request: web.Request, account: Account | None, settings: Settings
) -> Answer | None:
    """404, 405, 403, 401, 415 or 413, from the head of the request alone."""
    if account is None:
        return answers.plain(HTTPStatus.NOT_FOUND, "no account receives callbacks here")
    if request.method != "POST":
        return answers.plain(HTTPStatus.METHOD_NOT_ALLOWED, "callbacks are POSTed", Allow="POST")
    match access.judge(account.inbound, caller(request, settings), request.headers.get("Authorization")):
        case Verdict.FORBIDDEN:
            return answers.plain(HTTPStatus.FORBIDDEN, "this network may not send callbacks here")
        case Verdict.UNAUTHORISED:
            text = "wrong or missing credentials"
            return answers.plain(HTTPStatus.UNAUTHORIZED, text, WWW_Authenticate='Basic realm="mm7"')
    if request.headers.get("Content-Encoding", "identity").strip().lower() not in ("", "identity"):
        return answers.plain(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "content encodings are not read: send it plain")
    if (request.content_length or 0) > settings.max_body_bytes:
        return _too_large(settings)
    return None


async def read_body(request: web.Request, account: Account, settings: Settings, place: Place) -> bytes | Answer:
    """The body, or 408, 413, 400; or 503 where there is no room for it."""
    declared = request.content_length or 0
    if not place.take(declared):
        return no_room(account)
    _receive_little(request.transport)
    body = io.BytesIO(bytes(declared))  # which neither grows nor copies what it gives out: that takes 20 ms for 10 MB
    try:
        async with asyncio.timeout(settings.body_within):
            async for chunk in request.content.iter_any():
                body.write(chunk)
                if body.tell() > settings.max_body_bytes:
                    return _too_large(settings)
                if body.tell() > place.size and not place.take(len(chunk)):
                    return no_room(account)
    except TimeoutError:
        text = f"the body did not arrive within {settings.body_within:g} s"
        return answers.plain(HTTPStatus.REQUEST_TIMEOUT, text)
    except (RequestPayloadError, web.RequestPayloadError, ConnectionError) as error:
        return answers.plain(HTTPStatus.BAD_REQUEST, f"the body could not be read: {error}")
    body.truncate()
    return body.getvalue()


def _receive_little(transport: asyncio.Transport | None) -> None:
    """Of each connection, before the event loop turns to the next: asyncio's own 256 KiB of fifty are 12 MB."""
    if transport is not None and hasattr(transport, "max_size"):
        transport.max_size = RECEIVED_AT_ONCE_BYTES


def no_room(account: Account) -> Answer:
    """503: as many bytes as may be are under way."""
    return answers.unavailable(account, None)


def _too_large(settings: Settings) -> Answer:
    text = f"a callback may have {settings.max_body_bytes} bytes at most"
    return answers.plain(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, text)
