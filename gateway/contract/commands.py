"""The commands that users send: one pydantic model, read from JSON or from a CloudEvent. JSON Schema comes from it."""

from collections.abc import Mapping
from typing import Any, Literal, get_args

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from .fields import (
    MAX_PARTS,
    Addresses,
    AddressText,
    Base64Text,
    ContentId,
    ContentType,
    Digest,
    FileName,
    Metadata,
    Reference,
    ShortText,
    Smil,
    Time,
    TimeOrDuration,
    Url,
    Word,
)
from .problems import Problem, problems_of

Operation = Literal["submit", "cancel", "replace", "extended_cancel", "extended_replace"]
OPERATIONS = get_args(Operation)
EVENT_PREFIXES = ("ce-", "cloudEvents:", "cloudEvents_")  # of attributes in headers: others', and the binding's two


class BadCommand(Exception):
    """A command that cannot work, with every problem by its path, and what could be read of it for the answer."""

    def __init__(self, problems: list[Problem], known: Mapping[str, Any] | None = None) -> None:
        super().__init__("; ".join(f"{p.path}: {p.problem}" if p.path else p.problem for p in problems))
        self.problems = problems
        self.known = known or {}


class CommandPart(BaseModel):
    """One attachment: its content is exactly one of `text`, `data` (base64) and `url`."""

    model_config = ConfigDict(hide_input_in_errors=True, extra="forbid", frozen=True)

    content_type: ContentType = Field(description="As in `image/jpeg`, without parameters.")
    text: str | None = Field(None, description="The content of a text, sent in UTF-8.")
    data: Base64Text | None = Field(None, description="The content in base64 (RFC 4648, with its padding).")
    url: Url | None = Field(
        None, description="In the media store, or https:// or s3:// as far as the worker's settings allow it."
    )
    sha256: Digest | None = Field(
        None, description="Of what stands under `url`, in hexadecimal: other content is not sent."
    )
    filename: FileName | None = Field(None, description="The name that a phone may store it under.")
    content_id: ContentId | None = Field(
        None, description="Content-ID, without angle brackets: what a SMIL document of yours refers to."
    )


class Command(BaseModel):
    """Send, cancel or replace one message."""

    model_config = ConfigDict(hide_input_in_errors=True, extra="forbid", frozen=True, populate_by_name=True)

    id: Word = Field(
        description="Idempotency key, up to 255 bytes: a second command with the same id is not sent again. Without "
        "it the CloudEvent's id counts, else the AMQP message_id."
    )
    operation: Operation = Field("submit", description="All but `submit` need the `message_id` of a submit.")
    to: Addresses = Field([], description="Numbers (digits, perhaps with a leading +), short codes, e-mail addresses.")
    cc: Addresses = Field([], description="As `to`: who gets a copy.")
    bcc: Addresses = Field([], description="As `to`: who gets a copy that the others do not know of.")
    sender: AddressText | None = Field(
        None, alias="from", description="The service's own address. Default: the account's sender."
    )
    subject: ShortText | None = Field(None, description="The subject.")
    parts: list[CommandPart] = Field([], max_length=MAX_PARTS, description="The attachments.")
    smil: Smil | None = Field(
        "auto", description='"auto": made where the provider wants one; null: none; or the SMIL document itself.'
    )
    delivery_report: bool | None = Field(None, description="Whether `dr.received` events are wanted.")
    read_reply: bool | None = Field(None, description="Whether `rr.received` events are wanted.")
    priority: Literal["low", "normal", "high"] | None = Field(None, description="Default: the provider's.")
    message_class: Literal["personal", "informational", "advertisement", "auto"] | None = Field(
        None, description="What kind of message it is. Default: the provider's."
    )
    expires: TimeOrDuration | None = Field(
        None, description="When the provider gives up: an RFC 3339 time with its zone, or an ISO 8601 duration (P3D)."
    )
    earliest_delivery: TimeOrDuration | None = Field(
        None, description="When the provider may begin: an RFC 3339 time with its zone, or an ISO 8601 duration."
    )
    not_after: Time | None = Field(
        None, description="An RFC 3339 time with its zone: we do not send it later, and it is refused as `expired`."
    )
    message_id: Word | None = Field(
        None,
        description="Of the submit, from its `mt.accepted`; of extended operations their CancelID or ReplaceID.",
    )
    service_code: ShortText | None = Field(None, description="ServiceCode: the provider's word for its bill.")
    linked_id: Word | None = Field(None, description="LinkedID of the message that this one answers.")
    charged_party: Literal["sender", "recipient", "both", "neither", "third_party"] | None = Field(
        None, description="Who pays. Default: as agreed with the provider."
    )
    distribution_indicator: bool | None = Field(None, description="Whether it may be passed on.")
    reference: Reference | None = Field(None, description="Your own; its events give it back.")
    metadata: Metadata | None = Field(
        None, description="Your own, up to 64 KiB (65536 bytes) of JSON; its events give it back."
    )


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
