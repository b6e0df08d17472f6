"""Commands → MM7 requests. Pure; the mirror of `callbacks`.

Strategy: one table, operation → request, and a request takes those of its fields that a command can give. What the
account's profile or release does not allow is refused here with its path, before anything is sent; what the provider is
known to drop is a warning.
"""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from gateway import mm7
from gateway.accounts import Account
from gateway.profiles import Profile

from . import addresses, attachments
from .commands import BadCommand, Command, Operation
from .problems import Problem

Built = tuple[mm7.Message, tuple[mm7.Part, ...]]

_THIRD_PARTY_SINCE = "REL-6-MM7-1-2"
_REQUESTS: Mapping[Operation, type[mm7.Message]] = {
    "submit": mm7.SubmitReq,
    "cancel": mm7.CancelReq,
    "replace": mm7.ReplaceReq,
    "extended_cancel": mm7.ExtendedCancelReq,
    "extended_replace": mm7.ExtendedReplaceReq,
}


def to_mm7(command: Command, account: Account, contents: Sequence[bytes]) -> Built:
    """The request of a command and its parts; `contents` are the parts' bytes in their order.

    Raises BadCommand where the account, its profile or its release does not allow it.
    """
    if found := problems(command, account):
        raise BadCommand(found)
    parts = attachments.attach(command, account.profile, contents)
    return _request(command, account, parts), parts


def warnings(command: Command, account: Account) -> list[str]:
    """What the provider is known to drop or to cut, of what the command has."""
    profile = account.profile
    found = [f"{path}: {profile.title} drops it" for path in profile.dropped if _given(command, path)]
    if profile.subject_length and len(command.subject or "") > profile.subject_length:
        found.append(f"subject: {profile.title} shows about {profile.subject_length} characters")
    return found


def sender_of(command: Command, account: Account) -> str | None:
    """The service's own address in a command: its `from`, or the account's sender."""
    return command.sender or (account.outbound.sender if account.outbound else None)


def recipients_of(command: Command) -> list[addresses.Recipient]:
    """To, cc and bcc as events show them."""
    roles = {role: tuple(addresses.to_mm7(a) for a in getattr(command, role)) for role in ("to", "cc", "bcc")}
    return addresses.recipients(mm7.Recipients(**roles))


def _request(command: Command, account: Account, parts: Sequence[mm7.Part]) -> mm7.Message:
    """The request with those of its fields that a command can give."""
    sender = _sender(command, account)
    known: dict[str, Any] = {
        "transaction_id": command.id,
        "namespace": account.namespace_written,
        "mm7_version": account.version_written,
        "sender_identification": sender,
        "vaspid": sender.vaspid,
        "vasid": sender.vasid,
        "recipients": _recipients(command, account),
        **dict.fromkeys(("message_id", "cancel_id", "replace_id"), command.message_id),
        "service_code": command.service_code,
        "linked_id": command.linked_id,
        "message_class": _specification(command.message_class),
        "earliest_delivery_time": command.earliest_delivery,
        "expiry_date": command.expires,
        "delivery_report": command.delivery_report,
        "read_reply": command.read_reply,
        "priority": _specification(command.priority),
        "subject": command.subject,
        "charged_party": _specification(command.charged_party),
        "distribution_indicator": command.distribution_indicator,
        "content": mm7.Content(f"cid:{attachments.CONTENT_ID}") if parts else None,
    }
    request = _REQUESTS[command.operation]
    return request(**{field.name: known[field.name] for field in fields(request) if field.name in known})


def _specification(word: str | None) -> str | None:
    """`third_party` → `ThirdParty`."""
    return "".join(part.capitalize() for part in word.split("_")) if word else None


def _sender(command: Command, account: Account) -> mm7.SenderIdentification:
    sender, outbound = sender_of(command, account), account.outbound
    assert outbound is not None  # an account without one was refused
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


def problems(command: Command, account: Account) -> list[Problem]:
    """What the account, its profile or its release does not allow, as far as it shows without the parts' contents."""
    if account.outbound is None:
        return [Problem(path="", problem=f"the account {account.name} has no outbound: it cannot send")]
    found = [*_release_problems(command, account), *_sender_problems(command, account)]
    found += attachments.problems(command)
    found += _part_problems(command, account.profile)
    if command.operation == "submit":
        found += _profile_problems(command, account.profile)
    return found


def _release_problems(command: Command, account: Account) -> list[Problem]:
    release, found = mm7.release_of(account.namespace_written), []
    operation = _REQUESTS[command.operation]().operation
    if operation in mm7.SINCE and not mm7.has(release, mm7.SINCE[operation]):
        found.append(Problem(path="operation", problem=f"{release} has no {operation}"))
    if command.charged_party == "third_party" and not mm7.has(release, _THIRD_PARTY_SINCE):
        found.append(Problem(path="charged_party", problem=f"{release} knows no third party"))
    return found


def _profile_problems(command: Command, profile: Profile) -> list[Problem]:
    found = []
    count = len(command.to) + len(command.cc) + len(command.bcc)
    if profile.max_recipients is not None and count > profile.max_recipients:
        text = f"{profile.title} takes {profile.max_recipients} recipient a message, not {count}"
        found.append(Problem(path="to", problem=text))
    if profile.smil_required and not command.parts:
        found.append(Problem(path="parts", problem=f"{profile.title} takes no message without parts"))
    elif profile.smil_required and command.smil is None and not attachments.has_smil(command):
        found.append(Problem(path="smil", problem=f"{profile.title} takes no message without SMIL"))
    found += [Problem(path=p, problem=f"{profile.title} refuses it") for p in profile.refused if _given(command, p)]
    return found


def _part_problems(command: Command, profile: Profile) -> list[Problem]:
    found = [
        Problem(
            path=f"parts[{number}].content_type",
            problem=f"{profile.title} takes {', '.join(sorted(profile.content_types))}, not {part.content_type}",
        )
        for number, part in enumerate(command.parts)
        if not profile.takes(part.content_type)
    ]
    if profile.max_parts is not None and len(command.parts) > profile.max_parts:
        text = f"{profile.title} takes {profile.max_parts} a message, not {len(command.parts)}"
        found.append(Problem(path="parts", problem=text))
    return found


def _given(command: Command, path: str) -> bool:
    return getattr(command, path) not in (None, [], False)


def _sender_problems(command: Command, account: Account) -> list[Problem]:
    sender = sender_of(command, account)
    if sender is None:
        return []
    try:
        addresses.to_mm7(sender)
    except ValueError as error:
        return [Problem(path="from", problem=f"the account's sender {sender!r}: {error}")]
    return []
