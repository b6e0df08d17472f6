"""The worker's walk: command → submit → outcome → acknowledge.

Strategy: whatever happens to a command ends in one of four results — accepted, refused, unknown, later — and only when
that result is confirmed by the broker is the command acknowledged. A crash before that repeats; none of it loses.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Protocol

from gateway import outbound
from gateway.accounts import Account
from gateway.broker import Delay, Delivery, Outgoing, PublishFailed, Unroutable
from gateway.broker.events import outgoing
from gateway.broker.message import MAX_BODY_BYTES
from gateway.contract import attachments, commands, outcomes
from gateway.contract.commands import BadCommand, Command
from gateway.contract.events import Event, Problem
from gateway.contract.outcomes import Result
from gateway.outbound import HttpRequest
from gateway.stores.media import MediaNotFound, MediaStore, MediaUnavailable
from gateway.telemetry import logs
from gateway.telemetry.metrics import Metrics

from . import letters, retry
from .memory import Memory
from .outcome import Outcome
from .retry import Again
from .throttle import Throttle

PUBLISH_WITHIN = 10.0
PAUSE_SECONDS = 0.5
REPLY_TRIES = 60

log = logs.get()


class Publishes(Protocol):
    """What the worker needs of the broker."""

    async def publish(self, outgoing: Outgoing, *, within: float) -> None:
        """Return when it is confirmed; raise PublishFailed."""


class Submitter:
    """Brings the commands of one account to their outcomes. `submit` does the POST."""

    def __init__(
        self,
        account: Account,
        delays: list[Delay],
        submit: Callable[[HttpRequest], Awaitable[Outcome]],
        publisher: Publishes,
        media: MediaStore,
        metrics: Metrics,
        memory: Memory,
    ) -> None:
        assert account.outbound is not None  # a worker has a submitter for sending accounts only
        self._account = account
        self._delays = delays
        self._resend = account.outbound.on_unknown == "resend"
        self._throttle = Throttle(account.outbound.rate)
        self._submit = submit
        self._publisher = publisher
        self._media = media
        self._metrics = metrics
        self._memory = memory

    async def handle(self, delivery: Delivery) -> None:
        """Bring one delivery to its outcome, and acknowledge it."""
        try:
            command = _parse(delivery)
        except BadCommand as error:
            result = retry.refusal("bad_command", error.problems, 0)
            event = outcomes.bad_command(error, self._account, result, delivery.body)
            await self._settle(delivery, event, result)
        else:
            await self._handle_once(delivery, command)
        await delivery.ack()

    async def _handle_once(self, delivery: Delivery, command: Command) -> None:
        """Send a command unless this process has done so; then repeat its outcome."""
        key = (self._account.name, command.id)
        if (known := await self._memory.outcome(key)) is not None:
            log.info("command.repeated", account=self._account.name, command_id=command.id)
            await self._publish_outcome(delivery, known)
            return
        self._memory.begin(key)
        sent = None
        try:
            result = await self._attempt(delivery, command)
            if isinstance(result, Again):
                await self._later(delivery, command, result)
            else:
                event = outcomes.event(command, self._account, result)
                sent = event if result.type != "mt.refused" else None
                await self._settle(delivery, event, result)
        finally:
            self._memory.end(key, sent)

    async def _attempt(self, delivery: Delivery, command: Command) -> Result | Again:
        """One attempt and what follows from it."""
        attempts = letters.attempts(delivery)
        if (expired := _expired(command, attempts)) is not None:
            return expired
        try:
            request = outbound.build(command, self._account, await self._contents(command))
        except BadCommand as error:
            return retry.refusal("bad_command", error.problems, attempts)
        except MediaUnavailable as error:
            return self._conclude(Outcome(kind="later", reason=str(error)), attempts + 1)
        await self._throttle.turn()
        if (expired := _expired(command, attempts)) is not None:  # a turn may be long in coming
            return expired
        return self._conclude(await self._post(request), attempts + 1)

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

    async def _contents(self, command: Command) -> list[bytes]:
        """The bytes of every part. Raises BadCommand for what is not there, MediaUnavailable for what may be later."""
        contents = []
        problems = []
        for number, part in enumerate(command.parts):
            content = attachments.inline_content(part)
            if content is None:
                try:
                    content = await self._media.get(part.url or "")
                except MediaNotFound as error:
                    problems.append(Problem(path=f"parts[{number}].url", problem=str(error)))
                    continue
            contents.append(content)
        if problems:
            raise BadCommand(problems)
        return contents

    def _conclude(self, outcome: Outcome, attempts: int) -> Result | Again:
        return retry.conclude(outcome, attempts, self._delays, resend=self._resend)

    async def _later(self, delivery: Delivery, command: Command, again: Again) -> None:
        """Publish the command to the wait queue of the delay; it comes back by itself."""
        await self._publish(letters.again(delivery, self._account.name, command.id, again))
        self._metrics.retries.labels(self._account.name).inc()
        facts = {"account": self._account.name, "command_id": command.id, "attempts": again.attempts}
        log.info("command.put_off", **facts, delay=again.delay.text, reason=again.reason)

    async def _settle(self, delivery: Delivery, event: Event, result: Result) -> None:
        """Publish the outcome; keep what was not accepted as a dead letter, with its cause."""
        await self._publish_outcome(delivery, event)
        if result.type != "mt.accepted":
            await self._publish(letters.dead(delivery, self._account.name, event, result))
            self._metrics.dead.labels(self._account.name).inc()
        self._metrics.submits.labels(self._account.name, event.data.operation or "unknown", result.type).inc()
        level = log.info if result.type == "mt.accepted" else log.warning
        level(
            f"command.{result.type.removeprefix('mt.')}",
            account=self._account.name,
            command_id=event.data.command_id,
            message_id=result.message_id,
            code=result.status_code,
            reason=result.reason,
            attempts=result.attempts,
        )

    async def _publish_outcome(self, delivery: Delivery, event: Event) -> None:
        """To the subscribers, and to the command's reply_to where it named one."""
        message = outgoing(
            event,
            correlation_id=event.data.command_id or delivery.correlation_id,
            traceparent=letters.traceparent(delivery),
        )
        await self._publish(message)
        if (reply := letters.reply(delivery, message)) is not None:
            await self._reply(reply)

    async def _reply(self, message: Outgoing) -> None:
        """Publish to the queue that the command named: a courtesy, for the subscribers have the event."""
        for _ in range(REPLY_TRIES):
            try:
                await self._publisher.publish(message, within=PUBLISH_WITHIN)
            except Unroutable:  # whoever asked has gone
                break
            except PublishFailed:  # a full queue of somebody else's must not hold up the account for ever
                await asyncio.sleep(PAUSE_SECONDS)
            else:
                return
        log.info("reply.undelivered", reply_to=message.routing_key)

    async def _publish(self, message: Outgoing) -> None:
        """Publish until it is confirmed, also where a queue is missing: behind a POST there is no way back."""
        while True:
            try:
                await self._publisher.publish(message, within=PUBLISH_WITHIN)
            except PublishFailed as error:
                log.warning("publish.failed", reason=error.reason, routing_key=message.routing_key)
                await asyncio.sleep(PAUSE_SECONDS)
            else:
                return


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
