"""What the MMSC tells a VASP: a message from a phone, a delivery report, a read reply."""

from dataclasses import dataclass

from .elements import element
from .message import Message
from .values import Address, Content, PreviousDateTime, Recipients, UACapabilities, UserAgent


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliverReq(Message):
    """MMSC → VASP: a message from a phone."""

    mms_relay_server_id: str | None = element("MMSRelayServerID", token=True)
    vaspid: str | None = element("VASPID", since="REL-6-MM7-1-4")
    vasid: str | None = element("VASID", since="REL-6-MM7-1-4")
    linked_id: str | None = element("LinkedID", token=True)
    sender: Address | None = element("Sender", "address", required=True)
    recipients: Recipients | None = element("Recipients", "recipients")
    previouslysentby: tuple[UserAgent, ...] | None = element(
        "Previouslysentby", "repeated", group=UserAgent, since="REL-6-MM7-1-0"
    )
    previouslysentdateandtime: tuple[PreviousDateTime, ...] | None = element(
        "Previouslysentdateandtime", "repeated", group=PreviousDateTime, since="REL-6-MM7-1-0"
    )
    sender_spi: str | None = element("SenderSPI", since="REL-6-MM7-1-0")
    recipient_spi: str | None = element("RecipientSPI", since="REL-6-MM7-1-0")
    time_stamp: str | None = element("TimeStamp")
    reply_charging_id: str | None = element("ReplyChargingID", token=True, required_until="REL-5-MM7-1-1")
    priority: str | None = element("Priority")
    subject: str | None = element("Subject")
    applic_id: str | None = element("ApplicID", since="REL-6-MM7-1-4")
    reply_applic_id: str | None = element("ReplyApplicID", since="REL-6-MM7-1-4")
    aux_applic_info: str | None = element("AuxApplicInfo", since="REL-6-MM7-1-4")
    ua_capabilities: UACapabilities | None = element(
        "UACapabilities", "attributes", group=UACapabilities, since="REL-6-MM7-1-4"
    )
    content: Content | None = element("Content", "attributes", group=Content)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryReportReq(Message):
    """MMSC → VASP: what became of a submitted message at one recipient."""

    mms_relay_server_id: str | None = element("MMSRelayServerID", token=True)
    message_id: str | None = element("MessageID", required=True, token=True)
    recipient: Address | None = element("Recipient", "address", required=True)
    sender: Address | None = element("Sender", "address", required=True)
    # The time is Date in most releases and TimeStamp in these two; dialects use either: both are read.
    date: str | None = element(
        "Date",
        required=True,
        also=("TimeStamp",),
        renamed={"REL-5-MM7-1-4": "TimeStamp", "REL-6-MM7-1-1": "TimeStamp"},
    )
    mm_status: str | None = element("MMStatus", required=True)
    mm_status_extension: str | None = element("MMStatusExtension", since="REL-6-MM7-1-0")
    status_text: str | None = element("StatusText")
    applic_id: str | None = element("ApplicID", since="REL-6-MM7-1-4")
    reply_applic_id: str | None = element("ReplyApplicID", since="REL-6-MM7-1-4")
    aux_applic_info: str | None = element("AuxApplicInfo", since="REL-6-MM7-1-4")
    ua_capabilities: UACapabilities | None = element(
        "UACapabilities", "attributes", group=UACapabilities, since="REL-6-MM7-1-4"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadReplyReq(Message):
    """MMSC → VASP: one recipient has read the message, or deleted it unread."""

    mms_relay_server_id: str | None = element("MMSRelayServerID", token=True)
    message_id: str | None = element("MessageID", required=True, token=True)
    recipient: Address | None = element("Recipient", "address", required=True)
    sender: Address | None = element("Sender", "address", required=True)
    time_stamp: str | None = element("TimeStamp", required=True, also=("Date",))
    mm_status: str | None = element("MMStatus", required=True)
    status_text: str | None = element("StatusText")
    applic_id: str | None = element("ApplicID", since="REL-6-MM7-1-4")
    reply_applic_id: str | None = element("ReplyApplicID", since="REL-6-MM7-1-4")
    aux_applic_info: str | None = element("AuxApplicInfo", since="REL-6-MM7-1-4")
