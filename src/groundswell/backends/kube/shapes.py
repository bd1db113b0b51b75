"""What is kept of a Kubernetes object: what tells how it is and what it needs. The values of Secrets are not."""

import json
from collections.abc import Callable, Iterable
from typing import Any

Object = dict[str, Any]
_DEFAULT_TOLERATIONS = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")
_NO_NEED = frozenset(
    """managedFields resourceVersion selfLink uid generateName terminationMessagePath terminationMessagePolicy
    imageID containerID podIPs hostIPs clusterIPs ipFamilies ipFamilyPolicy internalTrafficPolicy sessionAffinity
    schedulerName enableServiceLinks lastProbeTime lastHeartbeatTime lastUpdateTime revisionHistoryLimit qosClass
    preemptionPolicy images volumesInUse volumesAttached nodeInfo daemonEndpoints podCIDR podCIDRs allocatable
    caBundle""".split()  # noqa: SIM905
)
_ANNOTATIONS = (
    "deployment.kubernetes.io/revision",
    "kubernetes.io/change-cause",
    "kubectl.kubernetes.io/restartedAt",
    "storageclass.kubernetes.io/is-default-class",
    "control-plane.alpha.kubernetes.io/leader",
    "kubernetes.io/ingress.class",
)
_LONGEST = 600  # characters of one value


def shaped(item: Object, kind: str) -> Object:
    """What is kept of an object of a kind. Anything may be missing in it, or be of another type than it should."""
    metadata = mapping(item.get("metadata"))
    head: Object = {"kind": kind}
    if namespace := text(metadata.get("namespace")):
        head["namespace"] = namespace
    head["name"] = text(metadata.get("name"))
    head["created"] = text(metadata.get("creationTimestamp"))
    owners = [
        f"{text(each.get('kind'))}/{text(each.get('name'))}" for each in mappings(metadata.get("ownerReferences"))
    ]
    annotations = mapping(metadata.get("annotations"))
    if kind == "Pod":
        head["uid"] = text(metadata.get("uid"))  # events name who preempted whom by it
    head |= present(
        deleting=metadata.get("deletionTimestamp"),
        finalizers=metadata.get("finalizers"),
        owner=owners[0] if owners else None,
        labels=metadata.get("labels"),
        annotations={name: annotations[name] for name in _ANNOTATIONS if name in annotations},
        generation=metadata.get("generation") if "observedGeneration" in mapping(item.get("status")) else None,
    )
    return head | _SHAPES.get(kind, _conditioned)(item)


def mapping(value: Any) -> Object:
    """A mapping, whatever stands there."""
    return value if isinstance(value, dict) else {}


