"""What the accounts of one provider have in common, as data."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from gateway import mm7
from gateway.mm7 import smil

# The namespace that goes with an MM7Version: the first schema whose version list names it (TS 23.140 schemas).
NAMESPACES: Mapping[str, str] = {
    "5.3.0": mm7.SCHEMA + "REL-5-MM7-1-2",
    "5.5.0": mm7.SCHEMA + "REL-5-MM7-1-3",
    "5.6.0": mm7.SCHEMA + "REL-5-MM7-1-3",
    "5.8.0": mm7.SCHEMA + "REL-5-MM7-1-4",
    "5.10.0": mm7.SCHEMA + "REL-6-MM7-1-2",
    "6.3.0": mm7.SCHEMA + "REL-6-MM7-1-0",
    "6.4.0": mm7.SCHEMA + "REL-6-MM7-1-1",
    "6.5.0": mm7.SCHEMA + "REL-6-MM7-1-2",
    "6.6.0": mm7.SCHEMA + "REL-6-MM7-1-3",
    "6.8.0": mm7.SCHEMA + "REL-6-MM7-1-4",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """One provider.

    `namespaces`: MM7Version → the namespace we write with it; `accepted`: all that the provider takes with it, where it
    does not take any. `submit_answered_with`: the answer to a SubmitReq that brings a message from a phone; "nothing"
    is HTTP 200 without a body. `carrier_headers`: HTTP headers of a callback that may name the carrier, in this order.
    `temporary`: status codes after which the same request may succeed later. `permanent`: codes that stand against
    the rule of their class. `throughput`: temporary codes that mean we were too fast. `partial`: codes of success for
    some recipients alone.
    `refused`, `dropped`: fields of a command that the provider answers with an error, or takes and forgets.
    `subject_length`: characters of a subject that are shown. `max_body_bytes`: of a submit, whole. `smil_auto`:
    whether a SMIL document is made for a command that leaves it to us. `content_types`: of parts, `image/*` too;
    empty where the provider takes any.
    """

    title: str
    mm7_version: str = "6.8.0"
    namespaces: Mapping[str, str] = field(default_factory=lambda: NAMESPACES)
    accepted: Mapping[str, frozenset[str]] = field(default_factory=dict)
    submit_answered_with: Literal["SubmitRsp", "DeliverRsp", "nothing"] = "SubmitRsp"
    carrier_headers: tuple[str, ...] = ()
    temporary: frozenset[int] = frozenset({3000, 4006})
    permanent: frozenset[int] = frozenset({3001, 3002, 3003, 3004})
    throughput: frozenset[int] = frozenset()
    partial: frozenset[int] = frozenset({1100})
    numbers: Literal["digits", "e164"] = "digits"
    max_recipients: int | None = None
    max_body_bytes: int | None = None
    max_parts: int | None = None
    content_types: frozenset[str] = frozenset()
    subject_length: int | None = None
    refused: frozenset[str] = frozenset()
    dropped: frozenset[str] = frozenset()
    smil_required: bool = False
    smil_auto: bool = True

    def namespace(self, mm7_version: str) -> str | None:
        """The namespace of an MM7Version at this provider; None where the provider does not know it."""
        return self.namespaces.get(mm7_version)

    def accepts(self, mm7_version: str, namespace: str) -> bool:
        """Whether the provider takes a version in a namespace; one that says nothing of it takes any."""
        return mm7_version not in self.accepted or namespace in self.accepted[mm7_version]

    def takes(self, content_type: str) -> bool:
        """Whether the provider takes parts of a type; the message's SMIL is none of its contents."""
        kind = content_type.lower()
        named = {kind, f"{kind.partition('/')[0]}/*"} & self.content_types
        return not self.content_types or bool(named) or kind == smil.CONTENT_TYPE

    def is_temporary(self, code: int | None) -> bool:
        """Whether a refusal with this status may pass later; an unknown code goes by its class (TS 23.140 §8.7.8)."""
        if code in self.temporary:
            return True
        if code in self.permanent:
            return False
        return mm7.status_class(code) == 3000 and 3000 in self.temporary  # the class of server errors
