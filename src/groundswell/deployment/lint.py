"""What must hold of every rendered object, whoever wrote it: each rule gives a sentence for what breaks it."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from groundswell.deployment.objects import Object

WORKLOADS = frozenset({"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job", "CronJob", "Pod"})
LONG_LIVED = frozenset({"Deployment", "StatefulSet", "DaemonSet"})
HOST = "kubernetes.io/hostname"
Rule = Callable[[Object], Iterator[str]]


def findings(objects: Iterable[Object]) -> list[str]:
    """Everything that breaks a rule, as `Kind namespace/name: sentence`."""
    all_of_them = list(objects)
    found = [f"{_name(each)}: {text}" for each in all_of_them for rule in RULES for text in rule(each)]
    return found + list(_twice(all_of_them)) + list(_unselected(all_of_them))


def template(each: Object) -> Object | None:
    """The pod of a workload: its metadata and spec."""
    if each["kind"] == "Pod":
        return each
    spec: Object = each.get("spec", {})
    if each["kind"] == "CronJob":
        spec = spec.get("jobTemplate", {}).get("spec", {})
    return spec.get("template") if each["kind"] in WORKLOADS else None


def _name(each: Object) -> str:
    metadata = each["metadata"]
    return f"{each['kind']} {metadata.get('namespace', '')}/{metadata['name']}"


def _containers(each: Object) -> Iterator[Object]:
    pod = template(each)
    if pod:
        yield from (*pod["spec"].get("initContainers", ()), *pod["spec"]["containers"])


def _spec(each: Object) -> Mapping[str, Any]:
    pod = template(each)
    return pod["spec"] if pod else {}


def no_node_names(each: Object) -> Iterator[str]:
    """A node is chosen by what it is."""
    spec = _spec(each)
    if spec.get("nodeName"):
        yield f"nodeName is {spec['nodeName']!r}: leave the choice to the scheduler"
    if HOST in (spec.get("nodeSelector") or {}):
        yield f"nodeSelector names the node {spec['nodeSelector'][HOST]!r}"
    affinity = spec.get("affinity", {}).get("nodeAffinity", {})
    terms = affinity.get("requiredDuringSchedulingIgnoredDuringExecution", {}).get("nodeSelectorTerms", [])
    terms = terms + [one["preference"] for one in affinity.get("preferredDuringSchedulingIgnoredDuringExecution", [])]
    for term in terms:
        named = [one["key"] for one in term.get("matchExpressions", ()) if one["key"] == HOST]
        if named or term.get("matchFields"):
            yield "node affinity names a node"
    if each["kind"] == "PersistentVolume":
        yield "a PersistentVolume is written by hand: claim one, its class makes it"


def bounded(each: Object) -> Iterator[str]:
    """Every container says what it asks for and what it may have."""
    for one in _containers(each):
        resources = one.get("resources", {})
        for part, name in (("requests", "cpu"), ("requests", "memory"), ("limits", "memory")):
            if name not in resources.get(part, {}):
                yield f"container {one['name']} has no {part}.{name}"


def restricted(each: Object) -> Iterator[str]:
    """The restricted profile of pod security, a root that is not written, and no variables of Services."""
    pod = template(each)
    if not pod:
        return
    spec = pod["spec"]
    security = spec.get("securityContext", {})
    if security.get("runAsNonRoot") is not True or not security.get("runAsUser"):
        yield "it may run as root"
    if security.get("seccompProfile", {}).get("type") not in ("RuntimeDefault", "Localhost"):
        yield "it has no seccomp profile"
    if spec.get("enableServiceLinks") is not False:
        yield "Services' variables are given to it: enableServiceLinks must be false"
    if spec.get("automountServiceAccountToken") is None:
        yield "it does not say whether it gets a token"
    if spec.get("serviceAccountName", "default") == "default":
        yield "it runs under the default ServiceAccount"
    for name in ("hostNetwork", "hostPID", "hostIPC"):
        if spec.get(name):
            yield f"it shares its node's: {name}"
    for volume in spec.get("volumes", ()):
        if "hostPath" in volume:
            yield f"volume {volume['name']} is a path of its node"
    for one in _containers(each):
        own = one.get("securityContext", {})
        if own.get("privileged") or own.get("allowPrivilegeEscalation") is not False:
            yield f"container {one['name']} may gain privileges"
        if own.get("readOnlyRootFilesystem") is not True:
            yield f"container {one['name']} writes its root"
        if own.get("capabilities", {}).get("drop") != ["ALL"]:
            yield f"container {one['name']} keeps capabilities"


def probed(each: Object) -> Iterator[str]:
    """What lives long says when it is ready, and when it is not alive."""
    if each["kind"] not in LONG_LIVED:
        return
    for one in _spec(each).get("containers", ()):
        for name in ("startupProbe", "readinessProbe", "livenessProbe"):
            if name not in one:
                yield f"container {one['name']} has no {name}"


def pinned(each: Object) -> Iterator[str]:
    """An image is named by a version or a digest."""
    for one in _containers(each):
        image = str(one.get("image", ""))
        tag = image.rpartition("/")[2].partition("@")[0].partition(":")[2]
        if "@sha256:" not in image and tag in ("", "latest"):
            yield f"container {one['name']} has the image {image!r}, of no version"


def inside_only(each: Object) -> Iterator[str]:
    """Nothing is offered outside the cluster."""
    if each["kind"] == "Ingress":
        yield "an Ingress offers it outside"
    kind = each.get("spec", {}).get("type", "ClusterIP") if each["kind"] == "Service" else "ClusterIP"
    if kind != "ClusterIP":
        yield f"a Service of type {kind} offers it outside"


def least_rights(each: Object) -> Iterator[str]:
    """No star, no Secret to read, no role of the cluster's administrators."""
    for rule in each.get("rules", ()) if each["kind"] in ("Role", "ClusterRole") else ():
        for part in ("apiGroups", "resources", "verbs", "nonResourceURLs"):
            if "*" in rule.get(part, ()):
                yield f"a rule of it has * for {part}"
        if "secrets" in rule.get("resources", ()) and set(rule["verbs"]) - {"create"}:
            yield "a rule of it reads or changes Secrets"
        if set(rule["verbs"]) & {"escalate", "bind", "impersonate"}:
            yield "a rule of it gives more rights than it has"
    role = each.get("roleRef", {}).get("name")
    if role in ("cluster-admin", "admin", "edit"):
        yield f"it binds {role}"
    if each["kind"] == "AppProject":
        yield from _stars(each["spec"])


