"""What a journal holds of an account, counted in memory. Pure.

Strategy: an append that failed may be in the file all the same (its fsync failed, what was written is there). It is not
counted, and goes out before those behind it. So from then on the count is in doubt, and the last one stays counted
until the file was asked: what was acknowledged is never taken for gone.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Entry:
    """What was appended, as it was."""

    id: int
    account: str
    arrived: float
    frame: bytes = field(repr=False)


@dataclass(slots=True)
class Held:
    """`pending` bytes are being written; for `awaited` of those entries somebody still waits."""

    entries: int = 0
    bytes: int = 0
    oldest: float | None = None
    pending: int = 0
    awaited: int = 0
    in_doubt: bool = False
    published: int = 0  # the id up to which entries are out, removed or not

    def written(self, size: int, arrived: float) -> None:
        """One more is there."""
        self.entries += 1
        self.bytes += size
        self.oldest = arrived if self.oldest is None else self.oldest

    def went_out(self, entries: Sequence[Entry]) -> None:
        """Some that followed each other are published, and those before them."""
        self.published = max(self.published, entries[-1].id)
        self.entries = max(self.entries - len(entries), int(self.in_doubt))
        self.bytes = max(self.bytes - sum(len(each.frame) for each in entries), 0)
        if not self.entries:
            self.oldest = None

    def counted(self, entries: int, size: float, oldest: float | None) -> None:
        """What is in the file."""
        self.entries, self.bytes, self.oldest, self.in_doubt = entries, int(size), oldest, False
