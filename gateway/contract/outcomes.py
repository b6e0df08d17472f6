"""What became of a command → events. Pure."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from gateway.accounts import Account

from . import addresses, commands, fields, submission, times
from .commands import BadCommand, Command
from .ended import MtAccepted, MtRefused, MtUnknown, Outcome
from .events import TYPES, Event
from .problems import Problem

Type = Literal["mt.accepted", "mt.refused", "mt.unknown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """The end of a command. `reason` is for refused and unknown ones, `details` for refused ones."""

    type: Type
    attempts: int
    at: datetime
    reason: str = ""
    details: tuple[Problem, ...] = ()
    status_code: int | None = None
    status_text: str | None = None
    message_id: str | None = None
    partial: bool = False
    transaction_id: str | None = None
    mm7_version: str | None = None
    namespace: str | None = None
    quirks: tuple[str, ...] = ()


def event(command: Command, account: Account, result: Result, replay: str | None = None) -> Event:
    """The outcome event of a command that could be read; of a replay it is another one, by its token."""
    sender = submission.sender_of(command, account)
    known: dict[str, Any] = {
        "operation": command.operation,
        "command_id": command.id,
        "reference": command.reference,
        "metadata": command.metadata,
        "recipients": submission.recipients_of(command),
        # Of a cancel or replace it is the submit's; no response repeats it but that of extendedReplace.
        "message_id": result.message_id or (command.message_id if command.operation != "submit" else None),
    }
    if result.type == "mt.accepted":
        known["warnings"] = submission.warnings(command, account)
    return _event(account, known, result, command.id, replay, _service(sender))


def load(recorded: bytes) -> Event:
    """The event of its JSON: `model_dump_json` gives the same bytes again, but for what a newer version has added."""
    found = Event.model_validate_json(recorded)
    return found.model_copy(update={"data": TYPES[found.type].model_validate(found.data, extra="ignore")})


def bad_command(error: BadCommand, account: Account, result: Result, body: bytes, replay: str | None = None) -> Event:
    """The refusal of a command that could not be read; what is known of it is given back."""
    found = error.known
    command_id = _text(found.get("id"), fields.MAX_ID_BYTES)
    metadata, operation = found.get("metadata"), found.get("operation", "submit")
    known: dict[str, Any] = {
        "operation": operation if operation in commands.OPERATIONS else None,
        "command_id": command_id,
        "reference": _text(found.get("reference"), fields.MAX_TEXT_LENGTH),
        "metadata": metadata if isinstance(metadata, dict) and fields.fits(metadata) else None,
        "recipients": [],
        "message_id": None,
    }
    identity = command_id or hashlib.sha256(body).hexdigest()
    own = account.outbound.sender if account.outbound else None
    subject = _service(_text(found.get("from"), fields.MAX_ADDRESS_LENGTH)) or _service(own)
    return _event(account, known, result, identity, replay, subject)


def _text(value: object, most_bytes: int) -> str | None:
    return value if isinstance(value, str) and 0 < len(value.encode()) <= most_bytes else None


def _service(sender: str | None) -> str | None:
    try:
        return addresses.from_mm7(addresses.to_mm7(sender)).address if sender else None
    except ValueError:
        return None


def _event(
    account: Account, known: Mapping[str, Any], result: Result, identity: str, replay: str | None, subject: str | None
) -> Event:
    data = _data(account, known, result)
    # A refused id may come again, mended: another refusal of it is another event.
    why = (result.reason, result.status_code, *(f"{p.path} {p.problem}" for p in result.details))
    content = (account.name, identity, known["operation"], result.type, *(why if result.type == "mt.refused" else ()))
    if replay:
        content = (*content, replay)
    digest = hashlib.sha256(repr(content).encode()).hexdigest()
    return Event.of(data, id=digest[:32], subject=subject, time=times.rfc3339(result.at))


def _data(account: Account, known: Mapping[str, Any], result: Result) -> Outcome:
    common: dict[str, Any] = {
        **known,
        "account": account.name,
        "profile": account.profile_name,
        "transaction_id": result.transaction_id,
        "mm7_version": result.mm7_version,
        "namespace": result.namespace,
        "received_at": times.rfc3339(result.at),
        "quirks": list(result.quirks),
        "status_code": result.status_code,
        "status_text": result.status_text,
        "partial": result.partial,
        "attempts": result.attempts,
    }
    match result.type:
        case "mt.accepted":
            return MtAccepted(**common)
        case "mt.refused":
            return MtRefused(**common, reason=result.reason, details=list(result.details))
        case "mt.unknown":
            return MtUnknown(**common, reason=result.reason)
