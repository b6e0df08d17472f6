"""What every message of MM7 has."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from .elements import FIRST, REL_6_1_4, element


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What every operation has. `transaction_id` stands in the SOAP header; `namespace` is None where there is none."""

    transaction_id: str | None = None
    namespace: str | None = REL_6_1_4
    extensions: Mapping[str, str] = field(default_factory=dict)
    mm7_version: str | None = element("MM7Version", required=True, place=FIRST)

    @property
    def operation(self) -> str:
        """The element's name: DeliverReq, SubmitRsp, extendedCancelReq, …"""
        return operation_name(type(self))


def operation_name(cls: type) -> str:
    """The element of a class: its name, but that the extended operations begin in lower case (REL-6-MM7-1-4)."""
    name = cls.__name__
    return f"e{name[1:]}" if name.startswith("Extended") else name
