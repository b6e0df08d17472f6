"""A command in the hands of this worker: sent once, whoever else has it too, and brought to one outcome.

Strategy: everything is asked of the ledger, by compare-and-set; what is kept here is only which of our own marks are
being worked on. A mark whose worker has ended, or that stands longer than any POST takes, was left in the middle of it.
While the ledger does not answer the delivery is held: nothing is sent then, and nothing that was sent is lost.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import TypeVar

from gateway.contract import outcomes, times
from gateway.stores.ledger import Ledger, Outcome, Sending
from gateway.stores.state import StateUnavailable

from .pulse import Pulse

T = TypeVar("T")

POLL_SECONDS = 0.25
PAUSE_SECONDS = 0.5
OUTCOME_WITHIN = 30.0  # from a POST's end to its outcome in the ledger
_SEPARATOR = "\x1f"  # cannot stand in a command's id


class Once:
    """The commands that this process works on. `unavailable` is called for each answer that the ledger did not give."""

    def __init__(self, ledger: Ledger, pulse: Pulse, *, unavailable: Callable[[], None]) -> None:
        self.ledger = ledger
        self.pulse = pulse
        self._unavailable = unavailable
        self._in_hand: set[str] = set()

    @contextlib.asynccontextmanager
    async def claim(
        self, account: str, command_id: str, replay: str | None, *, attempt: int, post_within: float
    ) -> AsyncIterator["Claim"]:
        """Take a command in hand; its POST takes `post_within` seconds at most.

        A mark that was set and not used is taken away at the end.
        """
        mark = Sending(worker=self.pulse.worker, attempt=attempt, began=times.rfc3339(datetime.now(UTC)))
        claim = Claim(self, account, command_id, replay, mark, patience=post_within + OUTCOME_WITHIN)
        self._in_hand.add(mark.token)
        try:
            yield claim
        finally:
            try:
                await claim.release()
            finally:
                self._in_hand.discard(mark.token)

    async def until_answered(self, ask: Callable[[], Awaitable[T]]) -> T:
        """What the ledger says, however long that takes."""
        while True:
            try:
                return await ask()
            except StateUnavailable:
                await self.pause()

    async def pause(self) -> None:
        """Wait a moment for the ledger."""
        self._unavailable()
        await asyncio.sleep(PAUSE_SECONDS)

    async def is_left(self, mark: Sending) -> bool:
        """Whether nobody works on a mark any more. Raises StateUnavailable."""
        if mark.worker == self.pulse.worker:
            return mark.token not in self._in_hand
        return await self.pulse.is_over(mark.worker)


class Claim:
    """One handling of a command. A replay has a record of its own, and then its outcome is the command's too."""

    def __init__(
        self, once: Once, account: str, command_id: str, replay: str | None, mark: Sending, *, patience: float
    ) -> None:
        self.mark = mark
        self._once = once
        self._account = account
        self._command_id = command_id
        self._replay = replay
        self._key = f"{command_id}{_SEPARATOR}{replay}" if replay else command_id
        self._patience = patience
        self._marked = self._begun = False

    async def known(self) -> Outcome | Sending | None:
        """What became of the command, or a mark that was left; None: it may be sent. Waits while another sends it."""
        watched, watched_seconds = None, 0.0  # without the time in which the ledger did not answer
        while True:
            stands, is_so = await self._once.until_answered(self._look)
            if stands != watched:
                watched, watched_seconds = stands, 0.0
            # Its worker may be alive, and have failed with this one alone: nobody waits for that.
            if is_so or watched_seconds > self._patience:
                return stands
            await asyncio.sleep(POLL_SECONDS)
            watched_seconds += POLL_SECONDS

    async def _look(self) -> tuple[Outcome | Sending | None, bool]:
        stands = await self._once.ledger.look(self._account, self._key)
        if stands == self.mark:  # of a `begin` whose answer was lost
            return None, True
        if stands is None and self._replay:  # of a letter that is older than what became of the command since
            plain = await self._once.ledger.look(self._account, self._command_id)
            if isinstance(plain, Outcome) and outcomes.load(plain.event).type == "mt.accepted":
                return plain, True
        return stands, not isinstance(stands, Sending) or await self._once.is_left(stands)

    async def begin(self) -> bool:
        """Mark it; whether it may be sent now. If not, look again at what is known."""
        self._marked = True  # perhaps, from here on
        try:
            await self._once.pulse.ensure()
            stands = await self._once.ledger.begin(self._account, self._key, self.mark)
        except StateUnavailable:
            await self._once.pause()
            return False
        self._marked = self._begun = stands is None
        return self._begun

    async def forget(self, mark: Sending) -> None:
        """Take a mark away: the command may be sent again."""
        await self._once.until_answered(lambda: self._once.ledger.forget(self._account, self._key, mark))

    async def finish(self, mark: Sending, event: bytes) -> bytes | None:
        """Write the outcome over a mark; the event that stands, to be published.

        None if the mark was left by another and is gone: its worker had one more word. Look again at what is known.
        """
        ledger = self._once.ledger
        write = ledger.finish if mark == self.mark else ledger.inherit
        stands = await self._once.until_answered(lambda: write(self._account, self._key, mark, event))
        if stands is not None:
            await self.renew(stands)
        return stands

    async def renew(self, event: bytes) -> None:
        """Let a replay's outcome be the one that is repeated from now on."""
        if self._replay:
            await self._once.until_answered(lambda: self._once.ledger.renew(self._account, self._command_id, event))

    async def release(self) -> None:
        """Take the mark away if nothing was sent with it: a command that was not sent must not look as if it were."""
        if self._marked and not self._begun:
            with contextlib.suppress(StateUnavailable):
                await self._once.ledger.forget(self._account, self._key, self.mark)
