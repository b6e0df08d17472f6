"""The spool's way to the broker: messages as they are, callbacks that were kept whole as the events they become."""

import asyncio
from collections.abc import Sequence
from typing import Protocol

from gateway.broker import Outgoing, Progress
from gateway.entries import Entry
from gateway.intake import Intake
from gateway.stores.media import MediaUnavailable

PUBLISH_WITHIN = 10.0
AT_A_TIME = 16  # one by one, a store that is 50 ms away would take twenty a second, and a busy account never catch up


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
        messages, reason = await self._messages(chunk)
        if not messages:
            return Progress(0, reason)
        reached = await self._publisher.publish_all(messages, within=PUBLISH_WITHIN)
        return reached if reached.confirmed < len(messages) or not reason else Progress(len(messages), reason)

    async def _messages(self, chunk: Sequence[Entry]) -> tuple[list[Outgoing], str]:
        """Those of the entries in front, and why there is none of the next."""
        messages: list[Outgoing] = []
        for at in range(0, len(chunk), AT_A_TIME):
            making = (self._message(entry) for entry in chunk[at : at + AT_A_TIME])
            for made in await asyncio.gather(*making, return_exceptions=True):
                if isinstance(made, MediaUnavailable):
                    return messages, str(made)
                if isinstance(made, BaseException):
                    raise made
                messages.append(made)
        return messages, ""

    async def _message(self, entry: Entry) -> Outgoing:
        return entry if isinstance(entry, Outgoing) else await self._intake.event_of(entry)
