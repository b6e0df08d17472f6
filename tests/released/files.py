"""The files of the released schemas, each under the last step of its `$id`, and what they are compared with."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from gateway.contract import schema
from tests.released.comparison import breaking

EVENTS, COMMAND = (Path(__file__).with_name(name) for name in ("events.v1.json", "command.v1.json"))
CURRENT: Mapping[Path, Callable[[], dict[str, Any]]] = {EVENTS: schema.events, COMMAND: schema.commands}


def text(published: dict[str, Any]) -> str:
    return json.dumps(published, indent=1, ensure_ascii=False) + "\n"


def released(path: Path) -> dict[str, Any]:
    """A schema as it was released."""
    found: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return found


def problems() -> list[str]:
    """What of the schemas' changes since the release would break somebody."""
    return [
        f"{path.name}: {problem}"
        for path, current in CURRENT.items()
        if path.exists()
        for problem in breaking(released(path), current(), written=path == EVENTS)
    ]