def _stars(spec: Object) -> Iterator[str]:
    for part in ("sourceRepos", "destinations", "clusterResourceWhitelist", "namespaceResourceWhitelist"):
        for one in spec.get(part, ()):
            if one == "*" or (isinstance(one, Mapping) and "*" in one.values()):
                yield f"{part} has a *"


def _twice(objects: list[Object]) -> Iterator[str]:
    seen: set[tuple[str, str]] = set()
    for each in objects:
        key = (each["apiVersion"], _name(each))
        if key in seen:
            yield f"{_name(each)}: it is there twice"
        seen.add(key)


def _unselected(objects: list[Object]) -> Iterator[str]:
    """A Service or a budget that selects no pod is a name that was changed in one place only."""
    pods = [
        (each["metadata"].get("namespace"), pod["metadata"].get("labels", {}))
        for each in objects
        if (pod := template(each))
    ]
    operated = {
        each["metadata"].get("namespace") for each in objects if each["kind"] == "Cluster"
    }  # pods by an operator
    for each in objects:
        wanted = each.get("spec", {}).get("selector") if each["kind"] in ("Service", "PodDisruptionBudget") else None
        wanted = wanted.get("matchLabels", wanted) if wanted else None
        namespace = each["metadata"].get("namespace")
        if wanted and namespace not in operated:
            fits = any(space == namespace and wanted.items() <= labels.items() for space, labels in pods)
            if not fits:
                yield f"{_name(each)}: it selects no pod"


RULES: tuple[Rule, ...] = (no_node_names, bounded, restricted, probed, pinned, inside_only, least_rights)
