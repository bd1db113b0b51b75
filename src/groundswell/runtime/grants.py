"""What one agent may do for one tenant in one run, and the judgement of policies on each thing it wants to do."""

import difflib
from collections.abc import Iterable, Mapping

from groundswell.core.agent import Agent
from groundswell.core.errors import ConfigError
from groundswell.core.policy import ALLOW, ArgumentRule, Event, Grant, Policy, Verdict, deny
from groundswell.core.records import Limits, Narrowing, ToolSpec
from groundswell.core.settings import PolicyFile, TenantPolicy
from groundswell.core.tool import Tool

EFFECTS = "effects"  # in `approve`: every tool that changes something


def asks(tool: Tool, grant: Grant) -> bool:
    """Whether a person is asked before a call is made."""
    if grant.approve is None:
        return tool.approval
    return tool.name in grant.approve or (EFFECTS in grant.approve and tool.effect == "write")


def narrowed(limits: Limits, by: Narrowing) -> Limits:
    """Limits, made smaller where a caller or a policy says so."""
    asked = {name: value for name, value in by.model_dump().items() if value is not None}
    return limits.narrowed(limits.model_copy(update=asked))


def grant_for(
    agent: Agent,
    tenant: str,
    policy: PolicyFile,
    *,
    caller: str = "",
    granted: Iterable[str] = (),
    unbounded: bool = False,
) -> Grant:
    """What an agent declares, narrowed by `policy.toml`, and the sources that the local caller named itself.

    `unbounded`: what `policy.toml` states no bound for is read as far as the caller's own rights reach.
    """
    ruled = policy.tenants.get(tenant, TenantPolicy())
    tools = agent.tools if ruled.tools is None else agent.tools & frozenset(ruled.tools)
    tools |= agent.effects & frozenset(ruled.effects)
    arguments: dict[str, dict[str, tuple[ArgumentRule, ...]]] = {}
    for rules in (agent.arguments, ruled.arguments):
        for name, of in rules.items():
            for argument, rule in of.items():
                known = arguments.setdefault(name, {})
                known[argument] = (*known.get(argument, ()), rule)
    return Grant(
        agent=agent.name,
        tenant=tenant,
        caller=caller,
        tools=tools,
        arguments=arguments,
        schemes=ruled.schemes,
        roots=ruled.roots,
        writable=ruled.writable,
        approve=ruled.approve,
        domains=ruled.domains,
        sources=tuple(granted),
        listed={str(kind): source for kind, source in ruled.sources.items()},
        namespaces=_bound(ruled.namespaces, unbounded),
        cluster_objects=_bound(ruled.cluster_objects, unbounded and ruled.namespaces is None),
        custom_kinds=_bound(ruled.custom_kinds, unbounded),
        labels=ruled.labels if ruled.labels is not None else None if unbounded else {},
        repositories=_bound(ruled.repositories, unbounded),
        collections=_bound(ruled.collections, unbounded),
        limits=narrowed(agent.limits, ruled.limits),
    )


def is_unbounded(policy: PolicyFile, *, local: bool, alone: bool) -> bool:
    """Whether what `policy.toml` states no bound for may be read.

    By the person at this machine, who could read it without us; and by all where there is but one tenant and no rule.
    """
    return local or (alone and not policy.tenants)


def _bound(stated: tuple[str, ...] | None, unbounded: bool) -> tuple[str, ...] | None:
    return stated if stated is not None else None if unbounded else ()


def check_policy(policy: PolicyFile, tools: Mapping[str, Tool]) -> None:
    """Refuse a `policy.toml` that names a tool or an argument there is not: such a rule would guard nothing."""
    for tenant, ruled in policy.tenants.items():
        where = f"policy.toml, tenant {tenant!r}"
        asked = (name for name in ruled.approve or () if name != EFFECTS)
        for name in (*(ruled.tools or ()), *ruled.effects, *asked, *ruled.arguments):
            if name not in tools:
                raise ConfigError("unknown_tool", f"{where}: there is no tool {name!r}", _nearest(name, tools))
        for name, rules in ruled.arguments.items():
            known = tools[name].arguments.model_fields
            for argument in rules:
                if argument not in known:
                    message = f"{where}: the tool {name!r} has no argument {argument!r}"
                    raise ConfigError("unknown_argument", message, _nearest(argument, known))


def _nearest(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(known), 1)
    return f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(sorted(known))}"


def judge(policies: Iterable[Policy], event: Event, grant: Grant) -> Verdict:
    """The first deny wins; a policy that raises denies."""
    for policy in policies:
        if not isinstance(event, policy.applies):
            continue
        try:
            verdict = policy.function(event, grant)
        except Exception as error:  # noqa: BLE001  # an extension's code: whatever it raises, nothing is allowed by it
            return deny(policy.name, f"policy {policy.name!r} failed: {type(error).__name__}", "mend the policy")
        if not verdict.allowed:
            return verdict
    return ALLOW


def offered(agent: Agent, tenant: str, policy: PolicyFile, catalogue: Mapping[str, Tool]) -> list[ToolSpec]:
    """The tools an agent was granted, as a model is told of them: readers, and effects that policy names."""
    granted = [catalogue[name] for name in sorted(grant_for(agent, tenant, policy).tools) if name in catalogue]
    tools = [tool for tool in granted if tool.effect == "read" or tool.name in agent.effects]
    return [
        ToolSpec(name=tool.name, description=tool.description, parameters=tool.schema(), changes=tool.effect == "write")
        for tool in tools
    ]
