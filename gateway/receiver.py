"""The receiver's walk: authorise → read → seen? → media → keep → answer.

Strategy: one deadline round all that comes after the body. 200 is answered only for what is safe, on the broker or in
the spool; whatever is not is answered 503, so that the provider keeps it and comes again.
"""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus

import structlog
from aiohttp import web

from gateway import answers, door, mm7
from gateway.accounts import Account
from gateway.answers import Answer
from gateway.intake import STATE_WITHIN, Callback, Intake, Reading
from gateway.keeper import Keeper, NotKept
from gateway.settings import Settings
from gateway.stores.media import MediaUnavailable
from gateway.stores.published import Published
from gateway.stores.state import State
from gateway.telemetry import canonical, logs, tracing
from gateway.telemetry.metrics import Metrics

KEEPING_SHARE = 0.85  # of the time to answer in; the rest is for the mark that it is published, and for the answer
MEDIA_SHARE = 0.5  # of the time to keep it in; then it goes to the spool whole
SHOWN = 100  # characters of what the other side has chosen, in a line of the log

log = logs.get(__name__)


class Receiver:
    """Answers callbacks. One object a process; `in_flight` counts the requests being answered."""

    def __init__(self, settings: Settings, intake: Intake, keeper: Keeper, state: State, metrics: Metrics) -> None:
        self._settings = settings
        self._intake = intake
        self._keeper = keeper
        self._metrics = metrics
        self._published = Published(
            state, unavailable=metrics.state_unavailable.labels("published").inc, within=STATE_WITHIN
        )
        self._accounts = {a.callback_path.rstrip("/"): a for a in settings.accounts.values()}
        self._room = door.Room(settings.max_bytes_in_flight)
        self.in_flight = 0
        self.draining = False

    @property
    def troubles(self) -> list[str]:
        """What is out of order and costs no callback."""
        stores = {"state store": self._published.trouble.reason, "media store": self._intake.media_trouble.reason}
        return [f"{name}: {reason}" for name, reason in stores.items() if reason]

    @property
    def body_bytes(self) -> int:
        """The size of the bodies that are being read or answered."""
        return self._room.taken

    async def receive(self, request: web.Request) -> web.Response:
        """Answer one request, whatever it is."""
        self.in_flight += 1
        try:
            answer = await self._answer_safely(request)
        finally:
            self.in_flight -= 1
        headers = {**answer.headers, "Content-Type": answer.content_type}
        response = web.Response(status=answer.http_status, body=answer.body, headers=headers)
        if self.draining or answer.outcome.startswith("http_"):
            response.force_close()  # what is left of an unread body must not be taken for the next request
        return response

    async def _answer_safely(self, request: web.Request) -> Answer:
        """Whatever is wrong with us: what is not answered with 200 the provider keeps."""
        account = self._accounts.get(request.path.rstrip("/"))
        route = account.callback_path if account else ""
        try:
            with (
                structlog.contextvars.bound_contextvars(peer=door.caller(request, self._settings)),
                tracing.receiving(request.method, route, request.headers),
            ):
                answer = await self._answer(request, account)
                tracing.answered(answer.http_status)
                return answer
        except Exception as error:
            log.exception("callback.crashed", account=account and account.name)
            reason = f"internal error: {type(error).__name__}"
            if account is None:
                return self._turned_away(request, None, answers.plain(HTTPStatus.SERVICE_UNAVAILABLE, reason))
            return self._turned_away(request, account, answers.unavailable(account, None, reason))

    async def _answer(self, request: web.Request, account: Account | None) -> Answer:
        refusal = door.refuse(request, account, self._settings)
        if refusal is None:
            assert account is not None  # an unknown path was refused
            with self._room.place() as place:
                body = await door.read_body(request, account, self._settings, place)
                if isinstance(body, bytes):
                    return await self._take_in_time(account, request, body)
            refusal = body
        return self._turned_away(request, account, refusal)

    def _turned_away(self, request: web.Request, account: Account | None, refusal: Answer) -> Answer:
        """The metric and the one log line of what was not read."""
        self._metrics.callbacks.labels(account.name if account else "", "", refusal.outcome).inc()
        facts = _of_request(request, account) | _of_answer(refusal) | {"bytes": request.content_length}
        word = "turned_away" if refusal.outcome.startswith("http_") else refusal.outcome
        canonical.callback(log, word, facts | {"reason": refusal.reason})
        return refusal

    async def _take_in_time(self, account: Account, request: web.Request, body: bytes) -> Answer:
        """The deadline, the metrics and the one log line round `_take`."""
        clock = asyncio.get_running_loop().time
        began = clock()
        within = self._settings.answer_within
        start = f"{request.method} {request.path_qs} HTTP/1.1"
        trace = tracing.handed_on(request.headers)
        callback = Callback(account.name, datetime.now(UTC), start, request.headers, body, trace)
        taking = _Taking(account, callback, began + KEEPING_SHARE * within, _of_request(request, account))
        try:
            async with asyncio.timeout(within):
                answer = await self._take(taking)
        except NotKept as error:
            answer = taking.unavailable(str(error))
        except TimeoutError:
            answer = taking.unavailable(f"not stored within {within:g} s")
        except Exception as error:  # a bug of ours must not cost the message: the provider keeps it
            log.exception("callback.crashed", account=account.name)
            answer = taking.unavailable(f"internal error: {type(error).__name__}")
        seconds = clock() - began
        operation = str(taking.facts.get("operation") or "")
        self._metrics.callbacks.labels(account.name, operation, answer.outcome).inc()
        self._metrics.answer_seconds.labels(account.name).observe(seconds)
        facts = taking.facts | _of_answer(answer) | {"ms": round(seconds * 1000, 1)}
        canonical.callback(log, answer.outcome, facts)
        return answer

    async def _take(self, taking: "_Taking") -> Answer:
        """Read → keep once → answer: the steps behind a 200."""
        reading = await self._intake.read(taking.callback)
        taking.found(reading)
        if not reading.told_apart:  # rather one twice than one not at all
            await self._keep(taking, reading)
        elif not await self._published.once(reading.event.id, lambda: self._keep(taking, reading)):
            taking.facts["kept"] = "before"
            self._metrics.duplicates.labels(taking.account.name).inc()
        if reading.error is not None:
            return answers.refused(taking.account, reading.error, reading.event.id)
        for quirk in reading.event.data.quirks:
            self._metrics.quirks.labels(taking.account.name, quirk).inc()
        assert reading.asked is not None  # it was read
        return answers.accepted(taking.account, reading.asked, reading.event.id)

    async def _keep(self, taking: "_Taking", reading: Reading) -> None:
        """Media before event; where the media store is away, the callback whole."""
        account, until = taking.account.name, taking.keep_until
        clock = asyncio.get_running_loop().time
        try:
            within = (until - clock()) * MEDIA_SHARE
            async with asyncio.timeout(within):
                message = await self._intake.message(taking.callback, reading, within=within)
        except (MediaUnavailable, TimeoutError) as error:
            reason = str(error) or "the media store is too slow"
            taking.facts |= {"kept": "spool, whole", "reason": reason}
            await self._keeper.hold(account, taking.callback, until=until, reason=reason)
        else:
            taking.facts["kept"] = await self._keeper.keep(account, message, until=until)


