"""An outgoing message as bytes on a disk, and back; and the frame round it, for others too. Pure.

A frame is a magic word, a CRC-32 of the rest, the length of the head, the head (JSON) and the body as it is: a frame
that is torn or has rotted is told from a whole one, and a body of several megabytes is not encoded again.
"""

import json
import struct
import zlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from gateway.contract import kept

from .message import Outgoing

_MESSAGE = b"MM7\x01"
_PREFIX = struct.Struct(">4sII")
_FIELDS = ("exchange", "routing_key", "content_type", "type", "correlation_id", "expiration")


def seal(kind: bytes, head: Mapping[str, object], body: bytes) -> bytes:
    """Make a frame; its magic word, of four bytes, says what it holds."""
    encoded = json.dumps(head).encode()  # ASCII: a header may hold what UTF-8 cannot
    crc = zlib.crc32(body, zlib.crc32(encoded))
    return b"".join([_PREFIX.pack(kind, crc, len(encoded)), encoded, body])


def unseal(kind: bytes, frame: bytes) -> tuple[dict[str, Any], bytes]:
    """The head and the body. ValueError if the frame is not whole, or of another kind."""
    if len(frame) < _PREFIX.size:
        raise ValueError("the frame is too short")
    magic, crc, length = _PREFIX.unpack_from(frame)
    rest = memoryview(frame)[_PREFIX.size :]
    if magic != kind:
        raise ValueError("the frame is of another kind, or of another version")
    if zlib.crc32(rest) != crc or length > len(rest):
        raise ValueError("the frame is damaged")
    return json.loads(bytes(rest[:length])), bytes(rest[length:])


def dump(outgoing: Outgoing) -> bytes:
    """Make the frame of a message."""
    head: dict[str, object] = {name: getattr(outgoing, name) for name in _FIELDS}
    head["headers"] = dict(outgoing.headers)
    head["timestamp"] = outgoing.timestamp.isoformat() if outgoing.timestamp else None
    return seal(_MESSAGE, head, outgoing.body)


def load(frame: bytes) -> Outgoing:
    """Read the frame of a message. ValueError if it is not whole."""
    head, body = unseal(_MESSAGE, frame)
    try:
        stamp = head.pop("timestamp")
        return Outgoing(
            **kept.known(Outgoing, head), body=body, timestamp=datetime.fromisoformat(stamp) if stamp else None
        )
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError("the frame is of another version") from error
