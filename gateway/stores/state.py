"""The state store: small values under a key, each for a time; and turns at a shared rate.

Strategy: one small interface, SQLite behind it where one host will do, Redis where several share it, memory in tests.
Every call has a deadline and one way to fail, StateUnavailable; then what was asked for may or may not have been done.
So all of it can be repeated: a value that is there already counts as just put, and who must know that it was the first
puts something of its own into the value. Keys end by age alone. A clock that is set back only makes them live longer.
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from urllib.parse import unquote, urlsplit

WITHIN = 2.0
_PROBE_SECONDS = 60.0


class StateUnavailable(Exception):
    """The store does not answer in time, or cannot do it just now. The text holds no credentials."""


class State(ABC):
    """What every store does. Keys are text, values bytes of a few KiB; `within` is each call's deadline in
    seconds. `durable` is for what must survive a power cut too; Redis does as its server is configured.
    """

    @abstractmethod
    async def get(self, key: str, *, within: float = WITHIN) -> bytes | None:
        """The value, None if there is none or its time is over."""

    @abstractmethod
    async def put(
        self, key: str, value: bytes, ttl_seconds: float, *, durable: bool = True, within: float = WITHIN
    ) -> None:
        """Write a value, whatever is there."""

    @abstractmethod
    async def swap(
        self,
        key: str,
        expected: bytes | None,
        value: bytes,
        ttl_seconds: float,
        *,
        durable: bool = True,
        within: float = WITHIN,
    ) -> bytes | None:
        """Write `value` if what is there is `expected` (None: nothing), atomically; returns what stands afterwards."""

    @abstractmethod
    async def delete(self, key: str, *, expected: bytes | None = None, within: float = WITHIN) -> None:
        """Remove a value; with `expected` only that one, atomically."""

    @abstractmethod
    async def pace(self, name: str, interval: float, pause: float, *, within: float = WITHIN) -> float:
        """Take a turn of `interval` seconds, not before `pause` seconds from now; how long to wait for it."""

    @abstractmethod
    async def close(self) -> None:
        """End; within a few seconds in any state."""

    async def get_all(self, keys: Sequence[str], *, within: float = WITHIN) -> list[bytes | None]:
        """Several values, as they stand at one time, for the price of one."""
        return [await self.get(key, within=within) for key in keys]

    async def add(
        self, key: str, value: bytes, ttl_seconds: float, *, durable: bool = True, within: float = WITHIN
    ) -> bytes | None:
        """Put a value where there is none, atomically; None if that was done, else what was there."""
        stands = await self.swap(key, None, value, ttl_seconds, durable=durable, within=within)
        return None if stands == value else stands

    async def turn(self, name: str, per_second: float, *, within: float = WITHIN) -> float:
        """The seconds to wait for one's turn: turns come evenly spaced, `per_second`, whoever asks, without bursts."""
        return await self.pace(name, 1 / per_second, 0.0, within=within)

    async def pause(self, name: str, seconds: float, *, within: float = WITHIN) -> None:
        """Give no turn for the next `seconds`; those already given stand."""
        await self.pace(name, 0.0, seconds, within=within)

    async def check(self) -> None:
        """Whether a value can be written and read back. Raises StateUnavailable."""
        key, value = "check", repr(time.time()).encode()
        await self.put(key, value, _PROBE_SECONDS)
        if await self.get(key) is None:
            raise StateUnavailable("a value that was just written is not there")

    async def cautions(self) -> list[str]:
        """How the server is configured to lose values, each with what to write; as far as it tells."""
        return []


def next_turn(due: float, written: float, now: float, interval: float, pause: float) -> tuple[float, float]:
    """When the turn after this one is due, and how long to wait for this one.

    `due` was written at `written`; a clock that stands before that was set back, and so is `due`.
    """
    due -= max(0.0, written - now)
    start = max(due, now + pause)
    return start + interval, start - now


def open_state(url: str, *, clock: Callable[[], float] = time.time) -> State:
    """The store at `sqlite:///folder/file`, `redis://…`, `rediss://…` or `memory://`. Nothing is opened yet.

    ValueError for a URL that names none, without repeating it: it may hold a password.
    """
    # A backend is imported where it is used alone: redis takes 0.2 s and need not be there.
    scheme = url.partition("://")[0]
    if scheme == "sqlite":
        from .state_sqlite import SqliteState  # noqa: PLC0415  # see above

        return SqliteState(sqlite_path(url), clock=clock)
    if scheme in ("redis", "rediss"):
        from .state_redis import RedisState  # noqa: PLC0415  # see above

        return RedisState(url)
    if scheme == "memory":
        from .state_memory import MemoryState  # noqa: PLC0415  # see above

        return MemoryState(clock=clock)
    raise ValueError("not a state store: write sqlite:///folder/state.db, redis://host:6379/0, rediss://… or memory://")


def sqlite_path(url: str) -> str:
    """The file of a `sqlite:///…` URL, always absolute, like a file:// URL's. ValueError if it names none."""
    parts = urlsplit(url)
    path = "/" + unquote(parts.path).lstrip("/")
    if parts.netloc or path == "/":
        raise ValueError("a SQLite state store is named by its absolute path: sqlite:///folder/state.db")
    return path
