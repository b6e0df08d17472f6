"""From a provider's MessageID to the command that was sent: so that reports say what they report on."""

import asyncio
from dataclasses import asdict, dataclass

import orjson

from .state import WITHIN, State

KEPT_SECONDS = 30 * 24 * 3600.0  # reports come as long as a message may wait for its phone
_LOOK_FIRST, _LOOK_LAST = 0.02, 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """What of a command its reports carry."""

    command_id: str
    reference: str | None = None
    metadata: dict[str, object] | None = None


class Correlation:
    """The messages of all accounts. Both methods raise StateUnavailable."""

    def __init__(self, state: State, *, ttl_seconds: float = KEPT_SECONDS, within: float = WITHIN) -> None:
        self._state = state
        self._ttl_seconds = ttl_seconds
        self._within = within

    async def remember(self, account: str, message_id: str, origin: Origin) -> None:
        """Keep what a message was sent for."""
        value = orjson.dumps(asdict(origin))
        await self._state.put(_key(account, message_id), value, self._ttl_seconds, within=self._within)

    async def find(self, account: str, message_id: str, *, wait_seconds: float = 0.0) -> Origin | None:
        """What a message was sent for; waits a little for it, since a report may overtake the submit's answer."""
        clock = asyncio.get_running_loop().time
        deadline = clock() + wait_seconds
        pause = _LOOK_FIRST
        while (value := await self._state.get(_key(account, message_id), within=self._within)) is None:
            left = deadline - clock()
            if left <= 0:
                return None
            await asyncio.sleep(min(pause, left))
            pause = min(2 * pause, _LOOK_LAST)
        return Origin(**orjson.loads(value))


def _key(account: str, message_id: str) -> str:
    return f"message:{account}:{message_id}"
