"""Opens what a run's `kubernetes` source names, and answers tools from it."""

import asyncio
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from groundswell.backends.kube import dump, live
from groundswell.backends.kube.kinds import KINDS, Kind, named
from groundswell.backends.kube.packing import LogText, Seen, Wanted, event_line, source_of
from groundswell.backends.kube.shapes import Object, mapping, mappings, text
from groundswell.core.errors import NotFound, ToolFailed
from groundswell.core.manifests import written
from groundswell.core.ports import Workers
from groundswell.core.records import ClusterEvidence, Excerpt, ObjectRow

_SECONDS = 60.0
_LINES = 400  # of a log, at most
_ROWS = 500
_READ_LOGS = 4.0  # seconds that stay for weighing


def opened(
    source: str, workers: Workers, *, seconds: float, progress: Callable[[str, int, int], None]
) -> "Dump | Live":
    """A cluster by `dump:DIR`, `kubeconfig:[PATH[#CONTEXT]]` or `in-cluster:`. Raises ToolFailed for anything else."""
    scheme, _, rest = source.partition(":")
    if scheme == "dump":
        folder = Path(rest)
        if not folder.is_absolute():
            raise _bad(source, "a `dump:` needs an absolute path")
        return Dump(folder, workers, seconds)
    if scheme in ("kubeconfig", "in-cluster"):
        return Live(source, workers, seconds, progress)
    raise _bad(source, "this is no cluster")


def _bad(source: str, why: str) -> ToolFailed:
    hint = "write dump:/folder, kubeconfig:PATH#CONTEXT, kubeconfig: or in-cluster:"
    return ToolFailed("bad_source", f"{source!r} cannot be opened: {why}", hint)


def _kind(word: str) -> Kind:
    kind = named(word)
    if kind is None:
        known = ", ".join(each.plural for each in KINDS)
        raise ToolFailed("unknown_kind", f"{word!r} is no kind that is looked at", f"known: {known}")
    return kind


class Dump:
    """A folder that `kubectl cluster-info dump` wrote; read anew by each call, in another process."""

    def __init__(self, folder: Path, workers: Workers, seconds: float) -> None:
        self.folder, self.workers, self.until = folder, workers, time.monotonic() + seconds
        self.origin = f"dump:{folder}"

    async def evidence(self, about: Sequence[str] = ()) -> ClusterEvidence:
        """Everything, as one pack."""
        return await self._run(dump.evidence, self.folder, tuple(about))

    async def objects(self, kind: str, namespace: str = "") -> list[ObjectRow]:
        """The objects of a kind."""
        return _rows(await self._read(_kind(kind)), _kind(kind), namespace)

    async def object(self, kind: str, namespace: str, name: str) -> Excerpt:
        """One object."""
        return _one(await self._read(_kind(kind)), _kind(kind), namespace, name)

    async def events(self, namespace: str = "", about: str = "") -> list[Excerpt]:
        """Events, oldest first."""
        return _events(await self._read(_kind("Event")), namespace, about)

    async def logs(self, namespace: str, pod: str, container: str = "", *, previous: bool = False) -> Excerpt:
        """The end of a container's log."""
        wanted = Wanted(namespace, pod, well=False)
        found: list[LogText] = await asyncio.to_thread(dump.logs_of, self.folder, wanted)
        return _log([each for each in found if each.previous == previous], namespace, pod, container, previous)

    async def close(self) -> None:
        """Nothing to give up."""

    async def _read(self, kind: Kind) -> Seen:
        return await self._run(dump.read, self.folder, frozenset({kind.name}))

    async def _run(self, function: Callable[..., Any], *arguments: Any) -> Any:
        return await self.workers.run(function, *arguments, seconds=max(1.0, self.until - time.monotonic()))


class Live:
    """A cluster behind its API."""

    def __init__(
        self, source: str, workers: Workers, seconds: float, progress: Callable[[str, int, int], None]
    ) -> None:
        self.api = live.Api(source)
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
        return _rows(await self._list(_kind(kind), namespace), _kind(kind), namespace)

    async def object(self, kind: str, namespace: str, name: str) -> Excerpt:
        """One object."""
        return _one(await self._list(_kind(kind), namespace), _kind(kind), namespace, name)

    async def events(self, namespace: str = "", about: str = "") -> list[Excerpt]:
        """Events, oldest first."""
        return _events(await self._list(_kind("Event"), namespace), namespace, about)

    async def logs(self, namespace: str, pod: str, container: str = "", *, previous: bool = False) -> Excerpt:
        """The end of a container's log."""
        found = await live.log_text(self.api, namespace, pod, container, previous=previous)
        return _log([found] if found else [], namespace, pod, container, previous)

    async def close(self) -> None:
        """Close its connections."""
        await self.api.close()

    async def _list(self, kind: Kind, namespace: str) -> Seen:
        if kind.name == "Secret":
            raise ToolFailed("no_secrets", "Secrets are never read", "events name a Secret that is missing")
        found = live.Fetched(self.origin)
        async for body, _ in self.api.pages(kind, namespace):
            found.pages.append((kind.name, body))
        return await self.workers.run(live.seen_of, found, seconds=max(1.0, self._left()))

    def _left(self) -> float:
        return self.until - time.monotonic()


def _rows(seen: Seen, kind: Kind, namespace: str) -> list[ObjectRow]:
    items = [item for item in seen.items.get(kind.name, ()) if not namespace or item.get("namespace") == namespace]
    if not items and kind.name not in seen.known and seen.known:
        raise NotFound("kind_unknown", f"{kind.plural} were not listed here: they are unknown, not absent")
    return [
        ObjectRow(
            kind=kind.name,
            namespace=text(item.get("namespace")),
            name=text(item.get("name")),
            status=_status(item),
            created=text(item.get("created")),
        )
        for item in items[:_ROWS]
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
