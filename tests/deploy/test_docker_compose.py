"""compose.yaml: read as Compose reads it, and each program's settings loaded from what its container would get."""

import json
import re
import shutil
from typing import Any
from urllib.parse import urlsplit

import compose_spec
import pytest
import yaml

from tests.deploy.containers import DEPLOY, KINDS, ends_within, load, secrets_named

FOLDER = DEPLOY / "docker"
COMPOSE = (FOLDER / "compose.yaml").read_text()
TOML = FOLDER / "mm7.toml"
GUIDE = (DEPLOY / "README.md").read_text()


def variables(name: str) -> list[str]:
    """The names in an example of a file of variables, which holds no values."""
    lines = [line for line in (FOLDER / name).read_text().splitlines() if line and not line.startswith("#")]
    assert all(line.endswith("=") for line in lines), "an example holds no secret"
    return [line.rstrip("=") for line in lines]


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    """As it is with every variable of example.env set."""
    values = {name: f"secret-of-{name.lower().replace('_', '-')}" for name in variables("example.env")}

    def value(found: re.Match[str]) -> str:
        name, default = found["name"], found["default"]
        assert name in values or default is not None, f"{name} is not in example.env"
        return values.get(name, default or "")

    return yaml.safe_load(re.sub(r"\$\{(?P<name>\w+)(?::\?[^}]*|:-(?P<default>[^}]*))\}", value, COMPOSE))


def programs(project: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {name: each for name, each in project["services"].items() if each["image"].startswith("mm7-gateway:")}


def seconds(duration: str) -> float:
    return float(duration.removesuffix("s"))


def test_it_is_what_the_compose_specification_says(project):
    parsed = compose_spec.PyCompose.from_json(json.dumps(project))
    assert set(parsed.service_names()) == set(project["services"])


def test_both_programs_load_their_settings_from_their_containers(project, monkeypatch):
    accounts = dict.fromkeys(variables("example.accounts.env"), "s3cret")
    found = {}
    for service in programs(project).values():
        (program,) = service["command"]
        assert "./mm7.toml:/etc/mm7/mm7.toml:ro" in service["volumes"]
        found[program] = load(monkeypatch, program, {**accounts, **service["environment"]}, TOML)
        assert seconds(service["stop_grace_period"]) >= ends_within(program, found[program]), (
            "Docker would kill it before it has ended by itself"
        )
    assert found.keys() == KINDS.keys()
    receiver, worker = found["mm7-gateway"], found["mm7-worker"]
    for shared in ("amqp_url", "state_url", "media_url", "accounts"):
        assert getattr(receiver, shared) == getattr(worker, shared), f"they would miss each other in {shared}"
    assert receiver.http_host == receiver.admin_host == worker.admin_host == "0.0.0.0"


def test_every_secret_of_the_accounts_is_in_the_example():
    assert secrets_named(TOML.read_text()) == set(variables("example.accounts.env"))


def test_the_spool_lies_on_a_volume(project):
    assert "data:/var/lib/mm7" in project["services"]["receiver"]["volumes"]
    named = {volume.split(":")[0] for each in project["services"].values() for volume in each.get("volumes", [])}
    assert {name for name in named if not name.startswith(".")} == set(project["volumes"])


def test_what_is_mounted_is_there(project):
    for name, service in project["services"].items():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            if source.startswith("."):
                assert (FOLDER / source).exists(), f"{name} mounts {source}"


def test_programs_are_confined_and_nothing_is_open_to_others(project):
    for service in programs(project).values():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
    for service in project["services"].values():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))


def test_images_are_pinned_and_who_is_waited_for_says_that_it_is_well(project):
    for name, service in project["services"].items():
        assert re.search(r":v?\d", service["image"]), f"the image of {name} may be any"
        for needed, how in service.get("depends_on", {}).items():
            health = "healthcheck" in project["services"][needed]
            assert (how["condition"] == "service_healthy") == health, f"{name} needs {needed}"


def test_redis_forgets_nothing(project):
    command = " ".join(project["services"]["redis"]["command"])
    for rule in ("--appendonly yes", "--appendfsync always", "--maxmemory-policy noeviction"):
        assert rule in command


def test_prometheus_asks_the_services_by_their_names(project):
    config = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())
    named = {target for job in config["scrape_configs"] for target in _targets(job)}
    # Of a name that is looked up nothing is left when its container has stopped, and `up` is not 0: it is not there.
    assert named == {"receiver:8081", "rabbitmq:15692"}
    looked_up = {
        name for job in config["scrape_configs"] for each in job.get("dns_sd_configs", []) for name in each["names"]
    }
    assert looked_up == {"worker", "haproxy"}, "there may be several, or none: haproxy stands before several receivers"
    assert {"receiver", "rabbitmq", "worker"} <= project["services"].keys()


def _targets(job: dict[str, Any]) -> list[str]:
    return [target for each in job.get("static_configs", []) for target in each["targets"]]


@pytest.mark.parametrize("commented_out", [False, True])
def test_prometheus_takes_its_configuration(promtool, tmp_path, commented_out):
    folder = shutil.copytree(DEPLOY / "prometheus", tmp_path / "prometheus")
    path = folder / "prometheus.yml"
    if commented_out:
        path.write_text(re.sub(r"^#(?=alerting:|  )", "", path.read_text(), flags=re.MULTILINE))
        assert yaml.safe_load(path.read_text())["alerting"]["alertmanagers"]
    assert "SUCCESS" in promtool("check", "config", path)


def test_the_broker_has_the_virtual_host_of_the_definitions_and_they_are_there_to_be_imported(project):
    rabbitmq, receiver = project["services"]["rabbitmq"], project["services"]["receiver"]
    definitions = json.loads((DEPLOY / "rabbitmq" / "definitions.json").read_text())
    name = rabbitmq["environment"]["RABBITMQ_DEFAULT_VHOST"]
    assert [name] == [each["name"] for each in definitions["vhosts"]]
    assert urlsplit(receiver["environment"]["MM7_AMQP_URL"]).path == f"/{name}"
    mounted = dict(volume.split(":")[:2] for volume in rabbitmq["volumes"])
    assert f"rabbitmqctl import_definitions {mounted['../rabbitmq/definitions.json']}" in GUIDE
