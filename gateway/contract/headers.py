"""The AMQP headers of our own that travel with a command: written by the worker, read by it and by `mm7 dead`.

Counted here and not by the broker: its x-death starts anew with every publish (RabbitMQ 4).
"""

from typing import Final

ATTEMPTS: Final = "mm7-attempts"  # how often the provider has been asked
COMMAND_ID: Final = "mm7-command-id"  # of a command that names none itself
REPLY_TO: Final = "mm7-reply-to"  # the reply_to property, which would be lost on the way
NOT_BEFORE: Final = "mm7-not-before"  # RFC 3339: the provider wants no attempt before it (its Retry-After)
HISTORY: Final = "mm7-history"  # the attempts so far, as a JSON list: at, outcome, status_code, reason
REPLAY: Final = "mm7-replay"  # one for each letter that `mm7 dead replay` sends again: with it a known id goes out once
REPLAY_OF: Final = "mm7-replay-of"  # the outcome that it is to undo, by its event's id: any other is repeated, not sent
REPLAYS: Final = "mm7-replays"  # how often it was replayed

# Of a dead letter:
OUTCOME: Final = "mm7-outcome"  # mt.refused or mt.unknown
REASON: Final = "mm7-reason"  # the event's reason
CAUSE: Final = "mm7-cause"  # what was wrong, in words
EVENT_ID: Final = "mm7-event-id"
AT: Final = "mm7-at"  # RFC 3339
STATUS_CODE: Final = "mm7-status-code"  # of the provider's last answer
STATUS_TEXT: Final = "mm7-status-text"

OF_DEATH: Final = (OUTCOME, REASON, CAUSE, EVENT_ID, AT, STATUS_CODE, STATUS_TEXT)
