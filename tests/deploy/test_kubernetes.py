"""The manifests as Kustomize renders them: valid, one with the code's own limits, and in agreement with each other."""

import json
import os
import re
import shlex
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import kubernetes_validate
import pytest
import yaml
from kubernetes_validate import utils as schemas

from gateway.settings import Settings
from tests.deploy.containers import (
    DEPLOY,
    KINDS,
    UID,
    beyond_timeout,
    ends_within,
    image_environment,
    load,
    secrets_named,
)

FOLDER = DEPLOY / "kubernetes"
OVERLAYS = sorted(path.name for path in (FOLDER / "overlays").iterdir())
# Kinds of operators', which Kubernetes has no schema of: looked at by the tests below, each by hand.
CUSTOM = {"ScaledObject", "TriggerAuthentication", "ServiceMonitor", "PrometheusRule"}
UNITS = {"Mi": 2**20, "Gi": 2**30}
# What is applied by itself.
APART = ("example-secrets.yaml", "spool-flush.yaml", "prometheusrule.yaml", "rabbitmq-monitor.yaml")
# The first that knows unhealthyPodEvictionPolicy; nodeTaintsPolicy is a release older.
OLDEST = "1.27.0"
Manifest = dict[str, Any]


@cache
def rendered(overlay: str) -> list[Manifest]:
    """What `kubectl apply -k` would apply."""
    return documents(run_kubectl("kustomize", FOLDER / "overlays" / overlay))


def run_kubectl(*arguments: str | Path, given: str = "") -> str:
    """What kubectl prints; it talks to nobody."""
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("kubectl is not installed")
    return subprocess.run([kubectl, *arguments], input=given, check=True, capture_output=True, text=True).stdout


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
    for path in paths:
        found = documents(path.read_text())
        assert all("kind" in each and "apiVersion" in each for each in found), path
    named = {
        path.parent / resource
        for path in paths
        if path.name == "kustomization.yaml"
        for resource in documents(path.read_text())[0]["resources"]
    }
    assert {path for path in paths if path.name != "kustomization.yaml"} == {FOLDER / name for name in APART} | {
        path for path in named if path.suffix
    }


@pytest.mark.parametrize("version", [OLDEST, schemas.latest_version()])
def test_kubernetes_of_old_and_new_releases_takes_it(overlay, version):
    apart = [each for name in APART for each in documents((FOLDER / name).read_text())]
    for manifest in (*rendered(overlay), *apart):
        valid(manifest, version)


def valid(manifest: Manifest, version: str) -> None:
    try:
        kubernetes_validate.validate(manifest, version, strict=True)
    except kubernetes_validate.SchemaNotFoundError:
        assert manifest["kind"] in CUSTOM


def test_what_is_commented_out_can_be_used(tmp_path):
    # "#- to:" is commented out, "# names" is a comment.
    copy = shutil.copytree(FOLDER, tmp_path / "kubernetes")
    for name in ("kustomization.yaml", "network.yaml"):
        path = copy / "overlays" / "production" / name
        text = re.sub(
            r"^( *)#(- .*(?:\n\1#  .*)*)", lambda found: found[0].replace("#", ""), path.read_text(), flags=re.MULTILINE
        )
        assert text != path.read_text()
        path.write_text(text)
    found = documents(run_kubectl("kustomize", copy / "overlays" / "production"))
    for manifest in found:
        valid(manifest, OLDEST)
    (needs,) = [each for each in found if each["metadata"]["name"] == "mm7-needs"]
    ports = {port["port"] for rule in needs["spec"]["egress"] for port in rule["ports"]}
    for workload in found:
        if workload["kind"] in {"StatefulSet", "Deployment"}:
            variables = {each["name"]: each.get("value") for each in container(workload)["env"]}
            assert int(variables["OTEL_EXPORTER_OTLP_ENDPOINT"].rpartition(":")[2]) in ports


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
        needed = ends_within(program, settings[program])
        assert pod(workload)["terminationGracePeriodSeconds"] >= needed


def test_the_time_that_the_guide_gives_to_a_worker_beyond_its_timeout_is_enough():
    named = ("README.md", "docker/compose.yaml", "kubernetes/base/worker.yaml")
    text = "\n".join((DEPLOY / name).read_text() for name in named)
    said = re.findall(r"\(timeout \+ (\d+) s\)|`timeout` of an account \(30 s[^)]*\) and (\d+) s", text)
    assert len(said) >= 4
    assert all(int(guide or manifest) >= beyond_timeout() for guide, manifest in said)


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
        assert "cpu" not in container(workload)["resources"]["limits"]
        read_only = {each["mountPath"] for each in container(workload)["volumeMounts"] if each.get("readOnly")}
        assert read_only == {str(Path(image_environment()["MM7_CONFIG"]).parent)}


def test_both_programs_run_one_version(overlay):
    (image,) = {container(each)["image"] for each in workloads(overlay).values()}
    assert re.search(r":\d+\.\d+\.\d+$", image)


