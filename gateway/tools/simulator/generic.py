"""A provider that does what the specification says (TS 23.140 §8.7): everything is written by the codec."""

from dataclasses import replace

from gateway import mm7

from .messages import Mo, ReadReply, Report
from .profile import Form, Profile
from .wire import Callback, part_names, utc

_SHORT_CODE_DIGITS = 8
_CONTENT_ID = "content"


def service(address: str) -> mm7.Address:
    """The customer's own address: ShortCode, or Number where it is too long for one."""
    return mm7.Address(address, "ShortCode" if len(address) <= _SHORT_CODE_DIGITS else "Number")


def encoded(message: mm7.Message, parts: tuple[mm7.Part, ...] = (), *, action: str | None = '""') -> Callback:
    """A message by the codec. SOAPAction is `""` (TS 23.140 §8.7.1); None leaves it out."""
    written = mm7.encode(message, parts)
    headers = {"Content-Type": written.content_type}
    if action is not None:
        headers["SOAPAction"] = action
    return Callback(headers, written.body, (mm7.RESPONSES[message.operation].__name__,))


def deliver_req(message: Mo, form: Form) -> mm7.DeliverReq:
    """The MO as the specification has it."""
    shown = tuple(mm7.Address(number, display_only=True) for number in message.others)
    return mm7.DeliverReq(
        transaction_id=message.transaction_id,
        namespace=form.namespace,
        mm7_version=form.mm7_version,
        linked_id=message.linked_id,
        sender=mm7.Address(message.sender),
        recipients=mm7.Recipients(to=(service(message.recipient), *shown)),
        time_stamp=utc(message.at),
        priority="Normal",
        subject=message.subject,
        content=mm7.Content(f"cid:{_CONTENT_ID}") if message.parts else None,
    )


def report_req(report: Report, form: Form) -> mm7.DeliveryReportReq:
    """The delivery report as the specification has it."""
    return mm7.DeliveryReportReq(
        transaction_id=report.transaction_id,
        namespace=form.namespace,
        mm7_version=form.mm7_version,
        message_id=report.message_id,
        recipient=mm7.Address(report.recipient),
        sender=service(report.sender),
        date=utc(report.at),
        mm_status=report.mm_status,
        status_text=report.status_text,
        ua_capabilities=mm7.UACapabilities(report.ua_prof) if report.ua_prof else None,
    )


def read_reply_req(reply: ReadReply, form: Form) -> mm7.ReadReplyReq:
    """The read reply as the specification has it."""
    return mm7.ReadReplyReq(
        transaction_id=reply.transaction_id,
        namespace=form.namespace,
        mm7_version=form.mm7_version,
        message_id=reply.message_id,
        recipient=mm7.Address(reply.recipient),
        sender=service(reply.sender),
        time_stamp=utc(reply.at),
        mm_status=reply.mm_status,
        status_text=reply.status_text,
    )


def _mo(message: Mo, form: Form) -> Callback:
    named = zip(message.parts, part_names(message.parts), strict=True)
    parts = tuple(replace(part, content_id=part.content_id or name) for part, name in named)
    return encoded(deliver_req(message, form), parts)


PROFILE = Profile(
    name="generic",
    writers={
        Mo: _mo,
        Report: lambda report, form: encoded(report_req(report, form)),
        ReadReply: lambda reply, form: encoded(read_reply_req(reply, form)),
    },
)
