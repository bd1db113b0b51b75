"""A small cluster as a dump of it, all well; tests break one thing in it at a time."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from groundswell.waves.acting import NAMESPACES

Kinds = dict[str, list[dict[str, Any]]]
DNS = [{"ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}], "to": [{"namespaceSelector": {}}]}]
OURS = {"app.kubernetes.io/part-of": "groundswell"}
GPU_LABELS = {
    "nvidia.com/gpu.present": "true",
    "nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3",
    "nvidia.com/gpu.memory": "81559",
    "nvidia.com/gpu.count": "2",
    "nvidia.com/gpu.family": "hopper",
}


def of(name: str, namespace: str = "", /, **rest: Any) -> dict[str, Any]:
    labels = rest.pop("labels", {})
    metadata = {"name": name, "labels": labels, "creationTimestamp": "2026-03-01T00:00:00Z"}
    metadata |= {"annotations": rest.pop("annotations", {})}
    return {"metadata": metadata | ({"namespace": namespace} if namespace else {}), **rest}


def policy(name: str, namespace: str, **spec: Any) -> dict[str, Any]:
    return of(name, namespace, spec={"podSelector": {}, **spec})


def pod(name: str, namespace: str, node: str, gpus: int = 0) -> dict[str, Any]:
    limits = {"memory": "1Gi"} | ({"nvidia.com/gpu": str(gpus)} if gpus else {})
    product = {"key": "nvidia.com/gpu.product", "operator": "In", "values": ["NVIDIA-H100-80GB-HBM3"]}
    memory = {"key": "nvidia.com/gpu.memory", "operator": "Gt", "values": ["80000"]}
    terms = {"nodeSelectorTerms": [{"matchExpressions": [product, memory]}]}
    affinity = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}} if gpus else {}
    spec = {"nodeName": node, "affinity": affinity, "containers": [{"name": "main", "resources": {"limits": limits}}]}
    return of(name, namespace, spec=spec, status={"phase": "Running"})


def well() -> Kinds:
    return {
        "namespaces": [of(name, labels={"pod-security.kubernetes.io/enforce": "restricted"}) for name in NAMESPACES],
        "nodes": [of("n-1", labels=dict(GPU_LABELS)), of("n-2")],
        "storageclasses": [of("fast", annotations={"storageclass.kubernetes.io/is-default-class": "true"})],
        "persistentvolumeclaims": [of("data", "ai-vector", status={"phase": "Bound"})],
        "networkpolicies": [
            each
            for name in NAMESPACES
            for each in (
                policy("deny-all", name, policyTypes=["Ingress", "Egress"]),
                policy("dns", name, policyTypes=["Egress"], egress=copy.deepcopy(DNS)),
            )
        ],
        "deployments": [
            of("gateway", "ai-router", spec={"replicas": 1, "template": {"spec": {"containers": [{"name": "main"}]}}})
        ],
        "statefulsets": [],
        "daemonsets": [],
        "cronjobs": [],
        "jobs": [],
        "services": [of("gateway", "ai-router", spec={"type": "ClusterIP"})],
        "ingresses": [],
        "pods": [pod("planner", "ai-inference", "n-1", 1), pod("code", "ai-inference", "n-1", 1)],
        "appprojects": [
            of(
                "groundswell",
                "argocd",
                labels=dict(OURS),
                spec={
                    "sourceRepos": ["https://git.example/app.git"],
                    "destinations": [{"server": "https://kubernetes.default.svc", "namespace": "ai-router"}],
                    "clusterResourceWhitelist": [{"group": "", "kind": "Namespace"}],
                    "namespaceResourceWhitelist": [{"group": "apps", "kind": "Deployment"}],
                },
            )
        ],
        "clusterroles": [
            of(
                "ai-tools:tools",
                labels=dict(OURS),
                rules=[{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}],
            )
        ],
        "roles": [],
        "clusterrolebindings": [of("ai-tools:tools", labels=dict(OURS), roleRef={"name": "ai-tools:tools"})],
        "rolebindings": [],
        "applications": [
            of(
                "groundswell-00-foundation",
                "argocd",
                labels={"groundswell/wave": "0", **OURS},
                spec={"project": "groundswell"},
                status={"sync": {"status": "Synced"}, "health": {"status": "Healthy"}},
            )
        ],
    }


def dump(folder: Path, breaks: Callable[[Kinds], None] = lambda kinds: None) -> Path:
    kinds = well()
    breaks(kinds)
    folder.mkdir(parents=True)
    for kind, items in kinds.items():
        (folder / f"{kind}.json").write_text(json.dumps({"kind": "List", "items": items}))
    return folder
