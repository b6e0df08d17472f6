"""The commands that users send: one pydantic model, read from JSON or from a CloudEvent. JSON Schema comes from it.

Strategy: what is given back in the outcome event is bounded here, because behind a POST there must be nothing left that
could not be published.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal, get_args

import orjson
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from . import addresses, times
from .events import Problem
from .problems import problems_of

MAX_ID_BYTES = 255  # it becomes the outcome's correlation_id, a short string of AMQP
MAX_ADDRESS_LENGTH = 128  # it becomes a part of the outcome's routing key
MAX_TEXT_LENGTH, MAX_URL_LENGTH = 1000, 8192
MAX_METADATA_BYTES, MAX_METADATA_DEPTH = 64 * 1024, 32
MAX_RECIPIENTS, MAX_PARTS = 1000, 100
Operation = Literal["submit", "cancel", "replace", "extended_cancel", "extended_replace"]
OPERATIONS = get_args(Operation)
# RFC 3339 as far as it is xs:dateTime too, which is how it is sent.
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]((0\d|1[0-3]):[0-5]\d|14:00))", re.ASCII)
EVENT_PREFIXES = ("ce-", "cloudEvents:", "cloudEvents_")  # of attributes in headers: others', and the binding's two
_NOT_XML = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


class BadCommand(Exception):
    """A command that cannot work, with every problem by its path, and what could be read of it for the answer."""

    def __init__(self, problems: list[Problem], known: Mapping[str, Any] | None = None) -> None:
        super().__init__("; ".join(f"{p.path}: {p.problem}" if p.path else p.problem for p in problems))
        self.problems = problems
        self.known = known or {}


def _address(text: str) -> str:
    addresses.to_mm7(text)
    return text


def _time_or_duration(text: str) -> str:
    if text.isascii() and not text.startswith("-") and times.is_duration(text):
        return text
    try:
        return _time(text)
    except ValueError as error:
        raise ValueError(f"{error}, nor an ISO 8601 duration (P3D)") from None


def _time(text: str) -> str:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("no RFC 3339 time (2026-12-01T00:00:00Z)") from None
    if not _TIME.fullmatch(text):
        raise ValueError("no RFC 3339 time with its zone (2026-12-01T00:00:00Z)")
    return text


def _base64(text: str) -> str:
    try:
        base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError(f"no base64: {error}") from None
    return text


def _id_bytes(text: str) -> str:
    if len(text.encode()) > MAX_ID_BYTES:
        raise ValueError(f"over {MAX_ID_BYTES} bytes")
    return text


def _smil(text: str) -> str:
    if text != "auto" and "<smil" not in text:
        raise ValueError('neither "auto" nor a SMIL document (<smil>…</smil>)')
    return text


def fits(metadata: Mapping[str, Any]) -> bool:
    """Whether metadata can be given back in an event."""
    return _within(metadata, MAX_METADATA_DEPTH) and len(orjson.dumps(metadata)) <= MAX_METADATA_BYTES


def _within(value: object, depth: int) -> bool:
    inner = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    return depth >= 0 and all(_within(each, depth - 1) for each in inner)


def _fitting(metadata: dict[str, Any]) -> dict[str, Any]:
    if not fits(metadata):
        raise ValueError(f"over {MAX_METADATA_BYTES} bytes, or nested deeper than {MAX_METADATA_DEPTH}")
    return metadata


def _xml_safe(text: str) -> str:
    if found := _NOT_XML.search(text):
        raise ValueError(f"the character {found.group()!r} cannot stand in XML")
    return text


Text = Annotated[str, AfterValidator(_xml_safe)]
# Lengths stand before the validators: behind them pydantic speaks of items where it means characters.
ShortText = Annotated[str, Field(max_length=MAX_TEXT_LENGTH), AfterValidator(_xml_safe)]
AddressText = Annotated[
    str, Field(min_length=1, max_length=MAX_ADDRESS_LENGTH), AfterValidator(_xml_safe), AfterValidator(_address)
]
Addresses = Annotated[list[AddressText], Field(max_length=MAX_RECIPIENTS)]
TimeOrDuration = Annotated[str, AfterValidator(_time_or_duration)]
Word = Annotated[
    str, Field(min_length=1, max_length=MAX_ID_BYTES), AfterValidator(_xml_safe), AfterValidator(_id_bytes)
]


class CommandPart(BaseModel):
    """One attachment: its content is exactly one of `text`, `data` (base64) and `url`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    content_type: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.+-]{1,100}/[A-Za-z0-9_.+-]{1,100}$")]
    text: str | None = None
    data: Annotated[str, AfterValidator(_base64)] | None = None
    url: Annotated[str, Field(max_length=MAX_URL_LENGTH, pattern=r"^[a-z0-9]+://\S+$")] | None = Field(
        None, description="In the media store, or https:// or s3:// as far as the worker's settings allow it."
    )
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = Field(
        None, description="Of what stands under `url`, in hexadecimal: other content is not sent."
    )
    filename: Annotated[str, Field(min_length=1, max_length=120), AfterValidator(_xml_safe)] | None = None
    content_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.@+-]{1,120}$")] | None = None


