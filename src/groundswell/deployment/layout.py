"""Which file holds what: `waves/` as on every cluster, `components/` to choose from, `clusters/` as overlays."""

import copy
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from groundswell.core.settings import PolicyFile
from groundswell.deployment import core_services, foundation, gates, inference, lint, rights, workloads
from groundswell.deployment.objects import RENDERED, Object, as_yaml
from groundswell.deployment.profile import Profile
from groundswell.waves.acting import WAVE_LABEL

WAVES = {
    0: "00-foundation",
    1: "01-core",
    2: "02-inference",
    3: "03-runtime",
    4: "04-tools",
    5: "05-agents",
}
_OPENS = {"models": 2, "router": 3, "agents": 3, "gateway": 3, "tools": 4}
API = "kustomize.config.k8s.io/v1beta1"


def opens(name: str) -> int:
    """The wave of a service; one of a third party comes with the tools."""
    return _OPENS.get(name, _OPENS["tools"])


@dataclass(frozen=True)
class Cluster:
    """A cluster that is rendered: its profile, its policies, and the text of those."""

    profile: Profile
    policy: PolicyFile
    policy_text: str
    profile_text: str = ""


def waves() -> dict[str, str]:
    """What is the same on every cluster, as files."""
    found: dict[str, str] = {}
    for number, files in _common().items():
        folder = f"waves/{WAVES[number]}"
        found |= {f"{folder}/{name}.yaml": as_yaml(objects) for name, objects in files.items()}
        found[f"{folder}/kustomization.yaml"] = _kustomization(resources=[f"{name}.yaml" for name in files])
    return found


def _common() -> dict[int, dict[str, list[Object]]]:
    """Wave → file → objects; wave 5 has none but a cluster's own."""
    of: dict[int, dict[str, list[Object]]] = {
        0: {
            "namespaces": foundation.namespaces(),
            "isolation": foundation.isolation(),
            "admission": foundation.admission(),
        },
        1: {"migration": core_services.ground()},
        2: {},
        3: {},
        4: {"rights": rights.granted("tools", "ai-tools")},
    }
    for name, each in workloads.services().items():
        of[opens(name)][name] = workloads.rendered(each)
    return of


def components() -> dict[str, str]:
    """What a cluster's overlay may add."""
    volume, patch = workloads.embedded_vectors()
    return {
        "components/embedded-vectors/volume.yaml": as_yaml([volume]),
        "components/embedded-vectors/tools.yaml": as_yaml([patch]),
        "components/embedded-vectors/kustomization.yaml": _kustomization(
            kind="Component", resources=["volume.yaml"], patches=[{"path": "tools.yaml"}]
        ),
    }


def cluster(found: Cluster) -> dict[str, str]:
    """The overlays of one cluster, as files: a folder for each wave."""
    files: dict[str, str] = {}
    of = digests(found) if gates.wanted(found.profile) else {}
    for number, named in _own(found).items():
        folder = f"clusters/{found.profile.name}/{WAVES[number]}"
        if of:
            named = {**named, "gate": gates.rendered(found.profile, number, of)}
        files |= {f"{folder}/{name}.yaml": as_yaml(objects) for name, objects in named.items()}
        files[f"{folder}/kustomization.yaml"] = _overlay(number, list(named), found)
    return files


def _own(found: Cluster) -> dict[int, dict[str, list[Object]]]:
    """Wave → file → objects of this cluster alone."""
    profile = found.profile

    def settings(*namespaces: str) -> list[Object]:
        return [each for name in namespaces for each in workloads.settings(profile, found.policy_text, name)]

    of: dict[int, dict[str, list[Object]]] = {
        0: {"openings": foundation.openings(profile, found.policy)},
        1: {"core": core_services.rendered(profile), "settings": settings("ai-vector")},
        2: {"engines": inference.rendered(profile), "settings": settings("ai-inference")},
        3: {"settings": settings("ai-router", "ai-agents")},
        4: {"settings": settings("ai-tools"), "custom": rights.custom("tools", "ai-tools", found.policy)},
        5: {"grants": [workloads.grants(found.policy)]},
    }
    if gates.wanted(profile):
        of[0]["gates"] = gates.ground(profile, found.profile_text)
    return {number: {name: each for name, each in named.items() if each} for number, named in of.items()}