def mappings(value: Any) -> list[Object]:
    """A list of mappings, whatever stands there."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def text(value: Any) -> str:
    """A text, whatever stands there."""
    return value if isinstance(value, str) else "" if value is None else str(value)


def whole(value: Any) -> int:
    """A whole number, whatever stands there."""
    return value if isinstance(value, int) else 0


def present(**values: Any) -> Object:
    """The values that say something."""
    return {key: value for key, value in values.items() if value not in (None, "", [], {})}


def _plain(item: Object) -> Object:
    """An object without what the machinery notes about itself."""
    left = {key: value for key, value in item.items() if key not in ("metadata", "kind", "apiVersion")}
    return _bare(left, 0)


def _bare(value: Any, depth: int) -> Any:
    if isinstance(value, dict):
        kept = {str(key): _bare(each, depth + 1) for key, each in value.items() if key not in _NO_NEED}
        return {key: each for key, each in kept.items() if each not in (None, "", [], {})} if depth < 12 else {}
    if isinstance(value, list):
        items = [_bare(each, depth + 1) for each in value[:100]]
        return items if all(isinstance(each, dict) for each in items) else [_line(each) for each in items]
    return value[:_LONGEST] if isinstance(value, str) else value


def _line(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, dict | list) else value


def _pod(item: Object) -> Object:
    spec, status = mapping(item.get("spec")), mapping(item.get("status"))
    return pod_spec(spec, status) | present(
        phase=status.get("phase"),
        reason=status.get("reason"),
        message=status.get("message"),
        podIP=status.get("podIP"),
        nominatedNodeName=status.get("nominatedNodeName"),
        conditions=_conditions(status),
    )


def pod_spec(spec: Object, status: Object | None = None) -> Object:
    """What a pod, or a template of pods, needs; with how its containers are."""
    status = status or {}
    kept = present(
        node=spec.get("nodeName"),
        serviceAccount=spec.get("serviceAccountName"),
        priorityClass=spec.get("priorityClassName"),
        priority=spec.get("priority"),
        restartPolicy=spec.get("restartPolicy") if spec.get("restartPolicy") != "Always" else None,
        activeDeadlineSeconds=spec.get("activeDeadlineSeconds"),
        hostNetwork=spec.get("hostNetwork"),
        dnsPolicy=spec.get("dnsPolicy") if spec.get("dnsPolicy") != "ClusterFirst" else None,
        dnsConfig=_bare(spec.get("dnsConfig"), 0),
        nodeSelector=spec.get("nodeSelector"),
        affinity=_bare(spec.get("affinity"), 0),
        topologySpread=_bare(spec.get("topologySpreadConstraints"), 0),
        schedulingGates=[text(each.get("name")) for each in mappings(spec.get("schedulingGates"))],
        imagePullSecrets=[text(each.get("name")) for each in mappings(spec.get("imagePullSecrets"))],
        tolerations=[each for each in mappings(spec.get("tolerations")) if each.get("key") not in _DEFAULT_TOLERATIONS],
        securityContext=_bare(spec.get("securityContext"), 0),
        volumes=[_volume(each) for each in mappings(spec.get("volumes")) if not _is_token(each)],
    )
    for key, states in (
        ("initContainers", "initContainerStatuses"),
        ("containers", "containerStatuses"),
        ("ephemeralContainers", "ephemeralContainerStatuses"),
    ):
        by_name = {text(each.get("name")): each for each in mappings(status.get(states))}
        containers = [_container(each, by_name.pop(text(each.get("name")), {})) for each in mappings(spec.get(key))]
        containers += [_container({"name": name}, state) for name, state in by_name.items()]
        if containers:
            kept[key] = containers
    return kept


def _is_token(volume: Object) -> bool:
    return text(volume.get("name")).startswith("kube-api-access-")


def _volume(volume: Object) -> Object:
    kept: Object = {"name": text(volume.get("name"))}
    for kind, value in volume.items():
        value = mapping(value)
        if kind == "name":
            continue
        if kind == "persistentVolumeClaim":
            kept["claimName"] = value.get("claimName")
        elif kind == "configMap":
            kept |= present(configMap=value.get("name"), optional=value.get("optional"), items=_items(value))
        elif kind == "secret":
            kept |= present(secretName=value.get("secretName"), optional=value.get("optional"), items=_items(value))
        else:
            kept[kind] = _bare(value, 0) or {}
    return kept


def _items(volume: Object) -> list[str]:
    return [text(each.get("key")) for each in mappings(volume.get("items"))]


def _container(container: Object, status: Object) -> Object:
    resources = mapping(container.get("resources"))
    kept = present(
        name=container.get("name"),
        image=container.get("image") or status.get("image"),
        pullPolicy=container.get("imagePullPolicy") if container.get("imagePullPolicy") == "Never" else None,
        command=_bare(container.get("command"), 0),
        args=_bare(container.get("args"), 0),
        ports=[
            present(
                name=p.get("name"),
                port=p.get("containerPort"),
                protocol=p.get("protocol") if p.get("protocol") != "TCP" else None,
                hostPort=p.get("hostPort"),
            )
            for p in mappings(container.get("ports"))
        ],
        env=_environment(container),
        envFrom=_environment_from(container),
        requests=resources.get("requests"),
        limits=resources.get("limits"),
        restartPolicy=container.get("restartPolicy"),
        securityContext=_bare(container.get("securityContext"), 0),
        readinessProbe=_bare(container.get("readinessProbe"), 0),
        livenessProbe=_bare(container.get("livenessProbe"), 0),
        startupProbe=_bare(container.get("startupProbe"), 0),
        lifecycle=_bare(container.get("lifecycle"), 0),
        mounts=[
            present(
                name=each.get("name"),
                mountPath=each.get("mountPath"),
                subPath=each.get("subPath"),
                readOnly=each.get("readOnly"),
            )
            for each in mappings(container.get("volumeMounts"))
            if not text(each.get("name")).startswith("kube-api-access-")
        ],
    )
    if status:
        state = mapping(status.get("state"))
        kept |= {"ready": bool(status.get("ready")), "restarts": status.get("restartCount", 0)}
        if "started" in status:
            kept["started"] = bool(status.get("started"))
        kept |= _state(state)
        if last := _state(mapping(status.get("lastState"))):
            kept["last"] = last
    return kept


def _state(state: Object) -> Object:
    for name in ("waiting", "running", "terminated"):
        if name in state:
            at = mapping(state[name])
            said = text(at.get("message"))
            return {"state": name} | present(
                reason=at.get("reason"),
                exitCode=at.get("exitCode"),
                signal=at.get("signal"),
                # the end of a log, where that is all there is: why a process ended stands last
                message=said[-_LONGEST:] if name == "terminated" else said[:_LONGEST],
                startedAt=at.get("startedAt"),
                finishedAt=at.get("finishedAt"),
            )
    return {}


def _environment(container: Object) -> Object:
    """Variables by name; what comes from elsewhere as `from …`, so that no value looks like a reference."""
    kept: Object = {}
    for each in mappings(container.get("env")):
        source = mapping(each.get("valueFrom"))
        value: Any = text(each.get("value"))[:_LONGEST]
        for kind, reference in source.items():
            reference = mapping(reference)
            if kind in ("secretKeyRef", "configMapKeyRef"):
                value = f"from {kind[:-6]} {text(reference.get('name'))} key {text(reference.get('key'))}"
                value += " (optional)" if reference.get("optional") else ""
            else:
                value = f"from {kind} {text(reference.get('fieldPath') or reference.get('resource'))}"
        kept[text(each.get("name"))] = value
    return kept


def _environment_from(container: Object) -> list[str]:
    kept: list[str] = []
    for each in mappings(container.get("envFrom")):
        for kind in ("secretRef", "configMapRef"):
            if kind in each:
                optional = " (optional)" if mapping(each[kind]).get("optional") else ""
                kept.append(f"{kind[:-3]} {text(mapping(each[kind]).get('name'))}{optional}")
    return kept


def _conditions(status: Object) -> list[Object]:
    kept: list[Object] = []
    for each in mappings(status.get("conditions")):
        kept.append(
            present(
                type=each.get("type"),
                status=text(each.get("status")),
                reason=each.get("reason"),
                message=text(each.get("message"))[:_LONGEST],
                since=each.get("lastTransitionTime"),
            )
        )
    return kept


def _workload(item: Object) -> Object:
    kept = _plain(item)
    spec = mapping(item.get("spec"))
    template = mapping(spec.get("template"))
    kept_spec = {key: value for key, value in mapping(kept.get("spec")).items() if key != "template"}
    status = dict(mapping(kept.get("status")))
    if conditions := _conditions(mapping(item.get("status"))):
        status["conditions"] = conditions
    kept["spec"] = kept_spec | present(
        podLabels=mapping(template.get("metadata")).get("labels"), pod=pod_spec(mapping(template.get("spec")))
    )
    kept["status"] = status
    return kept


def _replica_set(item: Object) -> Object:
    spec, status = mapping(item.get("spec")), mapping(item.get("status"))
    template = mapping(mapping(spec.get("template")).get("spec"))
    images = [text(each.get("image")) for each in mappings(template.get("containers"))]
    return {
        "spec": present(replicas=spec.get("replicas"), images=images),
        "status": present(
            replicas=status.get("replicas"),
            readyReplicas=status.get("readyReplicas"),
            availableReplicas=status.get("availableReplicas"),
            conditions=_conditions(status),
        ),
    }


def _cron_job(item: Object) -> Object:
    kept = _plain(item)
    spec = mapping(mapping(mapping(item.get("spec")).get("jobTemplate")).get("spec"))
    template = pod_spec(mapping(mapping(spec.get("template")).get("spec")))
    left = {key: value for key, value in mapping(kept.get("spec")).items() if key != "jobTemplate"}
    kept["spec"] = left | present(backoffLimit=spec.get("backoffLimit"), pod=template)
    return kept


def _secret(item: Object) -> Object:
    """Its type and the names of its keys: its values are never read further."""
    keys = sorted({*mapping(item.get("data")), *mapping(item.get("stringData"))})
    return present(type=item.get("type"), keys=keys)


def _config_map(item: Object) -> Object:
    data = mapping(item.get("data"))
    kept = {key: text(value)[:_LONGEST] for key, value in list(data.items())[:60]}
    return present(data=kept, binaryKeys=sorted(mapping(item.get("binaryData"))))


def _endpoint_slice(item: Object) -> Object:
    ends = [
        present(
            address=", ".join(map(text, each.get("addresses") or [])),
            ready=mapping(each.get("conditions")).get("ready"),
            serving=mapping(each.get("conditions")).get("serving"),
            terminating=mapping(each.get("conditions")).get("terminating") or None,
            target="/".join(text(mapping(each.get("targetRef")).get(key)) for key in ("kind", "name")).strip("/"),
        )
        for each in mappings(item.get("endpoints"))
    ]
    ports = [present(name=p.get("name"), port=p.get("port")) for p in mappings(item.get("ports"))]
    return {"endpoints": ends[:50], **present(ports=ports)}


def _endpoints(item: Object) -> Object:
    ends: list[Object] = []
    ports: list[Object] = []
    for subset in mappings(item.get("subsets")):
        ports += [present(name=p.get("name"), port=p.get("port")) for p in mappings(subset.get("ports"))]
        for key, ready in (("addresses", True), ("notReadyAddresses", False)):
            for each in mappings(subset.get(key)):
                target = mapping(each.get("targetRef"))
                ends.append(
                    present(
                        address=text(each.get("ip")),
                        target=f"{text(target.get('kind'))}/{text(target.get('name'))}" if target else None,
                    )
                    | {"ready": ready}
                )
    return {"endpoints": ends[:50], **present(ports=ports)}


def _node(item: Object) -> Object:
    spec, status = mapping(item.get("spec")), mapping(item.get("status"))
    info = mapping(status.get("nodeInfo"))
    return present(
        unschedulable=spec.get("unschedulable"),
        taints=_bare(spec.get("taints"), 0),
        allocatable=_bare(status.get("allocatable"), 0),
        architecture=info.get("architecture"),
        kubelet=info.get("kubeletVersion"),
        conditions=_conditions(status),
        attached=[text(each.get("name")) for each in mappings(status.get("volumesAttached"))],
    )


def _conditioned(item: Object) -> Object:
    """An object of which the status says most; its conditions in the shape of all conditions."""
    kept = _plain(item)
    if conditions := _conditions(mapping(item.get("status"))):
        kept["status"] = mapping(kept.get("status")) | {"conditions": conditions}
    return kept


_SHAPES: dict[str, Callable[[Object], Object]] = {
    "Pod": _pod,
    "Node": _node,
    "Secret": _secret,
    "ConfigMap": _config_map,
    "Deployment": _workload,
    "StatefulSet": _workload,
    "DaemonSet": _workload,
    "Job": _workload,
    "ReplicationController": _workload,
    "ReplicaSet": _replica_set,
    "CronJob": _cron_job,
    "EndpointSlice": _endpoint_slice,
    "Endpoints": _endpoints,
}


def healthy_pod(pod: Object) -> bool:
    """Whether a shaped pod is as it should be, and was all along."""
    if pod.get("phase") == "Succeeded":
        return "deleting" not in pod
    containers = mappings(pod.get("containers")) + mappings(pod.get("initContainers"))
    if pod.get("phase") != "Running" or "deleting" in pod or not mappings(pod.get("containers")):
        return False
    is_ready = all(each.get("ready") for each in mappings(pod.get("containers")))
    return is_ready and not any(each.get("restarts") for each in containers)


def slim(pod: Object) -> Object:
    """A healthy pod: what others may need to know of it."""
    keys = """kind namespace name created uid deleting finalizers owner labels node phase reason message priorityClass
        priority podIP volumes""".split()  # noqa: SIM905
    kept = {key: pod[key] for key in keys if key in pod}
    wanted = ("name", "image", "ports", "requests", "limits", "ready", "restarts")
    kept["containers"] = [{key: each[key] for key in wanted if key in each} for each in mappings(pod.get("containers"))]
    return kept


def times(items: Iterable[Object]) -> str:
    """The newest time that objects, as the API gave them, say something happened at; "" where none does."""
    newest = ""
    for item in items:
        metadata, status = mapping(item.get("metadata")), mapping(item.get("status"))
        found = [metadata.get("creationTimestamp"), item.get("lastTimestamp"), item.get("eventTime")]
        found.append(mapping(item.get("series")).get("lastObservedTime"))
        for condition in mappings(status.get("conditions")):
            found += [condition.get("lastTransitionTime"), condition.get("lastHeartbeatTime")]
        for state in mappings(status.get("containerStatuses")):
            for each in (*mapping(state.get("state")).values(), *mapping(state.get("lastState")).values()):
                found += [mapping(each).get("startedAt"), mapping(each).get("finishedAt")]
        newest = max([newest, *(each for each in found if isinstance(each, str))])
    return newest
