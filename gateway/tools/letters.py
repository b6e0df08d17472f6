"""Dead letters as a person meets them: what one says, and the command that is sent again. Pure.

Strategy: a letter of the worker's says everything in headers of ours. One that the broker has put there itself, past
the delivery limit, or anybody else, has none: it is read as far as it goes, and nobody knows whether its command was
sent. The key of a letter is what makes it the same one when it is met twice. So it is also the token of its replay: a
replay that a crash repeats carries the same token, and the worker drops the second. And it carries the outcome of its
letter: where the command has come to another one since, the worker repeats that and sends nothing.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import orjson

from gateway.broker import COMMANDS, Delivery, Outgoing
from gateway.broker.message import MAX_BODY_BYTES
from gateway.contract import commands, headers, times
from gateway.contract.commands import BadCommand

MAX_REPLAYS = 3
KEY_LENGTH = 12  # of the hex digits that people see and type
MAY_HAVE_ARRIVED = "may have reached the phone (--unknown replays it all the same)"
REPLAYED_OFTEN = f"came back from {MAX_REPLAYS} replays (--again replays it once more)"
SUPERSEDED = "has a later letter of the same command (drop the one that is not meant)"
TOO_LARGE = "is larger than every broker takes"
_LEFT_BEHIND = {*headers.OF_DEATH, headers.ATTEMPTS, headers.HISTORY, headers.NOT_BEFORE}
_SAFE_OUTCOME = "mt.refused"
_BASE64_SHOWN, _TEXT_SHOWN = 60, 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """What a dead letter says of itself; "" and None where it does not."""

    account: str
    key: str = field(repr=False)
    at: datetime | None
    command_id: str
    event_id: str
    outcome: str
    reason: str
    cause: str
    status_code: int | None
    status_text: str
    attempts: int
    replays: int
    bytes: int

    @property
    def name(self) -> str:
        """The key as people see it."""
        return self.key[:KEY_LENGTH]


def read(delivery: Delivery, account: str) -> Letter:
    """What a delivery from an account's dead letters says, whoever has published it."""
    found = delivery.headers
    death = _death(found)
    ours = headers.OUTCOME in found
    command_id, event_id = _text(found.get(headers.COMMAND_ID)), _text(found.get(headers.EVENT_ID))
    if not command_id and not ours:  # then the message_id is the sender's: the worker's are random
        command_id = _id_in(delivery)
    replays = _number(found.get(headers.REPLAYS)) or 0
    body = hashlib.sha256(delivery.body).hexdigest()
    # Not its time: a letter that a crash of the worker has written twice is one.
    identity = (account, event_id or (delivery.message_id, command_id, body), replays)
    return Letter(
        account=account,
        key=hashlib.sha256(repr(identity).encode()).hexdigest()[:32],
        at=_time(found.get(headers.AT)) or _time(death.get("time")),
        command_id=command_id,
        event_id=event_id,
        outcome=_text(found.get(headers.OUTCOME)),
        reason=_text(found.get(headers.REASON)) if ours else _text(death.get("reason")),
        cause=_text(found.get(headers.CAUSE)) or _cause(death, ours=ours),
        status_code=_number(found.get(headers.STATUS_CODE)),
        status_text=_text(found.get(headers.STATUS_TEXT)),
        attempts=_number(found.get(headers.ATTEMPTS)) or 0,
        replays=replays,
        bytes=len(delivery.body),
    )


def held_back(letter: Letter, *, unknown: bool, again: bool) -> str:
    """Why a letter is not replayed, in words; "" for one that is."""
    if letter.bytes > MAX_BODY_BYTES:
        return TOO_LARGE
    if letter.outcome != _SAFE_OUTCOME and not unknown:
        return MAY_HAVE_ARRIVED
    return REPLAYED_OFTEN if letter.replays >= MAX_REPLAYS and not again else ""


def superseded(found: Iterable[Letter]) -> set[str]:
    """The keys of those whose command has a later letter: it must not be sent for each of them."""
    latest: dict[tuple[str, str], str] = {}
    older = set()
    for letter in sorted(found, key=lambda each: each.at or datetime.min.replace(tzinfo=UTC)):
        before = latest.get((letter.account, letter.command_id))
        if letter.command_id:
            latest[letter.account, letter.command_id] = letter.key
        if before is not None and before != letter.key:
            older.add(before)
    return older


