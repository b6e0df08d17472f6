"""The manifests as Kustomize renders them: valid, one with the code's own limits, and in agreement with each other."""

import re
from pathlib import Path

import pytest
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
from tests.deploy.manifests import (
    APART,
    FOLDER,
    OLDEST,
    OVERLAYS,
    container,
    documents,
    environment,
    labels,
    number,
    of_kind,
    pod,
    rendered,
    toml,
    valid,
    workloads,
)


@pytest.fixture(params=OVERLAYS)
def overlay(request) -> str:
    return request.param


@pytest.fixture
def settings(overlay, monkeypatch, tmp_path) -> dict[str, Settings]:
    """What each program would read in its pod."""
    path = tmp_path / "mm7.toml"
    path.write_text(toml(overlay))
    return {name: load(monkeypatch, name, environment(each), path) for name, each in workloads(overlay).items()}


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
