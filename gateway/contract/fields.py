"""What the fields of a command may hold: kinds of text with what is checked of them, told in the schema too.

Strategy: what is given back in the outcome event is bounded here, because behind a POST there must be nothing left that
could not be published.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

import orjson
from pydantic import AfterValidator, Field
from pydantic.config import JsonDict

from . import addresses, times

MAX_ID_BYTES = 255  # it becomes the outcome's correlation_id, a short string of AMQP
MAX_ADDRESS_LENGTH = 128  # it becomes a part of the outcome's routing key
MAX_TEXT_LENGTH, MAX_URL_LENGTH = 1000, 8192
MAX_METADATA_BYTES, MAX_METADATA_DEPTH = 64 * 1024, 32
MAX_RECIPIENTS, MAX_PARTS = 1000, 100
# RFC 3339 as far as it is xs:dateTime too, which is how it is sent.
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]((0\d|1[0-3]):[0-5]\d|14:00))", re.ASCII)
_NOT_XML = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def _address(text: str) -> str:
    addresses.to_mm7(text)
    return text


def _time_or_duration(text: str) -> str:
    if times.is_duration(text):
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


# Lengths stand before the validators: behind them pydantic speaks of items where it means characters.
ShortText = Annotated[str, Field(max_length=MAX_TEXT_LENGTH), AfterValidator(_xml_safe)]
AddressText = Annotated[
    str, Field(min_length=1, max_length=MAX_ADDRESS_LENGTH), AfterValidator(_xml_safe), AfterValidator(_address)
]
Addresses = Annotated[list[AddressText], Field(max_length=MAX_RECIPIENTS)]
Base64Text = Annotated[str, AfterValidator(_base64), Field(json_schema_extra={"contentEncoding": "base64"})]
# The schema says what the validators check: in ECMA's regular expressions digits are ASCII's anyway.
_TIME_SCHEMA: JsonDict = {"format": "date-time", "pattern": f"^{_TIME.pattern}$"}
_DURATION_SCHEMA: JsonDict = {"format": "duration", "pattern": f"^{times.DURATION.pattern}$"}
Time = Annotated[str, AfterValidator(_time), Field(json_schema_extra=_TIME_SCHEMA)]
TimeOrDuration = Annotated[
    str, AfterValidator(_time_or_duration), Field(json_schema_extra={"anyOf": [_TIME_SCHEMA, _DURATION_SCHEMA]})
]
Word = Annotated[
    str, Field(min_length=1, max_length=MAX_ID_BYTES), AfterValidator(_xml_safe), AfterValidator(_id_bytes)
]
ContentType = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.+-]{1,100}/[A-Za-z0-9_.+-]{1,100}$")]
ContentId = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.@+-]{1,120}$")]
Url = Annotated[str, Field(max_length=MAX_URL_LENGTH, pattern=r"^[a-z0-9]+://\S+$")]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
FileName = Annotated[str, Field(min_length=1, max_length=120), AfterValidator(_xml_safe)]
Smil = Annotated[str, AfterValidator(_xml_safe), AfterValidator(_smil)]
Reference = Annotated[str, Field(max_length=MAX_TEXT_LENGTH)]
Metadata = Annotated[dict[str, Any], AfterValidator(_fitting)]
