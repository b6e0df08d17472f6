"""What became of each command: being sent, by whom, or its outcome. What it says is what the subscribers are told.

Strategy: a command is marked before its POST and its outcome written over that mark, both by compare-and-set. So of two
workers that have the same command one sends; and of two that each know an outcome (the sender, and another that took
it for dead) one has the say: the event that stands is the one to publish. A replay is marked over the outcome that it
is to undo and over no other: whatever else has become of the command stands in its way. A worker that is alive says so
every few seconds, so that a mark of one that was killed is told from a POST that takes long.
"""

import secrets
from dataclasses import asdict, dataclass, field

import orjson

from gateway.contract import kept

from .state import WITHIN, State

KEPT_SECONDS = 7 * 24 * 3600.0
ALIVE_SECONDS, BEAT_EVERY = 10.0, 2.5
_SENDING, _OUTCOME = b"S", b"E"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """The mark of a command whose POST is under way, or was when its worker ended.

    Of a replay: its token, and the outcome `before` it, as JSON, which stands again if nothing was sent.
    """

    worker: str
    attempt: int
    began: str
    replay: str | None = None
    before: str | None = None
    token: str = field(default_factory=lambda: secrets.token_hex(8))


@dataclass(frozen=True, slots=True)
class Outcome:
    """The command has come to an end; `event` is what was published, as JSON."""

    event: bytes


class Ledger:
    """The commands of all accounts. Every method raises StateUnavailable: then nothing may be sent."""

    def __init__(self, state: State, *, ttl_seconds: float = KEPT_SECONDS, within: float = WITHIN) -> None:
        self._state = state
        self._ttl_seconds = ttl_seconds
        self._within = within

    async def look(self, account: str, command_id: str) -> Sending | Outcome | None:
        """What is known of a command."""
        return _read(await self._state.get(_key(account, command_id), within=self._within))

    async def begin(self, account: str, command_id: str, mark: Sending) -> bool:
        """Mark a command as being sent; whether it may be. May be repeated with one mark."""
        key, value = _key(account, command_id), _value(mark)
        return await self._state.swap(key, _before(mark), value, self._ttl_seconds, within=self._within) == value

    async def finish(self, account: str, command_id: str, mark: Sending, event: bytes) -> bytes:
        """Write the outcome over one's own mark; the event that stands, to be published."""
        key, value = _key(account, command_id), _OUTCOME + event
        expected: bytes | None = _value(mark)
        while True:
            stands = await self._state.swap(key, expected, value, self._ttl_seconds, within=self._within)
            if stands not in (None, _before(mark)):
                known = _read(stands)
                # A mark: ours was forgotten, and it is sent again by another. What became of ours is what we know.
                return known.event if isinstance(known, Outcome) else event
            expected = stands  # the store has forgotten the mark

    async def inherit(self, account: str, command_id: str, mark: Sending, event: bytes) -> bytes | None:
        """Write the outcome over a mark that was left; the event that stands, None where the mark is gone by now."""
        key = _key(account, command_id)
        stands = _read(
            await self._state.swap(key, _value(mark), _OUTCOME + event, self._ttl_seconds, within=self._within)
        )
        return stands.event if isinstance(stands, Outcome) else None

    async def forget(self, account: str, command_id: str, mark: Sending) -> None:
        """Take a mark away: the command was not sent, and may be. What was before it stands again."""
        key, before = _key(account, command_id), _before(mark)
        if before is None:
            await self._state.delete(key, expected=_value(mark), within=self._within)
        else:
            await self._state.swap(key, _value(mark), before, self._ttl_seconds, within=self._within)

    async def beat(self, worker: str) -> None:
        """Say that a worker is alive; every BEAT_EVERY seconds."""
        await self._state.put(f"worker:{worker}", b"1", ALIVE_SECONDS, durable=False, within=self._within)

    async def is_alive(self, worker: str) -> bool:
        """Whether a worker has said so within ALIVE_SECONDS."""
        return await self._state.get(f"worker:{worker}", within=self._within) is not None

    async def leave(self, worker: str) -> None:
        """Say that a worker has ended: what it was still sending need not be waited for."""
        await self._state.delete(f"worker:{worker}", within=self._within)


def _key(account: str, command_id: str) -> str:
    return f"command:{account}:{command_id}"


def _value(mark: Sending) -> bytes:
    return _SENDING + orjson.dumps(asdict(mark))


def _before(mark: Sending) -> bytes | None:
    return None if mark.before is None else _OUTCOME + mark.before.encode()


def _read(value: bytes | None) -> Sending | Outcome | None:
    if value is None:
        return None
    return Outcome(value[1:]) if value.startswith(_OUTCOME) else Sending(**kept.known(Sending, orjson.loads(value[1:])))
