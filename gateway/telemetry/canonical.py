"""The canonical lines: one for each callback, one for each attempt of a command, each with all of its keys.

What such a line says of ids and outcomes, its span says too (`mm7.…`); never a reason, which may hold what was sent.
"""

import re
from collections.abc import Mapping
from typing import Final

from structlog.contextvars import get_contextvars
from structlog.typing import FilteringBoundLogger

from . import tracing

LEVELS: Final[Mapping[str, str]] = {
    "callback.accepted": "info",
    "callback.refused": "warning",
    "callback.unavailable": "warning",
    "callback.turned_away": "warning",
    "command.accepted": "info",
    "command.refused": "warning",
    "command.unknown": "warning",
    "command.put_off": "info",
    "command.repeated": "info",
}
CALLBACK: Final[Mapping[str, str]] = {
    "account": "whose callback; null for a path that is nobody's",
    "operation": "the MM7 operation, where it is one",
    "transaction_id": "the provider's, in the first 100 characters",
    "event_id": "the `id` of its event",
    "outcome": "`accepted`, `refused`, `unavailable`, or `http_404` and the like",
    "status": "the HTTP status of the answer",
    "kept": "where it was safe before the answer: `broker`, `spool`, `spool, whole`; `before`: it had come already",
    "code": "the MM7 status of a refusal",
    "reason": "why it was not accepted, or why it was kept whole",
    "raw": "where a request that was refused is kept",
    "quirks": "the deviations that were read all the same",
    "bytes": "of the body; of one that was not read, as declared",
    "ms": "from the body's arrival to the answer",
    "peer": "the address that it was judged by: the connection's, or what a trusted proxy says",
    "path": "of the request, in the first 100 characters",
}
ATTEMPT: Final[Mapping[str, str]] = {
    "account": "whose command",
    "operation": "`submit`, `cancel`, …",
    "command_id": "its `id`",
    "message_id": "the provider's, of an accepted one",
    "event_id": "the `id` of its outcome event",
    "outcome": "`accepted`, `refused`, `unknown`, `put_off`; of one that is repeated, what is repeated",
    "code": "the MM7 status of the provider's answer",
    "reason": "why it was not accepted",
    "attempts": "how often the provider has been asked, where that counts",
    "delay": "how long it waits, of one that is put off",
    "ms": "from its delivery to this line, waiting for its turn included",
}
_NUMBER = re.compile(r"\+?\d(?:[ -]?\d){8,}")
MOST_SHOWN: Final = 300  # characters of a reason
_NOT_IN_SPANS = {"status", "reason", "raw", "quirks", "bytes", "ms", "peer", "path"}


def callback(log: FilteringBoundLogger, word: str, facts: Mapping[str, object]) -> None:
    """Tell what became of a callback; `facts` are some of the keys."""
    theirs = {"reason": _private(facts.get("reason"))} if word == "refused" else {}
    _tell(log, f"callback.{word}", CALLBACK, {**facts, **theirs})


def attempt(log: FilteringBoundLogger, word: str, facts: Mapping[str, object]) -> None:
    """Tell what became of an attempt."""
    _tell(log, f"command.{word}", ATTEMPT, {**facts, "reason": _private(facts.get("reason"))})


def _private(reason: object) -> object:
    """As a line may show it: in words of others there may be phones' numbers, and there may be many."""
    return _NUMBER.sub("…", reason)[:MOST_SHOWN] if isinstance(reason, str) else reason


def _tell(log: FilteringBoundLogger, event: str, keys: Mapping[str, str], facts: Mapping[str, object]) -> None:
    assert facts.keys() <= keys.keys(), facts.keys() - keys.keys()
    said = {name: facts[name] for name in keys.keys() - _NOT_IN_SPANS if facts.get(name) is not None}
    tracing.note({f"mm7.{name}": value if isinstance(value, int) else str(value) for name, value in said.items()})
    level = log.info if LEVELS[event] == "info" else log.warning
    bound = get_contextvars()  # for all lines of this callback: its peer
    line = {name: facts.get(name, bound.get(name)) for name in keys}
    level(event, **line)
