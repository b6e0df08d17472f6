"""Stores to test with: memory, SQLite and a real Redis, each with a clock that can be set."""

import asyncio
import contextlib
import os
import secrets
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from gateway.stores import state_redis
from gateway.stores.state import State, open_state


class Clock:
    """The wall clock, moved by `offset` seconds."""

    def __init__(self) -> None:
        self.offset = 0.0

    def __call__(self) -> float:
        return time.time() + self.offset


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def redis_url() -> str:
    url = os.environ.get("MM7_TEST_REDIS_URL")
    if not url:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(
            "MM7_TEST_REDIS_URL names no Redis: `make test` starts one"
        )
    return url


@pytest.fixture(params=["memory", "sqlite", "redis"])
def open_one(
    request: pytest.FixtureRequest, tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> Callable[[], State]:
    """Opens the store under test; each call is another client of the same one, but in memory."""
    if request.param == "memory":
        one = open_state("memory://", clock=clock)
        return lambda: one
    if request.param == "redis":
        monkeypatch.setattr(state_redis, "PREFIX", f"mm7-test:{secrets.token_hex(4)}:")
    url = request.getfixturevalue("redis_url") if request.param == "redis" else f"sqlite://{tmp_path}/state/state.db"
    return lambda: open_state(url, clock=clock)


@pytest.fixture
async def state(open_one: Callable[[], State]) -> AsyncIterator[State]:
    one = open_one()
    yield one
    await one.close()


@pytest.fixture
async def second(open_one: Callable[[], State]) -> AsyncIterator[State]:
    """Another client of the same store, as another process has it."""
    one = open_one()
    yield one
    await one.close()


@pytest.fixture
def eventually() -> Callable[[Callable[[], object]], object]:
    """Ask until the answer is yes, ten seconds at most."""

    async def ask(question: Callable[[], object]) -> bool:
        deadline = time.monotonic() + 10
        while not (answer := bool(question())) and time.monotonic() < deadline:  # whatever it is about
            await asyncio.sleep(0.01)
        return answer

    return ask


class Disk:
    """A tmpfs of its own, one that can be full or read-only."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def fill(self) -> None:
        with (self.path / "filler").open("ab", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(4096))

    def clear(self) -> None:
        (self.path / "filler").unlink()

    def read_only(self, yes: bool) -> None:
        subprocess.run(["mount", "-o", f"remount,{'ro' if yes else 'rw'}", self.path], check=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    path = tmp_path / "disk"
    path.mkdir()
    if os.geteuid() or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", path], check=False).returncode:
        pytest.skip("mounting a small tmpfs needs root (the limit on file sizes is tested without)")
    yield Disk(path)
    subprocess.run(["umount", "-l", path], check=True)
