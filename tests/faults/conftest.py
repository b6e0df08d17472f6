"""A stage for each test, on the private node of the whole run."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from tests.faults.stage import Stage


@pytest.fixture(scope="session")
def one_redis() -> Iterator[Any]:
    """A private Redis that keeps what it is told, for the whole run."""
    from problems import NoServer, StartFailed
    from redis_server import RedisNode

    try:
        redis = RedisNode.create(appendonly=True)
        redis.start()
    except (NoServer, StartFailed) as error:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"no private Redis: {error}")
    yield redis
    redis.destroy()


@pytest.fixture
def redis(one_redis) -> Iterator[Any]:
    """The private Redis, running and well; what a test does to it is undone."""
    yield one_redis
    one_redis.resume()
    if not one_redis.version_now():
        one_redis.start()


@pytest.fixture
async def stage(run, node, tmp_path) -> AsyncIterator[Stage]:
    """Nothing runs on it yet; its state is SQLite."""
    async with Stage(run, tmp_path, brokers=[node.port]) as stage:
        yield stage
        await asyncio.to_thread(node.resume)
        await _tidy(stage)


async def _tidy(stage: Stage) -> None:
    """Queues cost the node memory and a process each."""
