"""What a provider has to tell its customer, before it is written in the shape of one profile.

Numbers are digits alone here; a profile adds the `+` or the element that its documents show.
"""

from dataclasses import dataclass
from datetime import datetime

from gateway import mm7

PHONE = "15553199144"
SHORT_CODE = "111122"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mo:
    """A message from a phone. With neither text nor attachments it has no content, as operators may send it.

    `others`: the further participants of a group conversation, shown and not addressed.
    """

    transaction_id: str
    linked_id: str
    at: datetime
    sender: str = PHONE
    recipient: str = SHORT_CODE
    others: tuple[str, ...] = ()
    subject: str | None = None
    text: str | None = None
    attachments: tuple[mm7.Part, ...] = ()

    @property
    def title(self) -> str:
        """What it is, for people."""
        return "MO"

    @property
    def parts(self) -> tuple[mm7.Part, ...]:
        """Attachments first and the text last, the order of both providers' examples."""
        if self.text is None:
            return self.attachments
        data = self.text.encode()
        written = mm7.Part(content_type="text/plain", charset="utf-8", data=data, filename="text_0.txt")
        return *self.attachments, written


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A delivery report: what became of the submit that was answered with `message_id`, at one recipient."""

    transaction_id: str
    message_id: str
    at: datetime
    recipient: str = PHONE
    sender: str = SHORT_CODE
    mm_status: str = "Retrieved"
    status_text: str | None = None
    ua_prof: str | None = None

    @property
    def title(self) -> str:
        """What it is, for people."""
        return f"delivery report {self.mm_status}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadReply:
    """A read reply: the recipient has opened the message (`Read`), or deleted it unread (`Deleted`)."""

    transaction_id: str
    message_id: str
    at: datetime
    recipient: str = PHONE
    sender: str = SHORT_CODE
    mm_status: str = "Read"
    status_text: str | None = None

    @property
    def title(self) -> str:
        """What it is, for people."""
        return f"read reply {self.mm_status}"


Outbound = Mo | Report | ReadReply
