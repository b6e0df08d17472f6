"""`mm7 dead`: look at dead letters, send their commands again, drop them.

Strategy: two looks. The first counts what is meant and leaves it where it is; a person says yes; the second acts on
those that were counted and on no others, so that what comes back meanwhile is not acted on again. Each command is
confirmed by the broker before its letter is acknowledged: whatever ends this in between, the letter stays.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Any, TypeVar

import orjson
import typer

from gateway.broker import BrokerDown, Connection, Delivery, Publisher, browse, dead_queue, waiting
from gateway.settings import Settings

from . import console, letters, selection, words
from .choice import AccountOption, Chosen, accounts, choosing
from .console import JsonOption
from .letters import Letter
from .selection import Selection

T = TypeVar("T")
Visit = Callable[[Letter, Delivery], Awaitable[None]]
Act = Callable[[Publisher, Letter, Delivery], Awaitable[None]]

INTERRUPTED, REFUSED = 1, 3
PUBLISH_WITHIN = 10.0
TITLES = ("when", "letter", "account", "command", "outcome", "reason", "code", "attempts", "cause")
_CAUSE_SHOWN = 60

app = typer.Typer(no_args_is_help=True, help="Dead letters: what was not sent, or may not have been, and why.")

YesOption = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Only show what would be done.")]


@app.command("list")
@choosing
def list_(chosen: Chosen, as_json: JsonOption = False) -> int:  # an option
    """List dead letters, and leave them where they are."""
    found = _all(chosen)
    shown = _taken(chosen, found)[: chosen.limit]
    if as_json:
        for letter in shown:
            console.say(orjson.dumps(letters.facts(letter)).decode())
    else:
        _table(shown)
        console.say(f"{words.count(len(found), 'dead letter')}, {len(shown)} shown")
    return 0


@app.command()
def show(
    identity: Annotated[str, typer.Argument(metavar="ID", help="The id of a command, an event or a letter.")],
    account: AccountOption = None,
    as_json: JsonOption = False,  # an option
) -> None:
    """Show all that a dead letter holds: its headers, its attempts, the command."""
    settings = console.settings()
    wanted = Selection(ids=frozenset([identity]))

    def told(letter: Letter, delivery: Delivery) -> dict[str, Any] | None:
        if not selection.takes(wanted, letter):
            return None
        return letters.facts(letter) | letters.contents(delivery)

    found = console.run(look(settings, accounts(settings, account), told), interrupted=INTERRUPTED)
    whole = [each for each in found if each is not None]
    if not whole:
        console.fail(f"no dead letter has {identity}: `mm7 dead list` shows those that there are", 1)
    for each in whole:
        console.say(orjson.dumps(each, default=str).decode() if as_json else words.sheet(each))


@app.command()
@choosing
def replay(
    chosen: Chosen,
    yes: YesOption = False,  # an option
    dry_run: DryRunOption = False,  # an option
    unknown: Annotated[
        bool, typer.Option("--unknown", help="Also what may have reached the phone already.")
    ] = False,  # an option
    again: Annotated[bool, typer.Option("--again", help="Also what was replayed three times.")] = False,  # an option
) -> int:
    """Send the commands of dead letters again, each once."""
    found = _all(chosen)
    taken = _taken(chosen, found)
    older = letters.superseded(found)
    why_not = [
        letters.SUPERSEDED if each.key in older else letters.held_back(each, unknown=unknown, again=again)
        for each in taken
    ]
    for why, number in Counter(filter(None, why_not)).items():
        console.say(f"{words.count(number, 'dead letter')} will not be replayed: {why}")
    meant = [letter for letter, why in zip(taken, why_not, strict=True) if not why][: chosen.limit]
    if taken and not meant:
        return REFUSED
    return _carry_out(chosen, meant, send_again, ("command", "sent again"), yes=yes, dry_run=dry_run)


@app.command()
@choosing
def drop(chosen: Chosen, yes: YesOption = False, dry_run: DryRunOption = False) -> int:  # options
    """Remove dead letters for good."""
    meant = _taken(chosen, _all(chosen))[: chosen.limit]
    return _carry_out(chosen, meant, _only_remove, ("dead letter", "dropped"), yes=yes, dry_run=dry_run)


def _all(chosen: Chosen) -> list[Letter]:
    return console.run(look(chosen.settings, chosen.accounts, lambda letter, _: letter), interrupted=INTERRUPTED)


def _taken(chosen: Chosen, found: Sequence[Letter]) -> list[Letter]:
    return [letter for letter in found if selection.takes(chosen.selection, letter)]


def _carry_out(
    chosen: Chosen, meant: Sequence[Letter], act: Act, called: tuple[str, str], *, yes: bool, dry_run: bool
) -> int:
    """Say what will be done, ask, do it. `called` is the thing and what happens to it, in words."""
    thing, done = called
    if not meant:
        console.say("nothing to do: no dead letter fits")
        return 0
    if dry_run:
        _table(meant)
    for account, number in Counter(letter.account for letter in meant).items():
        console.say(f"{words.count(number, thing)} of {account} {'would' if dry_run else 'will'} be {done}")
    if dry_run:
        return 0
    console.confirm("Go on?", yes=yes)
    return console.run(carry_out(chosen.settings, meant, act, done), interrupted=INTERRUPTED)


async def carry_out(settings: Settings, meant: Sequence[Letter], act: Act, done: str) -> int:
    """Do it to each that was counted, as often as it was counted, and take it out. Says how many, however it ends."""
    wanted = Counter(letter.key for letter in meant)
    finished = 0
    try:
        async with console.connected(settings, "mm7 dead") as connection:
            publisher = Publisher(connection)

            async def visit(letter: Letter, delivery: Delivery) -> None:
                nonlocal finished
                if wanted[letter.key] > 0:
                    wanted[letter.key] -= 1
                    await act(publisher, letter, delivery)
                    if not await delivery.ack():
                        raise BrokerDown("the connection was lost")
                    finished += 1

            await _walk(connection, list(dict.fromkeys(letter.account for letter in meant)), visit)
    finally:
        left = len(meant) - finished
        console.say(f"{finished} {done}" + (f", {left} not" if left else ""))
    return 1 if left else 0


async def send_again(publisher: Publisher, letter: Letter, delivery: Delivery) -> None:
    await publisher.publish(letters.replayed(letter, delivery), within=PUBLISH_WITHIN)


async def _only_remove(_: Publisher, __: Letter, ___: Delivery) -> None:
    return


async def look(settings: Settings, names: Sequence[str], told: Callable[[Letter, Delivery], T]) -> list[T]:
    """What is `told` of every dead letter of the accounts."""
    found: list[T] = []

    async def visit(letter: Letter, delivery: Delivery) -> None:
        found.append(told(letter, delivery))

    async with console.connected(settings, "mm7 dead") as connection:
        await _walk(connection, names, visit)
    return found


async def _walk(connection: Connection, names: Sequence[str], visit: Visit) -> None:
    """Show every dead letter of the accounts to `visit`, to the queues' ends: then the rest keeps its order."""
    queues = {account: dead_queue(account) for account in names}
    total = sum([await waiting(connection, queue) for queue in queues.values()])
    seen = 0
    with console.progress("dead letters", total) as progress:
        for account, queue in queues.items():
            async with browse(connection, queue) as deliveries:
                async for delivery in deliveries:
                    await visit(letters.read(delivery, account), delivery)
                    progress(seen := seen + 1)


def _table(shown: Sequence[Letter]) -> None:
    console.table(TITLES, map(_row, shown))


def _row(letter: Letter) -> Sequence[object]:
    when = letter.at.strftime("%Y-%m-%d %H:%M:%S") if letter.at else "-"
    known = (letter.command_id, letter.outcome, letter.reason)
    code = "-" if letter.status_code is None else letter.status_code
    cause = words.short(letter.cause, _CAUSE_SHOWN)
    return when, letter.name, letter.account, *(text or "-" for text in known), code, letter.attempts, cause
