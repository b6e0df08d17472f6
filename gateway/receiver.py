"""The receiver's walk: authorise → decode → seen? → whose? → media → keep → answer.

Strategy: one deadline round all that comes after the body. 200 is answered only for what is safe, on the broker or in
the spool; whatever is not is answered 503, so that the provider keeps it and comes again.
"""

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime

import structlog
from aiohttp import web

from gateway import answers, door, mm7
from gateway.accounts import Account
from gateway.answers import Answer
from gateway.broker.events import outgoing
from gateway.contract import callbacks
from gateway.contract.callbacks import Receipt
from gateway.contract.events import Event, Report
from gateway.contract.parts import Blob, Storage
from gateway.keeper import Keeper, NotKept
from gateway.settings import Settings
from gateway.stores.correlation import Correlation
from gateway.stores.media import MediaStore, MediaUnavailable
from gateway.stores.published import Published
from gateway.stores.state import State, StateUnavailable
from gateway.telemetry import logs
from gateway.telemetry.metrics import Metrics

LARGE_BYTES = 64 * 1024  # decoding more than this would hold up the event loop noticeably
KEEPING_SHARE = 0.85  # of the time to answer in; the rest is for the mark that it is published, and for the answer
REPORT_WAIT_SECONDS = 0.4  # for the submit's answer that a report has overtaken
STATE_WITHIN = 0.25

log = logs.get()


class Receiver:
    """Answers callbacks. One object a process; `in_flight` counts the requests being answered."""

    def __init__(self, settings: Settings, keeper: Keeper, media: MediaStore, state: State, metrics: Metrics) -> None:
        self._settings = settings
        self._keeper = keeper
        self._media = media
        self._metrics = metrics
        self._published = Published(
            state, unavailable=metrics.state_unavailable.labels("published").inc, within=STATE_WITHIN
        )
        self._correlation = Correlation(state, within=STATE_WITHIN)
        self._storage = Storage(media.url_of, settings.media_inline_max_bytes)
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
        refusal = door.refuse(request, account, self._settings)
        if refusal is None:
            assert account is not None  # an unknown path was refused
            body = await door.read_body(request, self._settings)
            if isinstance(body, bytes):
                return await self._take_in_time(account, request, body)
            refusal = body
        name = account.name if account else ""
        self._metrics.callbacks.labels(name, "", refusal.outcome).inc()
        log.warning("callback.turned_away", account=name, path=request.path, status=int(refusal.http_status))
        return refusal

    async def _take_in_time(self, account: Account, request: web.Request, body: bytes) -> Answer:
        """The deadline, the metrics and the one log line round `_take`."""
        clock = asyncio.get_running_loop().time
        began = clock()
        within = self._settings.answer_within
        taking = _Taking(account, request, body, datetime.now(UTC), keep_until=began + KEEPING_SHARE * within)
        try:
            async with asyncio.timeout(within):
                answer = await self._take(taking)
        except (NotKept, MediaUnavailable) as error:
            answer = taking.unavailable(str(error))
        except TimeoutError:
            answer = taking.unavailable(f"not stored within {within:g} s")
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
        """Decode → keep once → answer: the steps behind a 200."""
        try:
            decoded, callback = await self._read(taking)
        except mm7.DecodeError as error:
            return await self._refuse(taking, error)
        event, asked = callback.event, answers.echo(decoded.message)
        taking.found(asked, event_id=event.id, quirks=event.data.quirks)
        await self._keep_once(taking, event, callback.blobs)
        for quirk in event.data.quirks:
            self._metrics.quirks.labels(taking.account.name, quirk).inc()
        return answers.accepted(taking.account, asked, event.id)

    async def _read(self, taking: "_Taking") -> tuple[mm7.Decoded, callbacks.Callback]:
        def read() -> tuple[mm7.Decoded, callbacks.Callback]:
            decoded = mm7.decode(taking.request.headers.get("Content-Type"), taking.body)
            return decoded, callbacks.from_mm7(decoded, taking.receipt, self._storage)

        try:
            return await asyncio.to_thread(read) if len(taking.body) > LARGE_BYTES else read()
        except mm7.DecodeError:
            raise
        except Exception as error:  # a bug of ours must not cost the message: it is kept and can be replayed
            log.exception("callback.decoder_crashed", account=taking.account.name)
            raise mm7.DecodeError(f"internal error: {type(error).__name__}", status=3000) from error

    async def _refuse(self, taking: "_Taking", error: mm7.DecodeError) -> Answer:
        """Keep the request whole, tell the subscribers, answer the status."""
        raw = door.as_file(taking.request, taking.body)
        blob = Blob(hashlib.sha256(raw).hexdigest(), "message/http", raw)
        digest = hashlib.sha256(taking.body).hexdigest()
        event = callbacks.refused(error, taking.receipt, raw=self._media.url_of(blob.sha256), digest=digest)
        taking.found(error.request, event_id=event.id, code=error.status, reason=error.text, raw=event.data.raw)
        await self._keep_once(taking, event, [blob])
        return answers.refused(taking.account, error, event.id)

    async def _keep_once(self, taking: "_Taking", event: Event, blobs: Sequence[Blob]) -> None:
        """Media before event, each safe when it is done; unless it is a retry of what was kept before."""

        async def keep() -> None:
            complete = await self._with_origin(event)
            await self._media.keep(blobs)
            about = complete.data.command_id if isinstance(complete.data, Report) else None
            trace = door.traceparent(taking.request.headers)
            message = outgoing(complete, correlation_id=about, traceparent=trace)
            taking.facts["kept"] = await self._keeper.keep(taking.account.name, message, until=taking.keep_until)

        if not await self._published.once(event.id, keep):
            taking.facts["kept"] = "before"
            self._metrics.duplicates.labels(taking.account.name).inc()

    async def _with_origin(self, event: Event) -> Event:
        """A report with the command that it reports on, where that is known."""
        if not isinstance(event.data, Report) or not event.data.message_id:
            return event
        account, message_id = event.data.account, event.data.message_id
        try:
            origin = await self._correlation.find(account, message_id, wait_seconds=REPORT_WAIT_SECONDS)
        except StateUnavailable:
            self._metrics.state_unavailable.labels("correlation").inc()
            return event
        return callbacks.reporting_on(event, **asdict(origin)) if origin else event


@dataclass(slots=True)
class _Taking:
    """One callback under way. What is `found` in it goes into its answer and its log line, whatever becomes of it."""

    account: Account
    request: web.Request
    body: bytes
    received_at: datetime
    keep_until: float  # by the event loop's clock
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
