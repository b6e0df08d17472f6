"""What follows from an attempt: a decision is a value, the broker's queues carry it out. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from gateway.broker import Delay
from gateway.contract import times
from gateway.contract.ended import Reason
from gateway.contract.outcomes import Result, Type
from gateway.contract.problems import Problem

from .outcome import Kind, Outcome

MAX_RETRY_AFTER = 24 * 3600.0  # who asks for more is not taken at its word
HELD_UP_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Attempt:
    """An attempt that was not the last, for the command's history. `at` is RFC 3339."""

    at: str
    outcome: Kind
    status_code: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class Again:
    """Another attempt after a delay; `attempts` have been made, that counted. `attempt`: the one just made, if any.

    `exact`: it is the provider's wish, and no less will do. `not_before`: where no delay reaches that far.
    """

    delay: Delay
    attempts: int
    reason: str
    attempt: Attempt | None = None
    exact: bool = False
    not_before: datetime | None = None


def conclude(outcome: Outcome, attempts: int, delays: Sequence[Delay], *, resend: bool) -> Result | Again:
    """Outcome of the attempt number `attempts` → end of the command, or another attempt.

    `resend`: whether an unknown outcome is tried again, at the risk of a second message (default: parked).
    """
    if outcome.kind == "accepted":
        return _result("mt.accepted", outcome, attempts)
    if outcome.kind == "refused":
        return refusal("provider_refused", [Problem(path="", problem=outcome.reason)], attempts, outcome)
    if outcome.too_fast and delays:  # it was we who were wrong, not the command: the attempt does not count
        return _again(outcome, attempts - 1, covering(delays, outcome.retry_after or 0.0))
    delay = next_delay(attempts, delays, outcome.retry_after)
    if delay is not None and (resend or outcome.kind == "later"):
        return _again(outcome, attempts, delay)
    if outcome.kind == "unknown":
        return _result("mt.unknown", outcome, attempts, reason=outcome.reason)
    return refusal("attempts_exhausted", [Problem(path="", problem=outcome.reason)], attempts, outcome)


def next_delay(attempts: int, delays: Sequence[Delay], retry_after: float | None) -> Delay | None:
    """The wait after `attempts` attempts; None when they are exhausted.

    A provider's Retry-After (seconds) lengthens the wait to the first delay that covers it, the longest if none does.
    """
    if attempts > len(delays):
        return None
    planned = delays[attempts - 1]
    return planned if retry_after is None or retry_after <= planned.seconds else covering(delays, retry_after)


def covering(delays: Sequence[Delay], seconds: float) -> Delay:
    """The shortest delay of at least `seconds`, the longest if none is."""
    longer = [delay for delay in delays if delay.seconds >= seconds]
    return min(longer, key=lambda d: d.seconds) if longer else max(delays, key=lambda d: d.seconds)


def too_early(not_before: datetime | None, attempts: int, delays: Sequence[Delay]) -> Again | None:
    """Back into a queue, if the provider wants no attempt yet: it asked for more than the longest delay."""
    if not_before is None or not delays:
        return None
    left = (not_before - datetime.now(UTC)).total_seconds()
    if left <= 0:
        return None
    reason = f"the provider wants no attempt before {times.rfc3339(not_before)}"
    return Again(covering(delays, left), attempts, reason, exact=True, not_before=not_before)


def held_up(attempts: int, not_before: datetime | None, delays: Sequence[Delay]) -> Again | None:
    """Into a queue as it came, because the ledger does not answer; None if there is no such queue."""
    if not delays:
        return None
    reason = "the state store does not answer"
    return Again(covering(delays, HELD_UP_SECONDS), attempts, reason, not_before=not_before)


def refusal(reason: Reason, details: Sequence[Problem], attempts: int, outcome: Outcome | None = None) -> Result:
    """The end of a command that is not sent."""
    return _result("mt.refused", outcome or Outcome(kind="refused", reason=reason), attempts, reason, details)


def _again(outcome: Outcome, attempts: int, delay: Delay) -> Again:
    now = datetime.now(UTC)
    attempt = Attempt(times.rfc3339(now), outcome.kind, outcome.status_code, outcome.reason)
    wanted = min(outcome.retry_after or 0.0, MAX_RETRY_AFTER)
    not_before = now + timedelta(seconds=wanted) if wanted > delay.seconds else None
    return Again(delay, attempts, outcome.reason, attempt, outcome.retry_after is not None, not_before)


def _result(kind: Type, outcome: Outcome, attempts: int, reason: str = "", details: Sequence[Problem] = ()) -> Result:
    return Result(
        type=kind,
        attempts=attempts,
        at=datetime.now(UTC),
        reason=reason,
        details=tuple(details),
        status_code=outcome.status_code,
        status_text=outcome.status_text,
        message_id=outcome.message_id,
        partial=outcome.partial,
        transaction_id=outcome.transaction_id,
        mm7_version=outcome.mm7_version,
        namespace=outcome.namespace,
        quirks=outcome.quirks,
    )
