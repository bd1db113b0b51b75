"""How checks act: questions, single tool calls and reads of a cluster, all through the platform's own client."""

import contextlib
import secrets
import time
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import groundswell
from groundswell.client import Client
from groundswell.core.check import Place
from groundswell.core.errors import NotFound, ToolFailed
from groundswell.core.manifests import parsed
from groundswell.core.records import Event, Evidence, NewRun, Run, ToolResult

PACKAGE = Path(groundswell.__path__[0])
PAGES = f"path:{PACKAGE / 'data' / 'pages'}"  # elsewhere than here the place says where they are
INCIDENT = f"dump:{PACKAGE / 'data' / 'incident'}"
PROBE = "probe"
WAVE_LABEL = "groundswell/wave"  # of a wave's Application, and of all that the wave brings
NAMESPACES = ("ai-inference", "ai-router", "ai-agents", "ai-tools", "ai-vector", "ai-observability")


@dataclass(frozen=True)
class Seen:
    """A run from its start to its end: what it came to, and all its events."""

    run: Run
    events: tuple[Event, ...]
    seconds: float

    def bodies(self, kind: str) -> list[Any]:
        """The facts of a kind, in order."""
        return [event.body for event in self.events if event.kind == kind]

    @property
    def text(self) -> str:
        """The answer's text."""
        return self.run.answer.text if self.run.answer else ""


async def asked(
    platform: Client,
    question: str,
    *,
    agent: str = "",
    sources: Mapping[str, str] | None = None,
    limits: Mapping[str, float] | None = None,
) -> Seen:
    """Ask, and see it to its end."""
    began = time.monotonic()
    given = {"input": question, "agent": agent, "sources": dict(sources or {}), "limits": dict(limits or {})}
    events = [event async for event in platform.stream(NewRun.model_validate(given))]
    return Seen(await platform.show(events[0].run), tuple(events), time.monotonic() - began)


async def called(
    platform: Client,
    tool: str,
    arguments: Mapping[str, Any] | None = None,
    *,
    agent: str = PROBE,
    sources: Mapping[str, str] | None = None,
) -> tuple[Seen, ToolResult]:
    """Call one tool, and see the run of that call to its end."""
    began = time.monotonic()
    run = await platform.call_tool(tool, arguments or {}, agent=agent, sources=sources)
    events = [event async for event in platform.follow(run.id)]
    seen = Seen(await platform.show(run.id), tuple(events), time.monotonic() - began)
    calls = await platform.calls(run.id)
    if not calls or calls[-1]["result"] is None:
        problem = seen.run.error
        status = "denied" if seen.run.reason == "denied" else "error"
        message = problem.message if problem else f"the run is {seen.run.status}"
        return seen, ToolResult(status=status, code=problem.code if problem else "", message=message)
    return seen, ToolResult.model_validate(calls[-1]["result"])


async def value(
    platform: Client,
    tool: str,
    arguments: Mapping[str, Any] | None = None,
    *,
    agent: str = PROBE,
    sources: Mapping[str, str] | None = None,
) -> Any:
    """A tool's value; raises ToolFailed where there is none."""
    _, result = await called(platform, tool, arguments, agent=agent, sources=sources)
    if result.status != "ok":
        raise ToolFailed(result.code or result.status, f"{tool}: {result.message or result.status}", result.hint)
    return result.value


async def objects(platform: Client, place: Place, kind: str, namespace: str = "") -> list[dict[str, Any]]:
    """Every object of a kind in the cluster that this place is."""
    source = {"kubernetes": place.profile.where("kubernetes")}
    asked_for = {"kind": kind, "namespace": namespace}
    _, result = await called(platform, "objects_read", asked_for, sources=source)
    if result.status == "no_data" and not result.code:
        return []
    if result.status != "ok":
        raise ToolFailed(result.code or result.status, result.message or f"{kind} cannot be read", result.hint)
    if result.truncated:
        raise ToolFailed("too_many", f"there are more {kind} than can be read at once", "name a namespace")
    excerpts = cast("list[dict[str, Any]]", result.value)
    return [found for excerpt in excerpts for found in parsed(excerpt["text"])]


async def ours(platform: Client, place: Place, kind: str) -> list[dict[str, Any]]:
    """Every object of a kind in our six namespaces."""
    return [each for each in await objects(platform, place, kind) if each.get("namespace") in NAMESPACES]


async def is_back(platform: Client, place: Place) -> None:
    """Nothing to put back by hand: who was killed is started again. Wait until it answers."""
    await platform.ready()


@contextlib.asynccontextmanager
async def scratch_collection(platform: Client, place: Place) -> AsyncGenerator[str]:
    """A collection of the packaged pages, gone again afterwards."""
    name = f"verify-{secrets.token_hex(4)}"
    try:
        await value(
            platform, "collection_fill", {"name": name}, agent="web", sources={"pages": material(place)["pages"]}
        )
        yield name
    finally:
        with contextlib.suppress(NotFound):
            await called(platform, "collection_remove", {"name": name}, agent="web")


async def evidence(platform: Client, digest: str, run: str = "") -> Evidence | None:
    """What is stored under a digest, if anything is."""
    with contextlib.suppress(NotFound):
        return await platform.evidence(digest, run=run)
    return None


def material(place: Place) -> dict[str, str]:
    """What agents are tried on here: a repository, a cluster with something wrong in it, pages."""
    packaged = {"kubernetes": INCIDENT, "pages": PAGES}
    return {**packaged, **place.material, **place.profile.material}
