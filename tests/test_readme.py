"""The README says what is so: its tables come from the code, its examples run."""

import re
import tomllib
from pathlib import Path

import pytest
from typer.main import get_command

from gateway import outbound
from gateway.accounts import Account
from gateway.contract import commands
from gateway.tools import cli, tables

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def _block(language: str, containing: str) -> str:
    found = [b for b in re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL) if containing in b]
    assert len(found) == 1, f"one {language} block with {containing!r}"
    return found[0]


def _account() -> Account:
    config = tomllib.loads(_block("toml", "[accounts.sinch-us]"))
    one = config["accounts"]["sinch-us"]
    return Account.model_validate({**one, "name": "sinch-us"})


@pytest.fixture(autouse=True)
def _secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SINCH_CALLBACK_PASSWORD", "one")
    monkeypatch.setenv("SINCH_API_KEY", "two")


def test_every_table_is_as_the_code_gives_it() -> None:
    assert tables.filled(README) == README, "run `make format`"


def test_all_tables_that_the_code_can_give_are_there() -> None:
    assert set(re.findall(r"<!-- table: (\w+) -->", README)) == set(tables.TABLES)


def test_the_example_account_can_be_used() -> None:
    account = _account()

    assert account.callback_path == "/mm7/sinch-us"
    assert account.inbound is not None
    assert account.inbound.basic[0].password.get_secret_value() == "one"


def test_the_example_command_can_be_sent() -> None:
    body = _block("json", '"order-4711"').encode()

    command = commands.parse(body, None, {}, None)
    request = outbound.build(command, _account(), [b"It has arrived.", b"\x89PNG"])

    assert b"order-4711" in request.body


def test_the_example_subscriber_is_valid_python() -> None:
    compile(_block("python", "aio_pika"), "README.md", "exec")


def test_every_make_target_named_is_there() -> None:
    named = set(re.findall(r"\bmake ([a-z-]+)\b", README))
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))

    assert named - targets == set()
    assert {"demo", "test", "run", "check", "help"} <= named


def test_every_mm7_command_is_described() -> None:
    described = README.split("## The `mm7` command")[1].split("## What set-up does")[0]
    known = set(getattr(get_command(cli.app), "commands"))  # noqa: B009  # a group has them, a plain command has not

    assert {name for name in known if f"`{name}" not in described} == set()


def test_every_module_named_is_there() -> None:
    for path in re.findall(r"`((?:gateway|workers|tests)/[\w/.]*)`", README):
        assert (ROOT / path).exists(), path
