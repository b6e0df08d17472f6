"""HTTP answers to callbacks (the table of them is in the README).

Strategy: one answer is made of an HTTP status and, for all that concerns MM7, the SOAP response that echoes the
request. Pure: `mm7 decode` shows the same answers as the receiver gives.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from http import HTTPStatus

from gateway import mm7
from gateway.accounts import Account

CONTENT_TYPE = "text/xml; charset=utf-8"
RETRY_AFTER_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back to the provider. `outcome` is the word for it in logs and metrics, `reason` why, at the door."""

    http_status: int
    body: bytes
    outcome: str
    content_type: str = CONTENT_TYPE
    headers: Mapping[str, str] = field(default_factory=dict)
    reason: str = ""


def _soap(account: Account, request: mm7.Request | None, code: int, text: str | None, message_id: str) -> bytes:
    """The matching response. What the request did not name is the account's."""
    asked = request or mm7.Request(namespace=None)
    asked = replace(
        asked,
        namespace=asked.namespace or account.namespace_written,
        mm7_version=asked.mm7_version or account.version_written,
    )
    return mm7.encode(mm7.response(asked, code, text, message_id=message_id)).body


def echo(message: mm7.Message) -> mm7.Request:
    """What an answer to a message has to repeat."""
    return mm7.Request(
        operation=message.operation,
        transaction_id=message.transaction_id,
        namespace=message.namespace,
        mm7_version=message.mm7_version,
    )


def accepted(account: Account, request: mm7.Request, message_id: str) -> Answer:
    """The event is safe. What answers a SubmitReq that brings a message from a phone is the provider's choice."""
    if request.operation == "SubmitReq":
        if account.profile.submit_answered_with == "nothing":
            return Answer(HTTPStatus.OK, b"", "accepted")
        if account.profile.submit_answered_with == "DeliverRsp":
            request = replace(request, operation="DeliverReq")
    return Answer(HTTPStatus.OK, _soap(account, request, 1000, None, message_id), "accepted")


def refused(account: Account, error: mm7.DecodeError, message_id: str) -> Answer:
    """The request is kept, and cannot be used: 200 where an MM7 message was found, 400 where none was."""
    found = error.request is not None and error.request.operation is not None
    status = HTTPStatus.OK if found else HTTPStatus.BAD_REQUEST
    text = f"{mm7.status_text(error.status)}: {error.text}"
    return Answer(status, _soap(account, error.request, error.status, text, message_id), "refused")


def unavailable(account: Account, request: mm7.Request | None, reason: str = "") -> Answer:
    """Nothing could store it: the provider keeps it and comes again."""
    asked = replace(request, operation=None) if request else None  # a Fault, whatever was asked
    body = _soap(account, asked, 4006, None, "")
    later = {"Retry-After": str(RETRY_AFTER_SECONDS)}
    return Answer(HTTPStatus.SERVICE_UNAVAILABLE, body, "unavailable", headers=later, reason=reason)


def plain(status: HTTPStatus, text: str, **headers: str) -> Answer:
    """What never got as far as MM7."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, f"{text}\n".encode(), f"http_{status}", "text/plain; charset=utf-8", named, text)
