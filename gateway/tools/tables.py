"""The tables of the README, made from the code: `python -m gateway.tools.tables README.md` writes them in place.

Strategy: each table stands between two comments that name it; a test says when one is no longer what the code gives.
"""

import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from multidict import CIMultiDict
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from gateway import mm7, profiles
from gateway.accounts import Account, Inbound, Outbound
from gateway.contract import callbacks
from gateway.contract.callbacks import Receipt
from gateway.contract.events import TYPES, Data
from gateway.contract.parts import Storage
from gateway.settings import Settings
from gateway.stores.media import location
from gateway.telemetry.metrics import rows

from .simulator import PROFILES, VERSIONS, Form, Mo, sunset

_BLOCK = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
_SHOWN = {"media_url": "file://…/.run/media", "state_url": "sqlite:///…/.run/state.db"}


def _table(titles: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    lines = [f"| {' | '.join(titles)} |"]
    lines.append(re.sub(r"[^|]+", " --- ", lines[0]))
    lines += [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join(lines) + "\n"


def defaults() -> Iterator[tuple[str, Any, str]]:
    """Every setting but the accounts: its name, its default as plain data, what it is."""
    for name, field in Settings.model_fields.items():
        if name != "accounts":
            default = _SHOWN.get(name) or field.get_default(call_default_factory=True, validated_data={})
            yield name, _plain(default), field.description or ""


def options() -> Iterator[tuple[str, str, FieldInfo]]:
    """Every option of an account: its table (`` for the account's own), its name, its field."""
    models: dict[str, type[BaseModel]] = {"": Account, "inbound": Inbound, "outbound": Outbound}
    for table, model in models.items():
        for name, field in model.model_fields.items():
            if field.description:
                yield table, field.alias or name, field


def _plain(value: object) -> object:
    return value.get_secret_value() if isinstance(value, SecretStr) else value


def _code(value: object) -> str:
    """A default in the README; nothing where there is none."""
    if value is None or value is PydanticUndefined:
        return ""
    return f"`{json.dumps(value) if isinstance(value, (bool, list)) else value}`"


def settings() -> str:
    """Every setting with its default."""
    rows = ((f"`MM7_{name.upper()}`", _code(default), what) for name, default, what in defaults())
    return _table(("variable", "default", ""), rows)


def account() -> str:
    """Every option of an account with its default."""
    rows = (
        (f"`{f'{table}.{name}'.lstrip('.')}`", _code(field.default), field.description or "")
        for table, name, field in options()
    )
    return _table(("of an account", "default", ""), rows)


def events() -> str:
    """Every event type with what its data holds beyond what all have."""
    common = set(Data.model_fields)
    rows = []
    for name, model in TYPES.items():
        own = [f"`{field}`" for field in model.model_fields if field not in common]
        rows.append((f"`{name}`", _first_sentence(model), " ".join(own)))
    return _table(("type", "", "`data`"), rows)


def _first_sentence(model: type[Data]) -> str:
    return (model.__doc__ or "").strip().splitlines()[0]


def quirks() -> str:
    """Every quirk."""
    return _table(("quirk", "what was put up with"), ((f"`{name}`", text) for name, text in mm7.QUIRKS.items()))


def metrics() -> str:
    """Every metric, and by which program it is shown."""
    shown = []
    for _, kind, row in rows():
        name = f"`{row.name}{{{','.join(row.labels)}}}`" if row.labels else f"`{row.name}`"
        shown.append((name, kind.__name__.lower(), f"`{row.only}`" if row.only else "both", row.help))
    return _table(("metric", "kind", "of", ""), shown)


def example_event() -> str:
    """The event of the demo's first message, made by the code that makes all of them."""
    at = datetime(2026, 1, 15, 9, 30, 0, 414_000, tzinfo=UTC)
    picture = mm7.Part(content_type="image/png", data=sunset(), content_id="sunset.png")
    message = Mo(transaction_id="1000001", linked_id="1000001", at=at, text="Greetings", attachments=(picture,))
    callback = PROFILES["sinch"].write(message, Form(*VERSIONS["6.8.0"], as_documented=True))
    decoded = mm7.decode(callback.headers["Content-Type"], callback.body)
    receipt = Receipt(
        account="sinch-us",
        profile_name="sinch",
        profile=profiles.load("sinch"),
        received_at=at + timedelta(seconds=1),
        headers=CIMultiDict(callback.headers),
    )
    event = callbacks.from_mm7(decoded, receipt, Storage(lambda sha256: location("s3://mms", sha256))).event
    shown = event.model_dump(mode="json")
    shown["data"] = {name: value for name, value in shown["data"].items() if value is not None or name == "subject"}
    return f"```json\n{json.dumps(shown, indent=1, ensure_ascii=False)}\n```\n"


TABLES: Mapping[str, Callable[[], str]] = {
    "settings": settings,
    "account": account,
    "events": events,
    "quirks": quirks,
    "metrics": metrics,
    "example_event": example_event,
}


def filled(text: str) -> str:
    """A text with every table as the code gives it. Raises KeyError for a table that nobody makes."""
    return _BLOCK.sub(lambda match: f"{match[1]}{TABLES[match[2]]()}{match[3]}", text)


def main() -> None:
    """Entry point."""
    for name in sys.argv[1:]:
        path = Path(name)
        path.write_text(filled(path.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
