"""The state store in Redis (or Valkey): for several hosts.

Strategy: a command runs in a task of ours to its end, whatever becomes of its caller: a command that is cancelled half
way leaves its answer in a pooled connection for the next one (CVE-2023-28858, CVE-2023-28859). Sockets have deadlines,
so those tasks end; connections and tasks are bounded. What must be atomic is a script. All of it can be repeated, so a
connection that was lost is retried once. Turns are timed by the server's clock: the hosts' own may differ.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar, cast
from urllib.parse import urlsplit

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import ConstantBackoff
from redis.exceptions import RedisError

from .state import WITHIN, State, StateUnavailable

T = TypeVar("T")

PREFIX = "mm7:"
SOCKET_WITHIN = 2.0
CONNECTIONS = 32
IN_FLIGHT = 2000
_SWAP = """
local found = redis.call('GET', KEYS[1])
if (found and ARGV[1] == '1' and found == ARGV[2]) or (not found and ARGV[1] == '0') then
  redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[4])
  return ARGV[3]
end
return found
"""
_DELETE = "if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end return 1"
# `next_turn` in microseconds. The key outlives the turns it has given away by a minute.
_PACE = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local due, written = now, now
local found = redis.call('GET', KEYS[1])
if found then
  local d, w = string.match(found, '^(%d+) (%d+)$')
  due, written = tonumber(d), tonumber(w)
end
due = due - math.max(0, written - now)
local start = math.max(due, now + ARGV[2])
due = start + ARGV[1]
local life = math.floor((due - now) / 1000) + 60000
redis.call('SET', KEYS[1], string.format('%.0f %.0f', due, now), 'PX', string.format('%.0f', life))
return string.format('%.0f', start - now)
"""


class RedisState(State):
    """A state store at a `redis://` or `rediss://` URL. Connects with the first call, and again by itself."""

    def __init__(self, url: str) -> None:
        self.address = _address(url)
        try:
            pool = BlockingConnectionPool.from_url(
                url,
                max_connections=CONNECTIONS,
                timeout=SOCKET_WITHIN,
                socket_timeout=SOCKET_WITHIN,
                socket_connect_timeout=SOCKET_WITHIN,
                socket_keepalive=True,
                health_check_interval=15,
                retry=Retry(ConstantBackoff(0.05), 1),
            )
        except (ValueError, TypeError):  # not chained: its text may hold a piece of the password
            raise ValueError(
                "the state store's URL must read redis://user:password@host:6379/0, or rediss://"
            ) from None
        self._client = Redis.from_pool(pool)
        self._running: set[asyncio.Task[Any]] = set()

    async def _call(self, command: Callable[[], Awaitable[T]], within: float) -> T:
        if len(self._running) >= IN_FLIGHT:
            raise StateUnavailable(f"{self.address}: {IN_FLIGHT} operations are waiting already")
        task = asyncio.ensure_future(_of(command))
        self._running.add(task)
        task.add_done_callback(self._ended)
        done, _ = await asyncio.wait({task}, timeout=within)  # neither the deadline nor a cancellation stops the task
        if not done:
            raise StateUnavailable(f"{self.address}: no answer within {within:g} s")
        try:
            return task.result()
        except (RedisError, OSError, TimeoutError) as error:
            text = str(error).strip() or type(error).__name__
            raise StateUnavailable(f"{self.address}: {text}") from error

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # looked at: its caller may have gone

    async def _script(self, script: str, key: str, *arguments: bytes | str | int, within: float) -> bytes | None:
        async def command() -> bytes | None:
            given = cast("tuple[str, ...]", arguments)  # bytes and int are as good; the library's annotation is not
            return cast("bytes | None", await self._client.eval(script, 1, PREFIX + key, *given))

        return await self._call(command, within)

    async def get(self, key: str, *, within: float = WITHIN) -> bytes | None:
        """See State."""
        return cast("bytes | None", await self._call(lambda: self._client.get(PREFIX + key), within))

    async def get_all(self, keys: Sequence[str], *, within: float = WITHIN) -> list[bytes | None]:
        """See State."""
        named = [PREFIX + key for key in keys]
        return cast("list[bytes | None]", await self._call(lambda: self._client.mget(named), within))

    async def put(
        self,
        key: str,
        value: bytes,
        ttl_seconds: float,
        *,
        durable: bool = True,  # noqa: ARG002  # the server's configuration decides
        within: float = WITHIN,
    ) -> None:
        """See State."""
        await self._call(lambda: self._client.set(PREFIX + key, value, px=_milliseconds(ttl_seconds)), within)

    async def swap(
        self,
        key: str,
        expected: bytes | None,
        value: bytes,
        ttl_seconds: float,
        *,
        durable: bool = True,  # noqa: ARG002  # the server's configuration decides
        within: float = WITHIN,
    ) -> bytes | None:
        """See State."""
        wanted = ("0", b"") if expected is None else ("1", expected)
        return await self._script(_SWAP, key, *wanted, value, _milliseconds(ttl_seconds), within=within)

    async def delete(self, key: str, *, expected: bytes | None = None, within: float = WITHIN) -> None:
        """See State."""
        if expected is None:
            await self._call(lambda: self._client.delete(PREFIX + key), within)
        else:
            await self._script(_DELETE, key, expected, within=within)

    async def pace(self, name: str, interval: float, pause: float, *, within: float = WITHIN) -> float:
        """See State."""
        microseconds = (round(interval * 1_000_000), round(pause * 1_000_000))
        wait = await self._script(_PACE, f"turns:{name}", *microseconds, within=within)
        return int(wait or 0) / 1_000_000

    async def cautions(self) -> list[str]:
        """See State."""
        try:
            told = cast("Mapping[str, object]", await self._call(self._client.info, WITHIN))
        except StateUnavailable:  # it may be forbidden
            return []
        return cautions_in(told)

    async def close(self) -> None:
        """See State."""
        if self._running:
            await asyncio.wait(self._running, timeout=2 * SOCKET_WITHIN)
        closing = asyncio.ensure_future(_of(self._client.aclose))
        closing.add_done_callback(self._ended)
        await asyncio.wait({closing}, timeout=SOCKET_WITHIN)


def cautions_in(told: Mapping[str, object]) -> list[str]:
    """What stands in a Redis's INFO against keeping what was sent."""
    found = []
    policy = told.get("maxmemory_policy", "noeviction")
    if told.get("maxmemory", 0) and policy != "noeviction":
        found.append(f"when its memory is full it forgets what was sent ({policy}): set maxmemory-policy noeviction")
    if not told.get("aof_enabled", 1):
        found.append("a restart forgets what was sent: set appendonly yes and appendfsync always")
    return found


async def _of(command: Callable[[], Awaitable[T]]) -> T:
    return await command()


def _milliseconds(seconds: float) -> int:
    return max(1, round(seconds * 1000))


def _address(url: str) -> str:
    """Scheme, host, port and database: what may be shown."""
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        port = None
    return f"{parts.scheme}://{parts.hostname or 'localhost'}:{port or 6379}{parts.path}"
