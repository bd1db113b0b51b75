"""Opens what a run's `kubernetes` source names, and answers tools from it."""

import asyncio
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from groundswell.backends.kube import custom, dump, live
from groundswell.backends.kube.access_review import Reviews
from groundswell.backends.kube.bounds import EVERYTHING, Bounds
from groundswell.backends.kube.kinds import BY_NAME, Kind, named
from groundswell.backends.kube.packing import LogText, Seen, Wanted, event_line, source_of
from groundswell.backends.kube.shapes import Object, mapping, mappings, text
from groundswell.core.errors import Denied, NotFound, ToolFailed
from groundswell.core.manifests import written
from groundswell.core.ports import Workers
from groundswell.core.records import ClusterEvidence, Excerpt, ObjectRow

_SECONDS = 60.0
_LINES = 400  # of a log, at most
_ROWS = 500
_READ_LOGS = 4.0  # seconds that stay for weighing


def opened(
    source: str,
    workers: Workers,
    *,
    seconds: float,
    progress: Callable[[str, int, int], None],
    bounds: Bounds = EVERYTHING,
    reviews: Reviews | None = None,
) -> "Dump | Live":
    """A cluster by `dump:DIR`, `kubeconfig:[PATH[#CONTEXT]]` or `in-cluster:`, as far as the caller may see it.

    Raises Denied where nothing of it is granted, ToolFailed for what names no cluster.
    """
    if bounds.nothing:
        hint = '`namespaces = ["NAME"]` of the tenant in policy.toml would grant one'
        raise Denied("cluster_not_allowed", "nothing of a cluster is granted", hint)
    scheme, _, rest = source.partition(":")
    if scheme == "dump":
        folder = Path(rest)
        if not folder.is_absolute():
            raise _bad(source, "a `dump:` needs an absolute path")
        return Dump(folder, workers, seconds, bounds)
    if scheme in ("kubeconfig", "in-cluster"):
        return Live(source, workers, seconds, progress, bounds, reviews)
    raise _bad(source, "this is no cluster")


def _bad(source: str, why: str) -> ToolFailed:
    hint = "write dump:/folder, kubeconfig:PATH#CONTEXT, kubeconfig: or in-cluster:"
    return ToolFailed("bad_source", f"{source!r} cannot be opened: {why}", hint)


class Dump:
    """A folder that `kubectl cluster-info dump` wrote; read anew by each call, in another process."""

    def __init__(self, folder: Path, workers: Workers, seconds: float, bounds: Bounds = EVERYTHING) -> None:
        self.bounds = bounds
        self.folder, self.workers, self.until = folder, workers, time.monotonic() + seconds
        self.origin = f"dump:{folder}"

    async def evidence(self, about: Sequence[str] = ()) -> ClusterEvidence:
        """Everything, as one pack."""
        return await self._run(dump.evidence, self.folder, tuple(about), self.bounds)

    async def objects(self, kind: str, namespace: str = "") -> list[ObjectRow]:
        """The objects of a kind."""
        asked = await self._asked(kind, namespace)
        return _rows(await self._read(asked), asked, namespace)

    async def object(self, kind: str, namespace: str, name: str) -> Excerpt:
        """One object."""
        asked = await self._kind(kind)
        self.bounds.check_object(asked, namespace, name)
        return _one(await self._read(asked), asked, namespace, name)

    async def manifests(self, kind: str, namespace: str = "") -> list[Excerpt]:
        """The objects of a kind, each whole."""
        asked = await self._asked(kind, namespace)
        return _whole(await self._read(asked), asked, namespace)

    async def events(self, namespace: str = "", about: str = "") -> list[Excerpt]:
        """Events, oldest first."""
        return _events(await self._read(_granted(self.bounds, BY_NAME["Event"], namespace)), namespace, about)

    async def logs(self, namespace: str, pod: str, container: str = "", *, previous: bool = False) -> Excerpt:
        """The end of a container's log."""
        self.bounds.check_namespace(namespace)
        wanted = Wanted(namespace, pod, well=False)
        found: list[LogText] = await asyncio.to_thread(dump.logs_of, self.folder, wanted)
        return _log([each for each in found if each.previous == previous], namespace, pod, container, previous)

    async def close(self) -> None:
        """Nothing to give up."""

    async def _asked(self, word: str, namespace: str) -> Kind:
        return _granted(self.bounds, await self._kind(word), namespace)

    async def _kind(self, word: str) -> Kind:
        """The kind that a word means; a dump's own lists name what Kubernetes does not have by itself."""
        return named(word) or await self._run(dump.kind_called, self.folder, word, self.bounds)

    async def _read(self, kind: Kind) -> Seen:
        return await self._run(dump.read, self.folder, frozenset({kind.name}), self.bounds)

    async def _run(self, function: Callable[..., Any], *arguments: Any) -> Any:
        return await self.workers.run(function, *arguments, seconds=max(1.0, self.until - time.monotonic()))


