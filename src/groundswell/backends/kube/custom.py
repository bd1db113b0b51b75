"""Finds the kinds that a live cluster serves beside Kubernetes' own, as its discovery tells every caller."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, Iterator

from groundswell.backends.kube.kinds import BY_NAME, EXPECTED, Kind
from groundswell.backends.kube.shapes import Object, mapping, mappings, text
from groundswell.core.errors import Denied, NotFound, ToolFailed, Unavailable
from groundswell.core.records import Blind

MOST_GROUPS, MOST_KINDS = 60, 80
AT_ONCE = 6
_OWN = frozenset(BY_NAME[name].path.split("/")[1] for name in EXPECTED) | frozenset(
    """authentication.k8s.io authorization.k8s.io certificates.k8s.io apiextensions.k8s.io flowcontrol.apiserver.k8s.io
    node.k8s.io events.k8s.io resource.k8s.io internal.apiserver.k8s.io storagemigration.k8s.io scheduling.k8s.io
    rbac.authorization.k8s.io coordination.k8s.io metrics.k8s.io custom.metrics.k8s.io
    external.metrics.k8s.io""".split()  # noqa: SIM905
)
Get = Callable[[str], Awaitable[bytes]]


async def kinds(get: Get) -> tuple[list[Kind], list[Blind]]:
    """The custom kinds whose objects say how they are, and what could not be found out. Reads discovery alone."""
    try:
        groups = mappings(mapping(json.loads(await get("apis"))).get("groups"))
    except NotFound:
        return [], []
    except (Denied, ToolFailed, Unavailable, ValueError) as error:
        return [], [Blind(what="custom resources", why=f"the API groups could not be listed: {error}")]
    versions = [
        text(mapping(group.get("preferredVersion")).get("groupVersion")) for group in groups if _is_custom(group)
    ]
    slots, blind = asyncio.Semaphore(AT_ONCE), list[Blind]()
    if len(versions) > MOST_GROUPS:
        blind.append(Blind(what="custom resources", why=f"only {MOST_GROUPS} of {len(versions)} API groups were read"))

    async def of(version: str) -> list[Kind]:
        async with slots:
            try:
                return list(
                    _kinds(version, mappings(mapping(json.loads(await get(f"apis/{version}"))).get("resources")))
                )
            except (Denied, NotFound, ToolFailed, Unavailable, ValueError) as error:
                blind.append(Blind(what=f"custom resources of {version}", why=str(error)))
                return []

    found = [kind for each in await asyncio.gather(*map(of, sorted(versions)[:MOST_GROUPS])) for kind in each]
    first = list(_first_of_each(found, blind))
    if len(first) > MOST_KINDS:
        blind.append(Blind(what="custom resources", why=f"only {MOST_KINDS} of {len(first)} kinds were listed"))
    return first[:MOST_KINDS], sorted(blind, key=lambda each: each.what)


def _is_custom(group: Object) -> bool:
    name = text(group.get("name"))
    return "." in name and name not in _OWN


def _kinds(version: str, resources: Iterable[Object]) -> Iterator[Kind]:
    """Those that may be listed and have a status: without one an object does not say how it is."""
    resources = list(resources)
    with_status = {text(each.get("name")).removesuffix("/status") for each in resources if _is_status(each)}
    for each in resources:
        plural, verbs = text(each.get("name")), each.get("verbs")
        if plural in with_status and isinstance(verbs, list) and "list" in verbs:
            yield Kind(text(each.get("kind")), plural, f"apis/{version}", namespaced=bool(each.get("namespaced")))


def _is_status(resource: Object) -> bool:
    return text(resource.get("name")).endswith("/status")


def _first_of_each(found: Iterable[Kind], blind: list[Blind]) -> Iterator[Kind]:
    """One kind of a name: where two groups have one, which of them an owner or an event means is not to be told."""
    taken: set[str] = set()
    for kind in found:
        known = BY_NAME.get(kind.name)
        if kind.name in taken or (known is not None and known.path.split("/")[1] != kind.path.split("/")[1]):
            blind.append(Blind(what=f"{kind.plural} of {kind.path.split('/')[1]}", why="another kind has its name"))
        else:
            taken.add(kind.name)
            yield kind
