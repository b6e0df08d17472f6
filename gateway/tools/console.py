"""How the `mm7` command speaks: lines, tables, JSON, and errors that say what to do next."""

import asyncio
import sys
from collections.abc import Coroutine, Iterable, Sequence
from pathlib import Path
from typing import Any, NoReturn

import orjson
import typer
from rich.console import Console
from rich.table import Table

from gateway import app
from gateway.accounts import Account
from gateway.broker import BrokerDown, Connection, PublishFailed
from gateway.settings import Settings, SettingsError
from gateway.telemetry import logs


def settings() -> Settings:
    """The settings, or exit code 2 with every problem."""
    try:
        found = Settings.load()
    except SettingsError as error:
        fail("the settings cannot be used:\n  " + "\n  ".join(error.problems), 2)
    logs.configure("error", "console")
    return found


def account(found: Settings, name: str) -> Account:
    """An account of the settings, or exit code 2 with those that there are."""
    if name not in found.accounts:
        known = ", ".join(found.accounts) or "none: name a TOML file with accounts in MM7_CONFIG"
        fail(f"no account {name!r} in the settings; there is {known}", 2)
    return found.accounts[name]


def connected(found: Settings, name: str) -> Connection:
    """A connection to the broker, to be entered; it declares what the programs would, so that it may be used first."""
    return Connection(found.amqp_url.get_secret_value(), name, app.topology(found))


def read(file: str) -> bytes:
    """A file, or standard input for `-`."""
    try:
        return sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        fail(f"{file}: {error.strerror}", 2)


def run(program: Coroutine[Any, Any, int]) -> int:
    """Run to the exit code."""
    try:
        return asyncio.run(program)
    except BrokerDown as error:
        fail(f"no broker: {error.reason}; is MM7_AMQP_URL right? `mm7 check` looks at everything", 1)
    except PublishFailed as error:
        fail(f"not enqueued: {error.reason}", 1)
    except KeyboardInterrupt:
        return 0


def say(line: str) -> None:
    """One line, at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def fail(text: str, code: int) -> NoReturn:
    """Say what is wrong, and exit."""
    sys.stderr.write(f"{text}\n")
    raise typer.Exit(code)


def print_json(value: object) -> None:
    """JSON for machines, indented for people."""
    write(orjson.dumps(value, option=orjson.OPT_INDENT_2) + b"\n")


def write(data: bytes) -> None:
    """Bytes as they are, at once: a reader that has gone is noticed here and not at the interpreter's end."""
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def table(titles: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A table; as wide as it needs to be where nobody is looking."""
    made = Table(*titles, box=None)
    for row in rows:
        made.add_row(*(str(cell) for cell in row))
    Console(width=None if sys.stdout.isatty() else 200).print(made)
