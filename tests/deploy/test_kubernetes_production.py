"""What only the overlay `production` has, and what is applied beside the overlays."""

import json
import os
import re
import shlex
import shutil
import subprocess
from urllib.parse import urlsplit

import yaml

from tests.deploy.containers import DEPLOY, load
from tests.deploy.manifests import (
    FOLDER,
    OLDEST,
    container,
    documents,
    environment,
    labels,
    of_kind,
    pod,
    run_kubectl,
    secrets,
    toml,
    valid,
    workloads,
)


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
