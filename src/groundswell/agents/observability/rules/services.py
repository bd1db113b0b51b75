"""Services that lead nowhere: their selector fits no pod, the pods are not ready, or the port is another."""

from collections.abc import Iterator

from groundswell.agents.observability.dependencies import has_ready
from groundswell.agents.observability.findings import Finding, field_of, statement
from groundswell.agents.observability.world import Thing, World, finished, number, of, ready, rows


def find(world: World) -> Iterator[Finding]:
    """Services without ready endpoints, and Services whose port no container has."""
    for service in world.all("Service"):
        selector = of(service.spec, "selector")
        if not selector or service.spec.get("type") == "ExternalName":
            continue
        there = has_ready(world, service)
        if (
            there is False
            and (found := _empty(world, service)) is not None
            or there is not False
            and (found := _port(world, service)) is not None
        ):
            yield found


def _empty(world: World, service: Thing) -> Finding | None:
    namespace = service.ref.namespace
    selector = of(service.spec, "selector")
    pods = [pod for pod in world.selected(namespace, selector) if not finished(pod)]
    backing = world.workloads(namespace, selector)
    if pods:
        return _waits(world, service)
    if any(number(each.spec.get("replicas", 1)) == 0 for each in backing):
        return _asleep(world, service, backing[0])
    if backing:
        return _waits(world, service)
    return _mismatch(world, service)


def _asleep(world: World, service: Thing, workload: Thing) -> Finding:
    """Scaled to nothing, perhaps on purpose: a fault only where something rests on it."""
    return Finding(
        rule="services",
        cause="service.scaled-to-zero",
        about=workload.ref,
        headline=statement(
            [
                f"{workload.ref} is scaled to 0 replicas, so nothing stands behind {service.ref}.",
                f"{workload.ref} is scaled to 0 replicas.",
            ],
            field_of(workload, "replicas: 0"),
            field_of(service),
        ),
        depth=3,
        weight=0.3,
        is_broken=False,
        touches={service.ref},
        next=f"kubectl -n {service.ref.namespace} get deploy,ingress",
    )


def _waits(world: World, service: Thing) -> Finding:
    return Finding(
        rule="services",
        cause="service.unready",
        about=service.ref,
        headline=statement(
            [
                f"{service.ref} waits for its pods to become ready.",
                f"{service.ref} waits for the pods that it selects.",
            ],
            field_of(service, *(f"{key}: {value}" for key, value in of(service.spec, "selector").items())),
            *(
                field_of(pod, "ready: false")
                for pod in world.selected(service.ref.namespace, of(service.spec, "selector"))[:1]
            ),
        ),
        depth=0,
        weight=0.5,
        needs=world.backing(service),
        next=f"kubectl -n {service.ref.namespace} get endpointslices -l kubernetes.io/service-name={service.ref.name}",
    )


def _mismatch(world: World, service: Thing) -> Finding | None:
    """The selector fits none of the pods: which ones are meant, by their names or by most of their labels."""
    namespace, selector = service.ref.namespace, of(service.spec, "selector")
    if not world.knows("Pod", namespace):
        return None
    near = _meant(world, service)
    key, value = next(iter(selector.items()))
    cites = [field_of(service, f"{key}: {value}")]
    has: object = None
    if near is not None:
        labels = of(near.spec, "podLabels") or near.labels
        differs = next((each for each in selector.items() if str(labels.get(each[0])) != str(each[1])), (key, value))
        has = labels.get(differs[0])
        cites = [
            field_of(service, f"{differs[0]}: {differs[1]}"),
            field_of(near, f"{differs[0]}: {has}" if has else ""),
        ]
        key, value = differs
    words = [f"{service.ref} leads nowhere, because its selector `{key}: {value}` matches none of the pods."]
    if near is not None and has:
        own = f"the labels of the pods of {near.ref} (`{key}: {has}`)"
        words = [f"The selector of {service.ref} (`{key}: {value}`) differs from {own}, so it leads nowhere."]
    elif near is not None:
        words = [f"The selector of {service.ref} (`{key}: {value}`) asks more than the pods of {near.ref} have."]
    return Finding(
        rule="services",
        cause="service.selector",
        about=service.ref,
        headline=statement(
            [*words, f"{service.ref} selects pods with `{key}: {value}`."],
            *cites,
        ),
        depth=3,
        weight=0.85 if near is not None else 0.45,
        is_broken=near is not None,
        touches={near.ref} if near is not None else set(),
        next=f"kubectl -n {namespace} get pods --show-labels",
    )


def _meant(world: World, service: Thing) -> Thing | None:
    """The workload that a Service is for, by its name and labels."""
    selector = {key: str(value) for key, value in of(service.spec, "selector").items()}
    best: tuple[float, Thing] | None = None
    for thing in world.all("Deployment", "StatefulSet", "DaemonSet"):
        if thing.ref.namespace != service.ref.namespace or number(thing.spec.get("replicas", 1)) == 0:
            continue
        labels = {key: str(value) for key, value in of(thing.spec, "podLabels").items()}
        shared = sum(labels.get(key) == value for key, value in selector.items())
        name, own = service.ref.name, thing.ref.name
        score = shared + (2.0 if name == own else 1.0 if name in own or own in name else 0.0)
        score += 0.5 if any(key in labels for key in selector) and score else 0.0
        if score >= 1 and (best is None or score > best[0]):
            best = (score, thing)
    return best[1] if best else None


def _port(world: World, service: Thing) -> Finding | None:
    """A target port that none of the containers behind it has, by number or name."""
    namespace = service.ref.namespace
    pods = [pod for pod in world.selected(namespace, of(service.spec, "selector")) if ready(pod)]
    if not pods:
        return None
    numbers = {number(each.get("port")) for pod in pods for c in pod.containers for each in rows(c, "ports")}
    names = {
        str(each.get("name")) for pod in pods for c in pod.containers for each in rows(c, "ports") if each.get("name")
    }
    for port in rows(service.spec, "ports"):
        target = port.get("targetPort", port.get("port"))
        if isinstance(target, str) and target.isdigit():
            target = int(target)
        if not isinstance(target, int | str):
            continue
        wrong = target not in (names if isinstance(target, str) else numbers)
        if not wrong or (isinstance(target, int) and not numbers):
            continue
        has = next((each for each in sorted(names if isinstance(target, str) else numbers, key=str)), None)
        other = (
            next((field_of(pod, f"port: {has}", f"name: {has}") for pod in pods[:1]), None) if has is not None else None
        )
        tail = f", while its pods listen on {has}" if has is not None else ""
        return Finding(
            rule="services",
            cause="service.port",
            about=service.ref,
            headline=statement(
                [
                    f"{service.ref} leads to the target port {target}, which its pods do not have{tail}.",
                    f"{service.ref} leads to the target port {target}{tail}.",
                ],
                field_of(service, f"targetPort: {target}", f"port: {target}"),
                other,
            ),
            depth=3,
            weight=0.7 if isinstance(target, str) else 0.6,
            is_broken=isinstance(target, str) or _is_single(pods[0]),
            touches={world.owner(pods[0])},
            next=f"kubectl -n {namespace} describe service {service.ref.name}",
        )
    return None


def _is_single(pod: Thing) -> bool:
    """Whether a pod's one container says its ports: then others are unlikely."""
    return len(pod.containers) == 1 and len(rows(pod.containers[0], "ports")) >= 1
