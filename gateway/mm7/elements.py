"""How an attribute of a message stands in XML, and which releases have it.

Strategy: a message class is its own table. Each field carries an `Element`; `elements(cls)` gives them in the order of
the schema, and both the reader and the writer walk that one table.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from typing import Any, Literal

SCHEMA = "http://www.3gpp.org/ftp/Specs/archive/23_series/23.140/schema/"
RELEASES = (
    *(f"REL-5-MM7-1-{n}" for n in range(5)),
    *(f"REL-6-MM7-1-{n}" for n in range(5)),
)
REL_5_1_2 = SCHEMA + "REL-5-MM7-1-2"
REL_6_1_4 = SCHEMA + "REL-6-MM7-1-4"

Kind = Literal["text", "boolean", "integer", "address", "recipients", "attributes", "group", "repeated", "conditions"]
FIRST, EARLY = -2, -1  # places before the others of a class, for fields that stand after them in Python


# The first two releases: identifiers are NMTOKENs, and TransactionID has no attributes.
TOKENS_UNTIL = "REL-5-MM7-1-1"


def has(release: str | None, since: str) -> bool:
    """Whether a release has what came with `since`. None, a namespace no schema has, is taken for the latest."""
    return release is None or RELEASES.index(release) >= RELEASES.index(since)


def _after(release: str | None, last: str | None) -> bool:
    """Whether a release came after the last one of something; None as a last one: it never was."""
    return last is None or release is None or RELEASES.index(release) > RELEASES.index(last)


def tokens_only(release: str | None) -> bool:
    """Whether the release restricts identifiers to NMTOKENs."""
    return not _after(release, TOKENS_UNTIL)


@dataclass(frozen=True, slots=True)
class Element:
    """How one attribute of a message stands in XML.

    `since`: the first release that has it. `renamed`: release → its name there. `also`: other names that are read.
    `group`: the class of a nested value, whose fields are elements (kind group) or XML attributes (kind attributes).
    `required_until`, `plain_until`: the last release in which it had to be there, or was text without structure.
    `token`: an identifier, which the first two releases restrict to the characters of an NMTOKEN. `written`: false for
    what is read only.
    """

    name: str
    kind: Kind = "text"
    required: bool = False
    since: str = RELEASES[0]
    renamed: Mapping[str, str] = field(default_factory=dict)
    also: tuple[str, ...] = ()
    group: type | None = None
    place: int = 0
    required_until: str | None = None
    plain_until: str | None = None
    token: bool = False
    written: bool = True

    def required_in(self, release: str | None) -> bool:
        """Whether a message of the release must have it."""
        return self.required or not _after(release, self.required_until)

    def plain_in(self, release: str | None) -> bool:
        """Whether it is text without structure in the release."""
        return not _after(release, self.plain_until)

    def name_in(self, release: str | None) -> str | None:
        """The element's name in a release; None where that release lacks it. None is a namespace no schema has."""
        if release is None:
            return self.name
        return self.renamed.get(release, self.name) if has(release, self.since) else None


def element(name: str, kind: Kind = "text", **more: Any) -> Any:  # it stands as a dataclass default
    """A dataclass field that is read from and written to the element `name`; None where it is absent."""
    return field(default=None, metadata={"mm7": Element(name, kind, **more)})


def required_group(name: str, group: type) -> Any:  # as above
    """A nested value that is never None: an absent element is read as the group without any values."""
    return field(default_factory=group, metadata={"mm7": Element(name, "group", required=True, group=group)})


@cache
def elements(cls: type) -> tuple[tuple[str, Element], ...]:
    """(attribute, element) of a class in the schema's order."""
    found = [(f.name, f.metadata["mm7"]) for f in fields(cls) if "mm7" in f.metadata]
    return tuple(sorted(found, key=lambda pair: pair[1].place))


def release_of(namespace: str | None) -> str | None:
    """The release a namespace belongs to (`REL-6-MM7-1-4`), None where no schema has it."""
    release = (namespace or "").removeprefix(SCHEMA)
    return release if release in RELEASES else None
