"""The options that choose dead letters, written once for the commands that have them."""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any

import typer

from gateway.settings import Settings

from . import console, selection
from .selection import Selection

AccountOption = Annotated[str | None, typer.Option("--account", help="Of this account; default: all of them.")]


class Outcome(StrEnum):
    """How a command may end that becomes a dead letter."""

    REFUSED = "mt.refused"
    UNKNOWN = "mt.unknown"


@dataclass(frozen=True, slots=True)
class Chosen:
    """What the options of a command choose."""

    settings: Settings
    accounts: Sequence[str]
    selection: Selection
    limit: int | None


def chosen(
    account: AccountOption = None,
    ids: Annotated[list[str] | None, typer.Option("--id", help="The id of a command, an event or a letter.")] = None,
    outcome: Annotated[list[Outcome] | None, typer.Option(help="What it ended as.")] = None,
    reason: Annotated[list[str] | None, typer.Option(help="The reason, as the list shows it.")] = None,
    code: Annotated[list[int] | None, typer.Option(help="The status of the provider's last answer.")] = None,
    since: Annotated[str | None, typer.Option(help="Not older: a time, or how long ago (2h).")] = None,
    until: Annotated[str | None, typer.Option(help="Not newer: a time, or how long ago (2h).")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="The first so many of them.")] = None,
) -> Chosen:
    """Take the options; exit code 2 for those that cannot be."""
    settings, now = console.settings(), datetime.now(UTC)
    try:
        span = [selection.moment(text, now) if text else None for text in (since, until)]
    except ValueError as error:
        console.fail(str(error), 2)
    fitting = Selection(
        ids=frozenset(ids or ()),
        outcomes=frozenset(outcome or ()),
        reasons=frozenset(reason or ()),
        codes=frozenset(code or ()),
        since=span[0],
        until=span[1],
    )
    return Chosen(settings, accounts(settings, account), fitting, limit)


def accounts(settings: Settings, account: str | None) -> Sequence[str]:
    """The one, or all of the settings; exit code 2 for one that is not there."""
    return [console.account(settings, account).name] if account else list(settings.accounts)


def choosing(command: Callable[..., int]) -> Callable[..., None]:
    """A command with the options of `chosen` before its own; it gets what they choose, and gives its exit code."""
    before = inspect.signature(chosen).parameters
    own = list(inspect.signature(command).parameters.values())[1:]

    def run(**options: Any) -> None:
        picked = chosen(**{name: options.pop(name) for name in before})
        raise typer.Exit(command(picked, **options))

    # typer reads the options off a function's signature: each is written once.
    run.__signature__ = inspect.Signature([*before.values(), *own])  # type: ignore[attr-defined]
    run.__annotations__ = {each.name: each.annotation for each in (*before.values(), *own)}
    run.__name__, run.__doc__ = command.__name__, command.__doc__
    return run
