"""One thing that several workloads complain about: a Service, a host outside, the cluster's name service."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from groundswell.agents.observability.dependencies import DNS, HOST, Edge, followed
from groundswell.agents.observability.findings import Finding, Quote, field_of, line_of, quoted, statement
from groundswell.agents.observability.messages import EDGES, THEIRS, Complaint, complaints, persistent
from groundswell.agents.observability.world import Ref, Thing, World, ready

_TELLING = 1.5  # of a complaint's score
_NAMED = 3  # workloads
_SAYS = {
    "refused": ["{what} refuses the connections of {who}", "The connections of {who} to {what} are refused"],
    "timeout": ["The connections of {who} to {what} time out", "{who}: a timeout on the way to {what}"],
    "reset": ["{what} closes the connections of {who}", "{who}: a closed connection to {what}"],
    "upstream": ["{what} answers {who} with errors", "{who}: an error of {what}"],
    "login": ["{what} rejects the logins of {who}", "{who}: rejected logins at {what}"],
    "throttled": ["{what} throttles {who} (too many requests)", "{who}: a limit on requests at {what}"],
    "certificate": ["The certificate of {what} is refused by {who}", "{who}: the certificate of {what}"],
    "memory": ["{what} refuses {who} for want of memory", "{what} is out of memory for {who}"],
    "disk": ["{what} refuses {who}, since its disk is full", "{what} is out of disk space for {who}"],
    "read-only": ["{what} is read-only for {who}", "{who}: {what} is read-only"],
    "limit": ["{what} has no connection left for {who}", "{who}: a limit on connections of {what}"],
    "dns": ["Names do not resolve (DNS) for {who}", "The look-ups of names (DNS) go wrong for {who}"],
}


@dataclass(frozen=True)
class _Told:
    """A workload's complaint."""

    about: Ref
    pod: Thing
    complaint: Complaint
    edge: Edge


def find(world: World) -> Iterator[Finding]:
    """One finding for each thing that two workloads or more complain about."""
    by_thing: dict[Ref, dict[Ref, _Told]] = defaultdict(dict)
    pods: dict[Ref, set[Ref]] = defaultdict(set)
    for told in _told(world):
        thing = _thing(told)
        if thing is not None and told.about != thing:
            pods[thing].add(told.pod.ref)
            known = by_thing[thing].get(told.about)
            if known is None or told.complaint.score > known.complaint.score:
                by_thing[thing][told.about] = told
    for thing, tellers in sorted(by_thing.items()):
        backing = (
            world.backing(world.by_ref[thing]) if thing.kind == "Service" and thing in world.by_ref else set[Ref]()
        )
        if len(tellers.keys() - backing) >= 2:
            those = [each for about, each in tellers.items() if about not in backing]
            yield _blamed(world, thing, those, backing, pods[thing])


def _told(world: World) -> Iterator[_Told]:
    for ref, logs in list(world.logs.items()):
        pod = world.by_ref.get(ref)
        if pod is None:
            continue
        for log in logs:
            for complaint in complaints(log):
                about = complaint.kind in EDGES | {"certificate"} or (complaint.kind in THEIRS and complaint.host)
                fits = about and complaint.score > _TELLING
                if fits and not complaint.is_inbound and (persistent(complaint) or not ready(pod)):
                    yield _Told(world.owner(pod), pod, complaint, followed(world, complaint, ref.namespace))


def _thing(told: _Told) -> Ref | None:
    """What the complaint is about, as an object: names that do not resolve are the name service's."""
    edge, complaint = told.edge, told.complaint
    if edge.cause:
        return None  # it asks for the wrong thing: that is its own
    if complaint.kind == "dns":
        return DNS
    if edge.service is not None:
        return edge.service.ref
    local = complaint.host.startswith(("127.", "localhost", "::1"))
    return Ref(HOST, "", complaint.host) if complaint.host and not local else None


def _blamed(world: World, thing: Ref, tellers: list[_Told], backing: set[Ref], pods: set[Ref]) -> Finding:
    tellers = sorted(tellers, key=lambda each: (-each.complaint.score, each.about))
    kinds = [each.complaint.kind for each in tellers]
    kind = max(sorted(set(kinds)), key=lambda each: (kinds.count(each), each != "timeout"))
    first = next(each for each in tellers if each.complaint.kind == kind)
    names = sorted(str(each.about) for each in tellers)
    shown = [*names[:_NAMED], "others"] if len(names) > _NAMED else names
    who = " and ".join([", ".join(shown[:-1]), shown[-1]])
    what = str(thing) if thing.kind != HOST else f"`{thing.name}`"
    says = quoted(first.complaint.quote)
    quotes: list[Quote | None] = [line_of(each.complaint.line) for each in (first, *tellers[:_NAMED])]
    quotes += [field_of(world.by_ref.get(each.about)) for each in tellers[:_NAMED]]
    words = [each.format(what=what, who=who) for each in _SAYS[kind]]
    nodes = _only_on(world, tellers, pods)
    details = []
    if nodes is not None:
        words.insert(0, f"{words[-1]}, all on {nodes.ref}")
        details.append(
            statement(f"All those pods are on {nodes.ref}.", field_of(tellers[0].pod, f"node: {nodes.ref.name}"))
        )
        quotes += [field_of(each.pod, f"node: {nodes.ref.name}") for each in tellers[:_NAMED]]
    serious = kind in ("certificate", "throttled", "login", *THEIRS)
    where = next(iter(sorted(backing)), first.about)
    return Finding(
        rule="shared",
        cause=f"shared.{kind}",
        kind=kind,
        about=thing,
        headline=statement(
            [*(f"{each}: {says}" for each in words), f"{who} say the same: {says}"],
            *quotes,
            field_of(world.by_ref.get(thing)),
        ),
        depth=3 if serious or thing.kind == HOST else 2,
        weight=0.85,
        details=details,
        needs={
            *backing,
            *(nodes and {nodes.ref} or ()),
            *(ref for each in tellers for ref in each.edge.needs if ref != thing),
        },
        touches={each.about for each in tellers} | {each.pod.ref for each in tellers},
        next=f"kubectl -n {where.namespace} logs {where.kind.lower()}/{where.name} --tail=100",
    )


def _only_on(world: World, tellers: list[_Told], pods: set[Ref]) -> Thing | None:
    """The one node whose pods complain, while pods of the same workloads elsewhere do not."""
    nodes = {str(world.by_ref[each].data.get("node", "")) for each in pods}
    name = nodes.pop() if len(nodes) == 1 else ""
    elsewhere = any(
        pod.data.get("node") != name and ready(pod) for each in tellers for pod in world.pods_of.get(each.about, [])
    )
    return world.get("Node", "", name) if name and elsewhere else None
