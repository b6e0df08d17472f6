"""What the soak has seen, and what follows from it. Pure.

Strategy: `tests.faults.books` knows what must never be. Here is what only a long run with many faults at a time needs:
who was away when, what held up the measuring itself, why something is there twice, what stands out of its order.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

ANSWER_WITHIN = 2.0
Span = tuple[float, float]  # from, to: seconds of one clock


@dataclass(frozen=True, slots=True)
class Post:
    """One POST of a callback to a receiver. `sent`: when the body was out, None if it did not come to that.

    `status` None: no answer until `ended`.
    """

    id: str
    receiver: str
    sent: float | None
    ended: float
    status: int | None
    acknowledged: bool


@dataclass(frozen=True, slots=True)
class Kept:
    """What a run of a receiver said in its log: where an event is (broker, spool), or was `before`."""

    event_id: str
    receiver: str
    place: str


@dataclass(frozen=True, slots=True)
class Stored:
    """An event in the subscriber's queue. `at`: when the callback came in, RFC 3339."""

    id: str
    account: str
    at: str


@dataclass(slots=True)
class Clock:
    """When receivers were not there (a kill, a restart), and when the load generator itself stood still."""

    away: dict[str, list[Span]] = field(default_factory=lambda: defaultdict(list))
    stalls: list[Span] = field(default_factory=list)

    def was_up(self, post: Post) -> bool:
        """Whether the receiver was up all the time that the callback was in its hands."""
        assert post.sent is not None
        return not overlap((post.sent, post.ended), self.away[post.receiver])

    def seconds(self, post: Post) -> float:
        """From the body sent to the answer received, without our own stalls."""
        assert post.sent is not None
        return post.ended - post.sent - overlap((post.sent, post.ended), self.stalls)


def overlap(span: Span, others: Iterable[Span]) -> float:
    """How much of a span lies in others, which do not overlap each other; at least a trifle if they touch."""
    total = 0.0
    for began, ended in others:
        if began <= span[1] and ended >= span[0]:
            total += max(min(span[1], ended) - max(span[0], began), 1e-9)
    return total


def times(posts: Iterable[Post], clock: Clock) -> list[float]:
    """The seconds of every answer of a receiver that was up, sorted."""
    return sorted(clock.seconds(p) for p in posts if p.sent is not None and p.status is not None and clock.was_up(p))


def late(posts: Iterable[Post], clock: Clock) -> list[Post]:
    """Answers that took too long, and those that never came, of receivers that were up."""
    return [
        post
        for post in posts
        if post.sent is not None and (post.status is None or clock.seconds(post) > ANSWER_WITHIN) and clock.was_up(post)
    ]


def causes(duplicated: Mapping[str, str], posts: Iterable[Post], kept: Iterable[Kept]) -> Counter[str]:
    """Why callbacks are stored more than once, counted. `duplicated`: a callback's id → its event's."""
    places: dict[str, list[str]] = defaultdict(list)
    for each in kept:
        places[each.event_id].append(each.place)
    answers: dict[str, list[Post]] = defaultdict(list)
    for post in posts:
        answers[post.id].append(post)
    return Counter(_cause(places[event_id], answers[identity]) for identity, event_id in duplicated.items())


def _cause(places: Sequence[str], posts: Sequence[Post]) -> str:
    fresh = [place for place in places if place != "before"]
    if len(fresh) > 1:
        return "repeated while the state store did not answer"
    if "spool" in fresh:
        return "published unconfirmed, then from the spool"
    if any(post.status == 503 for post in posts):
        return "published unconfirmed and answered 503, then repeated"
    if any(post.status is None and post.sent is not None for post in posts):
        return "receiver killed before it could remember"
    return "unexplained"


def behind(stored: Sequence[Stored], kept: Sequence[Kept]) -> list[float]:
    """Of each event that went through a spool: by how many seconds it stands behind one that came later; else 0.

    In an account and a run of a receiver. Of an event that is there twice the last is the spool's.
    """
    fresh = Counter(each.event_id for each in kept if each.place != "before")
    spooled = {each.event_id: each.receiver for each in kept if each.place == "spool" and fresh[each.event_id] == 1}
    last = {each.id: position for position, each in enumerate(stored)}
    newest: dict[tuple[str, str], datetime] = {}
    found = []
    for position, each in enumerate(stored):
        if each.id in spooled and last[each.id] == position:
            row, at = (each.account, spooled[each.id]), datetime.fromisoformat(each.at)
            newest[row] = max(newest.get(row, at), at)
            found.append((newest[row] - at).total_seconds())
    return found
