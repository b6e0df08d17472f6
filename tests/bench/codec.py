"""The codec beside a bare lxml parse of the same SOAP document."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from lxml import etree

from gateway import mm7
from gateway.mm7.quirks import Quirks
from gateway.mm7.split import split
from gateway.tools.simulator import PROFILES, VERSIONS, Form, Mo, Outbound, Report

AT = datetime(2026, 1, 15, 9, 30, tzinfo=UTC)
PICTURE = mm7.Part(content_type="image/jpeg", data=bytes(range(256)) * 200, content_id="a.jpg")
MESSAGES: dict[str, Outbound] = {
    "delivery report": Report(transaction_id="1", message_id="2", at=AT),
    "MO of 50 kB": Mo(transaction_id="1", linked_id="1", at=AT, text="Hello", attachments=(PICTURE,)),
}


@dataclass(frozen=True)
class Row:
    """Microseconds of the floor and of what is measured."""

    title: str
    floor: float
    measured: float

    def __str__(self) -> str:
        ratio = self.measured / self.floor
        return f"{self.title:<34} {self.measured:9.1f} µs   floor {self.floor:8.1f} µs   ratio {ratio:5.2f}"


def microseconds(work: Callable[[], object], rounds: int = 15, repeat: int = 200) -> float:
    """The median over rounds of the time of one call."""
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        for _ in range(repeat):
            work()
        times.append((time.perf_counter() - began) / repeat * 1e6)
    return statistics.median(times)


def rows() -> list[Row]:
    """decode, well-formed and as documented, and encode."""
    found = []
    for documented in (False, True):
        for title, message in MESSAGES.items():
            form = Form(*VERSIONS["6.8.0"], as_documented=documented)
            callback = PROFILES["sinch"].write(message, form)
            content_type, body = callback.headers["Content-Type"], callback.body
            root = split(content_type, body, Quirks()).root.strip()
            parser = etree.XMLParser(recover=documented, encoding="utf-8")
            floor = microseconds(lambda root=root, parser=parser: etree.fromstring(root, parser))  # type: ignore[misc]
            measured = microseconds(lambda ct=content_type, body=body: mm7.decode(ct, body))  # type: ignore[misc]
            found.append(Row(f"decode {title}{' as printed' if documented else ''}", floor, measured))
    return found
