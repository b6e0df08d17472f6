"""What waits in the spool, as bytes on a disk and back: a message to publish, or a callback whole. Pure."""

from datetime import datetime

from gateway import http_file
from gateway.broker import Outgoing, frames
from gateway.intake import Callback
from gateway.telemetry import tracing

Entry = Outgoing | Callback

_CALLBACK = b"MM7C"


def dump(entry: Entry) -> bytes:
    """Make the frame of an entry."""
    if isinstance(entry, Outgoing):
        return frames.dump(entry)
    head = {"account": entry.account, "received_at": entry.received_at.isoformat(), "trace": dict(entry.trace)}
    return frames.seal(_CALLBACK, head, entry.file())


def load(frame: bytes) -> Entry:
    """Read a frame. ValueError if it is not whole."""
    if not frame.startswith(_CALLBACK):
        return frames.load(frame)
    head, file = frames.unseal(_CALLBACK, frame)
    found = http_file.parse(file)
    try:
        received_at = datetime.fromisoformat(head["received_at"])
        trace = head["trace"] if "trace" in head else tracing.given(found.headers)  # not in those of an older version
        return Callback(head["account"], received_at, found.start, found.headers, found.body, trace)
    except (KeyError, TypeError) as error:
        raise ValueError("the frame is of another version") from error
