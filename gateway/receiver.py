"""The receiver's walk: authorise → decode → event → media → publish → answer.

Strategy: one deadline round all that comes after the body. 200 is answered only behind a confirmed publish; whatever
cannot be stored is answered 503, so that the provider keeps it and comes again.
"""

import asyncio
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Protocol

import structlog
from aiohttp import web
from aiohttp.web_protocol import RequestPayloadError

from gateway import access, answers, mm7
from gateway.access import Verdict
from gateway.accounts import Account
from gateway.answers import Answer
from gateway.broker import Outgoing, PublishFailed
from gateway.broker.events import outgoing
from gateway.contract import callbacks
from gateway.contract.callbacks import Receipt
from gateway.contract.events import Event
from gateway.contract.parts import Blob
from gateway.settings import Settings
from gateway.stores.media import MediaStore, MediaUnavailable
from gateway.telemetry import logs
from gateway.telemetry.metrics import Metrics

LARGE_BYTES = 64 * 1024  # decoding more than this would hold up the event loop noticeably
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")  # W3C Trace Context §3.2
_PRIVATE_HEADERS = {"authorization", "proxy-authorization", "cookie"}

log = logs.get()


class Publishes(Protocol):
    """What the receiver needs of the broker."""

    async def publish(self, outgoing: Outgoing, *, within: float) -> None:
        """Return when it is confirmed; raise PublishFailed."""


