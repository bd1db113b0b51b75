"""The checks that look at a cluster pass on one that is well, and fail where one thing in it was broken."""

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from groundswell.client import Client
from groundswell.core.check import Place
from groundswell.runtime import discovery
from groundswell.runtime.checks import proof_of
from groundswell.waves.acting import WAVE_LABEL
from groundswell.waves.standing import told_by_argo
from waves.cluster import Kinds, dump, of, pod

pytestmark = [pytest.mark.timeout(120), pytest.mark.xdist_group("waves")]


def set_in(kind: str, number: int, *path: str, to: Any) -> Callable[[Kinds], None]:
    def breaks(kinds: Kinds) -> None:
        there = kinds[kind][number]
        for key in path[:-1]:
            there = there.setdefault(key, {})
        there[path[-1]] = to

    return breaks


def without(kind: str, number: int = 0) -> Callable[[Kinds], None]:
    return lambda kinds: kinds[kind].pop(number) and None


def added(kind: str, item: dict[str, Any]) -> Callable[[Kinds], None]:
    return lambda kinds: kinds[kind].append(item)


def only_udp(kinds: Kinds) -> None:
    kinds["networkpolicies"][1]["spec"]["egress"][0]["ports"].pop()


def only_ingress(kinds: Kinds) -> None:
    """The one that allows DNS would deny the rest: it selects every pod, too."""
    kinds["networkpolicies"][0]["spec"]["policyTypes"] = ["Ingress"]
    kinds["networkpolicies"].pop(1)


POD = ("spec", "template", "spec")
BROKEN: dict[str, dict[str, Callable[[Kinds], None]]] = {
    "applications_are_synced_and_healthy": {
        "out of sync": set_in("applications", 0, "status", "sync", "status", to="OutOfSync"),
        "degraded": set_in("applications", 0, "status", "health", "status", to="Degraded"),
        "still running": set_in("applications", 0, "status", "operationState", to={"phase": "Running"}),
        "error": set_in("applications", 0, "status", "conditions", to=[{"type": "SyncError", "message": "no"}]),
        "none": without("applications"),
    },
    "projects_bound_what_waves_may_do": {
        "any repository": set_in("appprojects", 0, "spec", "sourceRepos", to=["*"]),
        "any kind": set_in("appprojects", 0, "spec", "clusterResourceWhitelist", to=[{"group": "*", "kind": "*"}]),
        "another project": set_in("applications", 0, "spec", "project", to="default"),
        "no project": without("appprojects"),
    },
    "rights_in_the_cluster_are_narrow": {
        "any verb": set_in("clusterroles", 0, "rules", to=[{"apiGroups": [""], "resources": ["pods"], "verbs": ["*"]}]),
        "Secrets": set_in(
            "clusterroles", 0, "rules", to=[{"apiGroups": [""], "resources": ["secrets"], "verbs": ["list"]}]
        ),
        "a role of others": set_in("clusterrolebindings", 0, "roleRef", to={"name": "cluster-admin"}),
    },
    "namespaces_are_there": {
        "one is missing": without("namespaces"),
        "privileged": set_in("namespaces", 2, "metadata", "labels", to={}),
    },
    "gpu_nodes_are_labelled": {
        "no labels": set_in("nodes", 0, "metadata", "labels", to={"nvidia.com/gpu.present": "true"}),
        "no node": without("nodes"),
    },
    "storage_classes_are_there": {
        "no default": set_in("storageclasses", 0, "metadata", "annotations", to={}),
        "a claim waits": set_in("persistentvolumeclaims", 0, "status", "phase", to="Pending"),
    },
    "no_workload_names_a_node": {
        "nodeName": set_in("deployments", 0, *POD, "nodeName", to="n-1"),
        "hostname": set_in("deployments", 0, *POD, "nodeSelector", to={"kubernetes.io/hostname": "n-1"}),
    },
    "namespaces_deny_by_default": {
        "no policy": without("networkpolicies"),
        "only ingress": only_ingress,
        "only some pods": set_in("networkpolicies", 4, "spec", "podSelector", to={"matchLabels": {"a": "b"}}),
    },
    "no_policy_blocks_dns": {"dns is gone": without("networkpolicies", 1), "only udp": only_udp},
    "volumes_are_bound": {
        "a claim waits": set_in("persistentvolumeclaims", 0, "status", "phase", to="Pending"),
        "none": without("persistentvolumeclaims"),
    },
    "services_stay_inside": {
        "node port": set_in("services", 0, "spec", "type", to="NodePort"),
        "ingress": added("ingresses", of("way-in", "ai-vector", spec={"rules": []})),
    },
    "models_sit_on_the_gpus_they_ask_for": {
        "other GPU": set_in("pods", 0, "spec", "nodeName", to="n-2"),
        "asks for none": set_in("pods", 1, "spec", "affinity", to={}),
        "too small": set_in("nodes", 0, "metadata", "labels", "nvidia.com/gpu.memory", to="40000"),
    },
    "no_gpu_is_asked_for_twice": {
        "three on two": added("pods", pod("third", "ai-inference", "n-1", 1)),
        "shared": set_in("nodes", 0, "metadata", "labels", "nvidia.com/gpu.product", to="NVIDIA-H100-80GB-HBM3-SHARED"),
    },
}


