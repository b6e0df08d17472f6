"""The events that users see: CloudEvents 1.0 with one data model a type. JSON Schemas come from these classes."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from .addresses import Address, Recipient
from .parts import Part
from .slides import Slide

SCHEMA_BASE = "https://mm7-gateway.example/schema/"  # a name, not a download: `mm7 schema events` prints what is there

DeliveryStatus = Literal[
    "retrieved",
    "expired",
    "rejected",
    "deferred",
    "indeterminate",
    "forwarded",
    "unrecognised",
    "unreachable",
    "unsupported",
    "unknown",
]


class Data(BaseModel):
    """What every event's data begins with."""

    model_config = ConfigDict(extra="forbid")

    account: str
    profile: str
    operation: str | None = Field(description="The MM7 operation received; of `mt.*`, the command's.")
    transaction_id: str | None
    mm7_version: str | None
    namespace: str | None
    received_at: str = Field(description="When the callback, or the provider's answer, was received. RFC 3339, UTC.")
    quirks: list[str] = Field(description="Named deviations from the specification that were read all the same.")


class UACapabilities(BaseModel):
    """What is known of the phone."""

    ua_prof: str | None
    time_stamp: str | None


class Forwarder(BaseModel):
    """Somebody who has forwarded the message."""

    address: Address | None
    sequence: int | None


class Forwarding(BaseModel):
    """When somebody has forwarded it: `value` a time, in UTC where it names its zone, or a duration."""

    value: str | None
    sequence: int | None


class ReplyCharging(BaseModel):
    """The sender pays for the reply."""

    reply_charging_size: int | None = Field(description="Up to this size, in bytes.")
    reply_deadline: str | None = Field(description="Until then: a time (UTC where it names its zone) or a duration.")


class MoReceived(Data):
    """A message from a phone."""

    sender: Address | None
    recipients: list[Recipient]
    subject: str | None
    priority: str | None
    linked_id: str | None
    sent_at: str | None = Field(description="The provider's TimeStamp. RFC 3339, UTC.")
    sent_at_raw: str | None = Field(description="The TimeStamp as it was sent, where it could not be read.")
    carrier_id: str | None = Field(description="The provider's name for the carrier; leading zeros count.")
    ua_capabilities: UACapabilities | None
    text: str | None = Field(description="All plain text, in the order of the slides, joined by line breaks.")
    parts: list[Part]
    slides: list[Slide] | None = Field(description="What is shown together, in order; null where no SMIL says so.")
    mms_relay_server_id: str | None = None
    vaspid: str | None = None
    vasid: str | None = None
    sender_spi: str | None = None
    recipient_spi: str | None = None
    previouslysentby: list[Forwarder] | None = None
    previouslysentdateandtime: list[Forwarding] | None = None
    reply_charging: ReplyCharging | None = None
    reply_charging_id: str | None = None
    applic_id: str | None = None
    reply_applic_id: str | None = None
    aux_applic_info: str | None = None
    service_code: str | None = None
    message_class: str | None = None
    earliest_delivery_time: str | None = None
    expiry_date: str | None = None
    delivery_report: bool | None = None
    read_reply: bool | None = None
    charged_party: str | None = None
    charged_party_id: str | None = None
    distribution_indicator: bool | None = None
    delivery_condition: list[int] | None = None
    content_class: str | None = None
    drm_content: bool | None = None
    extensions: dict[str, str] = Field(description="Elements that no release of MM7 has, by name.")


class Report(Data):
    """What delivery reports and read replies share."""

    message_id: str | None = Field(description="The MessageID that the submit was answered with.")
    sender: Address | None = Field(description="The sender of the message reported on: the service.")
    recipient: Address | None
    raw_status: str | None = Field(description="MMStatus as it was sent.")
    final: bool = Field(description="Whether no other report is to be expected for this recipient.")
    status_text: str | None
    status_extension: str | None
    reported_at: str | None = Field(description="The provider's Date. RFC 3339, UTC.")
    reported_at_raw: str | None = Field(description="The Date as it was sent, where it could not be read.")
    carrier_id: str | None
    ua_capabilities: UACapabilities | None
    command_id: str | None = Field(description="The command that this reports on; null where it is not known.")
    reference: str | None
    metadata: dict[str, Any] | None
    mms_relay_server_id: str | None = None
    applic_id: str | None = None
    reply_applic_id: str | None = None
    aux_applic_info: str | None = None
    extensions: dict[str, str]


class DrReceived(Report):
    """What became of a message at one recipient."""

    status: DeliveryStatus


class RrReceived(Report):
    """One recipient has read a message, or deleted it unread."""

    status: Literal["read", "deleted", "indeterminate", "unknown"]


class Outcome(Data):
    """What became of a command."""

    command_id: str | None
    reference: str | None
    metadata: dict[str, Any] | None
    message_id: str | None = Field(description="The provider's; delivery reports refer to it.")
    status_code: int | None = Field(description="MM7 StatusCode; null where the answer had none.")
    status_text: str | None
    partial: bool = Field(description="Accepted for some of the recipients only.")
    attempts: int = Field(description="How often the provider was asked.")
    recipients: list[Recipient]


class MtAccepted(Outcome):
    """The provider has taken the message."""

    warnings: list[str] = Field(description="What the provider is known to drop or to cut, of what the command has.")


class Problem(BaseModel):
    """One thing that is wrong with a command."""

    path: str = Field(description="Where: `parts[1].url`; empty for the command as a whole.")
    problem: str


class MtRefused(Outcome):
    """The message was not sent, and will not be."""

    reason: Literal["bad_command", "provider_refused", "attempts_exhausted", "expired"]
    details: list[Problem]


class MtUnknown(Outcome):
    """Sent, and no readable answer: it may or may not have been accepted. It is not sent again."""

    reason: str


class CallbackRefused(Data):
    """A callback that was answered with an error; the request is kept whole."""

    status_code: int
    status_text: str
    reason: str
    raw: str = Field(description="Where the request is stored: head and body, as `mm7 decode --http` reads it.")


TYPES: dict[str, type[Data]] = {
    "mo.received": MoReceived,
    "dr.received": DrReceived,
    "rr.received": RrReceived,
    "mt.accepted": MtAccepted,
    "mt.refused": MtRefused,
    "mt.unknown": MtUnknown,
    "callback.refused": CallbackRefused,
}
_TYPE_OF = {cls: name for name, cls in TYPES.items()}


class Event(BaseModel):
    """A CloudEvent 1.0 in structured JSON."""

    model_config = ConfigDict(frozen=True)

    specversion: Literal["1.0"] = "1.0"
    id: str = Field(description="The same for every delivery of one happening: subscribers drop what they have seen.")
    type: str
    source: str = Field(description="/mm7/<account>")
    subject: str | None = Field(None, description="The service's own address.")
    time: str = Field(description="The provider's time where it is readable, else the receipt. RFC 3339, UTC.")
    datacontenttype: Literal["application/json"] = "application/json"
    dataschema: str
    data: Any

    @classmethod
    def of(cls, data: Data, *, id: str, subject: str | None, time: str) -> "Event":  # noqa: A002  # CloudEvents' word
        """Wrap data; its class gives the type and the schema."""
        name = _TYPE_OF[type(data)]
        return cls(
            id=id,
            type=name,
            source=f"/mm7/{data.account}",
            subject=subject,
            time=time,
            dataschema=f"{SCHEMA_BASE}{name}.v1.json",
            data=data,
        )
