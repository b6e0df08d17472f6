"""Commands → MM7 submits. Pure; the mirror of `callbacks`."""

import base64
import re
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet

from gateway import mm7
from gateway.accounts import Account, Outbound
from gateway.mm7 import smil

from . import addresses
from .commands import BadCommand, Command, CommandPart
from .events import Problem

CONTENT_ID, SMIL_ID = "mms-content", "smil.xml"
_RESERVED = frozenset({CONTENT_ID, SMIL_ID, "soap-start"})  # the last one is the SOAP document's
_THIRD_PARTY_SINCE = "REL-6-MM7-1-2"
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


def to_mm7(command: Command, account: Account, contents: Sequence[bytes]) -> tuple[mm7.SubmitReq, tuple[mm7.Part, ...]]:
    """The submit of a command and its parts; `contents` are the parts' bytes in their order.

    Raises BadCommand where the account's profile does not allow it.
    """
    outbound = account.outbound
    if outbound is None:
        raise BadCommand([Problem(path="", problem=f"the account {account.name} has no outbound: it cannot send")])
    _check(command, account)
    parts = _parts(command, account, contents)
    return mm7.SubmitReq(
        transaction_id=command.id,
        namespace=account.namespace_written,
        mm7_version=account.version_written,
        sender_identification=_sender(command, account, outbound),
        recipients=_recipients(command, account),
        service_code=command.service_code,
        linked_id=command.linked_id,
        message_class=_specification(command.message_class),
        earliest_delivery_time=command.earliest_delivery,
        expiry_date=command.expires,
        delivery_report=command.delivery_report,
        read_reply=command.read_reply,
        priority=_specification(command.priority),
        subject=command.subject,
        charged_party=_specification(command.charged_party),
        distribution_indicator=command.distribution_indicator,
        content=mm7.Content(f"cid:{CONTENT_ID}") if parts else None,
    ), parts


def sender_of(command: Command, account: Account) -> str | None:
    """The service's own address in a command: its `from`, or the account's sender."""
    return command.sender or (account.outbound.sender if account.outbound else None)


def recipients_of(command: Command) -> list[addresses.Recipient]:
    """To, cc and bcc as events show them."""
    roles = {role: tuple(addresses.to_mm7(a) for a in getattr(command, role)) for role in ("to", "cc", "bcc")}
    return addresses.recipients(mm7.Recipients(**roles))


def _specification(word: str | None) -> str | None:
    """`third_party` → `ThirdParty`."""
    return "".join(part.capitalize() for part in word.split("_")) if word else None


def _check(command: Command, account: Account) -> None:
    profile, problems = account.profile, []
    count = len(command.to) + len(command.cc) + len(command.bcc)
    if profile.max_recipients is not None and count > profile.max_recipients:
        text = f"{profile.title} takes {profile.max_recipients} recipient a message, not {count}"
        problems.append(Problem(path="to", problem=text))
    if profile.smil_required and not command.parts:
        problems.append(Problem(path="parts", problem=f"{profile.title} takes no message without parts"))
    elif profile.smil_required and command.smil is None and not _has_smil(command):
        problems.append(Problem(path="smil", problem=f"{profile.title} takes no message without SMIL"))
    release = mm7.release_of(account.namespace_written)
    if command.charged_party == "third_party" and release and _before(release, _THIRD_PARTY_SINCE):
        problems.append(Problem(path="charged_party", problem=f"{release} knows no third party"))
    problems += _doubled_ids(command)
    sender = sender_of(command, account)
    if sender is not None:
        try:
            addresses.to_mm7(sender)
        except ValueError as error:
            problems.append(Problem(path="from", problem=f"the account's sender {sender!r}: {error}"))
    if problems:
        raise BadCommand(problems)


def _has_smil(command: Command) -> bool:
    return any(part.content_type.lower() == smil.CONTENT_TYPE for part in command.parts)


def _before(release: str, other: str) -> bool:
    return mm7.RELEASES.index(release) < mm7.RELEASES.index(other)


def _doubled_ids(command: Command) -> list[Problem]:
    """A Content-ID is what SMIL refers to: it is not changed, so it has to be one of its own."""
    taken, problems = set(_RESERVED), []
    for number, part in enumerate(command.parts):
        if part.content_id in taken:
            problems.append(Problem(path=f"parts[{number}].content_id", problem=f"{part.content_id} is taken already"))
        taken.add(part.content_id or "")
    return problems


def _sender(command: Command, account: Account, outbound: Outbound) -> mm7.SenderIdentification:
    sender = sender_of(command, account)
    return mm7.SenderIdentification(
        vaspid=outbound.vaspid.get_secret_value() if outbound.vaspid else None,
        vasid=outbound.vasid,
        sender_address=addresses.to_mm7(sender, numbers=account.profile.numbers) if sender else None,
    )


def _recipients(command: Command, account: Account) -> mm7.Recipients:
    numbers = account.profile.numbers
    return mm7.Recipients(
        *(tuple(addresses.to_mm7(a, numbers=numbers) for a in role) for role in (command.to, command.cc, command.bcc))
    )


def _parts(command: Command, account: Account, contents: Sequence[bytes]) -> tuple[mm7.Part, ...]:
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
    document = _smil(command, account, parts)
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


def _smil(command: Command, account: Account, parts: Sequence[mm7.Part]) -> bytes | None:
    if command.smil is None or not parts or _has_smil(command):
        return None
    if command.smil != "auto":
        return command.smil.encode()
    return smil.build(parts) if account.profile.smil_auto else None