class Live:
    """A cluster behind its API."""

    def __init__(
        self,
        source: str,
        workers: Workers,
        seconds: float,
        progress: Callable[[str, int, int], None],
        bounds: Bounds = EVERYTHING,
        reviews: Reviews | None = None,
    ) -> None:
        self.bounds = bounds
        self.api = live.Api(source, bounds, reviews)
        self.workers, self.until, self.progress = workers, time.monotonic() + seconds, progress
        self.origin = self.api.origin

    async def evidence(self, about: Sequence[str] = ()) -> ClusterEvidence:
        """What is expected of it, as one pack."""
        found = await live.fetched(self.api, seconds=self._left(), progress=self.progress)
        wanted = await self.workers.run(live.chosen, found, tuple(about), seconds=max(1.0, self._left()))
        logs = await live.logs(self.api, wanted, self.until - _READ_LOGS)
        return await self.workers.run(live.weighed, found, logs, seconds=max(1.0, self._left()))

    async def objects(self, kind: str, namespace: str = "") -> list[ObjectRow]:
        """The objects of a kind."""
        asked = await self._asked(kind, namespace)
        return _rows(await self._list(asked, namespace), asked, namespace)

    async def object(self, kind: str, namespace: str, name: str) -> Excerpt:
        """One object."""
        asked = await self._kind(kind)
        self.bounds.check_object(asked, namespace, name)
        return _one(await self._list(asked, namespace, "get", name), asked, namespace, name)

    async def manifests(self, kind: str, namespace: str = "") -> list[Excerpt]:
        """The objects of a kind, each whole."""
        asked = await self._asked(kind, namespace)
        return _whole(await self._list(asked, namespace), asked, namespace)

    async def events(self, namespace: str = "", about: str = "") -> list[Excerpt]:
        """Events, oldest first."""
        return _events(
            await self._list(_granted(self.bounds, BY_NAME["Event"], namespace), namespace), namespace, about
        )

    async def logs(self, namespace: str, pod: str, container: str = "", *, previous: bool = False) -> Excerpt:
        """The end of a container's log."""
        self.bounds.check_namespace(namespace)
        found = await live.log_text(self.api, namespace, pod, container, previous=previous)
        return _log([found] if found else [], namespace, pod, container, previous)

    async def close(self) -> None:
        """Close its connections."""
        await self.api.close()

    async def _asked(self, word: str, namespace: str) -> Kind:
        return _granted(self.bounds, await self._kind(word), namespace)

    async def _kind(self, word: str) -> Kind:
        """The kind that a word means; the cluster says which it has beside Kubernetes' own."""
        return named(word) or await custom.called(self.api.get, word, self.bounds.custom_kinds)

    async def _list(self, kind: Kind, namespace: str, verb: str = "list", name: str = "") -> Seen:
        if kind.name == "Secret":
            raise ToolFailed("no_secrets", "Secrets are never read", "events name a Secret that is missing")
        found = live.Fetched(self.origin, bounds=self.bounds)
        places = ("",)
        if kind.namespaced:
            places = (namespace,) if namespace else await live.places_of(self.api)
        for place in places:
            await self.api.reviewed(verb, kind, place, name)
            async for body, _ in self.api.pages(kind, place):
                found.pages.append((kind.name, body))
        return await self.workers.run(live.seen_of, found, seconds=max(1.0, self._left()))

    def _left(self) -> float:
        return self.until - time.monotonic()


