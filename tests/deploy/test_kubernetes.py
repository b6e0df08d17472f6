"""The manifests as Kustomize renders them: valid, one with the code's own limits, and in agreement with each other."""

import os
import re
import shlex
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from kubernetes_validate import utils as schemas

from gateway.settings import Settings
from tests.deploy.containers import DEPLOY, KINDS, UID, ends_within, image_environment, load, secrets_named

FOLDER = DEPLOY / "kubernetes"
OVERLAYS = sorted(path.name for path in (FOLDER / "overlays").iterdir())
# Kinds of operators', which Kubernetes has no schema of: looked at by the tests below, each by hand.
CUSTOM = {"ScaledObject", "TriggerAuthentication", "ServiceMonitor", "PrometheusRule"}
UNITS = {"Mi": 2**20, "Gi": 2**30}
Manifest = dict[str, Any]


@cache
def rendered(overlay: str) -> list[Manifest]:
    """What `kubectl apply -k` would apply."""
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("kubectl is not installed")
    command = [kubectl, "kustomize", FOLDER / "overlays" / overlay]
    return documents(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def documents(text: str) -> list[Manifest]:
    return [each for each in yaml.safe_load_all(text) if each is not None]


def of_kind(overlay: str, *kinds: str) -> list[Manifest]:
    return [each for each in rendered(overlay) if each["kind"] in kinds]


def workloads(overlay: str) -> dict[str, Manifest]:
    """By the program that they run."""
    found = of_kind(overlay, "StatefulSet", "Deployment")
    return {container(each)["command"][0]: each for each in found}


def pod(workload: Manifest) -> Manifest:
    return workload["spec"]["template"]["spec"]


def container(workload: Manifest) -> Manifest:
    (one,) = pod(workload)["containers"]
    return one


def labels(workload: Manifest) -> dict[str, str]:
    return workload["spec"]["template"]["metadata"]["labels"]


def toml(overlay: str) -> str:
    (config,) = of_kind(overlay, "ConfigMap")
    return config["data"]["mm7.toml"]


def secrets() -> dict[str, dict[str, str]]:
    """The example's, by name."""
    examples = documents((FOLDER / "example-secrets.yaml").read_text())
    return {each["metadata"]["name"]: each["stringData"] for each in examples}


def environment(workload: Manifest) -> dict[str, str]:
    """What its container gets, with the example's secrets for secrets; fails on one that is not in the example."""
    given: dict[str, str] = {}
    for source in container(workload).get("envFrom", []):
        given |= secrets()[source["secretRef"]["name"]]
    for each in container(workload)["env"]:
        reference = each.get("valueFrom", {}).get("secretKeyRef")
        given[each["name"]] = secrets()[reference["name"]][reference["key"]] if reference else each["value"]
    return given


@pytest.fixture(params=OVERLAYS)
def overlay(request) -> str:
    return request.param


@pytest.fixture
def settings(overlay, monkeypatch, tmp_path) -> dict[str, Settings]:
    """What each program would read in its pod."""
    path = tmp_path / "mm7.toml"
    path.write_text(toml(overlay))
    return {name: load(monkeypatch, name, environment(each), path) for name, each in workloads(overlay).items()}


def number(quantity: str) -> int:
    return int(quantity[:-2]) * UNITS[quantity[-2:]]


def test_every_file_is_yaml_and_belongs_to_something():
    paths = sorted(FOLDER.rglob("*.yaml"))
    apart = {FOLDER / "example-secrets.yaml", FOLDER / "spool-flush.yaml", FOLDER / "prometheusrule.yaml"}
    for path in paths:
        found = documents(path.read_text())
        assert all("kind" in each and "apiVersion" in each for each in found), path
    named = {
        path.parent / resource
        for path in paths
        if path.name == "kustomization.yaml"
        for resource in documents(path.read_text())[0]["resources"]
    }
    assert {path for path in paths if path.name != "kustomization.yaml"} == apart | {
        path for path in named if path.suffix
    }


@pytest.mark.parametrize("version", [schemas.all_versions()[0], schemas.latest_version()])
def test_kubernetes_of_old_and_new_releases_takes_it(overlay, version):
    flush = (FOLDER / "spool-flush.yaml").read_text()
    for manifest in (
        *rendered(overlay),
        *documents(flush),
        *documents((FOLDER / "example-secrets.yaml").read_text()),
    ):
        try:
            kubernetes_validate.validate(manifest, version, strict=True)
        except kubernetes_validate.SchemaNotFoundError:
            assert manifest["kind"] in CUSTOM


def test_each_program_reads_its_settings_and_finds_the_other(overlay, settings):
    assert settings.keys() == KINDS.keys()
    receiver, worker = settings["mm7-gateway"], settings["mm7-worker"]
    for shared in ("amqp_url", "state_url", "media_url", "accounts"):
        assert getattr(receiver, shared) == getattr(worker, shared), f"they would miss each other in {shared}"
    assert receiver.state_url.get_secret_value().startswith("redis"), "pods share no disk"
    assert receiver.media_url.startswith("s3://")


def test_every_secret_is_in_the_example_and_no_value_is_here(overlay):
    given = environment(workloads(overlay)["mm7-gateway"])
    assert secrets_named(toml(overlay)) <= given.keys()
    assert not of_kind(overlay, "Secret")
    assert not re.search(r"password = \"(?!env:)", toml(overlay))


def test_a_change_of_the_settings_starts_the_pods_anew(overlay):
    (config,) = of_kind(overlay, "ConfigMap")
    assert re.fullmatch(r"mm7-config-[a-z0-9]{10}", config["metadata"]["name"])
    for workload in workloads(overlay).values():
        mounted = [each["configMap"]["name"] for each in pod(workload)["volumes"] if "configMap" in each]
        assert mounted == [config["metadata"]["name"]]


def test_who_is_asked_to_end_has_the_time_for_it(overlay, settings):
    for program, workload in workloads(overlay).items():
        needed = ends_within(program, settings[program], environment(workload))
        assert pod(workload)["terminationGracePeriodSeconds"] >= needed


def test_ports_and_probes_are_the_programs_own(overlay, settings):
    for program, workload in workloads(overlay).items():
        ports = {each["name"]: each["containerPort"] for each in container(workload)["ports"]}
        own = {"mm7-gateway": {"callbacks": settings[program].http_port, "admin": 8081}, "mm7-worker": {"admin": 8082}}
        assert ports == own[program]
        probes = {name: container(workload)[f"{name}Probe"]["httpGet"] for name in ("startup", "liveness", "readiness")}
        assert {each["port"] for each in probes.values()} == {"admin"}
        assert {name: each["path"] for name, each in probes.items()} == {
            "startup": "/livez",
            "liveness": "/livez",
            "readiness": "/readyz",
        }


def test_services_find_their_pods(overlay):
    found = {}
    for service in of_kind(overlay, "Service"):
        spec = service["spec"]
        (workload,) = [w for w in workloads(overlay).values() if spec["selector"].items() <= labels(w).items()]
        ports = {each["name"]: each["containerPort"] for each in container(workload)["ports"]}
        assert {each["targetPort"]: each["port"] for each in spec["ports"]}.items() <= ports.items()
        found[service["metadata"]["name"]] = workload
    receiver = workloads(overlay)["mm7-gateway"]
    assert found[receiver["spec"]["serviceName"]] is receiver
    assert found["mm7-receiver"] is receiver


def test_what_is_acknowledged_outlives_its_pod(overlay, settings):
    receiver = workloads(overlay)["mm7-gateway"]
    (claim,) = receiver["spec"]["volumeClaimTemplates"]
    mounts = {each["name"]: each["mountPath"] for each in container(receiver)["volumeMounts"]}
    spool = Path(settings["mm7-gateway"].spool_dir)
    assert spool.is_relative_to(mounts[claim["metadata"]["name"]])
    assert number(claim["spec"]["resources"]["requests"]["storage"]) >= 2 * settings["mm7-gateway"].spool_max_bytes
    assert set(receiver["spec"]["persistentVolumeClaimRetentionPolicy"].values()) == {"Retain"}
    (job,) = documents((FOLDER / "spool-flush.yaml").read_text())
    assert {each["name"]: each["mountPath"] for each in container(job)["volumeMounts"]} == mounts
    assert environment(job).items() >= environment(workloads(overlay)["mm7-worker"]).items()


def test_there_is_memory_for_all_that_may_be_under_way(overlay, settings):
    receiver = workloads(overlay)["mm7-gateway"]
    limit = number(container(receiver)["resources"]["limits"]["memory"])
    assert limit >= 4 * settings["mm7-gateway"].max_bytes_in_flight


def test_programs_are_confined(overlay):
    (job,) = documents((FOLDER / "spool-flush.yaml").read_text())
    for workload in (*workloads(overlay).values(), job):
        inside, around = container(workload)["securityContext"], pod(workload)["securityContext"]
        assert inside == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert (around["runAsNonRoot"], around["runAsUser"], around["runAsGroup"]) == (True, UID, UID)
        assert around["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod(workload)["automountServiceAccountToken"] is False
        assert re.search(r":\d+\.\d+\.\d+$", container(workload)["image"])
        assert "cpu" not in container(workload)["resources"]["limits"]
        read_only = {each["mountPath"] for each in container(workload)["volumeMounts"] if each.get("readOnly")}
        assert read_only == {str(Path(image_environment()["MM7_CONFIG"]).parent)}


def test_two_of_a_kind_are_spread_over_hosts(overlay):
    for workload in workloads(overlay).values():
        for spread in pod(workload)["topologySpreadConstraints"]:
            assert spread["labelSelector"]["matchLabels"].items() <= labels(workload).items()
        assert "kubernetes.io/hostname" in {each["topologyKey"] for each in pod(workload)["topologySpreadConstraints"]}


def test_what_is_scaled_by_itself_has_no_number_of_its_own():
    found = {each["metadata"]["name"]: each for each in of_kind("production", "StatefulSet", "Deployment")}
    scaled = {}
    for scaler in of_kind("production", "HorizontalPodAutoscaler", "ScaledObject"):
        target = scaler["spec"]["scaleTargetRef"]
        assert target.get("kind", "Deployment") == found[target["name"]]["kind"]
        scaled[target["name"]] = scaler["spec"].get("minReplicas", scaler["spec"].get("minReplicaCount"))
    assert scaled.keys() == found.keys()
    assert all("replicas" not in each["spec"] for each in found.values())
    assert all(least >= 2 for least in scaled.values()), "one may be missing at any time"
    assert all("replicas" in each["spec"] for each in workloads("small").values())


def test_workers_are_scaled_on_the_queue_of_every_account_that_sends(monkeypatch, tmp_path):
    # KEDA's "RabbitMQ Queue" trigger, 2.2 and later: host from a TriggerAuthentication; protocol, queueName, mode,
    # value in metadata, all of them strings.
    path = tmp_path / "mm7.toml"
    path.write_text(toml("production"))
    settings = load(monkeypatch, "mm7-worker", environment(workloads("production")["mm7-worker"]), path)
    (scaled,) = of_kind("production", "ScaledObject")
    triggers = scaled["spec"]["triggers"]
    assert {each["type"] for each in triggers} == {"rabbitmq"}
    queues = [each["metadata"]["queueName"] for each in triggers]
    assert queues == [f"mm7.mt.{account.name}" for account in settings.accounts.values() if account.outbound]
    (authentication,) = of_kind("production", "TriggerAuthentication")
    for each in triggers:
        assert each["authenticationRef"] == {"name": authentication["metadata"]["name"]}
        assert each["metadata"].keys() == {"protocol", "queueName", "mode", "value"}
        assert all(isinstance(value, str) for value in each["metadata"].values())
    (reference,) = authentication["spec"]["secretTargetRef"]
    assert reference["parameter"] == "host"
    assert secrets()[reference["name"]][reference["key"]].startswith("amqp")


def test_budgets_and_network_rules_are_about_our_pods():
    pods = [labels(each) for each in workloads("production").values()]
    budgets = [each["spec"]["selector"]["matchLabels"] for each in of_kind("production", "PodDisruptionBudget")]
    assert all(sum(budget.items() <= each.items() for budget in budgets) == 1 for each in pods)
    for policy in of_kind("production", "NetworkPolicy"):
        chosen = policy["spec"]["podSelector"].get("matchLabels", {})
        matching = [each for each in workloads("production").values() if chosen.items() <= labels(each).items()]
        assert matching, policy["metadata"]["name"]
        ports = [port["port"] for rule in policy["spec"].get("ingress", []) for port in rule["ports"]]
        named = [{each["name"] for each in container(each)["ports"]} for each in matching]
        assert all(port in names for port in ports for names in named)
    (nothing,) = [each for each in of_kind("production", "NetworkPolicy") if not each["spec"]["podSelector"]]
    assert nothing["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


def test_prometheus_finds_both_under_the_names_of_the_alerts():
    # monitoring.coreos.com/v1: the job is the value of the Service's label that jobLabel names.
    (monitor,) = of_kind("production", "ServiceMonitor")
    spec = monitor["spec"]
    services = [
        each
        for each in of_kind("production", "Service")
        if spec["selector"]["matchLabels"].items() <= each["metadata"]["labels"].items()
    ]
    assert {each["metadata"]["labels"][spec["jobLabel"]] for each in services} == {"mm7-receiver", "mm7-worker"}
    (endpoint,) = spec["endpoints"]
    assert endpoint["path"] == "/metrics"
    for service in services:
        assert endpoint["port"] in {port["name"] for port in service["spec"]["ports"]}
        assert service["spec"]["publishNotReadyAddresses"] is True, "who is not ready is looked at too"


def test_the_alerts_become_a_rule_by_the_command_that_is_given():
    text = (FOLDER / "prometheusrule.yaml").read_text()
    (command,) = re.findall(r"^#\s+(\(cat .*\)) \| kubectl apply -f -$", text, re.MULTILINE)
    done = subprocess.run(["/bin/sh", "-c", command], cwd=DEPLOY.parent, check=True, capture_output=True, text=True)
    (rule,) = documents(done.stdout)
    assert rule["kind"] == "PrometheusRule"
    assert rule["spec"] == yaml.safe_load((DEPLOY / "prometheus" / "alerts.yml").read_text())


def test_the_command_for_a_spool_left_behind_names_all_that_is_left_open():
    text = (FOLDER / "spool-flush.yaml").read_text()
    (sed,) = re.findall(r"^#\s+(sed .*) deploy/kubernetes/spool-flush.yaml \|", text, re.MULTILINE)
    done = subprocess.run(
        ["/bin/sh", "-c", f"{sed} {shlex.quote(str(FOLDER / 'spool-flush.yaml'))}"],
        env={**os.environ, "config": "mm7-config-0123456789"},
        check=True,
        capture_output=True,
        text=True,
    )
    (job,) = documents(done.stdout)
    volumes = {each["name"]: each for each in pod(job)["volumes"]}
    assert volumes["config"]["configMap"]["name"] == "mm7-config-0123456789"
    (claim,) = workloads("small")["mm7-gateway"]["spec"]["volumeClaimTemplates"]
    set_name = workloads("small")["mm7-gateway"]["metadata"]["name"]
    expected = rf"{claim['metadata']['name']}-{set_name}-\d+"
    assert re.fullmatch(expected, volumes["data"]["persistentVolumeClaim"]["claimName"])