class Command(BaseModel):
    """Send, cancel or replace one message."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    id: Word = Field(description="Idempotency key: a second command with the same id is not sent again.")
    operation: Operation = "submit"
    to: Addresses = []
    cc: Addresses = []
    bcc: Addresses = []
    sender: AddressText | None = Field(None, alias="from", description="Default: the account's sender.")
    subject: ShortText | None = None
    parts: Annotated[list[CommandPart], Field(max_length=MAX_PARTS)] = []
    smil: Annotated[Text, AfterValidator(_smil)] | None = Field(
        "auto", description='"auto", null, or the SMIL document itself.'
    )
    delivery_report: bool | None = None
    read_reply: bool | None = None
    priority: Literal["low", "normal", "high"] | None = None
    message_class: Literal["personal", "informational", "advertisement", "auto"] | None = None
    expires: TimeOrDuration | None = None
    earliest_delivery: TimeOrDuration | None = None
    not_after: Annotated[str, AfterValidator(_time)] | None = Field(None, description="Not sent after this time.")
    message_id: Word | None = Field(None, description="The submit's, for operations on a submitted message.")
    service_code: ShortText | None = None
    linked_id: Word | None = None
    charged_party: Literal["sender", "recipient", "both", "neither", "third_party"] | None = None
    distribution_indicator: bool | None = None
    reference: Annotated[str, Field(max_length=MAX_TEXT_LENGTH)] | None = None
    metadata: Annotated[dict[str, Any], AfterValidator(_fitting)] | None = None


def parse(body: bytes, content_type: str | None, headers: Mapping[str, object], message_id: str | None) -> Command:
    """Read a command: plain JSON, a structured CloudEvent, or a binary one (`ce-` headers).

    A command without `id` takes the CloudEvent's, else the AMQP message_id. Raises BadCommand with every problem.
    """
    fallback = next(filter(None, (headers.get(f"{prefix}id") for prefix in EVENT_PREFIXES)), message_id)
    known = {"id": str(fallback)} if fallback else {}
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise BadCommand([Problem(path="", problem=f"the body is no JSON: {error}")], known) from error
    if isinstance(found, dict) and ("specversion" in found or "cloudevents" in (content_type or "")):
        fallback, found = found.get("id") or fallback, found.get("data")
    if not isinstance(found, dict):
        raise BadCommand([Problem(path="", problem="the command is no JSON object")], known)
    if found.get("id") is None and fallback:
        found = {**found, "id": str(fallback)}
    problems = [*_incomplete(found), *_contents(found)]
    try:
        command = Command.model_validate(found)
    except ValidationError as error:
        raise BadCommand([*problems_of(error), *problems], found) from error
    if problems:
        raise BadCommand(problems, found)
    return command


def _contents(found: Mapping[str, Any]) -> list[Problem]:
    """Parts whose content is not given exactly once, and a hash of what is not fetched."""
    parts = found.get("parts")
    problems = []
    for number, part in enumerate(parts[:MAX_PARTS] if isinstance(parts, list) else ()):
        given = [name for name in ("text", "data", "url") if isinstance(part, dict) and part.get(name) is not None]
        if isinstance(part, dict) and len(given) != 1:
            text = f"give exactly one of text, data and url, not {' and '.join(given) or 'none'}"
            problems.append(Problem(path=f"parts[{number}]", problem=text))
        elif isinstance(part, dict) and part.get("sha256") is not None and given != ["url"]:
            problems.append(Problem(path=f"parts[{number}].sha256", problem="it goes with url: take it out"))
    return problems


def _incomplete(found: Mapping[str, Any]) -> list[Problem]:
    """What no single field can tell."""
    operation = found.get("operation", "submit")
    if operation in OPERATIONS and operation != "submit" and not found.get("message_id"):
        return [Problem(path="message_id", problem=f"{operation} needs the message_id of the submit")]
    if operation in ("cancel", "extended_cancel") and found.get("parts"):
        return [Problem(path="parts", problem=f"{operation} takes no parts")]
    if operation == "submit" and not any(found.get(role) for role in ("to", "cc", "bcc")):
        return [Problem(path="to", problem="a submit needs a recipient in to, cc or bcc")]
    return []
