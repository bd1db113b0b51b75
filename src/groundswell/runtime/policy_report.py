"""What `policy.toml` lets a tenant read, and why a call would be allowed or not: the same judgement as the tools'."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from groundswell.backends.kube.bounds import Bounds
from groundswell.backends.kube.kinds import named
from groundswell.backends.prometheus.bounds import bounded
from groundswell.core.errors import GroundswellError, Invalid, NotFound
from groundswell.core.policy import Grant, SourceUse, ToolCall, Verdict, deny
from groundswell.core.settings import PolicyFile, TenantPolicy
from groundswell.core.tool import Tool
from groundswell.runtime import discovery
from groundswell.runtime.grants import grant_for, judge

# which line of a tenant's part of the file a rule is about
LINES = {
    "tool_not_allowed": "tools",
    "argument_not_allowed": "arguments",
    "domain_not_allowed": "domains",
    "source_scheme_not_allowed": "schemes",
    "source_host_not_allowed": "domains",
    "source_outside_roots": "roots",
    "repository_not_allowed": "repositories",
    "collection_not_allowed": "collections",
    "namespace_not_allowed": "namespaces",
    "cluster_not_allowed": "namespaces",
    "object_not_allowed": "cluster_objects",
    "kind_not_allowed": "cluster_objects",
    "custom_kind_not_allowed": "custom_kinds",
    "series_not_allowed": "labels",
    "function_not_allowed": "labels",
}
READS = (
    "sources",
    "schemes",
    "roots",
    "domains",
    "namespaces",
    "cluster_objects",
    "custom_kinds",
    "labels",
    "repositories",
)
SHOWN = (*READS, "collections", "tools", "arguments", "limits")


@dataclass(frozen=True)
class Reason:
    """Whether a call would be made, by which rule, and where the file says so."""

    allowed: bool
    agent: str
    rule: str = ""
    message: str = ""
    hint: str = ""
    lines: tuple[str, ...] = ()
    asked_as: str = ""  # a PromQL query as it would be sent


def shown(policy: PolicyFile, tenant: str) -> dict[str, str]:
    """What the file says of a tenant, a line each; what it leaves out says what that means."""
    ruled = policy.tenants.get(tenant)
    stated = (ruled or TenantPolicy()).model_dump(exclude_none=True, exclude_defaults=True)
    return {name: _told(stated[name]) if name in stated else _unstated(name) for name in SHOWN}


def explained(
    file: Path,
    policy: PolicyFile,
    tenant: str,
    tool: str,
    arguments: Mapping[str, Any],
    *,
    agent: str = "",
    sources: Mapping[str, str] | None = None,
) -> Reason:
    """Whether a tenant's call would be made for a caller who is not the person at this machine.

    Raises NotFound and Invalid for what names no tool or agent.
    """
    known = _tool(tool)
    agents = discovery.agents()
    names = [agent] if agent else [each for each, declared in agents.items() if tool in declared.tools]
    if not names or names[0] not in agents:
        raise NotFound(
            "no_agent", f"no agent {agent or 'declares the tool ' + tool!r}", f"there are: {', '.join(agents)}"
        )
    grant = grant_for(agents[names[0]], tenant, policy)
    verdict, asked_as = _judged(known, arguments, sources or {}, grant)
    text = file.read_text(encoding="utf-8") if file.is_file() else ""
    keys = _keys(arguments, sources or {}, grant) if verdict.allowed else [LINES.get(verdict.rule, "")]
    lines = tuple(line for key in keys if (line := _line(file, text, tenant, key)))
    return Reason(verdict.allowed, names[0], verdict.rule, verdict.message, verdict.hint, lines, asked_as)


def _tool(name: str) -> Tool:
    tools = discovery.tools()
    if name not in tools:
        raise NotFound("no_tool", f"there is no tool {name!r}", "groundswell tools lists them")
    return tools[name]


def _judged(tool: Tool, arguments: Mapping[str, Any], sources: Mapping[str, str], grant: Grant) -> tuple[Verdict, str]:
    rules = list(discovery.policies().values())
    uses = (SourceUse(kind=kind, source=source) for kind, source in sources.items())
    for event in (*uses, ToolCall(agent=grant.agent, tool=tool.name, arguments=dict(arguments))):
        verdict = judge(rules, event, grant)
        if not verdict.allowed:
            return verdict, ""
    asked_as = ""
    try:
        if tool.name == "cluster_evidence" or "namespace" in tool.arguments.model_fields:
            _look(Bounds(grant.namespaces, grant.cluster_objects, grant.custom_kinds), arguments)
        if "promql" in arguments and grant.labels is not None:
            asked_as = bounded(str(arguments["promql"]), grant.labels)
    except Invalid:
        raise
    except GroundswellError as error:
        return deny(error.code, error.message, error.hint), ""
    return Verdict(allowed=True), asked_as


def _look(bounds: Bounds, arguments: Mapping[str, Any]) -> None:
    if bounds.nothing:
        raise NotFound(
            "cluster_not_allowed", "nothing of a cluster is granted", 'namespaces = ["NAME"] would grant one'
        )
    kind = named(str(arguments["kind"])) if arguments.get("kind") else None
    if kind is None:
        return
    if arguments.get("name"):
        bounds.check_object(kind, str(arguments.get("namespace", "")), str(arguments["name"]))
    else:
        bounds.check_kind(kind)


def _keys(arguments: Mapping[str, Any], sources: Mapping[str, str], grant: Grant) -> Iterable[str]:
    """The keys of a tenant that had a say in allowing this."""
    for kind, source in sources.items():
        if grant.listed.get(kind) == source:
            yield "sources"
        elif source.startswith("collection:"):
            yield "collections"
        else:
            yield from ("repositories",) if kind == "repo" and "://" in source else ("schemes", "roots", "domains")
    yield from ("namespaces",) if arguments.get("namespace") else ()
    yield from ("cluster_objects",) if arguments.get("kind") and not arguments.get("namespace") else ()
    yield from ("labels",) if "promql" in arguments else ()
    yield from ("collections",) if "collections" in arguments else ()
    yield from ("domains",) if any("://" in str(value) for value in arguments.values()) else ()
    yield "tools"


def _line(file: Path, text: str, tenant: str, key: str) -> str:
    """Where the file states a key of a tenant: `policy.toml:7: namespaces = ["shop"]`; "" where it does not."""
    table = ""
    for number, line in enumerate(text.splitlines(), 1):
        if heading := re.match(r"\s*\[\s*([^\[\]]+?)\s*\]", line):
            table = heading.group(1).replace('"', "").replace(" ", "")
            if table.startswith(f"tenants.{tenant}.{key}"):
                return f"{file.name}:{number}: {line.strip()}"
        elif table == f"tenants.{tenant}" and re.match(rf'\s*"?{re.escape(key)}"?\s*[=.]', line):
            return f"{file.name}:{number}: {line.strip()}"
    return ""


def _told(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name}: {_told(each)}" for name, each in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _unstated(name: str) -> str:
    if name in ("tools", "arguments", "limits"):
        return "(as each agent declares)"
    return "(nothing)"
