"""The `mm7` command, in this process and as a user has it."""

import asyncio
import logging
import os
import sys
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from tests.conftest import plain_logs

SCRIPT = Path(sys.executable).with_name("mm7")


@dataclass(frozen=True)
class Done:
    """How a command has ended."""

    code: int
    out: str
    err: str


@pytest.fixture
def script() -> Path:
    """The installed command."""
    return SCRIPT


@pytest.fixture
def clean(monkeypatch, tmp_path) -> Iterator[None]:
    """No settings but those of the test, in a folder of its own."""
    for name in [name for name in os.environ if name.startswith("MM7_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    handlers, level = logging.root.handlers[:], logging.root.level
    yield
    plain_logs()  # a command has configured the logs for an output that is closed by now
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)


@pytest.fixture
def invoke(clean) -> Callable[..., Result]:
    """`mm7 …` in this process."""
    from gateway.tools.cli import app

    def call(*arguments: object, stdin: bytes = b"") -> Result:
        return CliRunner().invoke(app, [str(each) for each in arguments], input=stdin)

    return call


@pytest.fixture
def mm7_process(tmp_path) -> Callable[..., Awaitable[asyncio.subprocess.Process]]:
    """Start `mm7 …` as a process with MM7_ settings."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("MM7_")}

    async def start(*arguments: object, **settings: object) -> asyncio.subprocess.Process:
        given = {f"MM7_{name}": str(value) for name, value in settings.items()}
        pipe = asyncio.subprocess.PIPE
        return await asyncio.create_subprocess_exec(
            SCRIPT, *map(str, arguments), stdin=pipe, stdout=pipe, stderr=pipe, env=inherited | given, cwd=tmp_path
        )

    return start


@pytest.fixture
def mm7(mm7_process) -> Callable[..., Awaitable[Done]]:
    """Run `mm7 …` to its end; nothing that a user does may give a traceback."""

    async def call(*arguments: object, stdin: bytes = b"", **settings: Any) -> Done:
        process = await mm7_process(*arguments, **settings)
        async with asyncio.timeout(60):
            out, err = await process.communicate(stdin)
        assert b"Traceback" not in err, err.decode()
        return Done(process.returncode or 0, out.decode(), err.decode())

    return call
