"""What follows from an attempt, as tables."""

from datetime import UTC, datetime, timedelta

import pytest

from gateway.broker import Delay
from gateway.contract.outcomes import Result
from workers import retry
from workers.outcome import Outcome
from workers.retry import Again

DELAYS = [Delay.parse(text) for text in ("10s", "60s", "5m")]


def outcome(kind: str, **fields: object) -> Outcome:
    return Outcome(kind=kind, reason=f"it is {kind}", **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("attempts", "retry_after", "expected"),
    [
        (1, None, "10s"),
        (2, None, "60s"),
        (3, None, "5m"),
        (4, None, None),
        (999, None, None),
        (1, 0.0, "10s"),
        (1, 10.0, "10s"),
        (1, 10.5, "60s"),
        (1, 61.0, "5m"),
        (1, 86400.0, "5m"),
        (1, float("inf"), "5m"),
        (3, 5.0, "5m"),
        (4, 5.0, None),
    ],
)
def test_the_next_wait_is_the_planned_one_unless_the_provider_asks_for_more(
    attempts: int, retry_after: float | None, expected: str | None
) -> None:
    delay = retry.next_delay(attempts, DELAYS, retry_after)
    assert (delay.text if delay else None) == expected


def test_without_delays_there_is_one_attempt() -> None:
    assert retry.next_delay(1, [], None) is None
    assert retry.next_delay(1, [], 5.0) is None


def test_the_order_of_the_delays_is_the_users() -> None:
    backwards = list(reversed(DELAYS))
    assert retry.next_delay(1, backwards, None) == DELAYS[2]
    assert retry.next_delay(3, backwards, 50.0) == DELAYS[1]


@pytest.mark.parametrize(
    ("kind", "attempts", "resend", "expected", "reason"),
    [
        ("accepted", 1, False, "mt.accepted", ""),
        ("accepted", 9, True, "mt.accepted", ""),
        ("refused", 1, False, "mt.refused", "provider_refused"),
        ("refused", 1, True, "mt.refused", "provider_refused"),
        ("unknown", 1, False, "mt.unknown", "it is unknown"),
        ("unknown", 1, True, "10s", "it is unknown"),
        ("unknown", 4, True, "mt.unknown", "it is unknown"),
        ("later", 1, False, "10s", "it is later"),
        ("later", 3, False, "5m", "it is later"),
        ("later", 4, False, "mt.refused", "attempts_exhausted"),
        ("later", 4, True, "mt.refused", "attempts_exhausted"),
    ],
)
def test_an_outcome_ends_the_command_or_puts_it_off(
    kind: str, attempts: int, resend: bool, expected: str, reason: str
) -> None:
    decided = retry.conclude(outcome(kind), attempts, DELAYS, resend=resend)
    assert (decided.delay.text if isinstance(decided, Again) else decided.type) == expected
    assert (decided.reason, decided.attempts) == (reason, attempts)


def test_a_refusal_tells_what_the_provider_said() -> None:
    said = outcome(
        "refused",
        status_code=2001,
        status_text="no",
        transaction_id="t",
        mm7_version="6.8.0",
        namespace="n",
        quirks=("q",),
    )
    result = retry.conclude(said, 2, DELAYS, resend=False)
    assert isinstance(result, Result)
    assert [(p.path, p.problem) for p in result.details] == [("", "it is refused")]
    assert (result.status_code, result.status_text, result.transaction_id) == (2001, "no", "t")
    assert (result.mm7_version, result.namespace, result.quirks) == ("6.8.0", "n", ("q",))


def test_a_partial_success_is_never_tried_again() -> None:
    result = retry.conclude(outcome("accepted", partial=True, message_id="m"), 1, DELAYS, resend=True)
    assert isinstance(result, Result)
    assert (result.type, result.partial, result.message_id) == ("mt.accepted", True, "m")


def test_retry_after_chooses_among_the_wait_queues() -> None:
    decided = retry.conclude(outcome("later", retry_after=30.0), 1, DELAYS, resend=False)
    assert isinstance(decided, Again)
    assert decided.delay.text == "60s"


@pytest.mark.parametrize(
    ("retry_after", "delay", "exact", "not_before"),
    [
        (None, "10s", False, None),
        (0.0, "10s", True, None),
        (30.0, "60s", True, None),
        (300.0, "5m", True, None),
        (301.0, "5m", True, 301),
        (7200.0, "5m", True, 7200),
        (float("inf"), "5m", True, 24 * 3600),
    ],
)
def test_a_retry_after_that_no_delay_covers_is_carried_along(
    retry_after: float | None, delay: str, exact: bool, not_before: int | None
) -> None:
    decided = retry.conclude(outcome("later", retry_after=retry_after), 1, DELAYS, resend=False)
    assert isinstance(decided, Again)
    assert (decided.delay.text, decided.exact) == (delay, exact)
    left = decided.not_before and (decided.not_before - datetime.now(UTC)).total_seconds()
    assert left is None if not_before is None else not_before - 1 < left <= not_before


@pytest.mark.parametrize(
    ("seconds", "expected"), [(None, None), (-1, None), (5, "10s"), (30, "60s"), (200, "5m"), (9000, "5m")]
)
def test_a_command_that_comes_back_too_early_waits_again_and_that_is_no_attempt(
    seconds: int | None, expected: str | None
) -> None:
    time = None if seconds is None else datetime.now(UTC) + timedelta(seconds=seconds)
    decided = retry.too_early(time, 2, DELAYS)
    assert (decided and decided.delay.text) == expected
    if decided:
        assert (decided.attempts, decided.attempt, decided.exact, decided.not_before) == (2, None, True, time)


def test_where_there_are_no_queues_to_wait_in_nothing_is_too_early() -> None:
    assert retry.too_early(datetime.now(UTC) + timedelta(hours=1), 0, []) is None


@pytest.mark.parametrize("attempts", [1, 3, 4, 99])
@pytest.mark.parametrize(("retry_after", "delay"), [(None, "10s"), (30.0, "60s"), (900.0, "5m")])
def test_an_attempt_that_was_too_fast_does_not_count(attempts: int, retry_after: float | None, delay: str) -> None:
    decided = retry.conclude(outcome("later", too_fast=True, retry_after=retry_after), attempts, DELAYS, resend=False)
    assert isinstance(decided, Again)
    assert (decided.delay.text, decided.attempts) == (delay, attempts - 1)
    assert decided.attempt is not None


def test_without_delays_even_what_was_too_fast_is_not_tried_again() -> None:
    result = retry.conclude(outcome("later", too_fast=True), 1, [], resend=False)
    assert isinstance(result, Result)
    assert result.reason == "attempts_exhausted"


def test_an_attempt_is_kept_for_the_history() -> None:
    decided = retry.conclude(outcome("later", status_code=4006), 1, DELAYS, resend=False)
    assert isinstance(decided, Again)
    assert decided.attempt is not None
    assert (decided.attempt.outcome, decided.attempt.status_code) == ("later", 4006)
    assert (decided.attempt.reason, decided.attempt.at[-1]) == ("it is later", "Z")
