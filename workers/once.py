"""A command in the hands of this worker: sent once, whoever else has it too, and brought to one outcome.

Strategy: everything is asked of the ledger, by compare-and-set; what is kept here is only which of our own marks are
being worked on. A mark whose worker has ended, or that stands longer than any POST takes, was left in the middle of it.
While the ledger does not answer the delivery is held: nothing is sent then, and nothing that was sent is lost. A worker
that ends lets go of what it has not begun to send.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, TypeVar

from gateway.contract import outcomes, times
from gateway.stores.ledger import Ledger, Outcome, Sending
from gateway.stores.state import StateUnavailable

from .pulse import Pulse

T = TypeVar("T")

POLL_SECONDS = 0.25
PAUSE_SECONDS = 0.5
OUTCOME_WITHIN = 30.0  # from a POST's end to its outcome in the ledger
HOLD_SECONDS = 180.0  # each channel that is lost meanwhile counts towards the delivery limit of the queue


class HeldUp(Exception):
    """The ledger has not answered for long, and the command is as it came."""


class Once:
    """The commands that this process works on. `unavailable` is called for each answer that the ledger did not give.

    `draining`: none of them begins to be sent any more.
    """

    def __init__(self, ledger: Ledger, pulse: Pulse, *, unavailable: Callable[[], None]) -> None:
        self.ledger = ledger
        self.pulse = pulse
        self._unavailable = unavailable
        self._in_hand: set[str] = set()
        self._not_sending: set[asyncio.Task[Any]] = set()
        self.draining = False

    @contextlib.asynccontextmanager
    async def claim(
        self, account: str, command_id: str, *, replay: str | None, replay_of: str | None, attempt: int, within: float
    ) -> AsyncIterator["Claim"]:
        """Take a command in hand; its POST is over `within` seconds.

        `replay`: the token of one that is to be sent once more, where `replay_of` is the id of what became of it.
        A mark that was set and not used is taken away at the end.
        """
        began = times.rfc3339(datetime.now(UTC))
        mark = Sending(worker=self.pulse.worker, attempt=attempt, began=began, replay=replay)
        claim = Claim(self, account, command_id, mark, replay_of, patience=within + OUTCOME_WITHIN)
        self._in_hand.add(mark.token)
        try:
            yield claim
        finally:
            try:
                await claim.release()
            finally:
                self._in_hand.discard(mark.token)

    @contextlib.asynccontextmanager
    async def not_sending(self) -> AsyncIterator[None]:
        """What is cut off when this worker is to end; its delivery stays unacknowledged, for another."""
        task = asyncio.current_task()
        assert task is not None
        if self.draining:
            task.cancel()
            await asyncio.sleep(0)
        self._not_sending.add(task)
        try:
            yield
        finally:
            self._not_sending.discard(task)

    def drain(self) -> None:
        """Let no command begin to be sent any more."""
        self.draining = True
        for task in self._not_sending:
            task.cancel()

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
    """One handling of a command. A replay is one more, in the place of the outcome that it is to undo."""

    def __init__(
        self, once: Once, account: str, command_id: str, mark: Sending, replay_of: str | None, *, patience: float
    ) -> None:
        self.mark = mark
        self._once = once
        self._account = account
        self._command_id = command_id
        self._replay_of = replay_of
        self._patience = patience
        self._tried = self._begun = False
        self._in_doubt = False  # whether our mark stands
        self._held_since: float | None = None

    async def known(self) -> Outcome | Sending | None:
        """What became of the command, or a mark that was left; None: it may be sent. Waits while another sends it.

        Raises HeldUp.
        """
        watched, watched_seconds = None, 0.0  # without the time in which the ledger did not answer
        while True:
            try:
                stands, is_so = await self._look()
            except StateUnavailable:
                await self._hold()
                continue
            if stands != watched:
                watched, watched_seconds = stands, 0.0
            # Its worker may be alive, and have failed with this one alone: nobody waits for that.
            if is_so or watched_seconds > self._patience:
                return stands
            await asyncio.sleep(POLL_SECONDS)
            watched_seconds += POLL_SECONDS

    async def _look(self) -> tuple[Outcome | Sending | None, bool]:
        stands = await self._once.ledger.look(self._account, self._command_id)
        if stands == self.mark:  # of a `begin` whose answer was lost
            return None, True
        self._in_doubt = False
        if isinstance(stands, Sending):
            return stands, await self._once.is_left(stands)
        if stands is None or self._is_to_undo(stands):
            self.mark = replace(self.mark, before=stands.event.decode() if stands else None)
            return None, True
        return stands, True

    def _is_to_undo(self, outcome: Outcome) -> bool:
        return bool(self.mark.replay and self._replay_of and outcomes.load(outcome.event).id == self._replay_of)

    async def begin(self) -> bool:
        """Mark it; whether it may be sent now. If not, look again at what is known. Raises HeldUp."""
        try:
            await self._once.pulse.ensure()
            self._tried = self._in_doubt = True  # perhaps, from here on
            self._begun = await self._once.ledger.begin(self._account, self._command_id, self.mark)
        except StateUnavailable:
            await self._hold()
        return self._begun

    async def _hold(self) -> None:
        """Wait a moment for the ledger; HeldUp after long, if the mark of a lost answer cannot stand there."""
        now = asyncio.get_running_loop().time()
        self._held_since = self._held_since or now
        await self._once.pause()
        if now - self._held_since > HOLD_SECONDS and not self._in_doubt:
            raise HeldUp

    async def forget(self, mark: Sending) -> None:
        """Take a mark away: the command may be sent again."""
        await self._once.until_answered(lambda: self._once.ledger.forget(self._account, self._command_id, mark))

    async def finish(self, mark: Sending, event: bytes) -> bytes | None:
        """Write the outcome over a mark; the event that stands, to be published.

        None if the mark was left by another and is gone: its worker had one more word. Look again at what is known.
        """
        ledger = self._once.ledger
        write = ledger.finish if mark == self.mark else ledger.inherit
        return await self._once.until_answered(lambda: write(self._account, self._command_id, mark, event))

    async def release(self) -> None:
        """Take the mark away if nothing was sent with it: a command that was not sent must not look as if it were."""
        if self._tried and not self._begun:
            with contextlib.suppress(StateUnavailable):
                await self._once.ledger.forget(self._account, self._command_id, self.mark)
