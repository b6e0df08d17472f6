"""The operations of MM7 as frozen values, named as in 3GPP TS 23.140 (§8.7 and the published schemas), by their names.

Times stay text here: what a time means is the event's business.
"""

from collections.abc import Mapping

from .message import Message, operation_name
from .mmsc_requests import DeliverReq, DeliveryReportReq, ReadReplyReq
from .responses import (
    CancelRsp,
    DeliverRsp,
    DeliveryReportRsp,
    ErrorRsp,
    ExtendedCancelRsp,
    ExtendedReplaceRsp,
    ReadReplyRsp,
    ReplaceRsp,
    Response,
    RSErrorRsp,
    SubmitRsp,
    VASPErrorRsp,
)
from .vasp_requests import CancelReq, ExtendedCancelReq, ExtendedReplaceReq, ReplaceReq, SubmitReq

_ANSWERED: Mapping[type[Message], type[Response]] = {
    SubmitReq: SubmitRsp,
    CancelReq: CancelRsp,
    ReplaceReq: ReplaceRsp,
    ExtendedCancelReq: ExtendedCancelRsp,
    ExtendedReplaceReq: ExtendedReplaceRsp,
    DeliverReq: DeliverRsp,
    DeliveryReportReq: DeliveryReportRsp,
    ReadReplyReq: ReadReplyRsp,
}
# Operation → the response that matches it.
RESPONSES: Mapping[str, type[Response]] = {operation_name(asked): answer for asked, answer in _ANSWERED.items()}
MESSAGES: Mapping[str, type[Message]] = {
    operation_name(cls): cls for cls in (*_ANSWERED, *_ANSWERED.values(), RSErrorRsp, VASPErrorRsp)
}
# Operations that not every release has.
SINCE: Mapping[str, str] = {name: "REL-6-MM7-1-4" for name in MESSAGES if name.startswith("extended")}

__all__ = [
    "MESSAGES",
    "RESPONSES",
    "SINCE",
    "CancelReq",
    "CancelRsp",
    "DeliverReq",
    "DeliverRsp",
    "DeliveryReportReq",
    "DeliveryReportRsp",
    "ErrorRsp",
    "ExtendedCancelReq",
    "ExtendedCancelRsp",
    "ExtendedReplaceReq",
    "ExtendedReplaceRsp",
    "Message",
    "RSErrorRsp",
    "ReadReplyReq",
    "ReadReplyRsp",
    "ReplaceReq",
    "ReplaceRsp",
    "Response",
    "SubmitReq",
    "SubmitRsp",
    "VASPErrorRsp",
]
