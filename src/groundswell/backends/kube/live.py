"""Reads a cluster through its API: lists page by page, logs of those that need it, and nothing else than `GET`.

A kind that may not be listed, or that the cluster does not have, is named as unknown; the rest goes on.
"""

import asyncio
import json
import ssl
import time
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import yaml
from lightkube.config.client_adapter import AsyncClient, ConnectionParams
from lightkube.config.kubeconfig import KubeConfig, SingleConfig
from lightkube.core.exceptions import ConfigError as KubeConfigError

from groundswell.backends.kube import custom
from groundswell.backends.kube.access_review import Reviews
from groundswell.backends.kube.bounds import EVERYTHING, Bounds
from groundswell.backends.kube.kinds import ASKED, BY_NAME, Kind, is_name
from groundswell.backends.kube.packing import LogText, Seen, Wanted, event_of, packed, wanted_logs
from groundswell.backends.kube.shapes import mapping, mappings, shaped, text
from groundswell.core.errors import Denied, NotFound, ToolFailed, Unavailable
from groundswell.core.records import Blind, ClusterEvidence

PAGE = 500
PAGES = 40  # of one kind: 20,000 objects
AT_ONCE = 6
TIMEOUT = httpx2.Timeout(15.0, connect=5.0)
LOG_BYTES = 512 * 1024
LOG_TAIL = 1_000
LOGS_READ = 60  # pods
_SPARE = 6.0  # seconds that stay for weighing what was read
_HINT = "check `kubectl get nodes`, or name another: --source kubernetes=kubeconfig:PATH#CONTEXT"


@dataclass
class Fetched:
    """What the API answered, as bytes: another process reads them."""

    origin: str
    pages: list[tuple[str, bytes]] = field(default_factory=list[tuple[str, bytes]])
    known: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])  # kind and namespace; "" is all
    bounds: Bounds = EVERYTHING
    blind: list[Blind] = field(default_factory=list[Blind])
    left_out: list[str] = field(default_factory=list[str])
    taken: str = ""


def config_of(source: str) -> SingleConfig:
    """The context a source names. Raises ToolFailed for one that is not there."""
    scheme, _, rest = source.partition(":")
    path, _, context = rest.partition("#")
    try:
        if scheme == "in-cluster":
            config = KubeConfig.from_service_account()
        elif path:
            config = KubeConfig.from_file(path)
        else:
            config = KubeConfig.from_env(service_account="/nonexistent")
        found = config.get(context or None)
    except KeyError as error:
        message = f"{source!r} names no cluster: {error} is missing"
        raise ToolFailed("bad_kubeconfig", message, _HINT) from error
    except (
        KubeConfigError,
        OSError,
        ValueError,
        TypeError,
        AttributeError,
        msgspec.MsgspecError,
        yaml.YAMLError,
    ) as error:
        reason = " ".join(str(error).split())
        raise ToolFailed("bad_kubeconfig", f"{source!r} names no cluster: {reason}", _HINT) from error
    assert found is not None
    return found


