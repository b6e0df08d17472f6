"""What the state store takes for an entry: `python -m tests.bench.state_size sqlite:////tmp/size.db` (or redis://…).

SQLite writes a new file, Redis keys of its own that end after ten minutes; nothing else should write to it meanwhile.
"""

import asyncio
import hashlib
import secrets
import sys
from collections.abc import Iterator
from pathlib import Path

from gateway.stores.state import State, open_state, sqlite_path

KEYS, AT_ONCE = 100_000, 500
TTL_SECONDS = 600.0
ENTRIES = {"callback published": ("published:", 1), "outcome": ("command:size:", 1500), "message": ("mt:size:", 250)}


def names(prefix: str) -> Iterator[str]:
    run = secrets.token_hex(8)
    return (prefix + hashlib.sha256(f"{run} {n}".encode()).hexdigest()[:32] for n in range(KEYS))


async def fill(state: State, prefix: str, size: int) -> None:
    for_all = names(prefix)
    value = bytes(size)
    for _ in range(0, KEYS, AT_ONCE):
        puts = (state.put(next(for_all), value, TTL_SECONDS, durable=False, within=60) for _ in range(AT_ONCE))
        await asyncio.gather(*puts)


async def taken(url: str) -> int:
    """The bytes that the store takes now."""
    if url.startswith("sqlite:"):
        path = Path(sqlite_path(url))
        return sum(each.stat().st_size for each in path.parent.glob(f"{path.name}*"))
    from redis.asyncio import Redis

    async with Redis.from_url(url) as client:
        return int((await client.info("memory"))["used_memory"])


async def main(url: str) -> None:
    if url.startswith("sqlite:") and await taken(url):
        sys.exit(f"{sqlite_path(url)} exists: name a new file")
    for name, (prefix, size) in ENTRIES.items():
        before = await taken(url)
        state = open_state(url)
        await fill(state, prefix, size)
        await state.close()
        sys.stdout.write(f"{name}, {size} bytes: {(await taken(url) - before) / KEYS:.0f} bytes each, of {KEYS}\n")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
