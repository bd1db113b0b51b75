"""Runs every rule, links what they find by cause, and ranks what is left as causes of their own."""

import importlib
import pkgutil
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache

from groundswell.agents.observability import rules
from groundswell.agents.observability.findings import Finding
from groundswell.agents.observability.messages import STATES
from groundswell.agents.observability.question import Focus
from groundswell.agents.observability.topology import needs_of
from groundswell.agents.observability.world import Ref, World

Rule = Callable[[World], Iterator[Finding]]
_NODE_CAUSES = ("node.silent", "node.not-ready", "node.network")
_FARTHEST = 6  # edges
_CUT = ("timeout", "dns", "network", "refused")  # what a node's network that is not right looks like from a pod
_LED = ("traffic", "crashes", "probes", "shared", "certificates", "webhooks")  # what these say leads to something else


@dataclass
class Hypothesis:
    """A cause, and what it explains."""

    finding: Finding
    explains: list[Finding] = field(default_factory=list[Finding])
    score: float = 0.0
    alike: list[Finding] = field(default_factory=list[Finding])  # the same of other objects
    is_near: bool = True  # the question asks about it, or about what it explains
    is_linked: bool = True  # and not merely about something in the same namespace


@cache
def all_rules() -> tuple[tuple[str, Rule], ...]:
    """The rules: each module of the folder has one, `find`."""
    found: list[tuple[str, Rule]] = []
    for module in sorted(pkgutil.iter_modules(rules.__path__), key=lambda each: each.name):
        loaded = importlib.import_module(f"{rules.__name__}.{module.name}")
        found.append((module.name, loaded.find))
    return tuple(found)


def findings(world: World) -> list[Finding]:
    """What all rules find."""
    return [finding for _, rule in all_rules() for finding in rule(world)]


def hypotheses(world: World, found: Sequence[Finding], focus: Focus) -> list[Hypothesis]:
    """The causes that nothing else here explains, most likely first."""
    promoted = {id(each) for each in _wanted(world, found)}
    broken = [each for each in found if each.is_broken or id(each) in promoted]
    above: dict[int, Finding] = {}
    for finding in broken:
        cause = _cause(world, finding, broken)
        if cause is not None:
            above[id(finding)] = cause
    roots: dict[int, Hypothesis] = {}
    for finding in broken:
        root = _root(finding, above)
        hypothesis = roots.setdefault(id(root), Hypothesis(root))
        if finding is not root:
            hypothesis.explains.append(finding)
    for hypothesis in roots.values():
        _weigh(world, hypothesis, focus)
    ranked = sorted(roots.values(), key=lambda each: (-each.score, str(each.finding.about), each.finding.cause))
    return _without_repeats(ranked)


def _wanted(world: World, found: Sequence[Finding]) -> Iterator[Finding]:
    """Findings that by themselves are no fault, but are what something broken rests on."""
    asleep = [each for each in found if not each.is_broken and each.rule == "services"]
    for finding in found:
        if finding.is_broken:
            reach = _reach(world, finding)
            yield from (each for each in asleep if each.about in reach or each.touches & set(reach))


def _reach(world: World, finding: Finding) -> dict[Ref, int]:
    """What a finding may rest on, near and far: through Services to the workloads behind them, and so on."""
    distances: dict[Ref, int] = dict.fromkeys(finding.needs, 1)
    pending = list(finding.needs)
    while pending:
        ref = pending.pop(0)
        if distances[ref] >= _FARTHEST:
            continue
        for other in needs_of(world, ref):
            if other not in distances:
                distances[other] = distances[ref] + 1
                pending.append(other)
    return distances


def _cause(world: World, finding: Finding, broken: Sequence[Finding]) -> Finding | None:
    """What explains a finding: the same object's deeper one, what it rests on, or what says that it reaches here."""
    reach = _reach(world, finding)
    best: tuple[tuple[float, ...], Finding] | None = None
    for other in broken:
        if other is finding or (other.depth < finding.depth and finding.depth > 1):
            continue
        same = other.about == finding.about or bool(other.touches & finding.touches and other.depth > finding.depth)
        touched = finding.about in other.touches and other.depth > finding.depth
        distance = min((reach[ref] for ref in (other.about, *_services_of(other)) if ref in reach), default=0)
        if distance and other.about.kind == "Node" and not _by_node(finding, other):
            distance = 0
        shares = _shares(world, finding, other)
        if finding.depth == 3 and not (touched or shares or (distance and finding.rule in _LED)):
            continue
        if same and other.depth > finding.depth:
            key = (2.0, float(other.depth), other.weight)
        elif touched:
            key = (1.5, float(other.depth), other.weight)
        elif distance and other.about != finding.about:
            key = (3.0 - distance * 0.1, float(other.depth), other.weight)
        elif shares:
            key = (1.0, float(other.depth), other.weight)
        else:
            continue
        if best is None or key > best[0]:
            best = (key, other)
    return best[1] if best else None


