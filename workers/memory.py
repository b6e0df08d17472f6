"""Commands that this process has sent: none of them is sent again.

A connection to the broker that drops while a POST is under way brings the command back a second time, and so does a
user who publishes it twice. The second one waits for the outcome of the first, and repeats it.
"""

import asyncio
from collections import OrderedDict

from gateway.contract.events import Event

Key = tuple[str, str]  # account, command id


class Memory:
    """The commands under way, and the outcomes of the last `size` others."""

    def __init__(self, size: int = 10_000) -> None:
        self._size = size
        self._under_way: dict[Key, asyncio.Future[None]] = {}
        self._known: OrderedDict[Key, Event] = OrderedDict()

    async def outcome(self, key: Key) -> Event | None:
        """The outcome of an earlier delivery, waiting for it where it is under way; None: it is to be sent."""
        while (first := self._under_way.get(key)) is not None:
            await asyncio.shield(first)
        return self._known.get(key)

    def begin(self, key: Key) -> None:
        """The command is being sent."""
        self._under_way[key] = asyncio.get_running_loop().create_future()

    def end(self, key: Key, event: Event | None) -> None:
        """Its outcome is known; None where it may be sent again."""
        if event is not None:
            self._known[key] = event
            if len(self._known) > self._size:
                self._known.popitem(last=False)
        self._under_way.pop(key).set_result(None)
