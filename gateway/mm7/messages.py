"""The operations of MM7 as frozen values, named as in 3GPP TS 23.140 (tables of its §8.7 and the published schemas).

Times stay text here: what a time means is the event's business.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from .elements import REL_6_1_4, element, required_group
from .values import (
    Address,
    Content,
    Recipients,
    ReplyCharging,
    SenderIdentification,
    Status,
    UACapabilities,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What every operation has. `transaction_id` stands in the SOAP header; `namespace` is None where there is none."""

    transaction_id: str | None = None
    namespace: str | None = REL_6_1_4
    extensions: Mapping[str, str] = field(default_factory=dict)
    mm7_version: str | None = element("MM7Version", required=True)

    @property
    def operation(self) -> str:
        """The element's name: DeliverReq, SubmitRsp, …"""
        return type(self).__name__


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitReq(Message):
    """VASP → MMSC: a message for one or more phones. Some providers deliver messages from phones with it."""

    sender_identification: SenderIdentification | None = element(
        "SenderIdentification", "group", group=SenderIdentification, required=True
    )
    recipients: Recipients | None = element("Recipients", "recipients", required=True)
    service_code: str | None = element("ServiceCode")
    linked_id: str | None = element("LinkedID")
    message_class: str | None = element("MessageClass")
    time_stamp: str | None = element("TimeStamp")
    reply_charging: ReplyCharging | None = element("ReplyCharging", "attributes", group=ReplyCharging)
    earliest_delivery_time: str | None = element("EarliestDeliveryTime")
    expiry_date: str | None = element("ExpiryDate")
    delivery_report: bool | None = element("DeliveryReport", "boolean")
    read_reply: bool | None = element("ReadReply", "boolean")
    priority: str | None = element("Priority")
    subject: str | None = element("Subject")
    charged_party: str | None = element("ChargedParty")
    charged_party_id: str | None = element("ChargedPartyID", since="REL-6-MM7-1-0")
    distribution_indicator: bool | None = element("DistributionIndicator", "boolean", since="REL-5-MM7-1-1")
    applic_id: str | None = element("ApplicID", since="REL-6-MM7-1-4")
    reply_applic_id: str | None = element("ReplyApplicID", since="REL-6-MM7-1-4")
    aux_applic_info: str | None = element("AuxApplicInfo", since="REL-6-MM7-1-4")
    content_class: str | None = element("ContentClass", since="REL-6-MM7-1-4")
    drm_content: bool | None = element("DRMContent", "boolean", since="REL-6-MM7-1-4")
    content: Content | None = element("Content", "attributes", group=Content)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliverReq(Message):
    """MMSC → VASP: a message from a phone."""

    mms_relay_server_id: str | None = element("MMSRelayServerID")
    vaspid: str | None = element("VASPID", since="REL-6-MM7-1-4")
    vasid: str | None = element("VASID", since="REL-6-MM7-1-4")
    linked_id: str | None = element("LinkedID")
    sender: Address | None = element("Sender", "address", required=True)
    recipients: Recipients | None = element("Recipients", "recipients")
    sender_spi: str | None = element("SenderSPI", since="REL-6-MM7-1-0")
    recipient_spi: str | None = element("RecipientSPI", since="REL-6-MM7-1-0")
    time_stamp: str | None = element("TimeStamp")
    reply_charging_id: str | None = element("ReplyChargingID")
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

    mms_relay_server_id: str | None = element("MMSRelayServerID")
    message_id: str | None = element("MessageID", required=True)
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

    mms_relay_server_id: str | None = element("MMSRelayServerID")
    message_id: str | None = element("MessageID", required=True)
    recipient: Address | None = element("Recipient", "address", required=True)
    sender: Address | None = element("Sender", "address", required=True)
    time_stamp: str | None = element("TimeStamp", required=True, also=("Date",))
    mm_status: str | None = element("MMStatus", required=True)
    status_text: str | None = element("StatusText")
    applic_id: str | None = element("ApplicID", since="REL-6-MM7-1-4")
    reply_applic_id: str | None = element("ReplyApplicID", since="REL-6-MM7-1-4")
    aux_applic_info: str | None = element("AuxApplicInfo", since="REL-6-MM7-1-4")


@dataclass(frozen=True, slots=True, kw_only=True)
class Response(Message):
    """What every response has."""

    status: Status = required_group("Status", Status)


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitRsp(Response):
    """Answer to SubmitReq; `message_id` is what reports will refer to."""

    message_id: str | None = element("MessageID", required=True, since="REL-5-MM7-1-1")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliverRsp(Response):
    """Answer to DeliverReq."""

    service_code: str | None = element("ServiceCode")


class DeliveryReportRsp(Response):
    """Answer to DeliveryReportReq."""

    __slots__ = ()


class ReadReplyRsp(Response):
    """Answer to ReadReplyReq."""

    __slots__ = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorRsp(Response):
    """A request that could not be processed; stands in the detail of a SOAP Fault (TS 23.140 §8.7.x)."""

    fault_code: str = "Client"
    fault_string: str | None = None


class RSErrorRsp(ErrorRsp):
    """The MMSC could not process our request. A Fault without any MM7 detail is read as one with an empty Status."""

    __slots__ = ()


class VASPErrorRsp(ErrorRsp):
    """We could not process the MMSC's request."""

    __slots__ = ()


MESSAGES: Mapping[str, type[Message]] = {
    message.__name__: message
    for message in (
        SubmitReq,
        SubmitRsp,
        DeliverReq,
        DeliverRsp,
        DeliveryReportReq,
        DeliveryReportRsp,
        ReadReplyReq,
        ReadReplyRsp,
        RSErrorRsp,
        VASPErrorRsp,
    )
}
RESPONSES: Mapping[str, type[Response]] = {
    "SubmitReq": SubmitRsp,
    "DeliverReq": DeliverRsp,
    "DeliveryReportReq": DeliveryReportRsp,
    "ReadReplyReq": ReadReplyRsp,
}
