"""What a provider's answer means. Pure: (HTTP status, headers, body) → Outcome, so every strange answer becomes a test.

Strategy: the body is read whatever the HTTP status (faults come with 200 and with 500). A readable MM7 status decides;
the HTTP status decides where there is none; and where neither says what became of the message, it is unknown, because
a second message to a person is worse than one that somebody has to look after.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Literal

from gateway import mm7
from gateway.profiles import Profile

Kind = Literal["accepted", "refused", "later", "unknown"]

# Without a readable status these come from a proxy that may have passed the message on: no answer came back to it, or
# half of one. The rest of 5xx says that the request was not processed, and so do those in _LATER.
_PASSED_ON = (HTTPStatus.BAD_GATEWAY, HTTPStatus.GATEWAY_TIMEOUT)
_LATER = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one attempt. `retry_after` is in seconds, where the provider named it; `too_fast`: it said so."""

    kind: Kind
    reason: str
    status_code: int | None = None
    status_text: str | None = None
    message_id: str | None = None
    partial: bool = False
    retry_after: float | None = None
    too_fast: bool = False
    http_status: int | None = None
    transaction_id: str | None = None
    mm7_version: str | None = None
    namespace: str | None = None
    quirks: tuple[str, ...] = ()


def read_answer(http_status: int, headers: Mapping[str, str], body: bytes, profile: Profile) -> Outcome:
    """The outcome of a request that was answered. `headers` are looked up without regard to case."""
    outcome = _read_body(headers.get("Content-Type"), body, profile) or _read_http(http_status)
    if outcome.kind == "later":
        outcome = replace(outcome, retry_after=_retry_after(headers.get("Retry-After")))
    return replace(outcome, http_status=http_status)


def _read_body(content_type: str | None, body: bytes, profile: Profile) -> Outcome | None:
    """By the MM7 status; None where the body has none."""
    if content_type is not None:
        content_type = content_type.encode("utf-8", "replace").decode()  # a client's header may hold lone surrogates
    try:
        decoded = mm7.decode(content_type, body)
    except mm7.DecodeError:
        return None
    message = decoded.message
    if not isinstance(message, mm7.Response):
        return None
    code = message.status.code
    text = message.status.text or (message.fault_string if isinstance(message, mm7.ErrorRsp) else None)
    if code is None and not isinstance(message, mm7.ErrorRsp):
        return None
    kind = _kind(message, code, profile)
    return Outcome(
        kind=kind,
        reason=f"{code or 'SOAP Fault'} {text or mm7.status_text(code or 0)}",
        status_code=code,
        status_text=" ".join(filter(None, (text, message.status.details))) or None,
        message_id=getattr(message, "message_id", None),
        partial=kind == "accepted" and code in profile.partial,
        too_fast=kind == "later" and code in profile.throughput,
        transaction_id=message.transaction_id,
        mm7_version=message.mm7_version,
        namespace=message.namespace,
        quirks=decoded.quirks,
    )


def _kind(message: mm7.Response, code: int | None, profile: Profile) -> Kind:
    if code is None:  # a Fault without an MM7 status: whose fault it is decides
        fault_code = message.fault_code if isinstance(message, mm7.ErrorRsp) else ""
        return "refused" if fault_code.startswith("Client") else "later"
    if mm7.status_class(code) == 1000:  # the class of success
        return "unknown" if isinstance(message, mm7.ErrorRsp) else "accepted"  # a Fault of success says neither
    return "later" if profile.is_temporary(code) else "refused"


def _read_http(http_status: int) -> Outcome:
    """By the HTTP status alone."""
    reason = f"HTTP {http_status} without a readable MM7 status"
    if http_status < HTTPStatus.MULTIPLE_CHOICES or http_status in _PASSED_ON:
        return Outcome(kind="unknown", reason=reason)
    later = http_status in _LATER or http_status >= HTTPStatus.INTERNAL_SERVER_ERROR
    too_fast = http_status == HTTPStatus.TOO_MANY_REQUESTS
    return Outcome(kind="later" if later else "refused", reason=reason, too_fast=too_fast)


def _retry_after(value: str | None) -> float | None:
    """Seconds or a date (RFC 9110 §10.2.3)."""
    text = (value or "").strip()
    if text.isdecimal():
        return float(text)
    try:
        return max(0.0, (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError, OverflowError):
        return None
