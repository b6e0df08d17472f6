"""The manifests: as Kustomize renders them, as the example's secrets fill them in, as Kubernetes' schemas judge them."""

import os
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from tests.deploy.containers import DEPLOY

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


def number(quantity: str) -> int:
    return int(quantity[:-2]) * UNITS[quantity[-2:]]


def valid(manifest: Manifest, version: str) -> None:
    try:
        kubernetes_validate.validate(manifest, version, strict=True)
    except kubernetes_validate.SchemaNotFoundError:
        assert manifest["kind"] in CUSTOM
