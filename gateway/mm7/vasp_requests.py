"""What a VASP asks of the MMSC: submit, cancel, replace, and the extended operations of REL-6-MM7-1-4."""

from dataclasses import dataclass
from typing import Any

from .elements import element
from .message import Message
from .values import Content, Recipients, ReplyCharging, SenderIdentification

EXTENDED = "REL-6-MM7-1-4"


def _sender_identification() -> Any:
    return element("SenderIdentification", "group", group=SenderIdentification, required=True)


def _distribution_indicator() -> Any:
    # Named DistributionProtection in the first release.
    first = {"REL-5-MM7-1-0": "DistributionProtection"}
    return element("DistributionIndicator", "boolean", renamed=first, also=("DistributionProtection",))


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitReq(Message):
    """VASP → MMSC: a message for one or more phones. Some providers deliver messages from phones with it."""

    sender_identification: SenderIdentification | None = _sender_identification()
    recipients: Recipients | None = element("Recipients", "recipients", required=True)
    service_code: str | None = element("ServiceCode")
    linked_id: str | None = element("LinkedID", token=True)
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
    distribution_indicator: bool | None = _distribution_indicator()
    delivery_condition: tuple[int, ...] | None = element("DeliveryCondition", "conditions", since="REL-6-MM7-1-3")
    applic_id: str | None = element("ApplicID", since="REL-6-MM7-1-4")
    reply_applic_id: str | None = element("ReplyApplicID", since="REL-6-MM7-1-4")
    aux_applic_info: str | None = element("AuxApplicInfo", since="REL-6-MM7-1-4")
    content_class: str | None = element("ContentClass", since="REL-6-MM7-1-4")
    drm_content: bool | None = element("DRMContent", "boolean", since="REL-6-MM7-1-4")
    content: Content | None = element("Content", "attributes", group=Content)


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelReq(Message):
    """Take back a message that was submitted."""

    sender_identification: SenderIdentification | None = _sender_identification()
    message_id: str | None = element("MessageID", required=True, token=True)
    applic_id: str | None = element("ApplicID", since=EXTENDED)
    reply_applic_id: str | None = element("ReplyApplicID", since=EXTENDED)
    aux_applic_info: str | None = element("AuxApplicInfo", since=EXTENDED)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplaceReq(Message):
    """Put other content in the place of a message that was submitted."""

    sender_identification: SenderIdentification | None = _sender_identification()
    message_id: str | None = element("MessageID", required=True, token=True)
    service_code: str | None = element("ServiceCode")
    time_stamp: str | None = element("TimeStamp")
    read_reply: bool | None = element("ReadReply", "boolean")
    earliest_delivery_time: str | None = element("EarliestDeliveryTime")
    distribution_indicator: bool | None = _distribution_indicator()
    content_class: str | None = element("ContentClass", since=EXTENDED)
    drm_content: bool | None = element("DRMContent", "boolean", since=EXTENDED)
    applic_id: str | None = element("ApplicID", since=EXTENDED)
    reply_applic_id: str | None = element("ReplyApplicID", since=EXTENDED)
    aux_applic_info: str | None = element("AuxApplicInfo", since=EXTENDED)
    content: Content | None = element("Content", "attributes", group=Content)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtendedCancelReq(Message):
    """Take back all messages that were submitted under one CancelID."""

    sender_identification: SenderIdentification | None = _sender_identification()
    cancel_id: str | None = element("CancelID", required=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtendedReplaceReq(Message):
    """Replace all messages that were submitted under one ReplaceID."""

    vaspid: str | None = element("VASPID")
    vasid: str | None = element("VASID")
    service_code: str | None = element("ServiceCode")
    replace_id: str | None = element("ReplaceID")
    time_stamp: str | None = element("TimeStamp")
    earliest_delivery_time: str | None = element("EarliestDeliveryTime")
    expiry_date: str | None = element("ExpiryDate")
    read_reply: bool | None = element("ReadReply", "boolean")
    delivery_report: bool | None = element("DeliveryReport", "boolean")
    content: Content | None = element("Content", "attributes", group=Content)
