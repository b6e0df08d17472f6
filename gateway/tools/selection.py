"""Which dead letters a person means. Pure."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from . import words
from .letters import Letter


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Those that fit every field; an empty one fits all. `ids` are a command's, an event's or the letter's own."""

    ids: frozenset[str] = frozenset()
    outcomes: frozenset[str] = frozenset()
    reasons: frozenset[str] = frozenset()
    codes: frozenset[int] = frozenset()
    since: datetime | None = None
    until: datetime | None = None


def takes(selection: Selection, letter: Letter) -> bool:
    """Whether a letter is meant. One without a time is in no span of time."""
    return (
        (not selection.ids or not selection.ids.isdisjoint((letter.command_id, letter.event_id, letter.name)))
        and (not selection.outcomes or letter.outcome in selection.outcomes)
        and (not selection.reasons or letter.reason in selection.reasons)
        and (not selection.codes or letter.status_code in selection.codes)
        and (selection.since is None or (letter.at is not None and letter.at >= selection.since))
        and (selection.until is None or (letter.at is not None and letter.at <= selection.until))
    )


def moment(text: str, now: datetime) -> datetime:
    """A time (RFC 3339; without a zone in UTC), or how long ago (90s, 15m, 2h, 3d). ValueError for anything else."""
    try:
        if text[-1:] in "smhd" and text[:-1].isdecimal():
            return now - timedelta(seconds=words.seconds(text))
        time = datetime.fromisoformat(text)
        return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise ValueError(f"{text!r} is neither a time (2026-12-01T00:00:00Z) nor how long ago (2h)") from None
