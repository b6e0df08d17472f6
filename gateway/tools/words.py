"""Events in one line for people."""

import unicodedata
from typing import Any

import orjson

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


def size(count: int) -> str:
    """Bytes for people."""
    return f"{count} bytes" if count < 10_000 else f"{count / 1000:.0f} kB"  # where digits tire
