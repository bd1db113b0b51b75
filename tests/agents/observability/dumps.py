"""Small dumps for tests, as kubectl writes them: what a test does not say is as in a healthy cluster."""

import json
from pathlib import Path
from typing import Any

Object = dict[str, Any]
NOW = "2026-03-01T12:00:00Z"
BEFORE = "2026-03-01T11:00:00Z"


def pod(name: str, app: str = "shop", namespace: str = "demo", **fields: Any) -> Object:
    """A pod of a Deployment; `state`, `last`, `restarts`, `ready`, `container`, `spec` and `status` change it."""
    is_ready = fields.get("ready", True)
    status: Object = {
        "name": "app",
        "ready": is_ready,
        "restartCount": fields.get("restarts", 0),
        "state": fields.get("state", {"running": {"startedAt": BEFORE}}),
    }
    if "last" in fields:
        status["lastState"] = {"terminated": {"finishedAt": NOW, **fields["last"]}}
    container = {
        "name": "app",
        "image": "registry.example.com/shop:1.0",
        "ports": [{"name": "http", "containerPort": 8080}],
    }
    return {
        "metadata": {
            "name": name,
            "namespace": namespace,
            "creationTimestamp": BEFORE,
            "labels": {"app": app},
            "ownerReferences": [{"kind": "ReplicaSet", "name": f"{app}-5d4f"}],
            **fields.get("metadata", {}),
        },
        "spec": {
            "nodeName": "node-a",
            "containers": [container | fields.get("container", {})],
            **fields.get("spec", {}),
        },
        "status": {"phase": "Running", "podIP": "10.0.0.9", "containerStatuses": [status], **fields.get("status", {})},
    }


def deployment(name: str = "shop", namespace: str = "demo", replicas: int = 1, ready: int = 1, **spec: Any) -> Object:
    """A Deployment."""
    return {
        "metadata": {"name": name, "namespace": namespace, "creationTimestamp": BEFORE},
        "spec": {"replicas": replicas, "template": {"metadata": {"labels": {"app": name}}, "spec": {}}, **spec},
        "status": {"replicas": replicas, "readyReplicas": ready},
    }


def replica_set(app: str = "shop", namespace: str = "demo", replicas: int = 1) -> Object:
    """Its ReplicaSet."""
    return {
        "metadata": {
            "name": f"{app}-5d4f",
            "namespace": namespace,
            "creationTimestamp": BEFORE,
            "ownerReferences": [{"kind": "Deployment", "name": app}],
        },
        "spec": {"replicas": replicas},
        "status": {"replicas": replicas},
    }


def service(name: str, selector: dict[str, str], port: int = 8080, namespace: str = "demo", **spec: Any) -> Object:
    """A Service."""
    ports = [{"port": port, "targetPort": spec.pop("target", port)}]
    return {"metadata": {"name": name, "namespace": namespace}, "spec": {"selector": selector, "ports": ports, **spec}}


def event(kind: str, name: str, reason: str, message: str, **fields: Any) -> Object:
    """A warning."""
    about = {"kind": kind, "name": name, "namespace": fields.pop("namespace", "demo")}
    if "container" in fields:
        about["fieldPath"] = f"spec.containers{{{fields.pop('container')}}}"
    times = {"firstTimestamp": BEFORE, "lastTimestamp": NOW, "count": 5}
    return {"involvedObject": about, "type": "Warning", "reason": reason, "message": message, **times, **fields}


def node(name: str = "node-a", ready: str = "True", **fields: Any) -> Object:
    """A node."""
    condition = {
        "type": "Ready",
        "status": ready,
        "reason": "KubeletReady",
        "message": "kubelet is posting ready status",
    }
    conditions = fields.pop("conditions", [condition])
    return {
        "metadata": {"name": name, "creationTimestamp": BEFORE},
        "spec": fields.pop("spec", {}),
        "status": {"conditions": conditions},
    }


def log(lines: str, container: str = "app", name: str = "shop-5d4f-x", namespace: str = "demo") -> str:
    """A `logs.txt`, with kubectl's markers."""
    marker = f"logs for container {container} of pod {namespace}/{name} ===="
    return f"==== START {marker}\n{lines}\n==== END {marker}\n"


def write(folder: Path, logs: dict[str, str] | None = None, namespace: str = "demo", **lists: list[Object]) -> Path:
    """Write a dump of one namespace; lists that every dump has are there, if only empty. Files of `logs` by path."""
    plain = {
        "pods": [],
        "events": [],
        "services": [],
        "deployments": [],
        "replicasets": [replica_set()],
    }
    nodes = lists.pop("nodes", [node()])
    _list(folder / "nodes.json", "NodeList", nodes)
    for plural, items in (plain | lists).items():
        _list(folder / namespace / f"{plural}.json", _KINDS.get(plural, "List"), items)
    for path, text in (logs or {}).items():
        file = folder / namespace / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return folder


_KINDS = {
    "pods": "PodList",
    "events": "EventList",
    "services": "ServiceList",
    "deployments": "DeploymentList",
    "replicasets": "ReplicaSetList",
    "jobs": "JobList",
    "cronjobs": "CronJobList",
    "networkpolicies": "NetworkPolicyList",
    "persistentvolumeclaims": "PersistentVolumeClaimList",
    "ingresses": "IngressList",
    "horizontalpodautoscalers": "HorizontalPodAutoscalerList",
    "configmaps": "ConfigMapList",
    "secrets": "SecretList",
}


def _list(file: Path, kind: str, items: list[Object]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({"kind": kind, "apiVersion": "v1", "metadata": {}, "items": items}, indent=4))
