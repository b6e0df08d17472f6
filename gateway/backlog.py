"""The spool's way to the broker: messages as they are, callbacks that were kept whole as the events they become."""

from collections.abc import Sequence
from typing import Protocol

from gateway.broker import Outgoing, Progress
from gateway.entries import Entry
from gateway.intake import Intake
from gateway.stores.media import MediaUnavailable

PUBLISH_WITHIN = 10.0


class PublishesAll(Protocol):
    """What it needs of the broker."""

    async def publish_all(self, chunk: Sequence[Outgoing], *, within: float) -> Progress:
        """Publish in order; how far that got."""


class Backlog:
    """Publishes entries of the spool."""

    def __init__(self, intake: Intake, publisher: PublishesAll) -> None:
        self._intake = intake
        self._publisher = publisher

    async def publish(self, chunk: Sequence[Entry]) -> Progress:
        """Publish a chunk in its order; how far that got. One whose media cannot be stored yet holds up the rest."""
        messages: list[Outgoing] = []
        reason = ""
        for entry in chunk:
            try:
                messages.append(entry if isinstance(entry, Outgoing) else await self._intake.event_of(entry))
            except MediaUnavailable as error:
                reason = str(error)
                break
        if not messages:
            return Progress(0, reason)
        reached = await self._publisher.publish_all(messages, within=PUBLISH_WITHIN)
        return reached if reached.confirmed < len(messages) or not reason else Progress(len(messages), reason)
