"""The `mm7` command. Each subcommand is a few lines here and a module beside.

Exit codes: 0 done, 1 something failed, 2 wrong usage or settings, 3 refused, 4 the outcome is unknown.
"""

import asyncio
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from gateway import broker, http_file
from gateway.app import topology as build_topology
from gateway.broker import Connection, Inbox
from gateway.contract import schema as schemas
from gateway.contract.commands import BadCommand
from gateway.contract.events import TYPES
from gateway.settings import Settings
from gateway.telemetry import tracing

from . import asyncapi, console, dead, media, spool, words
from . import check as checks
from . import decode as decoding
from . import encode as encoding
from . import send as sending
from .console import JsonOption
from .demo import command as demo_command
from .simulator.command import simulate

REFUSED, UNKNOWN = 3, 4

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
topology = typer.Typer(no_args_is_help=True, help="The broker's objects.")
schema = typer.Typer(no_args_is_help=True, help="The published JSON Schemas and the AsyncAPI document.")
app.add_typer(topology, name="topology")
app.add_typer(media.app, name="media")
app.add_typer(dead.app, name="dead")
app.add_typer(spool.app, name="spool")
app.add_typer(schema, name="schema")
app.command(name="simulate")(simulate)
app.command(name="demo")(demo_command.demo)

AccountOption = Annotated[str | None, typer.Option("--account", help="An account of the settings; default: a dry run.")]


@app.command()
def decode(
    file: Annotated[str, typer.Argument(help="A captured body, or - for standard input.")],
    account: AccountOption = None,
    content_type: Annotated[str | None, typer.Option(help="The Content-Type of a body without its head.")] = None,
    http: Annotated[
        bool, typer.Option("--http", help="The file is a whole HTTP message, head and body.")
    ] = False,  # an option
) -> None:
    """Show what the receiver would make of a captured callback, or a worker of a provider's answer."""
    data = console.read(file)
    if http:
        try:
            captured = http_file.parse(data)
        except ValueError as error:
            console.fail(f"{file}: {error}", 2)
    else:
        captured = http_file.of_body(data, content_type)
    settings = console.settings() if account else None
    chosen = console.account(settings, account) if settings and account else decoding.DRY_RUN
    media_url = settings.media_url if settings else "file:.run/media"
    reading = decoding.decode(captured, chosen, media_url)
    console.print_json(reading.shown)
    raise typer.Exit(0 if reading.accepted else REFUSED)


@app.command()
def encode(
    file: Annotated[str, typer.Argument(metavar="COMMAND.json", help="A command, or - for standard input.")],
    account: AccountOption = None,
) -> None:
    """Write the exact HTTP request that the worker would send for a command, credentials included."""
    settings = console.settings() if account else None
    chosen = console.account(settings, account) if settings and account else encoding.DRY_RUN
    media_url = settings.media_url if settings else "file:.run/media"
    try:
        request, warnings = asyncio.run(encoding.encode(console.read(file), chosen, media_url))
    except BadCommand as error:
        for problem in error.problems:
            sys.stderr.write(f"{problem.path or 'command'}: {problem.problem}\n")
        raise typer.Exit(REFUSED) from None
    for warning in warnings:
        sys.stderr.write(f"warning: {warning}\n")
    console.write(request)


@app.command()
def send(
    account: Annotated[str, typer.Option("--account", help="Which account sends.")],
    to: Annotated[list[str], typer.Option(help="A recipient; may stand more than once.")],
    text: Annotated[str | None, typer.Option(help="The text.")] = None,
    attach: Annotated[list[Path] | None, typer.Option(help="A file to attach; may stand more than once.")] = None,
    subject: Annotated[str | None, typer.Option(help="The subject.")] = None,
    reference: Annotated[str | None, typer.Option(help="Your own reference; events carry it.")] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for the outcome and print it.")] = False,  # an option
    within: Annotated[float, typer.Option(help="How long to wait, in seconds.")] = 60.0,
    as_json: JsonOption = False,  # an option
) -> None:
    """Enqueue a message to phones."""
    settings = console.settings()
    if console.account(settings, account).outbound is None:
        console.fail(f"the account {account} cannot send: give it an [accounts.{account}.outbound]", 2)
    try:
        body = sending.command(to, text, attach or [], subject, reference)
    except (OSError, ValueError) as error:
        console.fail(str(error), 2)
    try:
        with tracing.configured("mm7", os.environ):
            code = console.run(_send(settings, account, body, within if wait else None, as_json=as_json))
    except ValueError as error:  # what OTEL_… asks for cannot be had
        console.fail(str(error), 2)
    raise typer.Exit(code)


