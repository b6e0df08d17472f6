"""What can go wrong in the codec, split by whose fault it is.

DecodeError: the peer's. It carries what an answer needs: the status to give, and whatever of the request was read.
EncodeError: ours (or the command's that we were given).
"""

from dataclasses import dataclass

from .elements import REL_6_1_4


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What an answer echoes of a request."""

    operation: str | None = None
    transaction_id: str | None = None
    namespace: str | None = REL_6_1_4
    mm7_version: str | None = None


class DecodeError(Exception):
    """The bytes hold no message that can be used. `status` is the MM7 StatusCode to answer (TS 23.140 §8.7.8).

    `request` is None where there is nothing to echo, and without an operation where no MM7 message was found.
    """

    def __init__(self, text: str, *, status: int, request: Request | None = None, quirks: tuple[str, ...] = ()) -> None:
        super().__init__(text)
        self.text = text
        self.status = status
        self.request = request
        self.quirks = quirks


class EncodeError(Exception):
    """A value cannot be written as MM7; the text names it."""
