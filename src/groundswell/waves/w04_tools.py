"""Wave 4: tools answer in a known shape, to whom they were granted, within their time, and reads are tried again."""

from collections.abc import Mapping
from typing import Any

from groundswell.client import Client
from groundswell.core.check import Place, check, judged, measure, seen
from groundswell.core.records import Proof
from groundswell.tools.probe_flaky import RETRIES
from groundswell.tools.probe_wait import SECONDS
from groundswell.waves.acting import PROBE, called, evidence, material, objects, scratch_collection

SLACK = 5.0  # seconds that a call may take beyond its deadline: queueing, the journal, a busy machine


@check(proves=("w4.structured", "w4.retrieval", "w4.repository-tools", "w4.web-tools", "w4.cluster-tools"))
async def results_are_structured(platform: Client, place: Place) -> Proof:
    """Tools of each family give a typed value with fields that can be relied on, and what they read is evidence."""
    looked_at = material(place)
    repo, cluster = {"repo": looked_at["repo"]}, {"kubernetes": looked_at["kubernetes"]}
    async with scratch_collection(platform, place) as name:
        passages = {"query": "harbour office", "collections": [name], "limit": 2}
        wanted: list[tuple[str, str, dict[str, Any], Mapping[str, str], tuple[str, ...]]] = [
            ("documents_search", "web", passages, {}, ("page", "excerpt", "score")),
            ("file_read", "coding", {"path": "README.md"}, repo, ("path", "start", "excerpt")),
            ("module_outline", "coding", {"path": "harbour/tides.py"}, repo, ("path", "symbols")),
            ("objects_list", "observability", {"kind": "pods"}, cluster, ("kind", "name", "status")),
            ("collection_show", "web", {"name": name}, {}, ("collection", "documents")),
        ]
        good: list[str] = []
        told: list[str] = []
        opened = 0
        for tool, agent, arguments, sources, fields in wanted:
            run, result = await called(platform, tool, arguments, agent=agent, sources=sources)
            first = result.value[0] if isinstance(result.value, list) and result.value else result.value
            has = isinstance(first, dict) and set(fields) <= set(first)
            good += [tool] if result.status == "ok" and has else []
            digest = _digest(first)
            opened += bool(digest and await evidence(platform, digest, run.run.id))
            told.append(
                f"{tool}: {result.status}, {sorted(first) if isinstance(first, dict) else type(first).__name__}"
            )
    return judged(
        f"{len(good)} of {len(wanted)} tools gave what their schema says",
        measure("structured", len(good), len(wanted), unit="tools"),
        measure("excerpts that open as evidence", opened, 2, relation=">="),
        seen=[seen("tools", each) for each in told],
    )


def _digest(value: Any) -> str:
    """The digest of the first excerpt in a value."""
    if isinstance(value, dict):
        if value.get("digest") and "text" in value:
            return str(value["digest"])
        return next((found for each in value.values() if (found := _digest(each))), "")
    if isinstance(value, list):
        return next((found for each in value if (found := _digest(each))), "")
    return ""


@check(proves="w4.restrictions", seconds=300)
async def each_agent_is_kept_to_its_tools(platform: Client) -> Proof:
    """For each agent a tool that is not its own: denied, before it did anything, and said so in an event."""
    tools = await platform.tools()
    agents = [*(str(each["name"]) for each in await platform.agents()), PROBE]
    denied: list[str] = []
    wrong: list[str] = []
    for agent in agents:
        foreign = next((tool["name"] for tool in tools if agent not in tool["agents"]), None)
        if foreign is None:
            wrong.append(f"{agent} may call every tool there is")
            continue
        run, result = await called(platform, foreign, {}, agent=agent)
        refused = result.status == "denied" and result.code == "tool_not_allowed" and run.bodies("denial")
        (denied if refused else wrong).append(f"{agent} asked for {foreign}: {result.status}, {result.message}")
    return judged(
        f"{len(denied)} of {len(agents)} agents were refused a tool that is not theirs",
        measure("agents refused", len(denied), len(agents)),
        measure("agents", len(agents), 3, relation=">="),
        seen=[seen("agents", each) for each in [*wrong, *denied]],
    )


