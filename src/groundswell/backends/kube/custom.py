"""Finds the kinds that a live cluster serves beside Kubernetes' own, as its discovery tells every caller."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Sequence
from difflib import get_close_matches

from groundswell.backends.kube.kinds import BY_NAME, EXPECTED, Kind
from groundswell.backends.kube.shapes import Object, mapping, mappings, text
from groundswell.core.errors import Denied, NotFound, ToolFailed, Unavailable
from groundswell.core.records import Blind

MOST_GROUPS, MOST_KINDS, MOST_NAMED = 60, 80, 12
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
    versions = _versions(groups)
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


async def called(get: Get, word: str, granted: Collection[str] | None) -> Kind:
    """The custom kind that a word means: its kind, plural, singular, a short name, or `PLURAL.GROUP`.

    `granted` are those that may be known of, as `PLURAL.GROUP`; None: all. Raises ToolFailed for a word that means
    none, or several, and what discovery raises.
    """
    word, groups = word.lower(), set[str]()
    if granted is not None:
        groups = {each.partition(".")[2] for each in granted}
    try:
        listed = mappings(mapping(json.loads(await get("apis"))).get("groups")) if granted is None or groups else []
    except (NotFound, ValueError):
        listed = []
    versions = [each for each in _versions(listed) if granted is None or each.partition("/")[0] in groups]
    slots = asyncio.Semaphore(AT_ONCE)

    async def of(version: str) -> list[tuple[Kind, set[str]]]:
        async with slots:
            try:
                return list(
                    _listable(version, mappings(mapping(json.loads(await get(f"apis/{version}"))).get("resources")))
                )
            except (NotFound, Unavailable, ValueError):  # an API that is away; others may have the kind
                return []

    served = [each for these in await asyncio.gather(*map(of, sorted(versions)[:MOST_GROUPS])) for each in these]
    served = [each for each in served if granted is None or _full(each[0]) in granted]
    found = [kind for kind, names in served if word in names or word == _full(kind)]
    if len(found) == 1:
        return found[0]
    if found:
        which = ", ".join(_full(kind) for kind in found)
        raise ToolFailed("ambiguous_kind", f"{word!r} is a kind of several API groups", f"say which: {which}")
    raise ToolFailed(
        "unknown_kind", f"{word!r} is no kind that is looked at", _hint(word, [kind for kind, _ in served])
    )


def _hint(word: str, served: Sequence[Kind]) -> str:
    own = {each: kind.plural for kind in BY_NAME.values() for each in (kind.plural, kind.name.lower())}
    near = {each: _full(kind) for kind in served for each in (kind.plural, kind.name.lower())} | own
    if close := list(dict.fromkeys(near[each] for each in get_close_matches(word, near, 3, 0.7))):
        return f"did you mean {' or '.join(close)}?"
    others = f"; custom: {', '.join(_full(kind) for kind in served[:MOST_NAMED])}" if served else ""
    return f"known: {', '.join(kind.plural for kind in BY_NAME.values())}{others}"


def _full(kind: Kind) -> str:
    return f"{kind.plural}.{kind.group}"


def _listable(version: str, resources: Iterable[Object]) -> Iterator[tuple[Kind, set[str]]]:
    """Kinds that may be listed, each with what it is called."""
    for each in resources:
        plural, name, verbs, short = (each.get(key) for key in ("name", "kind", "verbs", "shortNames"))
        if "/" not in text(plural) and isinstance(verbs, list) and "list" in verbs:
            kind = Kind(text(name), text(plural), f"apis/{version}", namespaced=bool(each.get("namespaced")))
            called = {kind.plural, kind.name.lower(), text(each.get("singularName"))}
            yield kind, (called | {text(word) for word in short} if isinstance(short, list) else called) - {""}


def _versions(groups: Iterable[Object]) -> list[str]:
    return [text(mapping(group.get("preferredVersion")).get("groupVersion")) for group in groups if _is_custom(group)]


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
