"""A node, a Redis, a cluster for the whole run, and a stage with both programs on it for each module or test."""

import os
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import pytest_asyncio
from handshake import redis_version
from problems import NoServer, StartFailed

from tests.conftest import _running
from tests.faults.stage import Stage


def _started(server: Any) -> Any:
    """The server, started; skips where there is none, and fails where CI is set."""
    try:
        made = server()
        try:
            made.start()
        except StartFailed:
            made.destroy()
            raise
    except (NoServer, StartFailed) as error:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"no private server: {error}")
    return made


@pytest.fixture(scope="session")
def one_redis() -> Iterator[Any]:
    """A private Redis that keeps what it is told."""
    from redis_server import RedisNode

    server = _started(lambda: RedisNode.create(appendonly=True))
    yield server
    server.destroy()


@pytest.fixture
def redis(one_redis) -> Iterator[Any]:
    """The private Redis, running and well; what a test does to it is undone."""
    yield one_redis
    one_redis.resume()
    if not redis_version(one_redis.url):
        one_redis.kill()
        one_redis.start()


@pytest.fixture(scope="session")
def cluster() -> Iterator[Any]:
    """Three nodes that are one."""
    from cluster import RabbitCluster

    made = _started(RabbitCluster.create)
    yield made
    made.destroy()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(one_node, tmp_path_factory) -> AsyncIterator[Stage]:
    """A stage with a receiver and a worker, for all tests of a module: what they do to it must pass."""
    folder = tmp_path_factory.mktemp("stage")
    with _running(folder) as start:
        async with Stage(start, folder, brokers=[one_node.port]) as stage:
            await stage.begin(kills=True)
            yield stage
            assert [await program.stop() for program in (*stage.receivers, *stage.workers)] == [0, 0]


@pytest.fixture
async def stage(run, node, tmp_path) -> AsyncIterator[Stage]:
    """A stage of a test's own, on which nothing runs yet. Its state is SQLite."""
    async with Stage(run, tmp_path, brokers=[node.port]) as stage:
        yield stage
