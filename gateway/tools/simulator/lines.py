"""What is printed of all that happens: one line for people, or one JSON object, for each thing."""

import json

from .answers import Answer
from .intake import Change, Refusal, Submit
from .messages import Mo
from .sender import Attempt

Thing = Attempt | Submit | Change | Refusal


def human(thing: Thing) -> str:
    """One line for people; `→` is what the provider sends and `←` what it gets."""
    match thing:
        case Attempt():
            return f"→ {thing.message.title} {thing.message.transaction_id} {_outcome(thing)}"
        case Submit():
            parts = f"{len(thing.parts)} part{'' if len(thing.parts) == 1 else 's'}"
            head = f"← SubmitReq from {thing.sender or '?'} to {', '.join(thing.recipients)}, {parts}"
            return f"{head}: {_said(thing.answer, thing.message_id)}"
        case Change():
            return f"← {thing.message.operation} of {thing.message_id or '?'}: {_said(thing.answer, None)}"
        case Refusal():
            return f"← no submit: {_said(thing.answer, None)}{f' ({thing.text})' if thing.text else ''}"


def _outcome(attempt: Attempt) -> str:
    verdict, took = attempt.verdict, f"{attempt.milliseconds:.0f} ms"
    if verdict.accepted:
        status = "empty answer" if verdict.status_code is None else f"status {verdict.status_code}"
        tries = f" (attempt {attempt.number})" if attempt.number > 1 else ""
        return f"sent: {attempt.http_status}, {status}, {took}{tries}"
    what = f"{verdict.reason}{f', status {verdict.status_code}' if verdict.status_code else ''}, {took}"
    if attempt.retry_in is not None:
        return f"not accepted: {what}; attempt {attempt.number + 1} in {attempt.retry_in:g} s"
    return f"given up after {attempt.number} attempt{'' if attempt.number == 1 else 's'}: {what}"


def _said(answer: Answer, message_id: str | None) -> str:
    spoken = {
        "response": f"answered {answer.status}",
        "fault": f"answered {answer.status} in a Fault",
        "html": f"answered HTTP {answer.http}",
        "empty": "answered without a word",
    }
    said = spoken[answer.body] if answer.ends == "answered" else "hung up"
    after = f" after {answer.delay_seconds:g} s" if answer.delay_seconds else ""
    return said + after + (f", MessageID {message_id}" if message_id else "")


def as_json(thing: Thing) -> str:
    """One JSON object; `event` tells what it is. Never a text or a picture itself."""
    match thing:
        case Attempt():
            facts = _attempt_facts(thing)
        case Submit():
            facts = _submit_facts(thing)
        case Change():
            facts = _change_facts(thing)
        case Refusal():
            facts = {"event": "submit.refused", "transaction_id": thing.request.transaction_id}
            facts |= _answer_facts(thing.answer) | {"reason": thing.text}
    return json.dumps(facts, ensure_ascii=False)


def _attempt_facts(attempt: Attempt) -> dict[str, object]:
    message, verdict = attempt.message, attempt.verdict
    return {
        "event": "callback.sent",
        "kind": type(message).__name__,
        "transaction_id": message.transaction_id,
        "message_id": None if isinstance(message, Mo) else message.message_id,
        "mm_status": None if isinstance(message, Mo) else message.mm_status,
        "sender": message.sender,
        "recipient": message.recipient,
        "attempt": attempt.number,
        "accepted": verdict.accepted,
        "http_status": attempt.http_status,
        "status_code": verdict.status_code,
        "reason": verdict.reason or None,
        "milliseconds": round(attempt.milliseconds, 1),
        "retry_in": attempt.retry_in,
    }


def _submit_facts(submit: Submit) -> dict[str, object]:
    return {
        "event": "submit.received",
        "transaction_id": submit.message.transaction_id,
        "message_id": submit.message_id,
        "sender": submit.sender,
        "recipients": submit.recipients,
        "subject": submit.message.subject,
        "parts": [{"content_type": p.content_type, "bytes": len(p.data)} for p in submit.parts],
        "quirks": submit.quirks,
        **_answer_facts(submit.answer),
    }


def _change_facts(change: Change) -> dict[str, object]:
    return {
        "event": "change.received",
        "operation": change.message.operation,
        "transaction_id": change.message.transaction_id,
        "message_id": change.message_id,
        "parts": [{"content_type": p.content_type, "bytes": len(p.data)} for p in change.parts],
        "quirks": change.quirks,
        **_answer_facts(change.answer),
    }


def _answer_facts(answer: Answer) -> dict[str, object]:
    return {
        "body": answer.body,
        "http_status": answer.http,
        "status_code": answer.status,
        "ends": answer.ends,
        "delay_seconds": answer.delay_seconds,
    }
