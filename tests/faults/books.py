"""The accounts: what was acknowledged against what is stored, and what was ordered against what was sent and told. Pure.

Strategy: three facts that nobody can argue with. What a provider was answered 1000 must lie in a durable queue of
somebody else's; of a command there is one outcome, and it is the truth; a phone rings once. `str()` of either book is
the line for people.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

# The contract's 1.8 s and the way there and back; a little more for a machine that is busy with the tests themselves.
LATE_SECONDS = 2.3


@dataclass(frozen=True, slots=True)
class Posted:
    """One POST of a callback. `status` None: the connection failed, or no answer came within the provider's patience.

    `waited`: it was the patience that ended, not the connection.
    """

    id: str
    seconds: float
    status: int | None
    acknowledged: bool
    began: float = 0.0  # the loop's clock
    waited: bool = False

    @property
    def late(self) -> bool:
        """A receiver that is up answers in time. (One that is down refuses the connection: that is not late.)"""
        return self.waited or (self.status is not None and self.seconds > LATE_SECONDS)


@dataclass(slots=True)
class Callbacks:
    """What became of callbacks, by their TransactionIDs."""

    posted: list[Posted] = field(default_factory=list)
    stored: Counter[str] = field(default_factory=Counter)
    event_ids: dict[str, set[str]] = field(default_factory=dict)

    def store(self, events: Iterable[Mapping[str, Any]]) -> None:
        """Enter what lies in the queue."""
        for event in events:
            if event["type"] in ("mo.received", "dr.received", "rr.received"):
                identity = event["data"]["transaction_id"]
                self.stored[identity] += 1
                self.event_ids.setdefault(identity, set()).add(event["id"])

    @property
    def acknowledged(self) -> set[str]:
        return {each.id for each in self.posted if each.acknowledged}

    @property
    def lost(self) -> set[str]:
        """Acknowledged, and not there."""
        return self.acknowledged - self.stored.keys()

    @property
    def duplicated(self) -> set[str]:
        """There more than once; subscribers drop the second by the event's id."""
        return {identity for identity, count in self.stored.items() if count > 1}

    @property
    def ambiguous(self) -> set[str]:
        """There under two event ids: no subscriber can tell the second for what it is."""
        return {identity for identity, ids in self.event_ids.items() if len(ids) > 1}

    @property
    def late(self) -> list[Posted]:
        return [each for each in self.posted if each.late]

    @property
    def refused(self) -> list[Posted]:
        """What the provider has to send again: a broken connection, or an answer that acknowledges nothing."""
        return [each for each in self.posted if not each.acknowledged]

    @property
    def problems(self) -> list[str]:
        """What must never be."""
        found = []
        if self.lost:
            found.append(f"{len(self.lost)} acknowledged and lost: {_some(self.lost)}")
        if self.ambiguous:
            found.append(f"{len(self.ambiguous)} under two event ids: {_some(self.ambiguous)}")
        if self.late:
            slowest = max(each.seconds for each in self.late)
            found.append(f"{len(self.late)} answers over {LATE_SECONDS} s, the slowest {slowest:.2f} s")
        return found

    def __str__(self) -> str:
        seconds = sorted(each.seconds for each in self.posted if each.status is not None) or [0.0]
        return (
            f"callbacks: posted {len(self.posted)} acknowledged {len(self.acknowledged)} stored {len(self.stored)} "
            f"lost {len(self.lost)} duplicated {len(self.duplicated)} late {len(self.late)} slowest {seconds[-1]:.2f} s"
        )


@dataclass(slots=True)
class Commands:
    """What became of commands, by their ids. `accepted`: how often a phone rang for each, by the provider's count."""

    ordered: set[str] = field(default_factory=set)  # confirmed by the broker
    accepted: Counter[str] = field(default_factory=Counter)
    outcomes: dict[str, dict[str, str]] = field(default_factory=dict)  # command → event id → type
    told: Counter[str] = field(default_factory=Counter)

    def store(self, events: Iterable[Mapping[str, Any]]) -> None:
        """Enter what lies in the queue."""
        for event in events:
            if event["type"].startswith("mt."):
                identity = event["data"]["command_id"]
                self.told[identity] += 1
                self.outcomes.setdefault(identity, {})[event["id"]] = event["type"]

    @property
    def unfinished(self) -> set[str]:
        """Without an outcome, yet or for ever."""
        return self.ordered - self.outcomes.keys()

    @property
    def sent_twice(self) -> set[str]:
        return {identity for identity, count in self.accepted.items() if count > 1}

    @property
    def contradicted(self) -> set[str]:
        """With more than one outcome: the same event twice is one."""
        return {identity for identity, events in self.outcomes.items() if len(events) > 1}

    @property
    def untrue(self) -> set[str]:
        """Told accepted and no phone rang, or refused and one did. Unknown is always true."""
        return {
            identity
            for identity, events in self.outcomes.items()
            for kind in events.values()
            if (kind == "mt.accepted" and not self.accepted[identity])
            or (kind == "mt.refused" and self.accepted[identity])
        }

    def of(self, kind: str) -> set[str]:
        """The commands with an outcome of this type."""
        return {identity for identity, events in self.outcomes.items() if kind in events.values()}

    @property
    def problems(self) -> list[str]:
        """What must never be."""
        wrong = {
            "without an outcome": self.unfinished,
            "sent twice": self.sent_twice,
            "with two outcomes": self.contradicted,
            "with an outcome that is not true": self.untrue,
        }
        return [f"{len(found)} {words}: {_some(found)}" for words, found in wrong.items() if found]

    def __str__(self) -> str:
        types = Counter(kind for events in self.outcomes.values() for kind in events.values())
        return (
            f"commands: ordered {len(self.ordered)} accepted {types['mt.accepted']} refused {types['mt.refused']} "
            f"unknown {types['mt.unknown']} without outcome {len(self.unfinished)} sent twice {len(self.sent_twice)} "
            f"two outcomes {len(self.contradicted)} told again {sum(self.told.values()) - sum(types.values())}"
        )


def _some(ids: Iterable[str]) -> str:
    return ", ".join(sorted(ids)[:5])
