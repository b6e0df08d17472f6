"""At the door: what is answered before anything of MM7 is read, by a request's head and its body's arrival."""

import asyncio
import re
from collections.abc import Mapping
from http import HTTPStatus

from aiohttp import web
from aiohttp.web_protocol import RequestPayloadError

from gateway import access, answers
from gateway.access import Verdict
from gateway.accounts import Account
from gateway.answers import Answer
from gateway.settings import Settings

_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")  # W3C Trace Context §3.2
_PRIVATE_HEADERS = {"authorization", "proxy-authorization", "cookie"}


def refuse(  # noqa: PLR0911  # a row of the table of answers each
    request: web.Request, account: Account | None, settings: Settings
) -> Answer | None:
    """404, 405, 403, 401, 415 or 413, from the head of the request alone."""
    if account is None:
        return answers.plain(HTTPStatus.NOT_FOUND, "no account receives callbacks here")
    if request.method != "POST":
        return answers.plain(HTTPStatus.METHOD_NOT_ALLOWED, "callbacks are POSTed", Allow="POST")
    match access.judge(account.inbound, request.remote, request.headers.get("Authorization")):
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


async def read_body(request: web.Request, settings: Settings) -> bytes | Answer:
    """The body, or 408, 413 or 400."""
    try:
        async with asyncio.timeout(settings.body_within):
            return await request.read()
    except TimeoutError:
        text = f"the body did not arrive within {settings.body_within:g} s"
        return answers.plain(HTTPStatus.REQUEST_TIMEOUT, text)
    except web.HTTPRequestEntityTooLarge:
        return _too_large(settings)
    except (RequestPayloadError, web.RequestPayloadError, ConnectionError) as error:
        return answers.plain(HTTPStatus.BAD_REQUEST, f"the body could not be read: {error}")


def _too_large(settings: Settings) -> Answer:
    text = f"a callback may have {settings.max_body_bytes} bytes at most"
    return answers.plain(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, text)


def traceparent(headers: Mapping[str, str]) -> str | None:
    """The trace that the request belongs to."""
    found = headers.get("traceparent", "")
    return found if _TRACEPARENT.fullmatch(found) else None


def as_file(request: web.Request, body: bytes) -> bytes:
    """The request as it came, for `mm7 decode --http`; without what would give credentials away."""
    lines = [f"{request.method} {request.path_qs} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in request.headers.items() if name.lower() not in _PRIVATE_HEADERS]
    return "\r\n".join([*lines, "", ""]).encode("utf-8", "surrogateescape") + body
