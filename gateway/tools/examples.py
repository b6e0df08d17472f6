"""`example.env` and `example.toml`, made from the settings: `python -m gateway.tools.examples deploy` writes them.

Strategy: whatever has a default is commented out with it; what an installation has to say for itself stands there.
Each line can be used as it is: a test takes all the comment signs away.
"""

import json
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic_core import to_jsonable_python

from . import tables

# Their defaults are below the folder that a program is started in: right for a first look, not for a server.
PLACES = {
    "spool_dir": "/var/lib/mm7/spool",
    "media_url": "file:///var/lib/mm7/media",
    "state_url": "sqlite:////var/lib/mm7/state.db",
}
UNSET = {"admin_port": 8081, "log_format": "json"}  # what the default comes to, where it is none
SAID = (
    "profile",
    "inbound.networks",
    "inbound.basic",
    "outbound.url",
    *(f"outbound.{n}" for n in ("vaspid", "vasid", "sender")),
)
ENV_HEAD = """\
The settings of both programs as environment variables, every one there is, with its default. They win over those of
the TOML file that MM7_CONFIG names; the accounts are best kept there: see example.toml. A secret may be written
env:NAME or file:PATH.
"""
TOML_HEAD = """\
The settings of both programs, every one there is, with its default; name this file in MM7_CONFIG. Environment
variables win over it: MM7_HTTP_PORT over http_port. A secret may be written "env:NAME" or "file:PATH".
"""
ACCOUNT_HEAD = """\
An account for each connection to a provider, as many as there are. Its name, of a-z, 0-9 and -, is the one in queues,
events and metrics.
"""
TABLE_HEADS = {
    "inbound": "Who may send its callbacks. Both count where both are given; without any the receiver does not start.",
    "outbound": "How its messages are submitted. Leave it out where nothing is to be sent.",
}


def env() -> str:
    """`example.env`."""
    blocks = [_comment(ENV_HEAD), "MM7_CONFIG=/etc/mm7/mm7.toml\n"]
    blocks += (f"{_comment(what)}#MM7_{name.upper()}={_bare(value)}\n" for name, value, what in _shown())
    return "\n".join(blocks)


def toml() -> str:
    """`example.toml`."""
    blocks = [_comment(TOML_HEAD)]
    blocks += (_comment(what) + _line(name, value, said=name in PLACES) for name, value, what in _shown())
    inside, here = "", "accounts.sinch-us"
    blocks.append(f"{_comment(ACCOUNT_HEAD)}[{here}]\n")
    for table, name, field in tables.options():
        if table != inside:
            blocks.append(f"{_comment(TABLE_HEADS[table])}[{here}.{table}]\n")
            inside = table
        value = field.examples[0] if field.examples else field.default
        blocks.append(
            _comment(field.description or "") + _line(name, value, said=f"{table}.{name}".lstrip(".") in SAID)
        )
    return "\n".join(blocks)


def _shown() -> Iterator[tuple[str, object, str]]:
    """Every setting with what is shown as its value, and what it is."""
    for name, default, what in tables.defaults():
        if name in PLACES:
            yield name, PLACES[name], f"{what} Default: {default}"
        else:
            yield name, UNSET.get(name, default), what


def _comment(text: str) -> str:
    return textwrap.fill(text, 118, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False) + "\n"


def _line(name: str, value: object, *, said: bool) -> str:
    return f"{'' if said else '#'}{name} = {_toml(value)}\n"


def _bare(value: object) -> str:
    """A value as an environment variable has it."""
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def _toml(value: Any) -> str:
    """A value as TOML writes it."""
    value = to_jsonable_python(value)
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {_toml(each)}" for key, each in value.items()) + " }"
    return json.dumps(value, ensure_ascii=False)


EXAMPLES: Mapping[str, Callable[[], str]] = {"example.env": env, "example.toml": toml}


def main() -> None:
    """Entry point."""
    for folder in map(Path, sys.argv[1:]):
        for name, make in EXAMPLES.items():
            (folder / name).write_text(make(), encoding="utf-8")


if __name__ == "__main__":
    main()
