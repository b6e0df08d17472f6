"""Commands that this process has sent: none of them is sent again.

A connection to the broker that drops while a POST is under way brings the command back a second time, and so does a
user who publishes it twice. The second one waits for the outcome of the first, and repeats it.
"""

import asyncio
from collections import OrderedDict

from gateway.contract.events import Event

Key = tuple[str, str]  # account, command id


class Memory:
    """The outcomes of the last `size` commands, those under way included."""

    def __init__(self, size: int = 10_000) -> None:
        self._size = size
        self._outcomes: OrderedDict[Key, asyncio.Future[Event | None]] = OrderedDict()

    async def outcome(self, key: Key) -> Event | None:
        """The outcome of an earlier delivery, waiting for it where it is under way; None: it is to be sent."""
        while (found := self._outcomes.get(key)) is not None:
            if (event := await asyncio.shield(found)) is not None:
                return event
        return None

    def begin(self, key: Key) -> None:
        """The command is being sent."""
        self._outcomes[key] = asyncio.get_running_loop().create_future()
        while len(self._outcomes) > self._size:
            oldest = next(iter(self._outcomes.values()))
            if not oldest.done():
                return
            self._outcomes.popitem(last=False)

    def end(self, key: Key, event: Event | None) -> None:
        """Its outcome is known; None where it may be sent again."""
        future = self._outcomes[key]
        if event is None:
            del self._outcomes[key]
        if not future.done():
            future.set_result(event)
