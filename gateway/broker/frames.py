"""An outgoing message as bytes on a disk, and back. Pure.

A frame is a magic word, a CRC-32 of the rest, the length of the head, the head (JSON) and the body as it is: a frame
that is torn or has rotted is told from a whole one, and a body of several megabytes is not encoded again.
"""

import json
import struct
import zlib
from datetime import datetime

from .message import Outgoing

_MAGIC = b"MM7\x01"
_PREFIX = struct.Struct(">4sII")
_FIELDS = ("exchange", "routing_key", "content_type", "type", "correlation_id", "expiration")


def dump(outgoing: Outgoing) -> bytes:
    """Make the frame of a message."""
    head: dict[str, object] = {name: getattr(outgoing, name) for name in _FIELDS}
    head["headers"] = dict(outgoing.headers)
    head["timestamp"] = outgoing.timestamp.isoformat() if outgoing.timestamp else None
    encoded = json.dumps(head).encode()  # ASCII: a header may hold what UTF-8 cannot
    crc = zlib.crc32(outgoing.body, zlib.crc32(encoded))
    return b"".join([_PREFIX.pack(_MAGIC, crc, len(encoded)), encoded, outgoing.body])


def load(frame: bytes) -> Outgoing:
    """Read a frame. ValueError if it is not whole."""
    if len(frame) < _PREFIX.size:
        raise ValueError("the frame is too short")
    magic, crc, length = _PREFIX.unpack_from(frame)
    rest = memoryview(frame)[_PREFIX.size :]
    if magic != _MAGIC or zlib.crc32(rest) != crc or length > len(rest):
        raise ValueError("the frame is damaged")
    try:
        head = json.loads(bytes(rest[:length]))
        stamp = head.pop("timestamp")
        return Outgoing(**head, body=bytes(rest[length:]), timestamp=datetime.fromisoformat(stamp) if stamp else None)
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError("the frame is of another version") from error
