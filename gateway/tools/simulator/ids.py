"""Identifiers as providers make them: none is given out twice."""

import secrets
import time
from itertools import count
from typing import Literal

Style = Literal["digits", "hex"]
_EPOCH_MILLISECONDS = 1_325_376_000_000  # 2012: gives ids of the length that Sinch's have
_COUNTER_BITS = 22


class Ids:
    """A source of ids: time in the high bits, a counter that begins anywhere in the low ones."""

    def __init__(self) -> None:
        self._counter = count(secrets.randbelow(1 << _COUNTER_BITS))

    def new(self, style: Style = "digits") -> str:
        """`digits`: 19 of them, growing, as Sinch's; `hex`: 16 hexadecimal digits, as Vibes'."""
        if style == "hex":
            return secrets.token_hex(8)
        milliseconds = time.time_ns() // 1_000_000 - _EPOCH_MILLISECONDS
        return str(milliseconds << _COUNTER_BITS | next(self._counter) % (1 << _COUNTER_BITS))
