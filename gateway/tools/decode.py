"""`mm7 decode`: what the receiver would make of a captured callback, and a worker of a provider's answer."""

from dataclasses import dataclass, fields, is_dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from multidict import CIMultiDict

from gateway import answers, mm7
from gateway.accounts import Account
from gateway.answers import Answer
from gateway.contract import addresses, callbacks
from gateway.contract.callbacks import Receipt
from gateway.contract.parts import Storage
from gateway.http_file import HttpFile
from gateway.stores.media import location

DRY_RUN = Account.model_validate({"name": "dry-run", "profile": "generic", "inbound": {"open": True}})


@dataclass(frozen=True, slots=True)
class Reading:
    """The printed object; `accepted` decides the exit code."""

    shown: dict[str, Any]
    accepted: bool


def decode(captured: HttpFile, account: Account, media_url: str) -> Reading:
    """Read a request or a response without touching anything."""
    encoding = captured.headers.get("Content-Encoding", "identity").strip().lower()
    if captured.status is None and encoding not in ("", "identity"):
        answer = answers.plain(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "content encodings are not read: send it plain")
        return _show(answer=answer, refusal=(415, f"Content-Encoding: {encoding}"))
    try:
        decoded = mm7.decode(captured.headers.get("Content-Type"), captured.body)
        if captured.status is not None or (not captured.start and isinstance(decoded.message, mm7.Response)):
            return _show(decoded.message.operation, decoded=decoded, quirks=decoded.quirks)
        return _callback(decoded, captured.headers, account, media_url)
    except mm7.DecodeError as error:
        given = answers.refused(account, error, "dry-run") if captured.status is None else None
        operation = error.request.operation if error.request else None
        return _show(operation, answer=given, quirks=error.quirks, refusal=(error.status, error.text))


def _callback(decoded: mm7.Decoded, headers: CIMultiDict[str], account: Account, media_url: str) -> Reading:
    receipt = Receipt(
        account=account.name,
        profile_name=account.profile_name,
        profile=account.profile,
        received_at=datetime.now(UTC),
        headers=headers,
    )
    event = callbacks.from_mm7(decoded, receipt, Storage(lambda sha256: location(media_url, sha256))).event
    return _show(
        decoded.message.operation,
        event=event.model_dump(mode="json"),
        decoded=decoded,
        answer=answers.accepted(account, answers.echo(decoded.message), event.id),
        quirks=tuple(event.data.quirks),
    )


def _show(
    operation: str | None = None,
    *,
    event: dict[str, Any] | None = None,
    decoded: mm7.Decoded | None = None,
    answer: Answer | None = None,
    quirks: tuple[str, ...] = (),
    refusal: tuple[int, str] | None = None,
) -> Reading:
    shown = {
        "operation": operation,
        "event": event,
        "message": _message(decoded) if decoded else None,
        "answer": _answer(answer) if answer else None,
        "quirks": list(quirks),
        "refusal": {"status_code": refusal[0], "text": refusal[1]} if refusal else None,
    }
    return Reading(shown, refusal is None)


def _answer(answer: Answer) -> dict[str, Any]:
    return {
        "http_status": int(answer.http_status),
        "content_type": answer.content_type,
        "body": answer.body.decode("utf-8"),
    }


def _message(decoded: mm7.Decoded) -> dict[str, Any]:
    """Every field read, in snake_case; a response's status at the top."""
    shown: dict[str, Any] = {}
    for field in fields(decoded.message):
        value = getattr(decoded.message, field.name)
        if isinstance(value, mm7.Status):
            shown |= {"status_code": value.code, "status_text": value.text, "details": value.details}
        else:
            shown[field.name] = _plain(value)
    shown["parts"] = [
        {"content_type": part.content_type, "content_id": part.content_id, "bytes": len(part.data)}
        for part in decoded.parts
    ]
    return shown


def _plain(value: Any) -> Any:  # any field of a message
    if isinstance(value, mm7.Address):
        return addresses.from_mm7(value).model_dump(mode="json")
    if isinstance(value, mm7.Recipients):
        return [one.model_dump(mode="json") for one in addresses.recipients(value)]
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    return dict(value) if isinstance(value, dict) else value
