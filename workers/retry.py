"""What follows from an attempt: a decision is a value, the broker's queues carry it out. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from gateway.broker import Delay
from gateway.contract.events import Problem
from gateway.contract.outcomes import Result, Type

from .outcome import Outcome

Reason = Literal["bad_command", "provider_refused", "attempts_exhausted", "expired"]


@dataclass(frozen=True, slots=True)
class Again:
    """Another attempt after a delay; `attempts` have been made."""

    delay: Delay
    attempts: int
    reason: str


def conclude(outcome: Outcome, attempts: int, delays: Sequence[Delay], *, resend: bool) -> Result | Again:
    """Outcome of the attempt number `attempts` → end of the command, or another attempt.

    `resend`: whether an unknown outcome is tried again, at the risk of a second message (default: parked).
    """
    if outcome.kind == "accepted":
        return _result("mt.accepted", outcome, attempts)
    if outcome.kind == "refused":
        return refusal("provider_refused", [Problem(path="", problem=outcome.reason)], attempts, outcome)
    if outcome.kind == "unknown" and not resend:
        return _result("mt.unknown", outcome, attempts, reason=outcome.reason)
    delay = next_delay(attempts, delays, outcome.retry_after)
    if delay is not None:
        return Again(delay, attempts, outcome.reason)
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
    if retry_after is None or retry_after <= planned.seconds:
        return planned
    longer = [delay for delay in delays if delay.seconds >= retry_after]
    return min(longer, key=lambda d: d.seconds) if longer else max(delays, key=lambda d: d.seconds)


def refusal(reason: Reason, details: Sequence[Problem], attempts: int, outcome: Outcome | None = None) -> Result:
    """The end of a command that is not sent."""
    return _result("mt.refused", outcome or Outcome(kind="refused", reason=reason), attempts, reason, details)


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