class Api:
    """A cluster's API; only reads. `bounds` is what may be seen; with `reviews` the cluster is asked, too."""

    def __init__(self, source: str, bounds: Bounds = EVERYTHING, reviews: Reviews | None = None) -> None:
        self.bounds, self.reviews = bounds, reviews
        config = config_of(source)
        self.origin = f"kubeconfig:{config.fname or ''}#{config.context_name}"
        if source.startswith("in-cluster:"):
            self.origin = "in-cluster:"
        self.namespace = config.namespace
        try:
            self.client: httpx2.AsyncClient = AsyncClient(config, ConnectionParams(timeout=TIMEOUT, trust_env=False))
        except (KubeConfigError, OSError, ssl.SSLError, AssertionError, ValueError) as error:
            message = f"the context {config.context_name!r} cannot be used: {error or 'it names no user'}"
            raise ToolFailed("bad_kubeconfig", message, _HINT) from error

    async def close(self) -> None:
        """Close its connections."""
        await self.client.aclose()

    async def get(self, path: str, **parameters: str) -> bytes:
        """One answer. Raises Denied, NotFound, and Unavailable where there is none."""
        try:
            answer = await self.client.get(f"/{path}", params=parameters)
        except httpx2.TimeoutException as error:
            raise Unavailable("cluster_timeout", f"{self.origin} does not answer in time", _HINT) from error
        except (httpx2.HTTPError, httpx2.InvalidURL, KubeConfigError, OSError) as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            raise Unavailable("cluster_unreachable", f"{self.origin} cannot be reached: {reason}", _HINT) from error
        if answer.status_code == 200:
            return answer.content
        message = _message(answer)
        if answer.status_code == 404:
            raise NotFound("not_in_cluster", message, _HINT)
        if answer.status_code in (401, 403):
            raise Denied("cluster_forbids", message, "ask for a role that may get, list and read logs (`view`)")
        if answer.status_code == 400:
            raise ToolFailed("cluster_refuses", message)
        raise Unavailable("cluster_error", f"{self.origin} answers {answer.status_code}: {message}", _HINT)

    async def reviewed(self, verb: str, kind: Kind, namespace: str, name: str = "", subresource: str = "") -> None:
        """Raise Denied unless the cluster says that the caller may read this, too."""
        if self.reviews is not None:
            await self.reviews.check(self.client, verb, kind, namespace, name, subresource)

    async def pages(self, kind: Kind, namespace: str = "") -> AsyncIterator[tuple[bytes, bool]]:
        """The pages of a list, and whether each is the last; at most so many."""
        path = f"{kind.path}/namespaces/{namespace}/{kind.plural}" if namespace and kind.namespaced else ""
        path = path or f"{kind.path}/{kind.plural}"
        token = ""
        for _ in range(PAGES):
            body = await self.get(path, limit=str(PAGE), **({"continue": token} if token else {}))
            token = _continue(body)
            yield body, not token
            if not token:
                return


async def fetched(api: Api, *, seconds: float, progress: Callable[[str, int, int], None]) -> Fetched:
    """Every kind that is expected, several at once. Raises Unavailable where the API does not answer at all."""
    found = Fetched(api.origin, bounds=api.bounds, taken=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))
    until = time.monotonic() + seconds - _SPARE
    await api.get("version")
    slots, done = asyncio.Semaphore(AT_ONCE), 0
    more, unknown = await custom.kinds(api.get)
    found.blind += unknown if api.bounds.everything else ()
    wanted = [*(BY_NAME[name] for name in ASKED), *more]
    places = await places_of(api)

    async def one(kind: Kind) -> None:
        nonlocal done
        async with slots:
            if api.bounds.may_list(kind):
                for place in places if kind.namespaced else ("",):
                    await _list(api, kind, found, until, place)
            elif kind.name in BY_NAME:  # which others there are is not a stranger's to know
                found.blind.append(Blind(what=kind.name, why="it is not granted to this tenant"))
        done += 1
        progress("listing", done, len(wanted))

    await asyncio.gather(*(one(kind) for kind in wanted))
    return found


async def places_of(api: Api) -> tuple[str, ...]:
    """The namespaces to look at, each by itself where not all may be seen. Raises Denied and Unavailable."""
    bounds = api.bounds
    if bounds.namespaces is None:
        return ("",)
    there: list[str] = []
    if bounds.patterns:
        async for body, _ in api.pages(BY_NAME["Namespace"]):
            items = mappings(mapping(json.loads(body)).get("items"))
            there += [text(mapping(item.get("metadata")).get("name")) for item in items]
    return bounds.among(there)


async def _list(api: Api, kind: Kind, found: Fetched, until: float, namespace: str) -> None:
    while True:
        if time.monotonic() > until:
            found.left_out.append(f"{kind.plural}: time was up")
            return
        try:
            await api.reviewed("list", kind, namespace)
            async for body, is_last in api.pages(kind, namespace):
                found.pages.append((kind.name, body))
                if not is_last and time.monotonic() > until:
                    found.left_out.append(f"{kind.plural} beyond the first {PAGE:,} pages' worth: time was up")
                    return
                if is_last:
                    found.known.append((kind.name, namespace))
                    return
            found.left_out.append(f"{kind.plural} beyond {PAGE * PAGES:,}")
            return
        except Denied as error:
            if kind.namespaced and not namespace:
                namespace = api.namespace  # perhaps this one may be listed
                continue
            why = error.message if error.code.startswith("review") else "this account may not list it"
            what = kind.name if api.bounds.everything or not namespace else f"{kind.name} in {namespace}"
            found.blind.append(Blind(what=what, why=why))
        except NotFound:
            found.blind.append(Blind(what=kind.name, why="this cluster does not serve it"))
        except (Unavailable, ToolFailed) as error:
            found.blind.append(Blind(what=kind.name, why=error.message))
        return


