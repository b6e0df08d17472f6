"""From a callback as it came to the message that tells of it: the steps that can be repeated while nothing is answered.

Strategy: the receiver takes them when a callback comes; where the media store is away the callback waits whole in the
spool, and takes them when it is its turn there. What is read depends on the request alone, so both give one event id.
"""

import asyncio
import contextlib
import hashlib
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime

from gateway import answers, http_file, mm7
from gateway.accounts import Account
from gateway.broker import Outgoing
from gateway.broker.events import outgoing
from gateway.contract import callbacks
from gateway.contract.callbacks import Receipt
from gateway.contract.events import Event, MoReceived, Report
from gateway.contract.parts import Blob, Storage
from gateway.settings import Settings
from gateway.stores.correlation import Correlation
from gateway.stores.media import MediaStore, MediaUnavailable
from gateway.stores.state import State, StateUnavailable
from gateway.telemetry import logs
from gateway.telemetry.metrics import Metrics

LARGE_BYTES = 64 * 1024  # decoding more than this would hold up the event loop noticeably
REPORT_WAIT_SECONDS = 0.4  # for the submit's answer that a report has overtaken
STATE_WITHIN = 0.25
MEDIA_WITHIN, SIGN_WITHIN = 10.0, 0.2
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")  # W3C Trace Context §3.2

log = logs.get()


@dataclass(frozen=True, slots=True)
class Callback:
    """A request as it came. `start` is its first line; `headers` are looked up without regard to case."""

    account: str
    received_at: datetime
    start: str
    headers: Mapping[str, str]
    body: bytes

    def file(self) -> bytes:
        """The request whole, as it is kept: `mm7 decode --http` reads it."""
        return http_file.write(self.start, self.headers.items(), self.body)


@dataclass(frozen=True, slots=True)
class Reading:
    """What a callback says: its event, what must be stored before it, and what an answer has to echo.

    `error`: why it cannot be used; then the event is callback.refused, and the request itself is to be stored.
    `told_apart`: whether a repetition can be told from another callback that says the same.
    """

    event: Event
    blobs: tuple[Blob, ...]
    asked: mm7.Request | None
    error: mm7.DecodeError | None = None
    told_apart: bool = True


class Intake:
    """The steps, with the stores that they need."""

    def __init__(self, settings: Settings, media: MediaStore, state: State, metrics: Metrics) -> None:
        self._accounts = settings.accounts
        self._media = media
        self.media_trouble = media.trouble
        self._sign_seconds = settings.media_sign_seconds
        self._storage = Storage(media.url_of, settings.media_inline_max_bytes)
        self._correlation = Correlation(state, within=STATE_WITHIN)
        self._metrics = metrics
        # One at a time: threads that decode hold the interpreter, and with several the loop waits for all of them.
        self._decoding = asyncio.Lock()

    async def read(self, callback: Callback) -> Reading:
        """Read it, whatever it is."""
        account = self._accounts.get(callback.account) or _forgotten(callback.account)
        if len(callback.body) > LARGE_BYTES:
            async with self._decoding:
                return await asyncio.to_thread(self._read, account, callback)
        return self._read(account, callback)

    def _read(self, account: Account, callback: Callback) -> Reading:
        receipt = Receipt(
            account=account.name,
            profile_name=account.profile_name,
            profile=account.profile,
            received_at=callback.received_at,
            headers=callback.headers,
        )
        try:
            decoded = mm7.decode(callback.headers.get("Content-Type"), callback.body)
            found = callbacks.from_mm7(decoded, receipt, self._storage)
        except mm7.DecodeError as error:
            return self._refused(error, callback, receipt)
        except Exception as error:  # a bug of ours must not cost the message: it is kept and can be replayed
            log.exception("callback.decoder_crashed", account=account.name)
            return self._refused(
                mm7.DecodeError(f"internal error: {type(error).__name__}", status=3000), callback, receipt
            )
        return Reading(found.event, found.blobs, answers.echo(decoded.message), told_apart=found.told_apart)

    def _refused(self, error: mm7.DecodeError, callback: Callback, receipt: Receipt) -> Reading:
        raw = callback.file()
        blob = Blob(hashlib.sha256(raw).hexdigest(), "message/http", raw)
        digest = hashlib.sha256(callback.body).hexdigest()
        event = callbacks.refused(error, receipt, raw=self._media.url_of(blob.sha256), digest=digest)
        return Reading(event, (blob,), error.request, error)

    async def event_of(self, callback: Callback) -> Outgoing:
        """All the steps at once. Raises MediaUnavailable."""
        return await self.message(callback, await self.read(callback))

    async def message(self, callback: Callback, reading: Reading, *, within: float = MEDIA_WITHIN) -> Outgoing:
        """The event's message, with all that it refers to in the media store. Raises MediaUnavailable."""
        event = await self._with_origin(reading.event)
        await self._media.keep(reading.blobs, within=within)
        await self._sign(event)
        about = event.data.command_id if isinstance(event.data, Report) else None
        trace = callback.headers.get("traceparent", "")
        return outgoing(event, correlation_id=about, traceparent=trace if _TRACEPARENT.fullmatch(trace) else None)

    async def _sign(self, event: Event) -> None:
        """Links to the parts, where they are asked for and the store can make them."""
        if not self._sign_seconds or not isinstance(event.data, MoReceived):
            return
        for part in event.data.parts:
            if part.url:
                with contextlib.suppress(MediaUnavailable):  # an event without a link is better than none
                    part.signed_url = await self._media.signed(part.url, self._sign_seconds, within=SIGN_WITHIN)

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


def _forgotten(name: str) -> Account:
    """An account that is not in the settings any more, and has callbacks in the spool."""
    return Account.model_validate({"name": name, "profile": "generic", "inbound": {"open": True}})
