"""What commands end in: the data of their outcomes."""

from typing import Any, Literal

from pydantic import Field

from .addresses import Recipient
from .commands import Operation
from .data import Data
from .problems import Problem

Reason = Literal["bad_command", "provider_refused", "attempts_exhausted", "expired"]


class Outcome(Data):
    """What became of a command."""

    operation: Operation | None = Field(description="The command's; null where that is none of them.")
    command_id: str | None = Field(description="The command's id; null where none could be read.")
    reference: str | None = Field(description="Of the command, as it was given.")
    metadata: dict[str, Any] | None = Field(description="Of the command, as it was given.")
    message_id: str | None = Field(description="The provider's; delivery reports refer to it.")
    status_code: int | None = Field(description="MM7 StatusCode; null where the answer had none.")
    status_text: str | None = Field(description="MM7 StatusText: the provider's words.")
    partial: bool = Field(description="Accepted for some of the recipients only.")
    attempts: int = Field(description="How often the provider was asked.")
    recipients: list[Recipient] = Field(description="The command's to, cc and bcc in this order.")


class MtAccepted(Outcome):
    """The provider has taken the message."""

    warnings: list[str] = Field(description="What the provider is known to drop or to cut, of what the command has.")


class MtRefused(Outcome):
    """The message was not sent, and will not be."""

    reason: Reason = Field(
        description="A stable word: the command cannot work, the provider has refused it, it has failed at every "
        "attempt, or its `not_after` has passed."
    )
    details: list[Problem] = Field(description="Every problem by its path.")


class MtUnknown(Outcome):
    """Sent, and no readable answer: it may or may not have been accepted. It is not sent again."""

    reason: str = Field(description="What came in place of an answer, in words.")
