"""The AMQP headers of our own that travel with a command: written by the worker, read by it and by `mm7 dead`.

Counted here and not by the broker: its x-death starts anew with every publish (RabbitMQ 4).
"""

from collections.abc import Mapping
from typing import Final

ATTEMPTS: Final = "mm7-attempts"
COMMAND_ID: Final = "mm7-command-id"
REPLY_TO: Final = "mm7-reply-to"
NOT_BEFORE: Final = "mm7-not-before"
HISTORY: Final = "mm7-history"
REPLAY: Final = "mm7-replay"
REPLAY_OF: Final = "mm7-replay-of"
REPLAYS: Final = "mm7-replays"

# Of a dead letter:
OUTCOME: Final = "mm7-outcome"
REASON: Final = "mm7-reason"
CAUSE: Final = "mm7-cause"
EVENT_ID: Final = "mm7-event-id"
AT: Final = "mm7-at"
STATUS_CODE: Final = "mm7-status-code"
STATUS_TEXT: Final = "mm7-status-text"

OF_DEATH: Final = (OUTCOME, REASON, CAUSE, EVENT_ID, AT, STATUS_CODE, STATUS_TEXT)

MEANINGS: Final[Mapping[str, str]] = {
    ATTEMPTS: "How often the provider has been asked.",
    COMMAND_ID: "The command's id, for a command that names none itself.",
    REPLY_TO: "The AMQP property reply_to of the command, which would be lost on the way.",
    NOT_BEFORE: "RFC 3339, UTC: the provider wants no attempt before it (its Retry-After).",
    HISTORY: "The attempts so far, as a JSON list: at, outcome, status_code, reason.",
    REPLAY: "One for each letter that `mm7 dead replay` sends again: with it a known id goes out once.",
    REPLAY_OF: "The outcome that a replay is to undo, by its event's id: any other is repeated, not sent.",
    REPLAYS: "How often the command was replayed.",
    OUTCOME: "The type of the outcome event: `mt.refused` or `mt.unknown`.",
    REASON: "The reason of the outcome event; of a command that waits, why it was put off.",
    CAUSE: "What was wrong, in words.",
    EVENT_ID: "The id of the outcome event.",
    AT: "When that was. RFC 3339, UTC.",
    STATUS_CODE: "The MM7 StatusCode of the provider's last answer.",
    STATUS_TEXT: "The StatusText of the provider's last answer.",
}
NUMBERS: Final = frozenset({ATTEMPTS, REPLAYS, STATUS_CODE})  # the others are text
