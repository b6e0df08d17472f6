"""The settings of fetching: read from the environment, refused where they cannot be used, told by their names."""

import sys
from ipaddress import ip_network

import pytest

from gateway.settings import Settings, SettingsError, WorkerSettings
from workers.rules import HostRule, Rules


def test_the_defaults_allow_public_https_and_nothing_else() -> None:
    assert Rules.of(Settings.load()) == Rules()
    assert (Rules().max_bytes, Rules().within) == (10 * 1024 * 1024, 20.0)


def test_rules_come_from_the_environment(monkeypatch) -> None:
    monkeypatch.setenv("MM7_FETCH_HOSTS", "photos.example.net, http://*.inside.example:8080 ,[fd00::1]:*")
    monkeypatch.setenv("MM7_FETCH_NETWORKS", "10.1.0.0/16,fd00::/8")
    monkeypatch.setenv("MM7_FETCH_BUCKETS", "photos")
    monkeypatch.setenv("MM7_FETCH_MAX_BYTES", "2048")
    monkeypatch.setenv("MM7_FETCH_WITHIN", "3.5")
    assert Rules.of(Settings.load()) == Rules(
        hosts=(
            HostRule("photos.example.net", plain=False, port=None),
            HostRule("*.inside.example", plain=True, port=8080),
            HostRule("fd00::1", plain=False, port=0),
        ),
        networks=(ip_network("10.1.0.0/16"), ip_network("fd00::/8")),
        buckets=frozenset({"photos"}),
        max_bytes=2048,
        within=3.5,
    )


def test_rules_come_from_the_file(monkeypatch, tmp_path) -> None:
    path = tmp_path / "mm7.toml"
    path.write_text('fetch_hosts = ["*.example.net"]\nfetch_networks = ["10.0.0.0/8"]\n')
    monkeypatch.setenv("MM7_CONFIG", str(path))
    rules = Rules.of(Settings.load())
    assert (rules.hosts, rules.networks) == (
        (HostRule("*.example.net", plain=False, port=None),),
        (ip_network("10.0.0.0/8"),),
    )


@pytest.mark.parametrize(
    "name, value, words",
    [
        ("HOSTS", "https://photos.example.net/path", "write photos.example.net, *.example.net, host:8443"),
        ("HOSTS", "a b", "not a host"),
        ("HOSTS", "photos.*.net", "not a host"),
        ("HOSTS", "ftp://photos.example.net", "not a host"),
        ("NETWORKS", "inside", "not a network"),
        ("MAX_BYTES", "10", "greater than or equal to 1024"),
        ("WITHIN", "0", "greater than 0"),
    ],
)
def test_a_rule_that_cannot_be_meant_is_refused(monkeypatch, name, value, words) -> None:
    monkeypatch.setenv(f"MM7_FETCH_{name}", value)
    with pytest.raises(SettingsError, match=f"(?i)fetch_{name}") as caught:
        Settings.load()
    assert words in str(caught.value)


SENDING = {"a": {"profile": "generic", "outbound": {"url": "http://127.0.0.1:9/", "image_max_bytes": 300_000}}}


def test_scaling_without_its_library_is_refused_at_the_start(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(SettingsError) as caught:
        WorkerSettings.load(accounts=SENDING)
    assert "image_max_bytes of a needs Pillow: install mm7-gateway[images], or take it out" in str(caught.value)
    assert Settings.load(accounts=SENDING).accounts  # the receiver scales nothing


def test_scaling_with_its_library_is_not(monkeypatch) -> None:
    pytest.importorskip("PIL")
    settings = WorkerSettings.load(accounts=SENDING)
    assert settings.accounts["a"].outbound is not None
    assert settings.accounts["a"].outbound.image_max_bytes == 300_000