def _shares(world: World, finding: Finding, other: Finding) -> bool:
    """Whether one of the platform's own parts tells of the same state: a node's agent, an operator's resource."""
    if finding.cause == "node.silent" and other.rule == "webhooks":
        return finding.about in other.touches  # it is asked about the leases of nodes, too
    if not finding.kind or not other.kind or finding.about == other.about:
        return False
    if other.rule == "selectors":
        return finding.kind == "network"
    if other.rule == "conditions":
        same = finding.kind == other.kind and finding.kind in STATES and finding.rule != "conditions"
        return same and finding.about.namespace == other.about.namespace
    if other.about.kind != "DaemonSet" or finding.about.kind == "DaemonSet":
        return False
    if other.kind == "network" and finding.kind in _CUT:
        nodes = {ref.name for ref in other.touches if ref.kind == "Node"}
        return not nodes or bool(nodes & set(_nodes(world, finding)))
    return finding.kind == other.kind and finding.kind in STATES


def _nodes(world: World, finding: Finding) -> Iterator[str]:
    """The nodes of the pods that a finding is seen at."""
    for ref in finding.touches:
        pod = world.by_ref.get(ref)
        if ref.kind == "Pod" and pod is not None:
            yield str(pod.data.get("node", ""))


def _services_of(finding: Finding) -> set[Ref]:
    """The Services that a finding makes useless."""
    return {ref for ref in finding.touches if ref.kind == "Service"}


def _by_node(finding: Finding, node: Finding) -> bool:
    """Whether what ails a node explains this; a node that is only cordoned explains no crash."""
    if finding.rule == "webhooks":
        return node.cause in _NODE_CAUSES and node.about not in finding.touches
    if node.cause in _NODE_CAUSES:
        return finding.depth <= 1 or finding.rule in ("scheduling", "terminating", "volumes", "sandboxes", "probes")
    if node.cause == "node.cordoned":
        return finding.cause in ("schedule.cordoned", "schedule.resources")
    return finding.rule in ("evictions", "memory", "scheduling") or finding.depth == 0


def _root(finding: Finding, above: dict[int, Finding]) -> Finding:
    """The end of the chain; where it runs in a circle, its deepest and surest link."""
    chain = [finding]
    while id(chain[-1]) in above:
        following = above[id(chain[-1])]
        if any(each is following for each in chain):
            circle = chain[next(n for n, each in enumerate(chain) if each is following) :]
            return max(circle, key=lambda each: (each.depth, each.weight, str(each.about)))
        chain.append(following)
    return chain[-1]


def _weigh(world: World, hypothesis: Hypothesis, focus: Focus) -> None:
    finding = hypothesis.finding
    explained = {each.about for each in hypothesis.explains} - {finding.about}
    hypothesis.score = finding.weight + 0.1 * finding.depth + 0.1 * min(4, len(explained))
    concerned = {finding.about, *finding.touches, *explained}
    concerned |= {ref for each in hypothesis.explains for ref in each.touches}
    near = max((focus.nearness(ref) for ref in concerned), default=0.0)
    hypothesis.is_near = not focus or near >= (0.6 if focus.doubts else 0.1)
    # what a question complains of is told of what it names: it says nothing for a neighbour in the same namespace
    hypothesis.is_linked = not focus.objects or near > 0.25
    fits = hypothesis.is_linked and any(focus.fits(each.cause) for each in (finding, *hypothesis.explains))
    hypothesis.score += near + (0.3 if fits else 0.0)


def _without_repeats(ranked: list[Hypothesis]) -> list[Hypothesis]:
    """One hypothesis an object, of several the first; and one for all objects of which the same is said."""
    kept: list[Hypothesis] = []
    shapes: dict[tuple[str, str, str], Hypothesis] = {}
    for each in ranked:
        same = next((other for other in kept if other.finding.about == each.finding.about), None)
        alike = shapes.get(_shape(each.finding))
        if same is not None:
            same.explains += [each.finding, *each.explains]
        elif alike is not None and (alike.is_near, alike.is_linked) == (each.is_near, each.is_linked):
            alike.alike.append(each.finding)
            alike.explains += each.explains
        else:
            shapes[_shape(each.finding)] = each
            kept.append(each)
    return kept


def _shape(finding: Finding) -> tuple[str, str, str]:
    """What a finding says, without of whom."""
    text = finding.headline.wordings[-1]
    names = {finding.about.name, *(ref.name for ref in finding.touches)}
    for name in sorted(names, key=len, reverse=True):
        text = text.replace(name, "") if name else text
    words = re.sub(r"[0-9a-f]*\d[0-9a-f.:-]*", "#", text.replace(finding.about.namespace or "\0", ""))
    return finding.rule, finding.cause, words