def test_two_of_a_kind_are_spread_over_hosts(overlay):
    for workload in workloads(overlay).values():
        for spread in pod(workload)["topologySpreadConstraints"]:
            assert spread["labelSelector"]["matchLabels"].items() <= labels(workload).items()
            if spread["whenUnsatisfiable"] == "DoNotSchedule":
                assert spread["nodeTaintsPolicy"] == "Honor", "a node that is emptied would count as a place"
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


def test_callbacks_come_in_by_something_that_takes_headers_on_two_lines():
    (ingress,) = of_kind("production", "Ingress")
    assert "nginx" not in ingress["spec"]["ingressClassName"], "it answers 400 to them"
    ((path,),) = [rule["http"]["paths"] for rule in ingress["spec"]["rules"]]
    (service,) = [each for each in of_kind("production", "Service") if each["metadata"]["name"] == "mm7-receiver"]
    assert path["backend"]["service"]["name"] == service["metadata"]["name"]
    assert path["backend"]["service"]["port"]["name"] in {each["name"] for each in service["spec"]["ports"]}


def test_the_broker_that_is_named_has_the_virtual_host():
    definitions = json.loads((DEPLOY / "rabbitmq" / "definitions.json").read_text())
    path = urlsplit(secrets()["mm7-connections"]["amqp-url"]).path
    assert path.removeprefix("/") in {each["name"] for each in definitions["vhosts"]}


def test_no_pod_that_is_not_ready_keeps_a_node_from_being_emptied():
    for budget in of_kind("production", "PodDisruptionBudget"):
        assert budget["spec"]["unhealthyPodEvictionPolicy"] == "AlwaysAllow"


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
    # An address would be another one after each restart, and nobody's name.
    assert endpoint["relabelings"] == [{"sourceLabels": ["__meta_kubernetes_pod_name"], "targetLabel": "instance"}]
    for service in services:
        assert endpoint["port"] in {port["name"] for port in service["spec"]["ports"]}
        assert service["spec"]["publishNotReadyAddresses"] is True, "who is not ready is looked at too"


def test_prometheus_asks_rabbitmq_as_it_does_in_compose():
    (monitor,) = documents((FOLDER / "rabbitmq-monitor.yaml").read_text())
    compose = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())["scrape_configs"]
    asked = {each["job_name"]: (each.get("metrics_path", "/metrics"), each.get("params")) for each in compose}
    found = {}
    for endpoint in monitor["spec"]["endpoints"]:
        (job,) = [each["replacement"] for each in endpoint["relabelings"] if each["targetLabel"] == "job"]
        found[job] = (endpoint["path"], endpoint.get("params"))
    assert found.keys() == {"rabbitmq", "rabbitmq-queues"}
    assert found.items() <= asked.items()


def test_the_alerts_become_a_rule_by_the_command_that_is_given():
    text = (FOLDER / "prometheusrule.yaml").read_text()
    (command,) = re.findall(r"^#\s+(\(cat .*\)) \| kubectl apply -f -$", text, re.MULTILINE)
    done = subprocess.run(["/bin/sh", "-c", command], cwd=DEPLOY.parent, check=True, capture_output=True, text=True)
    (rule,) = documents(done.stdout)
    assert rule["kind"] == "PrometheusRule"
    assert rule["spec"] == yaml.safe_load((DEPLOY / "prometheus" / "alerts.yml").read_text())


def test_the_command_for_a_spool_left_behind_names_all_that_is_left_open():
    text = (FOLDER / "spool-flush.yaml").read_text()
    head = "\n".join(re.findall(r"^#   (.*)$", text, re.MULTILINE))
    receiver = workloads("small")["mm7-gateway"]
    asked = re.findall(
        r"^(\w+)=\$\(kubectl -n mm7 get statefulset mm7-receiver\s+(?:\\\s+)?-o (jsonpath='.*')\)$", head, re.MULTILINE
    )
    # `label --local` prints what it was given, as `get` prints what the cluster has.
    local = ("label", "--local", "--filename", "-", "asked=locally", "--output")
    given = {name: run_kubectl(*local, *shlex.split(path), given=yaml.safe_dump(receiver)) for name, path in asked}
    (sed,) = re.findall(r"^(sed .*) \\$", head, re.MULTILINE)
    shell = {"env": os.environ | given, "cwd": DEPLOY.parent}
    done = subprocess.run(["/bin/sh", "-c", sed], check=True, capture_output=True, text=True, **shell)
    (job,) = documents(done.stdout)
    assert container(job)["image"] == container(receiver)["image"]
    volumes = {each["name"]: each for each in pod(job)["volumes"]}
    assert volumes["config"] in pod(receiver)["volumes"]
    (claim,) = receiver["spec"]["volumeClaimTemplates"]
    expected = rf"{claim['metadata']['name']}-{receiver['metadata']['name']}-\d+"
    assert re.fullmatch(expected, volumes["data"]["persistentVolumeClaim"]["claimName"])
    valid(job, OLDEST)
