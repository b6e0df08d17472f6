"""The values inside MM7 messages: addresses, status, references."""

from dataclasses import dataclass
from typing import Literal

from .elements import element


@dataclass(frozen=True, slots=True)
class Address:
    """One address; `kind` is the element it stood in, "" for bare text (which real senders write)."""

    value: str
    kind: Literal["Number", "ShortCode", "RFC2822Address", ""] = "Number"
    display_only: bool = False
    address_coding: str | None = None
    id: str | None = None


@dataclass(frozen=True, slots=True)
class Recipients:
    """The addresses of a message by their role."""

    to: tuple[Address, ...] = ()
    cc: tuple[Address, ...] = ()
    bcc: tuple[Address, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """Status of a response; `code` is None where the peer sent something that is no number."""

    code: int | None = element("StatusCode", "integer", required=True)
    text: str | None = element("StatusText", required=True)
    # Everybody puts text there, and the schemas allow elements only: it is read and not written.
    details: str | None = element("Details", also=("Detail",), written=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeStatus(Status):
    """Status of the extended operations: the schema gives it a code alone."""

    text: str | None = None
    details: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SenderIdentification:
    """Who submits: the VASP, its service, and the address the phone shows."""

    vaspid: str | None = element("VASPID", token=True)
    vasid: str | None = element("VASID", token=True)
    sender_address: Address | None = element("SenderAddress", "address", plain_until="REL-5-MM7-1-1")


@dataclass(frozen=True, slots=True)
class Content:
    """Reference to the content: `href` is `cid:` and the Content-ID of a part."""

    href: str | None = element("href")
    allow_adaptations: bool | None = element("allowAdaptations", "boolean")


@dataclass(frozen=True, slots=True)
class UACapabilities:
    """What is known of the phone: its profile's name or URL."""

    ua_prof: str | None = element("UAProf")
    time_stamp: str | None = element("TimeStamp")


@dataclass(frozen=True, slots=True)
class ReplyCharging:
    """The sender pays for the reply, up to a size in bytes and until a time."""

    reply_charging_size: int | None = element("replyChargingSize", "integer")
    reply_deadline: str | None = element("replyDeadline")


@dataclass(frozen=True, slots=True)
class UserAgent:
    """One of those that have forwarded a message, `sequence` in their order."""

    element_name = "UserAgent"

    address: Address | None = None
    sequence: int | None = None


@dataclass(frozen=True, slots=True)
class PreviousDateTime:
    """When a message was forwarded: a time or a duration, `sequence` as of the user agent."""

    element_name = "DateTime"

    value: str | None = None
    sequence: int | None = None
