"""What callbacks become: the data of messages from phones, reports, and callbacks that could not be used."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from .addresses import Address, Recipient
from .data import Data, DeliveryStatus, ReadStatus, UtcTime
from .parts import Part
from .slides import Slide

_TIME_OR_DURATION = "a time (RFC 3339, UTC, where it names its zone) or a duration (ISO 8601)"


class UACapabilities(BaseModel):
    """What is known of the phone."""

    ua_prof: str | None = Field(description="UAProf: a URL of the phone's profile, or its name.")
    time_stamp: str | None = Field(
        description="When that was so. RFC 3339, UTC, where it names its zone; else as it was sent."
    )


class Forwarder(BaseModel):
    """Somebody who has forwarded the message."""

    address: Address | None = Field(description="Whose phone it was; null where it could not be read.")
    sequence: int | None = Field(description="The place in the order of forwarding.")


class Forwarding(BaseModel):
    """When somebody has forwarded it."""

    value: str | None = Field(description=f"When: {_TIME_OR_DURATION}.")
    sequence: int | None = Field(description="The place in the order of forwarding.")


class ReplyCharging(BaseModel):
    """The sender pays for the reply."""

    reply_charging_size: int | None = Field(description="Up to this size, in bytes.")
    reply_deadline: str | None = Field(description=f"Until then: {_TIME_OR_DURATION}.")


Carrier = Annotated[str | None, Field(description="The provider's name for the carrier; leading zeros count.")]
Capabilities = Annotated[UACapabilities | None, Field(description="What is known of the phone.")]
RelayServer = Annotated[str | None, Field(description="MMSRelayServerID: the provider's MMSC.")]
Application = Annotated[str | None, Field(description="ApplicID: the application that it is meant for.")]
ReplyTo = Annotated[str | None, Field(description="ReplyApplicID: the application that replies are meant for.")]
ApplicationInfo = Annotated[str | None, Field(description="AuxApplicInfo: more for the application.")]
Extensions = Annotated[dict[str, str], Field(description="Elements that no release of MM7 has, by name.")]


class MoReceived(Data):
    """A message from a phone."""

    operation: Literal["DeliverReq", "SubmitReq"] = Field(
        description="The MM7 operation received; some providers deliver messages with a SubmitReq."
    )
    sender: Address | None = Field(description="Whose phone it came from; null where there is no readable address.")
    recipients: list[Recipient] = Field(description="To, Cc and Bcc in this order; one of them is the service.")
    subject: str | None = Field(description="The subject, whole.")
    priority: str | None = Field(description="In lower-case snake_case: `low`, `normal`, `high`, or what was sent.")
    linked_id: str | None = Field(description="LinkedID: a reply names it, so that the two belong together.")
    sent_at: UtcTime | None = Field(description="The provider's TimeStamp. RFC 3339, UTC.")
    sent_at_raw: str | None = Field(
        description="The TimeStamp as it was sent, where it could not be read or names no zone."
    )
    carrier_id: Carrier
    ua_capabilities: Capabilities
    text: str | None = Field(description="All plain text, in the order of the slides, joined by line breaks.")
    parts: list[Part] = Field(description="The attachments, in their order; the SMIL document is one of them.")
    slides: list[Slide] | None = Field(description="What is shown together, in order; null where no SMIL says so.")
    mms_relay_server_id: RelayServer = None
    vaspid: str | None = Field(None, description="VASPID: who the provider takes us for.")
    vasid: str | None = Field(None, description="VASID: which of our services it means.")
    sender_spi: str | None = Field(None, description="SenderSPI: the sender's service provider.")
    recipient_spi: str | None = Field(None, description="RecipientSPI: the recipient's service provider.")
    previouslysentby: list[Forwarder] | None = Field(None, description="Who has forwarded it.")
    previouslysentdateandtime: list[Forwarding] | None = Field(None, description="When it was forwarded.")
    reply_charging: ReplyCharging | None = Field(None, description="The sender pays for the reply, within limits.")
    reply_charging_id: str | None = Field(None, description="ReplyChargingID: the message whose reply is paid for.")
    applic_id: Application = None
    reply_applic_id: ReplyTo = None
    aux_applic_info: ApplicationInfo = None
    service_code: str | None = Field(None, description="ServiceCode: the provider's word for its bill.")
    message_class: str | None = Field(None, description="MessageClass in lower-case snake_case, as `informational`.")
    earliest_delivery_time: str | None = Field(None, description=f"EarliestDeliveryTime: {_TIME_OR_DURATION}.")
    expiry_date: str | None = Field(None, description=f"ExpiryDate: {_TIME_OR_DURATION}.")
    delivery_report: bool | None = Field(None, description="Whether the sender wants a delivery report.")
    read_reply: bool | None = Field(None, description="Whether the sender wants a read reply.")
    charged_party: str | None = Field(None, description="Who pays, in lower-case snake_case, as `third_party`.")
    charged_party_id: str | None = Field(None, description="ChargedPartyID: the third party that pays.")
    distribution_indicator: bool | None = Field(None, description="Whether it may be passed on.")
    delivery_condition: list[int] | None = Field(
        None, description="DeliveryCondition: what has to be so for a delivery, by the specification's numbers."
    )
    content_class: str | None = Field(None, description="ContentClass, as `image-basic`.")
    drm_content: bool | None = Field(None, description="Whether the content is protected.")
    extensions: Extensions


class Report(Data):
    """What delivery reports and read replies share."""

    message_id: str | None = Field(description="The MessageID that the submit was answered with.")
    sender: Address | None = Field(description="The sender of the message reported on: the service.")
    recipient: Address | None = Field(description="The recipient of the message reported on: the phone.")
    raw_status: str | None = Field(description="MMStatus as it was sent.")
    final: bool = Field(description="Whether no other report is to be expected for this recipient.")
    status_text: str | None = Field(description="StatusText: the provider's words.")
    status_extension: str | None = Field(description="MMStatusExtension: more about the status.")
    reported_at: UtcTime | None = Field(description="The provider's Date. RFC 3339, UTC.")
    reported_at_raw: str | None = Field(
        description="The Date as it was sent, where it could not be read or names no zone."
    )
    carrier_id: Carrier
    ua_capabilities: Capabilities
    command_id: str | None = Field(description="The command that this reports on; null where it is not known.")
    reference: str | None = Field(description="Of that command, as it was given.")
    metadata: dict[str, Any] | None = Field(description="Of that command, as it was given.")
    mms_relay_server_id: RelayServer = None
    applic_id: Application = None
    reply_applic_id: ReplyTo = None
    aux_applic_info: ApplicationInfo = None
    extensions: Extensions


class DrReceived(Report):
    """What became of a message at one recipient."""

    operation: Literal["DeliveryReportReq"] = Field(description="The MM7 operation received.")
    status: DeliveryStatus = Field(description="What became of it; `unknown` where `raw_status` is no known word.")


class RrReceived(Report):
    """One recipient has read a message, or deleted it unread."""

    operation: Literal["ReadReplyReq"] = Field(description="The MM7 operation received.")
    status: ReadStatus = Field(description="What was done with it; `unknown` where `raw_status` is no known word.")


class CallbackRefused(Data):
    """A callback that was answered with an error; the request is kept whole."""

    status_code: int = Field(description="The MM7 StatusCode that it was answered with.")
    status_text: str = Field(description="The StatusText to it.")
    reason: str = Field(description="What was wrong, in words.")
    raw: str = Field(description="Where the request is stored: head and body, as `mm7 decode --http` reads it.")
