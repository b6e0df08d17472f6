"""Addresses: MM7's and those that users see and write."""

import re
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from gateway import mm7

Kind = Literal["number", "shortcode", "email", "text"]

_KINDS: dict[str, Kind] = {"Number": "number", "ShortCode": "shortcode", "RFC2822Address": "email", "": "text"}
_PLMN = re.compile(r"([^/]*)/TYPE=PLMN(?:@.*)?", re.IGNORECASE)
_SEPARATORS = str.maketrans("", "", " -().\t")
_SHORTCODE_DIGITS = 8  # the longest short codes in use; the shortest international numbers are longer


class Address(BaseModel):
    """One address of a phone, a service or a mailbox."""

    model_config = ConfigDict(frozen=True)

    address: str = Field(description="Normalised: numbers are digits alone, without `+`, `00` or `/TYPE=`.")
    kind: Kind = Field(description="After the element it stood in: Number, ShortCode, RFC2822Address, bare text.")
    raw: str = Field(description="As the provider wrote it.")
    display_only: bool = Field(description="Only shown to the others; the message is not sent to it.")


class Recipient(Address):
    """A recipient and its role."""

    role: Literal["to", "cc", "bcc"] = Field(description="The list that it stands in.")


def from_mm7(address: mm7.Address) -> Address:
    """MM7 → contract. An RFC2822Address of the form `<digits>/TYPE=PLMN…` is a number."""
    kind = _KINDS[address.kind]
    bare, typed = _strip_type(address.value)
    if kind == "email" and typed and _digits(bare).isdecimal():
        kind = "number"
    if kind == "email" or not bare:
        normalised = address.value
    elif kind == "number":
        normalised = _digits(bare) if _digits(bare).isdecimal() else bare
    else:
        normalised = bare
    return Address(address=normalised, kind=kind, raw=address.value, display_only=address.display_only)


def recipients(found: mm7.Recipients | None) -> list[Recipient]:
    """To, Cc and Bcc in this order, each with its role."""
    if found is None:
        return []
    roles: tuple[tuple[Literal["to", "cc", "bcc"], tuple[mm7.Address, ...]], ...] = (
        ("to", found.to),
        ("cc", found.cc),
        ("bcc", found.bcc),
    )
    return [Recipient(role=role, **dict(from_mm7(a))) for role, addresses in roles for a in addresses]


def _strip_type(value: str) -> tuple[str, bool]:
    """`+385…/TYPE=PLMN@domain` → (`+385…`, True)."""
    match = _PLMN.fullmatch(value.strip())
    return (match[1].strip(), True) if match else (value.strip(), False)


def _digits(text: str) -> str:
    """A number without its prefixes and separators; not digits alone where it has letters or signs."""
    compact = text.translate(_SEPARATORS)
    return compact[1:] if compact.startswith("+") else compact.removeprefix("00")


def to_mm7(text: str, *, numbers: Literal["digits", "e164"] = "digits") -> mm7.Address:
    """Contract → MM7. Short digit strings are short codes, `@` makes an RFC2822Address. Raises ValueError."""
    bare, typed = _strip_type(text)
    if "@" in bare or (typed and "@" in text):
        return mm7.Address(text.strip(), "RFC2822Address")
    digits = _digits(bare)
    if not digits.isdecimal() or not digits.isascii():
        raise ValueError("neither a number (digits, perhaps with a leading +) nor an e-mail address")
    if len(digits) <= _SHORTCODE_DIGITS and not bare.startswith(("+", "00")):
        return mm7.Address(digits, "ShortCode")
    return mm7.Address(f"+{digits}" if numbers == "e164" else digits, "Number")


def key_word(address: str | None) -> str:
    """An address as one word of a routing key: characters outside [A-Za-z0-9_-] become `-`, none is `-`."""
    return re.sub(r"[^A-Za-z0-9_-]", "-", address or "") or "-"
