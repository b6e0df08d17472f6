"""What a worker publishes about commands, until the broker has confirmed it: behind a POST there is no way back."""

import asyncio
import random
import time
from collections.abc import Mapping
from typing import Any, Protocol

from gateway.broker import Delivery, Outgoing, PublishFailed, Unroutable
from gateway.broker.events import outgoing
from gateway.contract.commands import Command
from gateway.contract.events import Event
from gateway.telemetry import canonical, logs
from gateway.telemetry.metrics import Metrics

from . import letters
from .retry import Again

PUBLISH_WITHIN = 10.0
PAUSE_SECONDS = 0.5
REPLY_TRIES = 60
LEAST_SHARE = 0.9  # of a delay: what was put off together does not come back together

log = logs.get(__name__)


class Publishes(Protocol):
    """What the worker needs of the broker."""

    async def publish(self, outgoing: Outgoing, *, within: float) -> None:
        """Return when it is confirmed; raise PublishFailed."""


class Outbox:
    """Publishes for one account."""

    def __init__(self, account: str, publisher: Publishes, metrics: Metrics) -> None:
        self._account = account
        self._publisher = publisher
        self._metrics = metrics

    async def later(self, delivery: Delivery, command: Command, again: Again) -> None:
        """The command to the wait queue of the delay; it comes back by itself."""
        share = random.uniform(LEAST_SHARE, 1.0)  # noqa: S311  # a jitter is no secret
        await self._publish(letters.again(delivery, self._account, command.id, again, share=share))
        self._metrics.retries.labels(self._account).inc()
        facts = {"operation": command.operation, "command_id": command.id, "attempts": again.attempts}
        code = again.attempt.status_code if again.attempt else None
        facts |= {"outcome": "put_off", "code": code, "reason": again.reason, "delay": again.delay.text}
        self._tell("put_off", delivery, facts)

    async def ended(self, delivery: Delivery, event: Event) -> None:
        """The outcome; and what was not accepted as a dead letter, with its cause."""
        await self._outcome(delivery, event)
        self._metrics.submits.labels(self._account, event.data.operation or "unknown", event.type).inc()
        facts = _of_outcome(event)
        self._tell(facts["outcome"], delivery, facts)

    async def repeated(self, delivery: Delivery, event: Event) -> None:
        """The same once more: for a second command of that id, or the worker ended before it had published all."""
        await self._outcome(delivery, event)
        self._tell("repeated", delivery, _of_outcome(event))

    def _tell(self, word: str, delivery: Delivery, facts: Mapping[str, object]) -> None:
        ms = round((time.monotonic() - delivery.arrived) * 1000, 1)
        canonical.attempt(log, word, {"account": self._account, "ms": ms, **facts})

    async def _outcome(self, delivery: Delivery, event: Event) -> None:
        """To the subscribers, to the command's reply_to where it named one, to the dead letters."""
        message = outgoing(
            event,
            correlation_id=event.data.command_id or delivery.correlation_id,
            trace=letters.trace(delivery),
        )
        await self._publish(message)
        if (reply := letters.reply(delivery, message)) is not None:
            await self._reply(reply)
        if event.type != "mt.accepted":
            await self._publish(letters.dead(delivery, self._account, event))
            self._metrics.dead.labels(self._account).inc()

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
        """Publish until it is confirmed, also where a queue is missing."""
        while True:
            try:
                await self._publisher.publish(message, within=PUBLISH_WITHIN)
            except PublishFailed as error:
                log.warning(
                    "publish.failed",
                    account=self._account,
                    reason=error.reason,
                    exchange=message.exchange,
                    type=message.type,
                )
                await asyncio.sleep(PAUSE_SECONDS)
            else:
                return


def _of_outcome(event: Event) -> dict[str, Any]:
    data = event.data
    return {
        "operation": data.operation,
        "command_id": data.command_id,
        "message_id": data.message_id,
        "event_id": event.id,
        "outcome": event.type.removeprefix("mt."),
        "code": data.status_code,
        "reason": getattr(data, "reason", None),
        "attempts": data.attempts,
    }
