"""The MM7 codec: bytes of an HTTP body ↔ frozen values. No clock, no socket, no logger, no setting.

Strategy: `decode` is split → soap → reader, `encode` is writer → join; each pair is two mirrored files over the tables
in `messages`. Reading is tolerant and says so in quirks; writing is strict.
"""

from .codec import Decoded, Encoded, decode, encode, response
from .elements import REL_5_1_2, REL_6_1_4, RELEASES, SCHEMA, element, elements, release_of
from .errors import DecodeError, EncodeError, Request
from .headers import bare_id, read_value
from .messages import (
    MESSAGES,
    RESPONSES,
    DeliverReq,
    DeliverRsp,
    DeliveryReportReq,
    DeliveryReportRsp,
    ErrorRsp,
    Message,
    ReadReplyReq,
    ReadReplyRsp,
    Response,
    RSErrorRsp,
    SubmitReq,
    SubmitRsp,
    VASPErrorRsp,
)
from .parts import Part
from .quirks import QUIRKS, Quirks
from .status import delivery_status, read_status, status_class, status_text
from .values import Address, Content, Recipients, ReplyCharging, SenderIdentification, Status, UACapabilities

__all__ = [
    "MESSAGES",
    "QUIRKS",
    "RELEASES",
    "REL_5_1_2",
    "REL_6_1_4",
    "RESPONSES",
    "SCHEMA",
    "Address",
    "Content",
    "DecodeError",
    "Decoded",
    "DeliverReq",
    "DeliverRsp",
    "DeliveryReportReq",
    "DeliveryReportRsp",
    "EncodeError",
    "Encoded",
    "ErrorRsp",
    "Message",
    "Part",
    "Quirks",
    "RSErrorRsp",
    "ReadReplyReq",
    "ReadReplyRsp",
    "Recipients",
    "ReplyCharging",
    "Request",
    "Response",
    "SenderIdentification",
    "Status",
    "SubmitReq",
    "SubmitRsp",
    "UACapabilities",
    "VASPErrorRsp",
    "bare_id",
    "decode",
    "delivery_status",
    "element",
    "elements",
    "encode",
    "read_status",
    "read_value",
    "release_of",
    "response",
    "status_class",
    "status_text",
]
