"""The examples are what the settings are: fresh, complete, and every line of them can be used."""

import re
from pathlib import Path

import pytest

from gateway.settings import Settings
from gateway.tools import examples

DEPLOY = Path(__file__).parents[2] / "deploy"


@pytest.fixture(autouse=True)
def _secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SINCH_CALLBACK_PASSWORD", "SINCH_API_KEY", "SINCH_PASSWORD"):
        monkeypatch.setenv(name, "geheim")
    monkeypatch.delenv("MM7_AMQP_URL", raising=False)


@pytest.mark.parametrize("name", examples.EXAMPLES)
def test_an_example_is_as_the_settings_are(name) -> None:
    assert (DEPLOY / name).read_text(encoding="utf-8") == examples.EXAMPLES[name](), "run `make format`"


def test_the_toml_loads_as_it_is(monkeypatch) -> None:
    monkeypatch.setenv("MM7_CONFIG", str(DEPLOY / "example.toml"))

    settings = Settings.load()

    assert settings.spool_dir == "/var/lib/mm7/spool"
    assert settings.http_port == 8080
    account = settings.accounts["sinch-us"]
    assert account.outbound
    assert account.outbound.vaspid
    assert account.outbound.vaspid.get_secret_value() == "geheim"


def test_every_line_of_the_toml_can_be_used_and_none_is_missing(monkeypatch, tmp_path) -> None:
    text = re.sub(r"^#(?=\w)", "", (DEPLOY / "example.toml").read_text(encoding="utf-8"), flags=re.MULTILINE)
    (tmp_path / "all.toml").write_text(text)
    monkeypatch.setenv("MM7_CONFIG", str(tmp_path / "all.toml"))

    settings = Settings.load()

    assert settings.model_fields_set == set(Settings.model_fields)
    account = settings.accounts["sinch-us"]
    for part in (account, account.inbound, account.outbound):
        assert part
        assert part.model_fields_set == set(type(part).model_fields)


def test_every_line_of_the_env_can_be_used_and_none_is_missing(monkeypatch) -> None:
    elsewhere = {"accounts", *examples.PLACES, *examples.UNSET}
    defaults = Settings().model_dump(exclude=elsewhere)
    text = (DEPLOY / "example.env").read_text(encoding="utf-8")
    for name, value in re.findall(r"^#?(MM7_\w+)=(.*)$", text, re.MULTILINE):
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("MM7_CONFIG", str(DEPLOY / "example.toml"))

    settings = Settings.load()

    assert settings.model_fields_set == set(Settings.model_fields)
    assert settings.model_dump(exclude=elsewhere) == defaults