def seen_of(found: Fetched) -> Seen:
    """What was fetched, shaped. This is the work of a CPU: 5,000 pods are 25 MB of JSON."""
    seen = Seen(found.origin, blind=list(dict.fromkeys(found.blind)), left_out=list(found.left_out), taken=found.taken)
    bounds = found.bounds
    for kind, namespace in found.known:
        if bounds.knows(kind):
            seen.known[kind].add(namespace)
    for kind, body in found.pages:
        for item in mappings(mapping(json.loads(body)).get("items")):
            if not bounds.everything and not bounds.keeps_raw(kind, item):
                continue
            if kind == "Event":
                seen.events.append(event_of(item))
            else:
                seen.items[kind].append(bounds.reduced(shaped(item, kind)))
    return seen


def chosen(found: Fetched, about: tuple[str, ...]) -> list[Wanted]:
    """The pods whose logs are worth fetching."""
    return wanted_logs(seen_of(found), about)[:LOGS_READ]


def weighed(found: Fetched, logs: list[tuple[Wanted, list[LogText]]]) -> ClusterEvidence:
    """The pack."""
    return packed(seen_of(found), logs)


async def logs(api: Api, wanted: Iterable[Wanted], until: float) -> list[tuple[Wanted, list[LogText]]]:
    """The ends of logs, several at once, while there is time."""
    slots = asyncio.Semaphore(AT_ONCE)

    async def of(pod: Wanted) -> tuple[Wanted, list[LogText]]:
        texts: list[LogText] = []
        for container in pod.containers:
            for previous in (False, True) if container in pod.restarted else (False,):
                async with slots:
                    if time.monotonic() > until:
                        return pod, texts
                    try:
                        log = await log_text(api, pod.namespace, pod.pod, container, previous=previous)
                    except Denied:  # its caller may not read it: the rest of the pack does not depend on it
                        return pod, texts
                    if log is not None:
                        texts.append(log)
        return pod, texts

    return list(await asyncio.gather(*(of(each) for each in wanted)))


async def log_text(api: Api, namespace: str, pod: str, container: str, *, previous: bool) -> LogText | None:
    """The end of one container's log; None where there is none. Raises Denied where the caller may not read it."""
    if not (is_name(namespace) and is_name(pod)):
        return None
    await api.reviewed("get", BY_NAME["Pod"], namespace, pod, "log")
    path = f"api/v1/namespaces/{namespace}/pods/{pod}/log"
    parameters = {"tailLines": str(LOG_TAIL), "limitBytes": str(LOG_BYTES), "previous": str(previous).lower()}
    if container:
        parameters["container"] = container
    try:
        body = await api.get(path, **parameters)
    except (ToolFailed, NotFound, Denied, Unavailable):
        return None  # a container that did not start has none; the rest of the pack does not depend on it
    read = body.decode("utf-8", "replace")
    return LogText(container, read, previous, read.count("\n") >= LOG_TAIL or len(body) >= LOG_BYTES)


def default_context(home: Path) -> bool:
    """Whether there is a kubeconfig where kubectl looks by default."""
    return (home / ".kube" / "config").is_file()


def _message(answer: httpx2.Response) -> str:
    try:
        body: Any = answer.json()
    except ValueError:
        return f"HTTP {answer.status_code}"
    return text(mapping(body).get("message")) or f"HTTP {answer.status_code}"


def _continue(body: bytes) -> str:
    """Where the next page of a list begins: the token stands near the head or the end of the list."""
    for part in (body[:2000], body[-2000:]):
        at = part.find(b'"continue":"')
        if at >= 0:
            return part[at + 12 : part.find(b'"', at + 12)].decode()
    return ""
