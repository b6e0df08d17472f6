"""What a provider looks at before it takes a submit. Pure: headers and bytes in, a value out."""

import base64
import binascii
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from gateway import mm7

from .answers import Answer, refuse

Basic = tuple[str, str]
Changing = mm7.CancelReq | mm7.ReplaceReq | mm7.ExtendedCancelReq | mm7.ExtendedReplaceReq
Asking = mm7.SubmitReq | Changing
BAD_LENGTH = 2500  # Sinch: Content-Length is missing, or the body comes in chunks


@dataclass(frozen=True, slots=True, kw_only=True)
class _Taken:
    """What a request that could be read came as, accepted or not.

    `headers` have lower-case names; `at` is when the body was there.
    """

    parts: tuple[mm7.Part, ...]
    quirks: tuple[str, ...]
    headers: Mapping[str, str]
    at: datetime
    answer: Answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Submit(_Taken):
    """A SubmitReq that was received, accepted or not; `message_id` is None where it was not."""

    message: mm7.SubmitReq
    message_id: str | None

    @property
    def sender(self) -> str:
        """The SenderAddress, "" where there is none."""
        identification = self.message.sender_identification
        return identification.sender_address.value if identification and identification.sender_address else ""

    @property
    def recipients(self) -> tuple[str, ...]:
        """The addresses that get the message: those that are only shown do not."""
        given = self.message.recipients or mm7.Recipients()
        return tuple(a.value for a in (*given.to, *given.cc, *given.bcc) if not a.display_only)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change(_Taken):
    """A request to cancel or to replace a message, accepted or not."""

    message: Changing

    @property
    def message_id(self) -> str | None:
        """What it names the message by: its MessageID; in extended operations, the CancelID or ReplaceID."""
        return named(self.message)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A request that is neither submit nor change, and what it gets for it."""

    answer: Answer
    request: mm7.Request = field(default_factory=mm7.Request)

    @property
    def text(self) -> str:
        """Why, in words."""
        return self.answer.text or ""


def authorised(header: str | None, basic: Basic | None) -> bool:
    """Whether an Authorization header has the user and password wanted; None wants none."""
    if basic is None:
        return True
    scheme, _, encoded = (header or "").partition(" ")
    try:
        given = base64.b64decode(encoded.strip(), validate=True)
    except binascii.Error:
        return False
    return scheme.lower() == "basic" and secrets.compare_digest(given, ":".join(basic).encode())


def examine(headers: Mapping[str, str], body: bytes) -> mm7.Decoded | Refusal:
    """The message in a request, or why it is refused. `headers` must not mind upper and lower case."""
    try:
        decoded = mm7.decode(headers.get("Content-Type"), body)
    except mm7.DecodeError as error:
        return _unsized(headers, error.request) or _unreadable(error)
    request = request_of(decoded.message)
    since = mm7.SINCE.get(decoded.message.operation, mm7.RELEASES[0])
    if not isinstance(decoded.message, Asking) or not mm7.has(mm7.release_of(decoded.message.namespace), since):
        text = f"{decoded.message.operation} is not an operation of this side"
        return Refusal(refuse(4003, text, fault=True, http=500), request)
    return _unsized(headers, request) or decoded


def named(message: Changing) -> str | None:
    """What a change names the message by."""
    match message:
        case mm7.ExtendedCancelReq():
            return message.cancel_id
        case mm7.ExtendedReplaceReq():
            return message.replace_id
        case _:
            return message.message_id


def request_of(message: mm7.Message) -> mm7.Request:
    """What an answer to the message echoes."""
    return mm7.Request(
        operation=message.operation,
        transaction_id=message.transaction_id,
        namespace=message.namespace,
        mm7_version=message.mm7_version,
    )


def _unsized(headers: Mapping[str, str], request: mm7.Request | None) -> Refusal | None:
    if "Content-Length" in headers and "Transfer-Encoding" not in headers:
        return None
    text = "Content-Length is missing; bodies in chunks are not supported"
    return Refusal(refuse(BAD_LENGTH, text, fault=True, http=500), request or mm7.Request())


def _unreadable(error: mm7.DecodeError) -> Refusal:
    """HTTP 500 where a message was found and could not be used, 400 where there was none."""
    answer = refuse(error.status, error.text, fault=True, http=500 if error.request else 400)
    return Refusal(answer, error.request or mm7.Request())