@dataclass(slots=True)
class _Taking:
    """One callback under way. What is `found` in it goes into its answer and its log line, whatever becomes of it."""

    account: Account
    callback: Callback
    keep_until: float  # by the event loop's clock
    facts: dict[str, object]
    asked: mm7.Request | None = None

    def __post_init__(self) -> None:
        self.facts["bytes"] = len(self.callback.body)

    def found(self, reading: Reading) -> None:
        self.asked = asked = reading.asked
        if asked is not None:
            known = asked.operation in mm7.MESSAGES  # a label is no place for whatever was sent, nor is a line
            transaction_id = asked.transaction_id[:SHOWN] if asked.transaction_id else None
            self.facts |= {"operation": asked.operation if known else None, "transaction_id": transaction_id}
        self.facts |= {"event_id": reading.event.id, "quirks": reading.event.data.quirks}
        if reading.error is not None:
            data = reading.event.data
            self.facts |= {"code": data.status_code, "reason": data.reason, "raw": data.raw}

    def unavailable(self, reason: str) -> Answer:
        self.facts["reason"] = reason
        return answers.unavailable(self.account, self.asked)


def _of_request(request: web.Request, account: Account | None) -> dict[str, object]:
    return {"account": account and account.name, "path": request.path[:SHOWN]}


def _of_answer(answer: Answer) -> dict[str, object]:
    return {"outcome": answer.outcome, "status": int(answer.http_status)}
