"""How the `mm7` command speaks: lines, tables, JSON, and errors that say what to do next."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

import orjson
import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from gateway import app
from gateway.accounts import Account
from gateway.broker import BrokerDown, Connection, PublishFailed
from gateway.settings import Settings, SettingsError
from gateway.telemetry import logs

from . import words

T = TypeVar("T")

REACH_WITHIN = 2.5
_PATIENCE_SECONDS = 2.0

JsonOption = Annotated[bool, typer.Option("--json", help="JSON instead of words.")]


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


@asynccontextmanager
async def connected(found: Settings, name: str) -> AsyncIterator[Connection]:
    """A connection to the broker that is up; it declares what the programs would, so that it may be used first.

    Raises BrokerDown.
    """
    async with Connection(found.amqp_url.get_secret_value(), name, app.topology(found)) as connection:
        await connection.wait_up(REACH_WITHIN)
        yield connection


def read(file: str) -> bytes:
    """A file, or standard input for `-`."""
    try:
        return sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        fail(f"{file}: {error.strerror}", 2)


def run(program: Coroutine[Any, Any, T], *, interrupted: int = 0) -> T:
    """Run to the end, or exit: without a broker, and on Ctrl-C with the exit code `interrupted`."""
    try:
        return asyncio.run(program)
    except BrokerDown as error:
        fail(f"no broker: {error.reason}; is MM7_AMQP_URL right? `mm7 check` looks at everything", 1)
    except PublishFailed as error:
        fail(f"not enqueued: {error.reason}", 1)
    except KeyboardInterrupt:
        raise typer.Exit(interrupted) from None


def confirm(question: str, *, yes: bool) -> None:
    """Ask, unless `yes`: exit code 1 for a no, 2 where there is nobody to ask."""
    if yes:
        return
    if not sys.stdin.isatty():
        fail("nothing was changed: there is no terminal to ask at. Say --yes, or --dry-run to look first", 2)
    if not typer.confirm(question):
        fail("nothing was changed", 1)


@contextmanager
def progress(what: str, total: int, *, after: float = _PATIENCE_SECONDS) -> Iterator[Callable[[int], None]]:
    """Take the number that is done, as it grows; shown on a terminal once it has taken `after` seconds."""
    terminal = Console(stderr=True)
    bar = Progress(console=terminal, transient=True)
    task = bar.add_task(what, total=total)
    show_at = time.monotonic() + after
    with ExitStack() as shown:

        def done(number: int) -> None:
            bar.update(task, completed=number)
            if terminal.is_terminal and not bar.live.is_started and time.monotonic() >= show_at:
                shown.enter_context(bar)

        yield done


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
    """A table; as wide as it needs to be where nobody is looking. What stands in it does nothing to a terminal."""
    made = Table(*titles, box=None)
    for row in rows:
        made.add_row(*(Text(words.plain(str(cell))) for cell in row))
    Console(width=None if sys.stdout.isatty() else 200).print(made)