@check(proves="w4.allow-lists")
async def a_tool_off_the_list_is_denied(platform: Client) -> Proof:
    """The probe agent may call its own tool and not another's; the refused call is never begun."""
    run, refused = await called(platform, "file_read", {"path": "README.md"})
    _, allowed = await called(platform, "probe_flaky")
    return judged(
        f"file_read: {refused.status} ({refused.code}); probe_flaky: {allowed.status}",
        measure("off the list", refused.status, "denied"),
        measure("rule", refused.code, "tool_not_allowed"),
        measure("begun all the same", len(run.bodies("call.started")), 0, unit="calls"),
        measure("on the list", allowed.status, "ok"),
        seen=[seen(f"run:{run.run.id}", refused.message)],
    )


@check(proves="w4.timeouts-retries")
async def a_slow_tool_is_timed_out(platform: Client) -> Proof:
    """A tool that takes longer than it may is cut off at its deadline, and says so."""
    run, result = await called(platform, "probe_wait", {"seconds": 4 * SECONDS})
    finished = run.bodies("call.finished")
    took = finished[-1].seconds if finished else None
    return judged(
        f"{result.message or result.status}, after {'?' if took is None else f'{took:.2f}'} s",
        measure("status", result.status, "error"),
        measure("code", result.code, "tool_deadline"),
        measure("took", took, SECONDS + SLACK, relation="<=", unit="s"),
        seen=[seen(f"run:{run.run.id}", result.message)],
    )


@check(proves="w4.timeouts-retries")
async def a_flaky_read_is_tried_again(platform: Client) -> Proof:
    """A read whose service is away twice is there at the third try; one that is away longer ends as an error."""
    run, result = await called(platform, "probe_flaky", {"failures": RETRIES})
    _, away = await called(platform, "probe_flaky", {"failures": RETRIES + 10})
    return judged(
        f"it came back at try {result.value}; one that stays away is {away.status} ({away.code})",
        measure("status", result.status, "ok"),
        measure("tries", result.value if isinstance(result.value, int) else None, RETRIES + 1),
        measure("away for good", away.status, "error"),
        seen=[seen(f"run:{run.run.id}", f"probe_flaky: {result.value}"), seen("away", away.message)],
    )


@check(proves="w4.cluster-tools", needs=("kubernetes",))
async def rights_in_the_cluster_are_narrow(platform: Client, place: Place) -> Proof:
    """What our accounts may do there is named, kind by kind and verb by verb, and no Secret is among it."""
    roles = [each for kind in ("clusterroles", "roles") for each in await objects(platform, place, kind)]
    own = [each for each in roles if each.get("labels", {}).get("app.kubernetes.io/part-of") == "groundswell"]
    wide = [seen(f"k8s:{each['kind']}/{each['name']}", said) for each in own if (said := _too_wide(each))]
    bindings = [
        each for kind in ("clusterrolebindings", "rolebindings") for each in await objects(platform, place, kind)
    ]
    bound = [each for each in bindings if each.get("labels", {}).get("app.kubernetes.io/part-of") == "groundswell"]
    names = {str(each["name"]) for each in own}
    others = [
        seen(f"k8s:{each['kind']}/{each['name']}", f"it binds {each['roleRef'].get('name')}")
        for each in bound
        if each.get("roleRef", {}).get("name") not in names
    ]
    return judged(
        f"{len(own)} roles"
        + "".join(f"; {each.source.partition(':')[2]}: {each.text}" for each in [*wide, *others][:3]),
        measure("roles", len(own), 1, relation=">="),
        measure("roles that are too wide", len(wide), 0),
        measure("bindings to roles of others", len(others), 0),
        seen=[*wide, *others],
    )


def _too_wide(role: Mapping[str, Any]) -> str:
    """What of a role names nothing, or reads or changes Secrets."""
    for rule in role.get("rules", []):
        for part in ("apiGroups", "resources", "verbs", "nonResourceURLs"):
            if "*" in rule.get(part, []):
                return f"it has * for {part}"
        if "secrets" in rule.get("resources", []) and set(rule.get("verbs", [])) - {"create"}:
            return f"it may {', '.join(rule['verbs'])} Secrets"
        if given := set(rule.get("verbs", [])) & {"escalate", "bind", "impersonate"}:
            return f"it may {', '.join(sorted(given))}"
    return ""
