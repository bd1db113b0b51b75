"""Kubernetes objects as plain data, with what every object and every container of ours has in common."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

Object = dict[str, Any]
USER = 10001
PART_OF = {"app.kubernetes.io/part-of": "groundswell"}
RENDERED = "# Rendered by `groundswell render`: change what it is rendered from, not this file.\n"


def labels(name: str, component: str = "") -> dict[str, str]:
    """What the pods of one workload are labelled with: what selects them, and what they are a part of."""
    return selector(name) | ({"app.kubernetes.io/component": component} if component else {})


def selector(name: str) -> dict[str, str]:
    """What selects the pods of one workload."""
    return {"app.kubernetes.io/name": name, **PART_OF}


def made(kind: str, version: str, name: str, namespace: str = "", **rest: Any) -> Object:
    """An object; `metadata` holds labels and annotations, `rest` what else it has."""
    metadata: Object = {"name": name} | ({"namespace": namespace} if namespace else {})
    metadata |= rest.pop("metadata", {})
    metadata["labels"] = PART_OF | metadata.get("labels", {})
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **rest}


@dataclass(frozen=True)
class Container:
    """One container, as restricted as pod security knows it; memory limits are requests unless said otherwise."""

    name: str
    image: str
    args: Sequence[str]
    cpu: str
    memory: str
    memory_limit: str = ""
    command: Sequence[str] = ()
    env: Mapping[str, str | Object] = field(default_factory=dict[str, "str | Object"])  # a value, or a `valueFrom`
    ports: Mapping[str, int] = field(default_factory=dict[str, int])
    mounts: Mapping[str, str] = field(default_factory=dict[str, str])  # path → volume, or `volume:ro`
    probes: Mapping[str, Object] = field(default_factory=dict[str, Object])
    more: Mapping[str, Any] = field(default_factory=dict[str, Any])
    resources: Mapping[str, str] = field(default_factory=dict[str, str])  # such as `nvidia.com/gpu`

    def rendered(self) -> Object:
        """As Kubernetes reads it."""
        found: Object = {"name": self.name, "image": self.image, "imagePullPolicy": "IfNotPresent"}
        found["terminationMessagePolicy"] = "FallbackToLogsOnError"  # why it ended, in the pod's status
        if self.command:
            found["command"] = list(self.command)
        if self.args:
            found["args"] = list(self.args)
        if self.env:
            found["env"] = [
                {"name": name, **({"value": value} if isinstance(value, str) else {"valueFrom": value})}
                for name, value in self.env.items()
            ]
        if self.ports:
            found["ports"] = [{"name": name, "containerPort": port} for name, port in self.ports.items()]
        found["resources"] = {
            "requests": {"cpu": self.cpu, "memory": self.memory, **self.resources},
            "limits": {"memory": self.memory_limit or self.memory, **self.resources},
        }
        found["securityContext"] = {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        found |= dict(self.probes)
        if self.mounts:
            found["volumeMounts"] = [_mount(path, volume) for path, volume in self.mounts.items()]
        return found | dict(self.more)


def _mount(path: str, volume: str) -> Object:
    name, _, mode = volume.partition(":")
    return {"name": name, "mountPath": path} | ({"readOnly": True} if mode == "ro" else {})


def pod(
    name: str,
    containers: Sequence[Container],
    volumes: Iterable[Object] = (),
    *,
    account: str,
    token: bool = False,
    component: str = "",
    user: int = USER,
    **more: Any,
) -> Object:
    """A pod template under the restricted profile; it gets a token only where it talks to the API."""
    security = {
        "runAsNonRoot": True,
        "runAsUser": user,
        "runAsGroup": user,
        "fsGroup": user,
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    spec: Object = {
        "serviceAccountName": account,
        "automountServiceAccountToken": token,
        "enableServiceLinks": False,  # its variables would be read as settings
        "securityContext": security,
        **more,
        "containers": [container.rendered() for container in containers],
    }
    if found := list(volumes):
        spec["volumes"] = found
    return {"metadata": {"labels": labels(name, component)}, "spec": spec}


def empty(name: str, size: str, **more: Any) -> Object:
    """A volume that lives as long as its pod."""
    return {"name": name, "emptyDir": {"sizeLimit": size, **more}}


def from_secret(name: str, secret: str, **more: Any) -> Object:
    """A Secret as a volume, for the pod's group alone."""
    return {"name": name, "secret": {"secretName": secret, "defaultMode": 0o440, **more}}


def from_secrets(name: str, *sources: Object) -> Object:
    """Several Secrets in one folder."""
    return {"name": name, "projected": {"defaultMode": 0o440, "sources": [{"secret": each} for each in sources]}}


def http_probes(port: str, *, ready: str = "/ready") -> dict[str, Object]:
    """Start, then readiness and liveness, of what has `/health` and `/ready`."""

    def get(path: str, **rest: int) -> Object:
        return {"httpGet": {"path": path, "port": port}, "timeoutSeconds": 5, **rest}

    return {
        "startupProbe": get("/health", periodSeconds=2, failureThreshold=60),
        "readinessProbe": get(ready, periodSeconds=5, failureThreshold=3),
        "livenessProbe": get("/health", periodSeconds=10, failureThreshold=6),
    }


def space(name: str) -> Object:
    """A namespace whose pods are held to the restricted profile."""
    modes = ("enforce", "audit", "warn")
    restricted = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in modes}
    return made("Namespace", "v1", name, metadata={"labels": restricted})


def account(name: str, namespace: str) -> Object:
    """A ServiceAccount whose token no pod gets by itself."""
    return made("ServiceAccount", "v1", name, namespace, automountServiceAccountToken=False)


def service(name: str, namespace: str, ports: Mapping[str, int], *, headless: bool = False, of: str = "") -> Object:
    """A Service inside the cluster only."""
    spec: Object = {
        "type": "ClusterIP",
        "selector": selector(of or name),
        "ports": [{"name": port, "port": number, "targetPort": port} for port, number in ports.items()],
    }
    if headless:
        spec["clusterIP"] = "None"
    return made("Service", "v1", name, namespace, spec=spec)


def config(name: str, namespace: str, files: Mapping[str, str]) -> Object:
    """A ConfigMap of files."""
    return made("ConfigMap", "v1", name, namespace, data=dict(files))


class _Dumper(yaml.SafeDumper):
    """Texts of several lines as blocks; nothing by reference."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)


def as_yaml(objects: Iterable[Object], *, head: str = RENDERED) -> str:
    """Objects as one stream of documents."""
    documents = [yaml.dump(each, Dumper=_Dumper, sort_keys=False, width=120, allow_unicode=True) for each in objects]
    return head + "---\n".join(documents)


def from_yaml(text: str) -> list[Object]:
    """The documents of a stream; lists are opened."""
    found: list[Object] = []
    for document in yaml.safe_load_all(text):
        if isinstance(document, dict):
            found += document["items"] if str(document.get("kind", "")).endswith("List") else [document]
    return found