def replayed(letter: Letter, delivery: Delivery) -> Outgoing:
    """The command of a letter as it goes to the worker again: its own headers, and none of what became of it."""
    kept: dict[str, str | int] = {
        name: value
        for name, value in delivery.headers.items()
        if isinstance(value, (str, int)) and name not in _LEFT_BEHIND and not name.startswith("x-")
    }
    if letter.command_id:  # the AMQP message_id is made anew with every publish
        kept[headers.COMMAND_ID] = letter.command_id
    if letter.event_id:  # without one: of a replay that the broker gave up it is still what that one was to undo
        kept[headers.REPLAY_OF] = letter.event_id
    if delivery.reply_to:
        kept[headers.REPLY_TO] = delivery.reply_to
    return Outgoing(
        exchange=COMMANDS,
        routing_key=letter.account,
        body=delivery.body,
        content_type=delivery.content_type or "application/json",
        type=delivery.type,
        headers=kept | {headers.REPLAY: letter.key, headers.REPLAYS: letter.replays + 1},
        correlation_id=delivery.correlation_id,
    )


def facts(letter: Letter) -> dict[str, Any]:
    """A letter for machines."""
    return {
        "letter": letter.name,
        "account": letter.account,
        "at": times.rfc3339(letter.at) if letter.at else None,
        "command_id": letter.command_id or None,
        "event_id": letter.event_id or None,
        "outcome": letter.outcome or None,
        "reason": letter.reason or None,
        "cause": letter.cause or None,
        "status_code": letter.status_code,
        "status_text": letter.status_text or None,
        "attempts": letter.attempts,
        "replays": letter.replays,
        "bytes": letter.bytes,
    }


def contents(delivery: Delivery) -> dict[str, Any]:
    """What a letter holds beyond its facts: the attempts, the headers as they are, and the command."""
    return {
        "history": _history(delivery.headers.get(headers.HISTORY)),
        "headers": {name: value for name, value in delivery.headers.items() if name != headers.HISTORY},
        "content_type": delivery.content_type,
        "command": _command(delivery.body),
    }


def _history(found: object) -> Any:
    try:
        return orjson.loads(found) if isinstance(found, str) else []
    except orjson.JSONDecodeError:
        return found


def _command(body: bytes) -> Any:
    """The body as JSON, the base64 in it shortened; what is none as text."""
    try:
        command = orjson.loads(body)
        orjson.dumps(command)  # it reads deeper than it writes
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):
        return body[:_TEXT_SHOWN].decode("utf-8", "replace")
    for holder in (command, command.get("data") if isinstance(command, dict) else None):
        parts = holder.get("parts") if isinstance(holder, dict) else None
        for part in parts if isinstance(parts, list) else ():
            if isinstance(part, dict) and isinstance(data := part.get("data"), str) and len(data) > _BASE64_SHOWN:
                part["data"] = f"{data[:_BASE64_SHOWN]}… ({len(data)} characters)"
    return command


def _id_in(delivery: Delivery) -> str:
    try:
        return commands.parse(delivery.body, delivery.content_type, delivery.headers, delivery.message_id).id
    except BadCommand as error:
        return _text(error.known.get("id"))


def _death(found: Mapping[str, object]) -> Mapping[str, object]:
    """The broker's last note of why it has moved a message."""
    deaths = found.get("x-death")
    newest = deaths[0] if isinstance(deaths, list) and deaths else None
    return newest if isinstance(newest, Mapping) else {}


def _cause(death: Mapping[str, object], *, ours: bool) -> str:
    if ours:
        return ""
    return f"put here by the broker, from {_text(death.get('queue'))}" if death else "not put here by the worker"


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _number(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _time(value: object) -> datetime | None:
    try:
        return _utc(value if isinstance(value, datetime) else datetime.fromisoformat(_text(value)))
    except (ValueError, OverflowError):
        return None


def _utc(time: datetime) -> datetime:
    return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
