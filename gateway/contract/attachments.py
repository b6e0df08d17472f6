"""The parts of a command as attachments of a message: names, Content-IDs, SMIL. Pure."""

import base64
import re
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet

from gateway import mm7
from gateway.mm7 import smil
from gateway.profiles import Profile

from .commands import Command, CommandPart
from .problems import Problem

CONTENT_ID, SMIL_ID = "mms-content", "smil.xml"
_RESERVED = frozenset({CONTENT_ID, SMIL_ID, "soap-start"})  # the last one is the SOAP document's
_EXTENSIONS: Mapping[str, str] = {
    "text/plain": "txt",
    "image/jpeg": "jpg",
    "image/png": "png",
    "image/gif": "gif",
    "video/mp4": "mp4",
    "video/3gpp": "3gp",
    "audio/amr": "amr",
    "audio/mpeg": "mp3",
    "text/x-vcard": "vcf",
}
_NOT_NAME = re.compile(r"[^A-Za-z0-9._@+-]+")


def inline_content(part: CommandPart) -> bytes | None:
    """The content that stands in the command itself; None where it is to be fetched from `url`."""
    if part.text is not None:
        return part.text.encode()
    return base64.b64decode(part.data) if part.data is not None else None


def problems(command: Command) -> list[Problem]:
    """Content-IDs that are taken, and a SMIL document that refers to what is not there."""
    return [*_doubled_ids(command), *_smil_problems(command)]


def _smil_problems(command: Command) -> list[Problem]:
    if command.smil in (None, "auto"):
        return []
    try:
        wanted = smil.references((command.smil or "").encode())
    except ValueError as error:
        return [Problem(path="smil", problem=str(error))]
    known: set[str] = set()
    for number, part in enumerate(command.parts, 1):
        known |= {name for name in (part.content_id, part.filename, _name(part, number, frozenset())) if name}
    return [
        Problem(path="smil", problem=f"it refers to {name!r}, and no part has that name or Content-ID")
        for name in sorted(wanted - known)
    ]


def _doubled_ids(command: Command) -> list[Problem]:
    """A Content-ID is what SMIL refers to: it is not changed, so it has to be one of its own."""
    taken, problems = set(_RESERVED), []
    for number, part in enumerate(command.parts):
        if part.content_id in taken:
            problems.append(Problem(path=f"parts[{number}].content_id", problem=f"{part.content_id} is taken already"))
        taken.add(part.content_id or "")
    return problems


def attach(command: Command, profile: Profile, contents: Sequence[bytes]) -> tuple[mm7.Part, ...]:
    """The attachments of a command, a SMIL document first where there is to be one."""
    taken = _RESERVED | {part.content_id for part in command.parts if part.content_id}
    parts = []
    for number, (given, data) in enumerate(zip(command.parts, contents, strict=True), 1):
        name = _name(given, number, taken)
        taken |= {name}
        parts.append(
            mm7.Part(
                content_type=given.content_type.lower(),
                data=data,
                charset="utf-8" if given.text is not None else None,
                filename=name if given.filename else None,
                content_id=given.content_id or name,
                content_location=name,
            )
        )
    document = _smil(command, profile, parts)
    if document is None:
        return tuple(parts)
    head = mm7.Part(content_type=smil.CONTENT_TYPE, data=document, charset="utf-8", content_id=SMIL_ID)
    return (head, *parts)


def _name(given: CommandPart, number: int, taken: AbstractSet[str]) -> str:
    """A name of plain ASCII that no other part of the message has."""
    extension = _EXTENSIONS.get(given.content_type.lower(), "bin")
    name = _NOT_NAME.sub("_", given.filename or given.content_id or f"part-{number}.{extension}")
    while name in taken and name != given.content_id:
        name = f"{number}-{name}"
    return name


def has_smil(command: Command) -> bool:
    """Whether one of the parts is a SMIL document."""
    return any(part.content_type.lower() == smil.CONTENT_TYPE for part in command.parts)


def _smil(command: Command, profile: Profile, parts: Sequence[mm7.Part]) -> bytes | None:
    if command.smil is None or not parts or has_smil(command):
        return None
    if command.smil != "auto":
        return command.smil.encode()
    return smil.build(parts) if profile.smil_auto else None
