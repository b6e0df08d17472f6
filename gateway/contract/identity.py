"""Which callback it is: the same for every delivery of one, another for every other. Pure.

Strategy: the id is a digest of everything that was read — account, operation, every field, every part — and of nothing
that changes between two deliveries of the same callback (boundary, HTTP headers, time of receipt).
"""

import hashlib
from collections.abc import Sequence
from dataclasses import fields, replace

import orjson

from gateway import mm7

from .parts import Part

# Two messages of one text from one phone are the same without any of these; a report names its message.
_TOLD_APART_BY = ("transaction_id", "time_stamp", "linked_id", "message_id")


def event_id(account: str, message: mm7.Message, parts: Sequence[Part]) -> str:
    """The id of the event that a callback becomes; 32 hexadecimal digits."""
    if isinstance(message, (mm7.DeliverReq, mm7.SubmitReq)) and message.content:
        # The Content-ID that href names is, like a boundary, often made anew for each delivery.
        message = replace(message, content=replace(message.content, href=None))
    names = ((part.filename_raw or part.filename) for part in parts)
    attached = [(part.content_type, part.charset, name, part.sha256) for part, name in zip(parts, names, strict=True)]
    # What is absent does not count, so that an element learnt in a later version changes no id but where it is sent.
    sent = {f.name: value for f in fields(message) if (value := getattr(message, f.name)) is not None}
    content = [account, message.operation, sent, attached]
    return hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest()[:32]


def told_apart(message: mm7.Message) -> bool:
    """Whether a repetition can be told from another callback that says the same."""
    return any(getattr(message, name, None) for name in _TOLD_APART_BY)