class Receiver:
    """Answers callbacks. One object a process; `in_flight` counts the requests being answered."""

    def __init__(self, settings: Settings, publisher: Publishes, media: MediaStore, metrics: Metrics) -> None:
        self._settings = settings
        self._publisher = publisher
        self._media = media
        self._metrics = metrics
        self._accounts = {a.callback_path.rstrip("/"): a for a in settings.accounts.values()}
        self.in_flight = 0
        self.draining = False

    async def receive(self, request: web.Request) -> web.Response:
        """Answer one request, whatever it is."""
        self.in_flight += 1
        try:
            with structlog.contextvars.bound_contextvars(peer=request.remote):
                answer = await self._answer(request)
        finally:
            self.in_flight -= 1
        headers = {**answer.headers, "Content-Type": answer.content_type}
        response = web.Response(status=answer.http_status, body=answer.body, headers=headers)
        if self.draining or answer.outcome.startswith("http_"):
            response.force_close()  # what is left of an unread body must not be taken for the next request
        return response

    async def _answer(self, request: web.Request) -> Answer:
        account = self._accounts.get(request.path.rstrip("/"))
        refusal = self._refuse_at_the_door(request, account)
        if refusal is None:
            assert account is not None  # an unknown path was refused
            body = await self._body(request)
            if isinstance(body, bytes):
                return await self._take_in_time(account, request, body)
            refusal = body
        name = account.name if account else ""
        self._metrics.callbacks.labels(name, "", refusal.outcome).inc()
        log.warning("callback.turned_away", account=name, path=request.path, status=int(refusal.http_status))
        return refusal

    def _refuse_at_the_door(  # noqa: PLR0911  # a row of the table of answers each
        self, request: web.Request, account: Account | None
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
        if (request.content_length or 0) > self._settings.max_body_bytes:
            return self._too_large()
        return None

    def _too_large(self) -> Answer:
        limit = self._settings.max_body_bytes
        return answers.plain(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a callback may have {limit} bytes at most")

    async def _body(self, request: web.Request) -> bytes | Answer:
        try:
            async with asyncio.timeout(self._settings.body_within):
                return await request.read()
        except TimeoutError:
            within = f"{self._settings.body_within:g}"
            return answers.plain(HTTPStatus.REQUEST_TIMEOUT, f"the body did not arrive within {within} s")
        except web.HTTPRequestEntityTooLarge:
            return self._too_large()
        except (RequestPayloadError, web.RequestPayloadError, ConnectionError) as error:
            return answers.plain(HTTPStatus.BAD_REQUEST, f"the body could not be read: {error}")

    async def _take_in_time(self, account: Account, request: web.Request, body: bytes) -> Answer:
        """The deadline, the metrics and the one log line round `_take`."""
        clock = asyncio.get_running_loop().time
        began = clock()
        taking = _Taking(account, request, body, datetime.now(UTC))
        try:
            async with asyncio.timeout(self._settings.answer_within):
                answer = await self._take(taking)
        except (PublishFailed, MediaUnavailable) as error:
            answer = taking.unavailable(str(error))
        except TimeoutError:
            answer = taking.unavailable(f"not stored within {self._settings.answer_within:g} s")
        except Exception as error:  # a bug of ours must not cost the message: the provider keeps it
            log.exception("callback.crashed", account=account.name)
            answer = taking.unavailable(f"internal error: {type(error).__name__}")
        seconds = clock() - began
        operation = str(taking.facts.get("operation"))
        known = operation if operation in mm7.MESSAGES else ""  # a label is no place for whatever was sent
        self._metrics.callbacks.labels(account.name, known, answer.outcome).inc()
        self._metrics.answer_seconds.labels(account.name).observe(seconds)
        level = log.info if answer.outcome == "accepted" else log.warning
        level(f"callback.{answer.outcome}", **taking.facts, status=int(answer.http_status), ms=round(seconds * 1000, 1))
        return answer

    async def _take(self, taking: "_Taking") -> Answer:
        """Decode → event → media → publish → answer: the five steps behind a 200."""
        try:
            decoded, callback = await self._read(taking)
        except mm7.DecodeError as error:
            return await self._refuse(taking, error)
        event, asked = callback.event, answers.echo(decoded.message)
        taking.found(asked, event_id=event.id, quirks=event.data.quirks)
        await self._media.keep(callback.blobs)
        await self._publish(event, taking.request.headers)
        for quirk in event.data.quirks:
            self._metrics.quirks.labels(taking.account.name, quirk).inc()
        return answers.accepted(taking.account, asked, event.id)

    async def _read(self, taking: "_Taking") -> tuple[mm7.Decoded, callbacks.Callback]:
        def read() -> tuple[mm7.Decoded, callbacks.Callback]:
            decoded = mm7.decode(taking.request.headers.get("Content-Type"), taking.body)
            return decoded, callbacks.from_mm7(decoded, taking.receipt, self._media.url_of)

        try:
            return await asyncio.to_thread(read) if len(taking.body) > LARGE_BYTES else read()
        except mm7.DecodeError:
            raise
        except Exception as error:  # a bug of ours must not cost the message: it is kept and can be replayed
            log.exception("callback.decoder_crashed", account=taking.account.name)
            raise mm7.DecodeError(f"internal error: {type(error).__name__}", status=3000) from error

    async def _refuse(self, taking: "_Taking", error: mm7.DecodeError) -> Answer:
        """Keep the request whole, tell the subscribers, answer the status."""
        raw = _as_file(taking.request, taking.body)
        blob = Blob(hashlib.sha256(raw).hexdigest(), "message/http", raw)
        digest = hashlib.sha256(taking.body).hexdigest()
        event = callbacks.refused(error, taking.receipt, raw=self._media.url_of(blob.sha256), digest=digest)
        taking.found(error.request, event_id=event.id, code=error.status, reason=error.text, raw=event.data.raw)
        await self._media.keep([blob])
        await self._publish(event, taking.request.headers)
        return answers.refused(taking.account, error, event.id)

    async def _publish(self, event: Event, headers: Mapping[str, str]) -> None:
        traceparent = headers.get("traceparent", "")
        message = outgoing(event, traceparent=traceparent if _TRACEPARENT.fullmatch(traceparent) else None)
        await self._publisher.publish(message, within=self._settings.answer_within)


@dataclass(slots=True)
class _Taking:
    """One callback under way. What is `found` in it goes into its answer and its log line, whatever becomes of it."""

    account: Account
    request: web.Request
    body: bytes
    received_at: datetime
    asked: mm7.Request | None = None
    facts: dict[str, object] = field(init=False)

    def __post_init__(self) -> None:
        self.facts = {"account": self.account.name, "bytes": len(self.body)}

    @property
    def receipt(self) -> Receipt:
        return Receipt(
            account=self.account.name,
            profile_name=self.account.profile_name,
            profile=self.account.profile,
            received_at=self.received_at,
            headers=self.request.headers,
        )

    def found(self, asked: mm7.Request | None, **facts: object) -> None:
        self.asked = asked
        self.facts |= {"operation": asked.operation if asked else None} | facts

    def unavailable(self, reason: str) -> Answer:
        self.facts["reason"] = reason
        return answers.unavailable(self.account, self.asked)


def _as_file(request: web.Request, body: bytes) -> bytes:
    """The request as it came, for `mm7 decode --http`; without what would give credentials away."""
    lines = [f"{request.method} {request.path_qs} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in request.headers.items() if name.lower() not in _PRIVATE_HEADERS]
    return "\r\n".join([*lines, "", ""]).encode("utf-8", "surrogateescape") + body