def at(place: Place, folder: Path, wave: int | None = None) -> Place:
    parts = {**place.profile.parts, "kubernetes": f"existing(dump:{folder})"}
    parts |= {"argocd": "existing(argocd)", "gpu-operator": "ours"}
    return replace(place, profile=place.profile.model_copy(update={"parts": parts}), wave=wave)


@pytest.mark.real
@pytest.mark.parametrize("name", BROKEN)
async def test_a_cluster_check_passes_on_a_good_cluster_and_fails_on_each_broken_one(
    name: str, client: Client, place: Place, tmp_path: Path
):
    check = discovery.checks()[name]
    proof = await proof_of(check, client, at(place, dump(tmp_path / "well")))
    assert proof.status == "pass", (proof.message, proof.measures)
    for what, breaks in BROKEN[name].items():
        broken = await proof_of(check, client, at(place, dump(tmp_path / what, breaks)))
        assert broken.judged() == "fail", (what, broken.status, broken.message, broken.measures)
        assert broken.message


async def test_a_gate_asks_of_its_own_wave_only_that_it_is_in_sync_and_nothing_of_later_ones(
    client: Client, place: Place, tmp_path: Path
):
    def waiting(kinds: Kinds) -> None:
        own = kinds["applications"][0]
        own["status"]["health"] = {"status": "Progressing"}
        later = copy.deepcopy(own)
        later["metadata"] |= {"name": "groundswell-01-core", "labels": {**own["metadata"]["labels"], WAVE_LABEL: "1"}}
        later["status"] = {"sync": {"status": "OutOfSync"}}
        kinds["applications"].append(later)

    def held(kinds: Kinds) -> None:
        hook = {"kind": "Job", "name": "gate-00-before", "hookPhase": "Running"}
        state = {"phase": "Running", "syncResult": {"resources": [hook]}}
        kinds["applications"][0]["status"] |= {"sync": {"status": "OutOfSync"}, "operationState": state}

    check = discovery.checks()["applications_are_synced_and_healthy"]
    there = at(place, dump(tmp_path / "waiting", waiting))
    assert (await proof_of(check, client, there)).judged() == "fail"
    assert (await proof_of(check, client, replace(there, wave=0))).judged() == "pass"
    assert (await proof_of(check, client, replace(there, wave=1))).judged() == "fail", "the first one is not healthy"
    assert (await proof_of(check, client, at(place, dump(tmp_path / "held", held), 0))).judged() == "pass"
    told = await told_by_argo(client, there)
    assert told == {0: ("Synced", "Progressing"), 1: ("OutOfSync", "Unknown")}


async def test_a_claim_without_a_volume_is_told_with_the_class_that_is_not_there(
    client: Client, place: Place, tmp_path: Path
):
    def elsewhere(kinds: Kinds) -> None:
        spec, status = {"storageClassName": "fast-ssd"}, {"phase": "Pending"}
        kinds["persistentvolumeclaims"].append(of("scratch", "ai-tools", spec=spec, status=status))

    check = discovery.checks()["storage_classes_are_there"]
    proof = await proof_of(check, client, at(place, dump(tmp_path / "elsewhere", elsewhere)))
    assert "ai-tools/PersistentVolumeClaim/scratch has no volume: there is no storage class 'fast-ssd'" in proof.message


async def test_a_cluster_that_cannot_be_read_is_no_pass(client: Client, place: Place, tmp_path: Path):
    for name in BROKEN:
        proof = await proof_of(discovery.checks()[name], client, at(place, tmp_path / "nowhere"))
        assert proof.judged() in ("fail", "unknown"), name


def test_every_cluster_check_but_those_that_need_more_is_tried():
    needing = {name for name, check in discovery.checks().items() if "kubernetes" in check.needs}
    assert set(BROKEN) == needing - {"working_sets_stay_within_limits"}
