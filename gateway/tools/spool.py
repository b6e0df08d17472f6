"""`mm7 spool`: what receivers have acknowledged and not yet published, and publishing what nobody holds any more."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import orjson
import typer

from gateway import app as programs
from gateway import entries
from gateway.backlog import Backlog
from gateway.broker import Progress, Publisher
from gateway.entries import Entry
from gateway.intake import Intake
from gateway.settings import Settings
from gateway.stores import leftovers
from gateway.stores.leftovers import Row
from gateway.stores.media import MediaStore
from gateway.stores.spool import Spool
from gateway.telemetry.metrics import Metrics

from . import console, words
from .console import JsonOption

INTERRUPTED = 1
OFF = "the spool is off (MM7_SPOOL_DIR is empty): while the broker is away, callbacks get 503"
TITLES = ("journal", "state", "account", "entries", "size", "oldest")

app = typer.Typer(no_args_is_help=True, help="What is acknowledged and waits on the disk for the broker.")


@app.command("list")
def list_(as_json: JsonOption = False) -> None:  # an option
    """List what waits, of receivers that run and of those that have ended."""
    folder = _folder(console.settings()).absolute()
    if not folder.is_dir():  # who looks here before he throws a host away must know where he has looked
        console.fail(f"{folder}: there is no such folder. Is it the receiver's (MM7_SPOOL_DIR, MM7_CONFIG)?", 1)
    rows = _rows(folder)
    if as_json:
        for row in rows:
            console.say(orjson.dumps(row, option=orjson.OPT_UTC_Z).decode())
        return
    if rows:
        now = datetime.now(UTC)
        console.table(TITLES, [_cells(row, now) for row in rows])
    console.say(f"{folder}: {total(rows)}")


def total(rows: Sequence[Row]) -> str:
    """All of it in one line."""
    waiting = [row for row in rows if not row.problem]
    entries = sum(row.entries for row in waiting)
    problems = len(rows) - len(waiting)
    apart = f"; {words.count(problems, 'file')} that a person has to look at" if problems else ""
    if not entries:
        return f"nothing waits{apart}"
    oldest = min(row.oldest for row in waiting if row.oldest is not None)
    size = words.size(sum(row.bytes for row in waiting))
    age = words.age((datetime.now(UTC) - oldest).total_seconds())
    return f"{words.count(entries, 'entry')} {'waits' if entries == 1 else 'wait'}, {size}, the oldest for {age}{apart}"


def _cells(row: Row, now: datetime) -> Sequence[object]:
    state = row.problem or ("in use" if row.in_use else "left behind")
    oldest = words.age((now - row.oldest).total_seconds()) if row.oldest else "-"
    return row.journal, state, row.account or "-", row.entries, words.size(row.bytes), oldest


@app.command()
def flush() -> None:
    """Publish what ended receivers have left behind; those that run publish their own."""
    settings = console.settings()
    folder = _folder(settings)
    raise typer.Exit(console.run(_flush(settings, folder), interrupted=INTERRUPTED))


async def _flush(settings: Settings, folder: Path) -> int:
    published = 0
    try:
        async with (
            console.connected(settings, "mm7 spool") as connection,
            programs.state(settings) as state,
            Spool[Entry](folder, entries.dump, entries.load) as spool,
        ):
            intake = Intake(settings, MediaStore(settings.media_url), state, Metrics())
            backlog = Backlog(intake, Publisher(connection))
            with console.progress("publishing", spool.events) as progress:

                async def publish(chunk: Sequence[Entry]) -> Progress:
                    nonlocal published
                    reached = await backlog.publish(chunk)
                    published += reached.confirmed
                    progress(published)
                    return reached

                await spool.flush(publish)
    finally:
        console.say(f"{published} published")
    rows = _rows(folder)
    console.say(f"in the spool: {total(rows)}")
    return 1 if any(row.entries or row.problem for row in rows if not row.in_use) else 0


def _rows(folder: Path) -> list[Row]:
    try:
        return leftovers.summaries(folder)
    except OSError as error:
        console.fail(f"the spool {folder} cannot be read: {error.strerror or error}", 1)


def _folder(settings: Settings) -> Path:
    if not settings.spool_dir:
        console.fail(OFF, 0)
    return Path(settings.spool_dir)
