"""A real picture without a file or a library: sunset over water, always the same bytes.

Strategy: PNG is a header, zlib over rows of RGB, and checksums (RFC 2083). Some noise, the same each time,
keeps the gradient from banding, and the file from shrinking to nothing.
"""

import math
import struct
import zlib
from functools import cache

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_RGB_8_BITS = (8, 2, 0, 0, 0)
_SKY = ((24, 28, 72), (120, 52, 110), (232, 104, 72), (255, 196, 110))  # top to horizon
_SUN, _WATER = (255, 244, 205), (18, 30, 62)
_HORIZON = 0.66  # of the height
_SUN_RADIUS = 0.13  # of the height

Colour = tuple[float, float, float]


@cache
def sunset(width: int = 320, height: int = 200) -> bytes:
    """A PNG of that size in pixels; some 40 KB at 320 by 200."""
    noise = _Noise()
    rows = b"".join(b"\1" + _filter(_row(y, width, height, noise)) for y in range(height))  # 1: the filter Sub
    header = struct.pack(">II5B", width, height, *_RGB_8_BITS)
    return _SIGNATURE + _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(rows)) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _filter(row: bytes) -> bytes:
    """Each byte as its difference to that of the pixel on the left (RFC 2083 §6.3): gradients pack well."""
    return bytes((byte - left) % 256 for byte, left in zip(row, b"\0\0\0" + row, strict=False))


class _Noise:
    """A linear congruential generator: -1, 0 or 1, the same sequence on every machine."""

    def __init__(self) -> None:
        self._state = 1

    def next(self) -> int:
        self._state = (self._state * 1_103_515_245 + 12_345) & 0x7FFFFFFF
        return (self._state >> 16) % 3 - 1


def _row(y: int, width: int, height: int, noise: _Noise) -> bytes:
    pixels = bytearray()
    for x in range(width):
        grain = noise.next()
        pixels += bytes(min(255, max(0, round(channel) + grain)) for channel in _colour(x, y, width, height))
    return bytes(pixels)


def _colour(x: int, y: int, width: int, height: int) -> Colour:
    horizon = height * _HORIZON
    if y < horizon:
        return _sky(x - width / 2, y, horizon, height)
    depth = (y - horizon) / (height - horizon)
    mirrored = _sky(x - width / 2 + 6 * math.sin(y * 1.7), horizon - depth * horizon, horizon, height)
    return _mix(mirrored, _WATER, 0.35 + 0.5 * depth)


def _sky(from_middle: float, y: float, horizon: float, height: int) -> Colour:
    place = max(0.0, min(y / horizon, 0.999)) * (len(_SKY) - 1)
    upper = int(place)
    sky = _mix(_SKY[upper], _SKY[upper + 1], place - upper)
    distance = math.hypot(from_middle, y - horizon * 0.8) / (height * _SUN_RADIUS)
    return _mix(sky, _SUN, 1.0 if distance < 1 else 0.6 / distance**2)


def _mix(one: Colour, two: Colour, share: float) -> Colour:
    """`share` of the second colour, the rest of the first."""
    red, green, blue = (a + (b - a) * share for a, b in zip(one, two, strict=True))
    return red, green, blue
