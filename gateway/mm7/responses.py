"""Responses of either side, and the errors that stand in a SOAP Fault."""

from dataclasses import dataclass

from .elements import EARLY, element, required_group
from .message import Message
from .values import CodeStatus, Status


@dataclass(frozen=True, slots=True, kw_only=True)
class Response(Message):
    """What every response has."""

    status: Status = required_group("Status", Status)


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitRsp(Response):
    """Answer to SubmitReq; `message_id` is what reports will refer to."""

    message_id: str | None = element("MessageID", required=True, since="REL-5-MM7-1-1", token=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliverRsp(Response):
    """Answer to DeliverReq."""

    service_code: str | None = element("ServiceCode", since="REL-5-MM7-1-1")


class DeliveryReportRsp(Response):
    """Answer to DeliveryReportReq."""

    __slots__ = ()


class ReadReplyRsp(Response):
    """Answer to ReadReplyReq."""

    __slots__ = ()


class CancelRsp(Response):
    """Answer to CancelReq."""

    __slots__ = ()


class ReplaceRsp(Response):
    """Answer to ReplaceReq."""

    __slots__ = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtendedCancelRsp(Response):
    """Answer to ExtendedCancelReq; its Status holds a code and nothing else."""

    status: Status = required_group("Status", CodeStatus)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtendedReplaceRsp(Response):
    """Answer to ExtendedReplaceReq; MessageID stands before Status, which holds a code and nothing else."""

    status: Status = required_group("Status", CodeStatus)
    message_id: str | None = element("MessageID", required=True, place=EARLY)


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