async def _send(settings: Settings, account: str, body: dict[str, Any], within: float | None, *, as_json: bool) -> int:
    async with console.connected(settings, "mm7 send") as connection:
        if within is None:
            await sending.send(connection, account, body)
            console.say(orjson.dumps({"id": body["id"]}).decode() if as_json else f"enqueued as {body['id']}")
            return 0
        try:
            event = await sending.send_and_wait(connection, account, body, within)
        except TimeoutError:
            console.fail(
                f"no outcome of {body['id']} within {within:g} s: is the worker running? `mm7 tail` shows more", 1
            )
    console.say(orjson.dumps(event).decode() if as_json else words.line(event))
    return {"mt.accepted": 0, "mt.refused": REFUSED}.get(event["type"], UNKNOWN)


@app.command()
def tail(
    bind: Annotated[list[str] | None, typer.Option(help="A pattern of routing keys; default: all.")] = None,
    as_json: JsonOption = False,  # an option
) -> None:
    """Follow events as they happen, until Ctrl-C."""
    settings = console.settings()
    raise typer.Exit(console.run(_tail(settings, bind or ["#"], as_json=as_json)))


async def _tail(settings: Settings, patterns: list[str], *, as_json: bool) -> int:
    async with console.connected(settings, "mm7 tail") as connection, Inbox(connection, patterns) as inbox:
        async for delivery in inbox:
            console.say(delivery.body.decode("utf-8", "replace") if as_json else words.told(delivery.body))
    return 0


@topology.command("show")
def topology_show(as_json: JsonOption = False) -> None:  # an option
    """List the objects that the settings' accounts need."""
    rows = broker.describe(build_topology(console.settings()))
    if as_json:
        console.print_json([row._asdict() for row in rows])
    else:
        console.table(("kind", "name", "detail"), rows)


@topology.command("declare")
def topology_declare() -> None:
    """Declare them. What is there with other arguments is left as it is, and named."""
    raise typer.Exit(console.run(_declare(console.settings(), create=True)))


@topology.command("check")
def topology_check() -> None:
    """Compare them with the broker; exit code 1 where something is missing or different."""
    raise typer.Exit(console.run(_declare(console.settings(), create=False)))


async def _declare(settings: Settings, *, create: bool) -> int:
    async with Connection(settings.amqp_url.get_secret_value(), "mm7 topology") as connection:
        await connection.wait_up(console.REACH_WITHIN)
        walk = broker.declare if create else broker.check
        differences = await walk(connection.channel, build_topology(settings))
    for found in differences:
        console.say(f"{found.kind} {found.name}: {found.problem} ({found.detail})")
    if not differences:
        console.say("declared" if create else "all there")
    return 1 if differences else 0


@app.command()
def check(as_json: JsonOption = False) -> None:  # an option
    """Look at settings, broker, stores and providers; exit code 1 where one fails."""
    raise typer.Exit(console.run(_check(console.settings(), as_json=as_json)))


async def _check(settings: Settings, *, as_json: bool) -> int:
    failed = False
    async for line in checks.check(settings):
        failed |= not line.ok
        words_of = f"{'ok  ' if line.ok else 'FAIL'} {line.what:<20} {line.detail}"
        console.say(orjson.dumps(line).decode() if as_json else words_of)
    return 1 if failed else 0


@schema.command("events")
def schema_events(
    kind: Annotated[str | None, typer.Argument(metavar="[TYPE]", help="One type's data alone, as mo.received.")] = None,
) -> None:
    """Print the JSON Schema of all events, or of what one type holds in `data`."""
    if kind and kind not in TYPES:
        console.fail(f"no event {kind!r}; there is {', '.join(TYPES)}", 2)
    console.print_json(schemas.data(kind) if kind else schemas.events())


@schema.command("commands")
def schema_commands() -> None:
    """Print the JSON Schema of a command."""
    console.print_json(schemas.commands())


@schema.command("asyncapi")
def schema_asyncapi() -> None:
    """Print exchanges, queues, keys, headers and messages as an AsyncAPI 3 document."""
    console.print_json(asyncapi.document())


def main() -> None:
    """Entry point. A reader that has gone (`mm7 tail | head`) is typer's: exit code 1 without a word."""
    try:
        app()
    except (OSError, ValueError) as error:  # a disk that is full, an address that is none
        sys.stderr.write(f"mm7: {error}\n")
        sys.exit(1 if isinstance(error, OSError) else 2)
