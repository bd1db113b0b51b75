"""What depends on what: by names in variables, arguments and ConfigMaps, by references, by selectors."""

import re
from collections.abc import Iterable, Iterator
from typing import Any

from groundswell.agents.observability.pods import upstream_of
from groundswell.agents.observability.world import Data, Ref, Thing, World, all_containers, of, rows

_WORD = re.compile(r"[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?")
_FAR = 4  # edges
_OF_CLUSTER = frozenset({"Node", "ClusterIssuer", "StorageClass", "PersistentVolume", "PriorityClass", "IngressClass"})


def downstream(world: World, refs: Iterable[Ref]) -> dict[Ref, int]:
    """What some objects rest on, near and far, with how many edges away it is."""
    distances = dict.fromkeys(refs, 0)
    pending = list(distances)
    while pending:
        ref = pending.pop(0)
        if distances[ref] >= _FAR:
            continue
        thing = world.by_ref.get(ref)
        named = services_named(world, thing) if thing is not None else set[Ref]()
        for other in sorted(needs_of(world, ref) | named):
            if other not in distances:
                distances[other] = distances[ref] + 1
                pending.append(other)
    return distances


def needs_of(world: World, ref: Ref) -> set[Ref]:
    """What an object needs by how it is built: one edge."""
    thing = world.by_ref.get(ref)
    found = {each for pod in world.pods_of.get(ref, [])[:3] for each in upstream_of(pod)}
    if thing is None:
        return found
    if ref.kind == "Service":
        return found | world.backing(thing)
    if ref.kind == "APIService":
        service = of(thing.spec, "service")
        found.add(Ref("Service", str(service.get("namespace", "")), str(service.get("name", ""))))
    if ref.kind == "Pod":
        found |= upstream_of(thing) | {world.owner(thing)}
    if ref.kind == "Ingress":
        found |= {Ref("Service", ref.namespace, str(of(each, "service").get("name", ""))) for each in backends(thing)}
    found |= set(references(thing))
    found |= {each.ref for each in world.made_by.get(ref, []) if each.ref.kind not in ("Pod", "ReplicaSet")}
    found |= {each.ref for each in world.by_name.get((ref.namespace, ref.name), [])}
    return {each for each in found - {ref} if each in world.by_ref}


def services_named(world: World, thing: Thing) -> set[Ref]:
    """The Services that a workload's variables, arguments and ConfigMaps name."""
    template = of(thing.spec, "pod") or thing.data
    texts = list(_texts(world, thing.ref.namespace, template))
    found: set[Ref] = set()
    for text in texts:
        for word in _WORD.findall(text.lower())[:200]:
            if len(word) > 2 and (service := world.service(word, thing.ref.namespace)) is not None:
                found.add(service.ref)
    return found


def _texts(world: World, namespace: str, template: dict[str, Any]) -> Iterator[str]:
    for container, _ in all_containers(template):
        for value in (
            *of(container, "env").values(),
            *(container.get("args") or ()),
            *(container.get("command") or ()),
        ):
            yield str(value)
        for each in container.get("envFrom") or ():
            kind, _, name = str(each).partition(" ")
            config = world.get("ConfigMap", namespace, name.split(" ")[0]) if kind == "configMap" else None
            yield from map(str, of(config.data, "data").values() if config else ())
    for volume in rows(template, "volumes"):
        config = world.get("ConfigMap", namespace, str(volume.get("configMap", "")))
        yield from map(str, of(config.data, "data").values() if config else ())


def references(thing: Thing) -> Iterator[Ref]:
    """The objects that a specification names by kind and name, whatever the kind is; and its owner."""
    owner, _, name = str(thing.data.get("owner", "")).partition("/")
    if name:
        yield Ref(owner, thing.ref.namespace, name)
    if thing.ref.kind in ("Pod", "Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob", "ConfigMap"):
        return
    pending: list[Any] = [thing.spec]
    while pending:
        value = pending.pop()
        if isinstance(value, dict):
            kind, name = value.get("kind"), value.get("name")
            if isinstance(kind, str) and isinstance(name, str):
                where = "" if kind in _OF_CLUSTER or kind.startswith("Cluster") else thing.ref.namespace
                yield Ref(kind, str(value.get("namespace") or where), name)
            pending += value.values()
        elif isinstance(value, list):
            pending += value


def backends(ingress: Thing) -> Iterator[Data]:
    """Where an Ingress leads."""
    yield of(ingress.spec, "defaultBackend")
    for rule in rows(ingress.spec, "rules"):
        for path in rows(of(rule, "http"), "paths"):
            yield of(path, "backend")
