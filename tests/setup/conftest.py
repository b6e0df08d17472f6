"""A run folder of each test's own, with the checkout's unpacked packages in it."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from problems import NoServer
from rabbitmq import RabbitNode
from redis_server import RedisNode
from rundir import RUN_DIR, plain

Question = Callable[[], object]


@pytest.fixture(scope="session")
def packages_dir() -> Path:
    """Where the servers' packages are, if they come from packages; skips where there are no servers at all."""
    try:
        RabbitNode.create(RUN_DIR, ["installed", "packages"]).destroy()
        RedisNode.create(RUN_DIR, ["installed", "packages"]).destroy()
    except NoServer as problem:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"no server to test with: {problem}")
    return plain(RUN_DIR) / "packages"


@pytest.fixture
def empty_run_dir(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    folder.mkdir()
    return folder


@pytest.fixture
def run_dir(empty_run_dir: Path, packages_dir: Path) -> Path:
    if packages_dir.exists():
        (empty_run_dir / "packages").symlink_to(packages_dir)
    return empty_run_dir


@pytest.fixture
def eventually() -> Callable[[Question], bool]:
    """Ask until the answer is yes, twenty seconds at most."""

    def ask(question: Question) -> bool:
        deadline = time.monotonic() + 20
        while not (answer := bool(question())) and time.monotonic() < deadline:
            time.sleep(0.05)
        return answer

    return ask
