"""From a provider's MessageID to the command that was sent: so that reports say what they report on.

A report may overtake the answer to its submit, and then is worth a wait; most unknown MessageIDs are not. So workers
say when they submit, and nothing is waited for while nobody does.
"""

import asyncio
from dataclasses import asdict, dataclass

import orjson

from gateway.contract import kept

from .state import WITHIN, State

KEPT_SECONDS = 7 * 24 * 3600.0  # reports come as long as a message may wait for its phone: mostly three days
_LOOK_FIRST, _LOOK_LAST = 0.02, 0.2
_SAY_EVERY = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """What of a command its reports carry."""

    command_id: str
    reference: str | None = None
    metadata: dict[str, object] | None = None


class Correlation:
    """The messages of all accounts. Every method raises StateUnavailable."""

    def __init__(self, state: State, *, ttl_seconds: float = KEPT_SECONDS, within: float = WITHIN) -> None:
        self._state = state
        self._ttl_seconds = ttl_seconds
        self._within = within
        self._said: dict[str, float] = {}

    async def remember(self, account: str, message_id: str, origin: Origin) -> None:
        """Keep what a message was sent for."""
        value = orjson.dumps(asdict(origin))
        await self._state.put(_key(account, message_id), value, self._ttl_seconds, within=self._within)

    async def expect(self, account: str, seconds: float) -> None:
        """Say that messages are being submitted, for `seconds` from now; it is written once a second at most."""
        now = asyncio.get_running_loop().time()
        if now < self._said.get(account, 0.0) + _SAY_EVERY:
            return
        self._said[account] = now  # also if that fails: a store that hangs holds up one submit a second, not each
        key, ttl_seconds = _expecting(account), seconds + _SAY_EVERY
        await self._state.put(key, b"1", ttl_seconds, durable=False, within=self._within)

    async def find(self, account: str, message_id: str, *, wait_seconds: float = 0.0) -> Origin | None:
        """What a message was sent for. Where submits are under way it is waited for, `wait_seconds` at most."""
        key, clock = _key(account, message_id), asyncio.get_running_loop().time
        deadline = clock() + wait_seconds
        pause = _LOOK_FIRST
        value, expected = await self._state.get_all([key, _expecting(account)], within=self._within)
        while value is None:
            left = deadline - clock()
            if left <= 0 or expected is None:
                return None
            await asyncio.sleep(min(pause, left))
            pause = min(2 * pause, _LOOK_LAST)
            value = await self._state.get(key, within=self._within)
        return Origin(**kept.known(Origin, orjson.loads(value)))


def _expecting(account: str) -> str:
    return f"expecting:{account}"


def _key(account: str, message_id: str) -> str:
    return f"message:{account}:{message_id}"