def _granted(bounds: Bounds, kind: Kind, namespace: str) -> Kind:
    """The kind, if the caller may see any of it there; raises Denied."""
    bounds.check_kind(kind)
    if namespace and kind.namespaced:
        bounds.check_namespace(namespace)
    return kind


def _whole(seen: Seen, kind: Kind, namespace: str) -> list[Excerpt]:
    return [Excerpt(source=source_of(item), text=written(item)) for item in _known(seen, kind, namespace)]


def _known(seen: Seen, kind: Kind, namespace: str) -> list[Object]:
    items = [item for item in seen.items.get(kind.name, ()) if not namespace or item.get("namespace") == namespace]
    if not items and kind.name not in seen.known and seen.known:
        raise NotFound("kind_unknown", f"{kind.plural} were not listed here: they are unknown, not absent")
    return items


def _rows(seen: Seen, kind: Kind, namespace: str) -> list[ObjectRow]:
    return [
        ObjectRow(
            kind=kind.name,
            namespace=text(item.get("namespace")),
            name=text(item.get("name")),
            status=_status(item),
            created=text(item.get("created")),
        )
        for item in _known(seen, kind, namespace)[:_ROWS]
    ]


def _status(item: Object) -> str:
    """A few words on how an object is."""
    containers = mappings(item.get("containers"))
    if item.get("kind") == "Pod":
        reasons = [text(each.get("reason")) for each in containers if each.get("reason") and not each.get("ready")]
        ready = sum(bool(each.get("ready")) for each in containers)
        return f"{reasons[0] if reasons else text(item.get('phase'))}, {ready}/{len(containers)} ready"
    status, spec = mapping(item.get("status")), mapping(item.get("spec"))
    if "replicas" in spec:
        return f"{status.get('readyReplicas', 0)}/{spec['replicas']} ready"
    if "phase" in status:
        return text(status["phase"])
    conditions = mappings(item.get("conditions")) or mappings(status.get("conditions"))
    return ", ".join(f"{each.get('type')}={each.get('status')}" for each in conditions[:6])


def _one(seen: Seen, kind: Kind, namespace: str, name: str) -> Excerpt:
    for item in seen.items.get(kind.name, ()):
        if item.get("name") == name and text(item.get("namespace")) in ("", namespace):
            return Excerpt(source=source_of(item), text=written(item))
    where = f" in {namespace}" if namespace else ""
    if kind.name not in seen.known and seen.known:
        raise NotFound("kind_unknown", f"{kind.plural} were not listed here: {name} is unknown, not absent")
    raise NotFound("no_object", f"there is no {kind.name} {name!r}{where}")


def _events(seen: Seen, namespace: str, about: str) -> list[Excerpt]:
    chosen = [
        event
        for event in sorted(seen.events, key=lambda event: event["last"])
        if (not namespace or event["namespace"] == namespace) and about.lower() in event_line(event).lower()
    ]
    by_namespace: dict[str, list[str]] = {}
    for event in chosen[-_ROWS:]:
        by_namespace.setdefault(event["namespace"] or "default", []).append(event_line(event))
    return [Excerpt(source=f"k8s:{name}/Event", text="\n".join(lines)) for name, lines in by_namespace.items()]


def _log(found: list[LogText], namespace: str, pod: str, container: str, previous: bool) -> Excerpt:
    fits = [each for each in found if not container or each.container == container]
    if not fits:
        which = "previous log" if previous else "log"
        raise NotFound("no_log", f"there is no {which} of {namespace}/{pod} {container}".rstrip())
    lines = fits[0].text.rstrip("\n").split("\n")
    start = max(0, len(lines) - _LINES)
    name = f"k8s:{namespace}/Pod/{pod}/{fits[0].container}/{'previous-logs' if previous else 'logs'}"
    body = "\n".join(lines[start:])
    return Excerpt(source=f"{name}#L{start + 1}-L{len(lines)}", text=body, truncated=start > 0 or fits[0].truncated)
