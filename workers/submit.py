"""The worker's walk: command → submit → outcome → acknowledge.

Strategy: whatever happens to a command ends in one of four results — accepted, refused, unknown, later. It is marked
in the ledger before its POST and its outcome is written there after it; only then is that published, and only when
that is confirmed by the broker is the command acknowledged. A crash anywhere repeats; none of it loses, or sends twice.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from gateway import outbound
from gateway.accounts import Account
from gateway.broker import Delay, Delivery, mt_queue
from gateway.broker.message import MAX_BODY_BYTES
from gateway.contract import commands, outcomes
from gateway.contract.commands import BadCommand, Command
from gateway.contract.outcomes import Result
from gateway.contract.problems import Problem
from gateway.outbound import HttpRequest
from gateway.stores import ledger
from gateway.stores.correlation import Correlation, Origin
from gateway.stores.ledger import Sending
from gateway.stores.media import MediaUnavailable
from gateway.stores.pace import Pace
from gateway.stores.state import StateUnavailable
from gateway.telemetry import logs, tracing
from gateway.telemetry.metrics import Metrics

from . import letters, retry
from .once import Claim, HeldUp, Once
from .outbox import Outbox
from .outcome import Outcome
from .retry import Again

LEFT = Outcome(kind="unknown", reason="the worker ended while it was sent")
LEAST_SLOW_DOWN, MOST_SLOW_DOWN = 1.0, 60.0  # seconds
REMEMBER_TRIES, REMEMBER_PAUSE_SECONDS = 3, 0.2
REPORTS_AFTER_SECONDS = 2.0  # the answer's way into the state store

log = logs.get(__name__)


@dataclass(frozen=True, slots=True)
class Step:
    """What follows for a command; `mark` is what stands in the ledger for it, None where nothing does."""

    mark: Sending | None
    result: Result | Again


class Submitter:
    """Brings the commands of one account to their outcomes. `submit` does the POST, `contents` gets the parts."""

    def __init__(
        self,
        account: Account,
        delays: list[Delay],
        submit: Callable[[HttpRequest], Awaitable[Outcome]],
        outbox: Outbox,
        contents: Callable[[Command], Awaitable[list[bytes]]],
        metrics: Metrics,
        once: Once,
        correlation: Correlation,
        pace: Pace,
    ) -> None:
        assert account.outbound is not None  # a worker has a submitter for sending accounts only
        self._account = account
        self._delays = delays
        self._resend = account.outbound.on_unknown == "resend"
        self._timeout = account.outbound.timeout
        self._submit = submit
        self._outbox = outbox
        self._contents = contents
        self._metrics = metrics
        self._once = once
        self._correlation = correlation
        self._pace = pace

    async def handle(self, delivery: Delivery) -> None:
        """Bring one delivery to its outcome, and acknowledge it."""
        queue, trace = mt_queue(self._account.name), letters.trace(delivery)
        with tracing.processing(queue, trace, len(delivery.body)):
            await self._handle(delivery)
            await delivery.ack()

    async def _handle(self, delivery: Delivery) -> None:
        replay = letters.replay(delivery)
        try:
            command = _parse(delivery)
        except BadCommand as error:
            result = retry.refusal("bad_command", error.problems, 0)
            event = outcomes.bad_command(error, self._account, result, delivery.body, replay)
            await self._outbox.ended(delivery, event)
        else:
            async with self._once.claim(
                self._account.name,
                command.id,
                replay=replay,
                replay_of=letters.replay_of(delivery),
                attempt=letters.attempts(delivery) + 1,
                within=self._timeout,
            ) as claim:
                await self._handle_once(delivery, command, claim)

    async def _handle_once(self, delivery: Delivery, command: Command, claim: Claim) -> None:
        """Send a command unless that was done; then repeat its outcome."""
        done = False
        while not done:
            async with self._once.not_sending():
                ready = await self._ready(delivery, command, claim)
            if isinstance(ready, ledger.Outcome):
                await self._outbox.repeated(delivery, outcomes.load(ready.event))
                return
            if isinstance(ready, HttpRequest):
                ready = Step(claim.mark, await self._send(ready, command, letters.attempts(delivery) + 1))
            done = await self._take(ready, delivery, command, claim)

    async def _take(self, step: Step, delivery: Delivery, command: Command, claim: Claim) -> bool:
        """Carry out what follows; False where the ledger knows better by now."""
        if isinstance(step.result, Again):
            if step.mark:
                await claim.forget(step.mark)
            await self._outbox.later(delivery, command, step.result)
            return True
        sent_by = step.mark or claim.mark  # of a mark that was left it is the other's outcome
        event = outcomes.event(command, self._account, step.result, sent_by.replay)
        if step.mark:
            stands = await claim.finish(step.mark, event.model_dump_json().encode())
            if stands is None:
                return False
            event = outcomes.load(stands)
        await self._outbox.ended(delivery, event)
        return True

    async def _ready(self, delivery: Delivery, command: Command, claim: Claim) -> ledger.Outcome | Step | HttpRequest:
        """All that comes before a POST: the request, if it is marked as being sent; else what is told in its place."""
        attempts = letters.attempts(delivery)
        while True:
            try:
                known = await claim.known()
                if isinstance(known, ledger.Outcome):
                    return known
                if known is not None:
                    return Step(known, self._conclude(LEFT, known.attempt))
                ready = await self._prepare(delivery, command, attempts)
                if isinstance(ready, HttpRequest):
                    await self._turn()
                    await self._expect_reports()
                    ready = _expired(command, attempts) or ready  # a turn may be long in coming
                if isinstance(ready, HttpRequest) or (isinstance(ready, Result) and attempts):
                    if await claim.begin():
                        return ready if isinstance(ready, HttpRequest) else Step(claim.mark, ready)
                elif await claim.known() is None:  # still: another may have begun it meanwhile
                    return Step(None, ready)  # the provider was not asked: nothing need be remembered
            except HeldUp:
                put_off = retry.held_up(attempts, letters.not_before(delivery), self._delays)
                if put_off:
                    return Step(None, put_off)

    async def _send(self, request: HttpRequest, command: Command, attempt: int) -> Result | Again:
        """The POST number `attempt`, and what follows from it."""
        with tracing.posting(request.url, len(request.body), attempt):
            outcome = await self._post(request)
            _show(outcome)
        if outcome.too_fast:
            await self._pace.slow_down(min(outcome.retry_after or LEAST_SLOW_DOWN, MOST_SLOW_DOWN))
        if outcome.kind == "accepted" and outcome.message_id and command.operation == "submit":
            await self._remember(command, outcome.message_id)
        return self._conclude(outcome, attempt)

    async def _prepare(self, delivery: Delivery, command: Command, attempts: int) -> HttpRequest | Result | Again:
        """The request, if it is to be sent now."""
        too_early = retry.too_early(letters.not_before(delivery), attempts, self._delays)
        if early_or_late := _expired(command, attempts) or too_early:
            return early_or_late
        try:
            return outbound.build(command, self._account, await self._contents(command))
        except BadCommand as error:
            return retry.refusal("bad_command", error.problems, attempts)
        except MediaUnavailable as error:
            return self._conclude(Outcome(kind="later", reason=str(error)), attempts + 1)

    async def _turn(self) -> None:
        """Wait for the account's turn."""
        clock = asyncio.get_running_loop().time
        began = clock()
        await self._pace.turn()
        tracing.note({"mm7.turn_seconds": clock() - began})

    async def _post(self, request: HttpRequest) -> Outcome:
        clock = asyncio.get_running_loop().time
        began = clock()
        try:
            return await self._submit(request)
        except Exception as error:  # a fault of ours: the message may be out, and a crash would repeat it
            log.exception("submit.crashed", account=self._account.name)
            return Outcome(kind="unknown", reason=f"failed while it was sent: {type(error).__name__}: {error}")
        finally:
            self._metrics.submit_seconds.labels(self._account.name).observe(clock() - began)

    def _conclude(self, outcome: Outcome, attempts: int) -> Result | Again:
        return retry.conclude(outcome, attempts, self._delays, resend=self._resend)

    async def _expect_reports(self) -> None:
        """Let the receiver know that a report may come before we know what it reports on."""
        try:
            await self._correlation.expect(self._account.name, self._timeout + REPORTS_AFTER_SECONDS)
        except StateUnavailable:
            self._metrics.state_unavailable.labels("correlation").inc()

    async def _remember(self, command: Command, message_id: str) -> None:
        """Keep what the message was sent for: reports lack it where the store does not answer, and that is all."""
        origin = Origin(command_id=command.id, reference=command.reference, metadata=command.metadata)
        for _ in range(REMEMBER_TRIES):
            try:
                await self._correlation.remember(self._account.name, message_id, origin)
            except StateUnavailable:
                self._metrics.state_unavailable.labels("correlation").inc()
                await asyncio.sleep(REMEMBER_PAUSE_SECONDS)
            else:
                return


def _show(outcome: Outcome) -> None:
    """What came of a POST, for its span and for who debugs."""
    facts = {"http.response.status_code": outcome.http_status, "mm7.code": outcome.status_code}
    tracing.note(facts | {"mm7.outcome": outcome.kind})
    if outcome.kind != "accepted":
        tracing.failed(str(outcome.status_code or outcome.http_status or outcome.kind))
    log.debug("provider.answered", http_status=outcome.http_status, code=outcome.status_code, outcome=outcome.kind)


def _parse(delivery: Delivery) -> Command:
    if len(delivery.body) > MAX_BODY_BYTES:
        text = f"the command has {len(delivery.body)} bytes, at most {MAX_BODY_BYTES} can be dealt with"
        raise BadCommand([Problem(path="", problem=text)])
    return commands.parse(delivery.body, delivery.content_type, delivery.headers, letters.command_id(delivery))


def _expired(command: Command, attempts: int) -> Result | None:
    if command.not_after is None or datetime.now(UTC) <= datetime.fromisoformat(command.not_after):
        return None
    problem = Problem(path="not_after", problem=f"{command.not_after} has passed")
    return retry.refusal("expired", [problem], attempts)
