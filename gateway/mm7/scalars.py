"""Texts that are to be booleans and numbers."""

from .quirks import Quirks

_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}


def boolean(text: str | None, quirks: Quirks) -> bool | None:
    """xs:boolean in any case; None, with a quirk, for anything else."""
    value = _BOOLEANS.get((text or "").strip().lower())
    if value is None and text and text.strip():
        quirks.add("value_unreadable")
    elif value is not None and (text or "").strip() not in _BOOLEANS:
        quirks.add("boolean_case")
    return value


def integer(text: str | None, quirks: Quirks) -> int | None:
    """Digits; None, with a quirk, for anything else."""
    stripped = (text or "").strip()
    if stripped.isdecimal() and len(stripped) < 10:  # int() of a megabyte of digits is an attack
        return int(stripped)
    if stripped:
        quirks.add("value_unreadable")
    return None
