"""Where a model may run: one request for GPUs, as node affinity over the labels of GPU feature discovery.

Those labels are texts, and `nvidia.com/gpu.product` is no plain name: it gets `-SHARED` where GPUs are time-sliced, and
`-MIG-PROFILE` where all of a node are cut alike. So family, memory and sharing are asked for, and a product only with
the suffixes that its sharing gives it.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import yaml
from pydantic import Field, ValidationError, field_validator

from groundswell.core.errors import ConfigError
from groundswell.core.records import Record

Family = Literal["volta", "turing", "ampere", "ada-lovelace", "hopper", "blackwell"]
RESOURCE = "nvidia.com/gpu"
_SIZE = re.compile(r">=\s*(\d+)\s*(Gi|Mi)")
# A card has a little less than its name says (an 80 GB H100: 81559 MiB of 81920; a 24 GB L4: 23034 of 24576).
SLACK = 0.07


class Gpu(Record):
    """`gpu: {count, memory: ">=80Gi", family: [hopper, blackwell], share: exclusive}`."""

    count: int = Field(default=1, ge=1, le=16)
    memory: str = Field(default=">=0Gi", description="Of each, at least.")
    family: tuple[Family, ...] = Field(default=(), description="Empty: any.")
    product: tuple[str, ...] = Field(default=(), description="Plain names, where family and memory do not say enough.")
    share: Literal["exclusive", "shared"] = "exclusive"

    @field_validator("memory")
    @classmethod
    def _memory(cls, value: str) -> str:
        if not _SIZE.fullmatch(value):
            raise ValueError(f'{value!r} is no size: write ">=80Gi"')
        return value

    @field_validator("product")
    @classmethod
    def _product(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            if name.endswith("-SHARED") or "-MIG-" in name:
                raise ValueError(f"{name!r} has a suffix: write the plain name, and `share`")
        return value

    @property
    def mebibytes(self) -> int:
        """What the label of a card must say at least."""
        found = _SIZE.fullmatch(self.memory)
        assert found is not None
        return int(int(found[1]) * (1024 if found[2] == "Gi" else 1) * (1 - SLACK))


def affinity(gpu: Gpu) -> dict[str, Any]:
    """Which nodes may take it. A node without the labels takes none."""
    wanted = [_expression("present", "In", "true")]
    if gpu.product:
        suffixes = ("",) if gpu.share == "exclusive" else ("", "-SHARED")
        wanted.append(_expression("product", "In", *(name + suffix for name in gpu.product for suffix in suffixes)))
    if gpu.family:
        wanted.append(_expression("family", "In", *gpu.family))
    if gpu.mebibytes:
        wanted.append(_expression("memory", "Gt", str(gpu.mebibytes - 1)))
    if gpu.count > 1:
        wanted.append(_expression("count", "Gt", str(gpu.count - 1)))
    if gpu.share == "exclusive":
        wanted.append(_expression("replicas", "Lt", "2"))  # time-sliced and MPS cards are offered several times
        wanted.append(_expression("sharing-strategy", "NotIn", "time-slicing", "mps"))
        wanted.append(_expression("slices.gi", "DoesNotExist"))  # a card that is cut by MIG is not whole
    terms = [{"matchExpressions": wanted}]
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}}


def gpu_of(asked: Mapping[str, Any]) -> Gpu:
    """A request as written. Raises ConfigError."""
    try:
        return Gpu(**asked)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise ConfigError("bad_gpu", f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error


def pod_part(gpu: Gpu) -> str:
    """What of a pod is about its GPUs, as YAML."""
    toleration = {"key": RESOURCE, "operator": "Exists", "effect": "NoSchedule"}
    limits = {"resources": {"limits": {RESOURCE: str(gpu.count)}}}
    spec = {"affinity": affinity(gpu), "tolerations": [toleration], "containers": [{"name": "engine", **limits}]}
    return yaml.safe_dump({"spec": spec}, sort_keys=False)


def _expression(label: str, operator: str, *values: str) -> dict[str, Any]:
    expression: dict[str, Any] = {"key": f"{RESOURCE}.{label}", "operator": operator}
    return expression | ({"values": list(values)} if values else {})


def fits(rendered: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Whether the scheduler would let a pod with this affinity onto a node with these labels."""
    terms = rendered["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    return any(all(_holds(each, labels) for each in term["matchExpressions"]) for term in terms)


def _holds(expression: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    value, values = labels.get(expression["key"]), expression.get("values", [])
    match expression["operator"]:
        case "In":
            return value in values
        case "NotIn":
            return value not in values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case "Gt":
            return value is not None and value.isdecimal() and int(value) > int(values[0])
        case "Lt":
            return value is not None and value.isdecimal() and int(value) < int(values[0])
        case other:
            raise ConfigError("bad_affinity", f"node affinity has no operator {other!r}")


class NodeClass(Record):
    """Nodes that a cluster has: what their labels say, and how many there are."""

    product: str
    family: Family
    memory_mib: int
    gpus: int = Field(ge=1, description="Of each node.")
    nodes: int = Field(default=1, ge=1)
    replicas: int = Field(default=1, ge=1, description="How often each GPU is offered: more than 1 where it is shared.")

    def labels(self) -> dict[str, str]:
        """As GPU feature discovery writes them."""
        shared = self.replicas > 1
        return {
            f"{RESOURCE}.present": "true",
            f"{RESOURCE}.product": self.product + ("-SHARED" if shared else ""),
            f"{RESOURCE}.family": self.family,
            f"{RESOURCE}.memory": str(self.memory_mib),
            f"{RESOURCE}.count": str(self.gpus),
            f"{RESOURCE}.replicas": str(self.replicas),
            f"{RESOURCE}.sharing-strategy": "time-slicing" if shared else "none",
        }


@dataclass(frozen=True)
class Claim:
    """One pod's claim on GPUs."""

    name: str
    gpu: Gpu


def planned(claims: Sequence[Claim], classes: Iterable[NodeClass]) -> dict[str, str]:
    """A node for every claim, such that no GPU is claimed twice: claim → node. Raises ConfigError where there is none.

    All ways are tried, the largest claims first; nodes that are alike and equally full are tried once.
    """
    nodes = [(f"{each.product}-{number}", each) for each in classes for number in range(each.nodes)]
    free = {name: each.gpus * each.replicas for name, each in nodes}
    ordered = sorted(claims, key=lambda claim: -claim.gpu.count)
    names = [f"{claim.name}#{number}" for number, claim in enumerate(ordered)]
    chosen: dict[str, str] = {}

    def placed(index: int) -> bool:
        if index == len(ordered):
            return True
        claim = ordered[index]
        wanted = affinity(claim.gpu)
        tried: set[tuple[NodeClass, int]] = set()
        for name, each in nodes:
            if free[name] < claim.gpu.count or (each, free[name]) in tried or not fits(wanted, each.labels()):
                continue
            tried.add((each, free[name]))
            free[name] -= claim.gpu.count
            chosen[names[index]] = name
            if placed(index + 1):
                return True
            free[name] += claim.gpu.count
            del chosen[names[index]]
        return False

    if not placed(0):
        asked = ", ".join(f"{claim.name} ({claim.gpu.count})" for claim in ordered)
        there = ", ".join(f"{name} with {each.gpus}" for name, each in nodes) or "none"
        hint = "ask for fewer or smaller GPUs, fewer replicas, or let one model serve both roles"
        message = f"two claims would need the same GPU: claimed by {asked}; declared {there}"
        raise ConfigError("gpu_claimed_twice", message, hint)
    return chosen


def takes_part(pod: Mapping[str, Any]) -> list[str]:
    """Why a pod's GPUs might not be its own: empty where the device plugin alone decides, and nobody shares them."""
    found: list[str] = []
    spec = pod["spec"]
    for container in [*spec.get("initContainers", ()), *spec["containers"]]:
        limits = container.get("resources", {}).get("limits", {})
        if not str(limits.get(RESOURCE, "")).isdecimal():
            found.append(f"container {container['name']} claims no whole {RESOURCE}")
        names = {each["name"] for each in container.get("env", ())}
        if taken := names & {"NVIDIA_VISIBLE_DEVICES", "CUDA_VISIBLE_DEVICES"}:
            found.append(f"container {container['name']} chooses GPUs by {', '.join(sorted(taken))}")
        if container.get("securityContext", {}).get("privileged"):
            found.append(f"container {container['name']} is privileged: it sees every GPU of its node")
    for volume in spec.get("volumes", ()):
        if "hostPath" in volume:
            found.append(f"volume {volume['name']} is a path of the node: devices may be among it")
    terms = (
        spec.get("affinity", {})
        .get("nodeAffinity", {})
        .get("requiredDuringSchedulingIgnoredDuringExecution", {})
        .get("nodeSelectorTerms", [{"matchExpressions": []}])
    )
    keys = [{each["key"] for each in term.get("matchExpressions", ())} for term in terms]
    if not all(f"{RESOURCE}.replicas" in each and f"{RESOURCE}.slices.gi" in each for each in keys):
        found.append("its affinity lets it onto nodes whose GPUs are shared")
    return found