def digests(found: Cluster) -> dict[int, str]:
    """Wave → of all that it brings: what its proof is bound to."""
    return {number: gates.digest(_brought(found, number), found.profile, number) for number in WAVES}


def assembled(found: Cluster, number: int) -> list[Object]:
    """A wave as the cluster gets it: what Kustomize makes of the overlay."""
    objects = _brought(found, number)
    if gates.wanted(found.profile):
        objects += _placed(found, number, gates.rendered(found.profile, number, digests(found)))
    return objects


def _brought(found: Cluster, number: int) -> list[Object]:
    """A wave without its gate."""
    files = (_common().get(number, {}), _own(found)[number])
    return _placed(found, number, [each for named in files for part in named.values() for each in part])


def _placed(found: Cluster, number: int, objects: list[Object]) -> list[Object]:
    """Objects with what an overlay says of them."""
    profile = found.profile
    objects = copy.deepcopy(objects)
    is_tools = [each for each in objects if each["kind"] == "Deployment" and each["metadata"]["name"] == "tools"]
    if is_tools and workloads.holds_vectors(profile):
        volume, _ = workloads.embedded_vectors()
        objects.append(volume)
        (tools,) = is_tools
        tools["spec"]["strategy"] = {"type": "Recreate"}
        for each in tools["spec"]["template"]["spec"]["volumes"]:
            if each["name"] == "data":
                del each["emptyDir"]
                each["persistentVolumeClaim"] = {"claimName": volume["metadata"]["name"]}
    counts, notes = workloads.replicas(profile), _annotations(number, found)
    for each in objects:
        pod = lint.template(each)
        each["metadata"]["labels"] = each["metadata"].get("labels", {}) | {WAVE_LABEL: str(number)}
        if notes:
            for part in (each, *([pod] if pod else [])):
                part["metadata"]["annotations"] = part["metadata"].get("annotations", {}) | notes
        if pod:
            for container in (*pod["spec"].get("initContainers", ()), *pod["spec"]["containers"]):
                container["image"] = profile.image if container["image"] == workloads.IMAGE else container["image"]
        if each["kind"] == "Deployment" and each["metadata"]["name"] in counts:
            each["spec"]["replicas"] = counts[each["metadata"]["name"]]
    return objects


def _annotations(number: int, found: Cluster) -> dict[str, str]:
    """What pods read at their start, as a digest: another text makes new pods."""
    if number not in _OPENS.values():
        return {}
    (read,) = workloads.settings(found.profile, found.policy_text, "")
    return {"groundswell/settings": hashlib.sha256(json.dumps(read["data"]).encode()).hexdigest()[:16]}


def _overlay(number: int, names: Sequence[str], found: Cluster) -> str:
    profile = found.profile
    repository, _, tag = profile.image.rpartition(":")
    rest: Object = {"labels": [{"pairs": {WAVE_LABEL: str(number)}}]}
    here = [name for name in workloads.services() if opens(name) == number]
    if number == 4 and workloads.holds_vectors(profile):
        rest["components"] = ["../../../components/embedded-vectors"]
    if number == 1 or here or gates.wanted(profile):
        rest["images"] = [{"name": workloads.IMAGE, "newName": repository, "newTag": tag}]
    if here:
        counts = workloads.replicas(profile)
        rest["replicas"] = [{"name": name, "count": counts[name]} for name in here]
        rest["commonAnnotations"] = _annotations(number, found)
    resources = [*([f"../../../waves/{WAVES[number]}"] if number != 5 else []), *(f"{name}.yaml" for name in names)]
    return _kustomization(resources=resources, **rest)


def _kustomization(*, kind: str = "Kustomization", **rest: Any) -> str:
    version = API if kind == "Kustomization" else "kustomize.config.k8s.io/v1alpha1"
    return RENDERED + yaml.safe_dump({"apiVersion": version, "kind": kind, **rest}, sort_keys=False, width=120)
