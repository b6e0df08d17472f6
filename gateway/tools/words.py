"""Events, numbers and times in words for people."""

import re
import unicodedata
from collections.abc import Mapping
from typing import Any

import orjson

_SPAN = re.compile(r"(\d{1,6})([smhd])")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_CONTROLS = ("Cc", "Zl", "Zp")  # not Cf: it holds emoji together


def told(body: bytes) -> str:
    """An event as it comes from the broker; anybody may publish there, so it may be none."""
    try:
        return line(orjson.loads(body))
    except (ValueError, KeyError, TypeError, AttributeError):
        return plain(f"not an event of ours: {body[:200].decode('utf-8', 'replace')}")


def plain(text: str) -> str:
    """One line that does nothing to a terminal: line ends and other control characters as a space."""
    return "".join(" " if unicodedata.category(letter) in _CONTROLS else letter for letter in text)


def line(event: dict[str, Any]) -> str:
    """`14:03:51 mo.received sinch-us  from 15553199144: "Hello", 2 parts …`"""
    data = event["data"]
    when, kind = data["received_at"][11:19], event["type"]
    return plain(f"{when} {kind:<16} {data['account']:<12} {_facts(kind, data)}")


def _facts(kind: str, data: dict[str, Any]) -> str:
    if kind == "mo.received":
        parts = ", ".join(f"{p['content_type']} {size(p['bytes'])}" for p in data["parts"])
        text = f' "{data["text"]}"' if data["text"] else ""
        return f"from {_address(data['sender'])}:{text} [{parts or 'no parts'}]{_quirks(data)}"
    if kind in ("dr.received", "rr.received"):
        final = "final" if data["final"] else "not final"
        return f"to {_address(data['recipient'])}: {data['status']} ({final}), message {data['message_id']}"
    if kind == "callback.refused":
        return f"{data['status_code']} {data['reason']}; kept in {data['raw']}"
    facts = f"command {data['command_id']}"
    if kind == "mt.accepted":
        return f"{facts}: message {data['message_id']}, status {data['status_code']}"
    problems = "; ".join(
        f"{p['path']}: {p['problem']}" if p["path"] else p["problem"] for p in data.get("details") or []
    )
    return f"{facts}: {data['reason']}{' — ' + problems if problems else ''}"


def _address(address: dict[str, Any] | None) -> str:
    return address["address"] if address else "?"


def _quirks(data: dict[str, Any]) -> str:
    return f" quirks: {', '.join(data['quirks'])}" if data["quirks"] else ""


def short(text: str, length: int) -> str:
    """A text of at most so many characters."""
    return text if len(text) <= length else f"{text[: length - 1]}…"


def sheet(facts: Mapping[str, Any]) -> str:
    """Names and values below each other; what is a list or a table by itself, indented."""
    lines: list[str] = []
    for name, value in facts.items():
        if isinstance(value, (dict, list)) and value:
            inner = orjson.dumps(value, default=str, option=orjson.OPT_INDENT_2).decode()
            lines += [name, *(f"  {each}" for each in inner.splitlines())]
        else:
            lines.append(f"{name:<14} {'-' if value in (None, '', [], {}) else value}")
    return "\n".join(map(plain, lines))


def age(seconds: float) -> str:
    """A span of time for people."""
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"


def count(number: int, thing: str) -> str:
    """`1 entry`, `2 entries`."""
    if number == 1:
        return f"1 {thing}"
    return f"{number} {thing[:-1]}ies" if thing.endswith("y") else f"{number} {thing}s"


def size(count: int) -> str:
    """Bytes for people."""
    return f"{count} bytes" if count < 10_000 else f"{count / 1000:.0f} kB"  # where digits tire


def seconds(text: str) -> int:
    """A span of time as people write it, 90s, 15m, 2h or 40d, in seconds. ValueError for anything else."""
    if not (match := _SPAN.fullmatch(text)):
        raise ValueError(f"{text!r} is no age: write 90s, 15m, 2h or 40d")
    return int(match[1]) * _UNITS[match[2]]
