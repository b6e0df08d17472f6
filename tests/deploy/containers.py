"""What a container of the image is started with, and what its program makes of it."""

import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

import gateway.app
import workers.app
from gateway.settings import ReceiverSettings, Settings, WorkerSettings, unknown_variables
from gateway.telemetry import tracing

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
KINDS: dict[str, type[Settings]] = {"mm7-gateway": ReceiverSettings, "mm7-worker": WorkerSettings}
UID = 10001


def instructions() -> Iterator[tuple[str, str]]:
    """The Dockerfile's, in their order: ("RUN", "python -m venv …")."""
    lines = (line for line in (DEPLOY / "Dockerfile").read_text().splitlines() if not line.startswith("#"))
    for statement in re.split(r"(?<!\\)\n", "\n".join(lines)):
        if statement.strip():
            name, _, rest = statement.replace("\\\n", " ").partition(" ")
            yield name, " ".join(rest.split())


def image_environment() -> dict[str, str]:
    """What the image itself sets."""
    pairs = (rest for name, rest in instructions() if name == "ENV")
    return dict(pair.split("=", 1) for rest in pairs for pair in rest.split())


def modules() -> dict[str, str]:
    """A program's command → the module that it runs."""
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    return {name: entry.partition(":")[0].removesuffix(".__main__") for name, entry in scripts.items()}


def secrets_named(toml: str) -> set[str]:
    """The variables that a settings' file takes secrets from."""
    return set(re.findall(r'"env:(\w+)"', toml))


def load(monkeypatch: pytest.MonkeyPatch, program: str, environment: Mapping[str, str], toml: Path) -> Settings:
    """The settings of `program` in a container; fails on a variable that looks like a setting and is none."""
    for name in [name for name in os.environ if name.startswith("MM7_")]:
        monkeypatch.delenv(name)
    for name, value in {**image_environment(), **environment, "MM7_CONFIG": str(toml)}.items():
        if name != "PATH":
            monkeypatch.setenv(name, value)
    assert unknown_variables() == []
    written = tomllib.loads(toml.read_text()).keys() & {name.removeprefix("MM7_").lower() for name in os.environ}
    assert not written, "what the file says does not count: a variable wins over it"
    return KINDS[program].load()


def ends_within(program: str, settings: Settings) -> float:
    """Seconds that a program may take from SIGTERM to its end, by its own limits."""
    if program == "mm7-gateway":
        answering = settings.drain_seconds + settings.body_within + settings.answer_within
        return answering + gateway.app.END_WITHIN + tracing.FLUSH_SECONDS
    timeouts = [account.outbound.timeout for account in settings.accounts.values() if account.outbound]
    return max(timeouts) + beyond_timeout()


def beyond_timeout() -> float:
    """Seconds that a worker may take to end beyond the longest `timeout` of its accounts."""
    return workers.app.GRACE_SECONDS + workers.app.END_WITHIN + tracing.FLUSH_SECONDS
