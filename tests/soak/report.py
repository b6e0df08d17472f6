"""The accounts of a soak as figures, a table of them, and what of it must not be. Pure, but for the files."""

import json
import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from tests.faults import books
from tests.faults.books import Posted
from tests.soak import accounts
from tests.soak.accounts import Clock, Kept, Post, Stored

Figures = dict[str, dict[str, object]]  # heading → name → figure


@dataclass(frozen=True, slots=True)
class Seen:
    """All that a soak has seen."""

    posts: Sequence[Post]
    clock: Clock
    kept: Sequence[Kept]
    events: Sequence[dict[str, Any]]
    ordered: set[str]
    doubled: int
    accepted: Counter[str]  # by the provider, by command
    reported: dict[str, str]


def make(seen: Seen) -> tuple[Figures, list[str]]:
    """The figures, and what must never be."""
    callbacks, commands = books.Callbacks(), books.Commands(ordered=seen.ordered, accepted=seen.accepted)
    callbacks.posted = [Posted(post.id, 0.0, post.status, post.acknowledged) for post in seen.posts]
    callbacks.store(seen.events)
    commands.store(seen.events)
    late = accounts.late(seen.posts, seen.clock)
    astray = _astray(seen.events)
    problems = callbacks.problems + commands.problems
    problems += [f"late or never: {post}" for post in late[:5]]
    problems += [f"{len(astray)} pictures are not in the media store: {astray[:3]}"] if astray else []
    wrong = [each for each in _reports(seen) if each == "wrong"]
    problems += [f"{len(wrong)} reports name another command"] if wrong else []
    figures = {"callbacks": _callbacks(seen, callbacks, late), "commands": _commands(seen, commands)}
    return figures, problems


def _callbacks(seen: Seen, book: books.Callbacks, late: Sequence[Post]) -> dict[str, object]:
    statuses = Counter(post.status for post in seen.posts if post.sent is not None)
    seconds = accounts.times(seen.posts, seen.clock) or [0.0]
    bare = Clock(away=seen.clock.away)
    twice = {identity: next(iter(book.event_ids[identity])) for identity in book.duplicated}
    behind = accounts.behind(_stored(seen), seen.kept) or [0.0]
    places = Counter(each.place for each in seen.kept)
    reports = Counter(_reports(seen))
    return {
        "sent": len({post.id for post in seen.posts}),
        "posted": len(seen.posts),
        "acknowledged": len(book.acknowledged),
        "stored": len(book.stored),
        "lost": len(book.lost),
        "stored more than once": len(book.duplicated),
        **{f"· {cause}": count for cause, count in accounts.causes(twice, seen.posts, seen.kept).most_common()},
        "under two event ids": len(book.ambiguous),
        "kept by broker, spool, before": f"{places['broker']}, {places['spool']}, {places['before']}",
        "refused 503": statuses[503],
        "other answers": sum(n for status, n in statuses.items() if status not in (200, 503, None)),
        "no answer (killed under them)": statuses[None],
        f"over {accounts.ANSWER_WITHIN:g} s or none, while up": len(late),
        "answer seconds, median, 99 %, slowest": f"{statistics.median(seconds):.3f}, "
        f"{seconds[int(len(seconds) * 0.99)]:.3f}, {seconds[-1]:.3f}",
        "· the slowest with our own stalls": f"{max(accounts.times(seen.posts, bare) or [0.0]):.3f}",
        "own stalls, seconds": f"{sum(b - a for a, b in seen.clock.stalls):.1f}, "
        f"longest {max((b - a for a, b in seen.clock.stalls), default=0.0):.2f}",
        "posted once, and through the spool": len(behind),
        "· behind one that came later": sum(each > 0 for each in behind),
        "· by more than 1 s": sum(each > 1 for each in behind),
        "· the farthest, seconds": f"{max(behind):.3f}",
        "reports on a command of ours": f"{reports['right']} with it, {reports['none']} without",
    }


def _commands(seen: Seen, book: books.Commands) -> dict[str, object]:
    types = Counter(kind for events in book.outcomes.values() for kind in events.values())
    return {
        "published": len(book.ordered),
        "· twice with one id": seen.doubled,
        "accepted by the provider": len(book.accepted),
        "sent twice": len(book.sent_twice),
        "mt.accepted": types["mt.accepted"],
        "mt.refused": types["mt.refused"],
        "mt.unknown": types["mt.unknown"],
        "· of these accepted all the same": len(book.of("mt.unknown") & book.accepted.keys()),
        "no outcome": len(book.unfinished),
        "two outcomes": len(book.contradicted),
        "untrue": len(book.untrue),
        "outcomes told again": sum(book.told.values()) - sum(types.values()),
    }


def write(seen: Seen, folder: Path) -> None:
    """All of it in files, to dig in."""
    for name in ("posts", "kept", "events"):
        lines = [json.dumps(each if isinstance(each, dict) else asdict(each)) for each in getattr(seen, name)]
        (folder / f"{name}.jsonl").write_text("\n".join(lines))


def _stored(seen: Seen) -> list[Stored]:
    """What was posted once: of what was repeated nobody can tell which time it came through the spool."""
    posts = Counter(post.id for post in seen.posts if post.sent is not None)
    return [
        Stored(each["id"], each["data"]["account"], each["data"]["received_at"])
        for each in seen.events
        if posts[each["data"]["transaction_id"]] == 1
    ]


def _reports(seen: Seen) -> list[str]:
    """Of each report on a message of ours: whether it names the command."""
    found = []
    for event in seen.events:
        if (command := seen.reported.get(event["data"].get("transaction_id") or "")) is not None:
            named = event["data"]["command_id"]
            found.append("none" if named is None else "right" if named == command else "wrong")
    return found


def _astray(events: Sequence[dict[str, Any]]) -> list[str]:
    """Pictures that an event names and nobody has."""
    parts = [part for event in events for part in event["data"].get("parts") or [] if part["url"]]
    return [
        part["url"]
        for part in parts
        if not (path := Path(unquote(urlsplit(part["url"]).path))).exists() or path.stat().st_size != part["bytes"]
    ]


def table(title: str, figures: Figures) -> str:
    """For a note: Markdown, one row a figure."""
    rows = [f"| {title} | |", "| --- | ---: |"]
    for heading, group in figures.items():
        rows += [f"| **{heading}** | |", *(f"| {name} | {figure} |" for name, figure in group.items())]
    return "\n".join(rows)
