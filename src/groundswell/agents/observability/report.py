"""Writes what was found: the cause first, what speaks for it and against, what is not known, and where to look next."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from groundswell.agents.drafts import Block, Draft
from groundswell.agents.grounding import refused
from groundswell.agents.observability.asked import facts, wants_facts
from groundswell.agents.observability.diagnosis import Hypothesis
from groundswell.agents.observability.findings import Finding, Quote, Statement, field_of, line_of, quoted, statement
from groundswell.agents.observability.messages import said
from groundswell.agents.observability.pods import counts
from groundswell.agents.observability.question import Focus
from groundswell.agents.observability.world import BUILT_IN, WORKLOADS, Ref, Thing, World, number, of, ready
from groundswell.core.records import Citation, Claim, Evidence, Excerpt

_SHOWN = 4  # causes
_EXPLAINED = 4
_NOTES = 2
_NAMED = 5  # objects in one sentence
_COUNTED = ("pods", "nodes", "deployments", "statefulsets", "daemonsets", "logs")
_UNLISTED = "it was not listed"


class Writer:
    """Says what the evidence bears, in the first wording that it does; what it does not bear is not said."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.claims: list[dict[str, Any]] = []
        self.blocks: list[Block] = []
        self.observed: set[str] = set()
        self.said: set[str] = set()
        self.places: dict[str, dict[str, None]] = {}
        self.evidence: dict[str, Evidence] = {}

    def block(self, title: str = "", *, bullets: bool = False, of: int = -1) -> None:
        """Begin a block; `of` is the claim that it speaks for or against."""
        self.blocks.append(Block(title=title, claims=[], bullets=bullets, of=of))

    def say(self, statement: Statement, *more: Quote | None, confidence: float = 1.0) -> bool:
        """Say a sentence; whether any of its wordings could be."""
        quotes = [*statement.quotes, *(each for each in more if each is not None)]
        cited = [each for quote in quotes if (each := self._cited(quote)) is not None]
        citations = tuple(dict.fromkeys(cited))
        if not citations:
            return False
        for text in statement.wordings:
            for kind in ("observed", "inferred"):
                if kind == "inferred" and not self.observed:
                    continue
                claim = Claim(text=text, kind=kind, confidence=confidence, citations=citations)  # type: ignore[arg-type]
                if text in self.said or refused(claim, self.evidence, self._places(), self.observed):
                    continue
                if kind == "observed":
                    self.observed |= {each.evidence for each in citations}
                self.said.add(text)
                self.blocks[-1].setdefault("claims", []).append(len(self.claims))
                self.claims.append(claim.model_dump(mode="json"))
                return True
        return False

    def bears(self, statement: Statement) -> bool:
        """Whether a sentence would stand as an observation; what it cites may then be inferred from."""
        citations = tuple(each for quote in statement.quotes if (each := self._cited(quote)) is not None)
        claim = Claim(text=statement.wordings[0], citations=citations)
        if not citations or refused(claim, self.evidence, self._places()):
            return False
        self.observed |= {each.evidence for each in citations}
        return True

    def _places(self) -> dict[str, list[str]]:
        """Where each evidence stands: the same words in two logs are one evidence."""
        return {digest: list(sources) for digest, sources in self.places.items()}

    def _cited(self, quote: Quote) -> Citation | None:
        excerpt = quote.excerpt
        if not excerpt.digest:
            return None
        self.evidence.setdefault(
            excerpt.digest,
            Evidence(digest=excerpt.digest, source=excerpt.source, text=excerpt.text, retrieved=datetime.now(UTC)),
        )
        words = _standing(excerpt, quote.words)
        if not words:
            return None
        source = excerpt.source
        if quote.line:
            source = f"{source.rpartition('#')[0]}#L{quote.line}"
        self.places.setdefault(excerpt.digest, {})[excerpt.source] = None
        return Citation(evidence=excerpt.digest, source=source, quote=words)

    def update(self, missing: Sequence[str], report: dict[str, Any]) -> dict[str, Any]:
        """What the node returns."""
        draft = Draft(
            claims=self.claims,
            blocks=[each for each in self.blocks if each.get("claims")],
            ranked=[],
            needs_model=False,
            question="",
            missing=list(dict.fromkeys(missing)),
        )
        return {"draft": draft, "places": {key: list(value) for key, value in self.places.items()}, "report": report}


def _standing(excerpt: Excerpt, words: str) -> str:
    """The words as they stand in an excerpt, over its line breaks; "" where they do not."""
    if words in excerpt.text:
        return words.strip("\n")
    flat = words.split()
    for line in excerpt.text.split("\n"):
        if " ".join(flat) in " ".join(line.split()):
            return line.strip()
    return ""


def written(
    world: World,
    ranked: Sequence[Hypothesis],
    found: Sequence[Finding],
    focus: Focus,
    measures: Sequence[Statement] = (),
    unmeasured: Sequence[str] = (),
) -> dict[str, Any]:
    """The answer before grounding, and the report that a loop could begin from."""
    writer = Writer(world)
    near = [each for each in ranked if each.is_near]
    if focus.of_speed and not measures and not any(each.is_linked for each in near):
        near = []  # a neighbour's fault is no reason for being slow where nothing leads to it
    far = [each for each in ranked if each not in near]
    told = list(facts(world, focus)) if focus or focus.kinds else []
    first = bool(told) and (wants_facts(focus) or bool(near and focus.names_logs))
    if first:
        _asked(writer, told)
    if near:
        _causes(writer, near, focus)
    else:
        _well(writer, focus, elsewhere=bool(far))
    if not first:
        _asked(writer, told)
    writer.block("By its metrics:", bullets=True)
    for each in measures:
        writer.say(each)
    if far:
        apart = "Wrong elsewhere, and not seen to reach it:" if focus.objects and focus.of_speed else "Wrong elsewhere:"
        writer.block(apart if not near else "Wrong, but not near to what was asked:", bullets=True)
        for each in far[:_SHOWN]:
            _like(writer, each)
    _harmless(writer, found, [each.finding for each in ranked])
    _next(writer, near or far)
    return writer.update([*_missing(world, near or far), *unmeasured], _report(ranked))


def _asked(writer: Writer, told: Sequence[Statement]) -> None:
    writer.block("As asked:", bullets=True)
    for each in told:
        writer.say(each)


def _causes(writer: Writer, ranked: Sequence[Hypothesis], focus: Focus) -> None:
    world = writer.world
    first, rest = ranked[0], list(ranked[1:])
    writer.block()
    about = field_of(world.by_ref.get(first.finding.about))
    sure = round(min(0.99, 0.35 + first.finding.weight * 0.6 - 0.05 * (len(rest) > 0)), 2)
    support = _observed(writer, [*first.finding.headline.quotes, about])
    if not writer.say(first.finding.headline, about, confidence=sure):
        writer.say(
            statement(f"{first.finding.about} is in trouble.", about),
            *first.finding.headline.quotes[:1],
            confidence=sure,
        )
    cause = len(writer.claims) - 1
    is_inferred = not writer.claims or writer.claims[-1]["kind"] == "inferred"
    _others(writer, first)
    writer.block("What speaks for it:", bullets=True, of=cause)
    for each in support if is_inferred else ():
        writer.say(each)
    for detail in first.finding.details:
        writer.say(detail)
    for each in _began(world, first.finding):
        writer.say(each)
    effects = _distinct(first, focus)
    writer.block("What follows from it:", bullets=True, of=cause)
    for explained in effects[:_EXPLAINED]:
        writer.say(explained.headline, field_of(world.by_ref.get(explained.about)))
    _rest(writer, effects[_EXPLAINED:])
    writer.block("What speaks against it, or was ruled out:", bullets=True, of=cause)
    for each in [*first.finding.against, *_ruled_out(world, first.finding)]:
        writer.say(each)
    if rest:
        writer.block("Also wrong, and not explained by that:", bullets=True)
        for each in rest[: _SHOWN - 1]:
            _like(writer, each)


def _like(writer: Writer, hypothesis: Hypothesis) -> None:
    """One sentence on a cause that is not the first, and of what else the same holds."""
    finding = hypothesis.finding
    quote = field_of(writer.world.by_ref.get(finding.about))
    writer.say(finding.headline, quote, confidence=round(min(0.95, finding.weight), 2))
    _others(writer, hypothesis)


def _others(writer: Writer, hypothesis: Hypothesis) -> None:
    """The other objects of which the same is said, in one sentence."""
    names = [each.about for each in hypothesis.alike]
    if names:
        _listed(writer, "The same holds for", names)


def _rest(writer: Writer, effects: Sequence[Finding]) -> None:
    if effects:
        _listed(writer, "Also", [each.about for each in effects])


def _listed(writer: Writer, head: str, refs: Sequence[Ref]) -> None:
    things = [thing for ref in dict.fromkeys(refs) if (thing := writer.world.by_ref.get(ref)) is not None]
    names = [str(each.ref) for each in things[:_NAMED]]
    more = " and others" if len(things) > _NAMED else ""
    if names:
        writer.say(statement(f"{head} {', '.join(names)}{more}.", *(field_of(each) for each in things[:_NAMED])))


def _observed(writer: Writer, quotes: Sequence[Quote | None]) -> list[Statement]:
    """Plain observations of what a sentence cites: an inference needs some of it to be observed."""
    found: list[Statement] = []
    for quote in quotes:
        if quote is None or quote.words.startswith("name: "):
            continue
        plain = statement(quoted(quote.words), quote)
        if writer.bears(plain):
            found.append(plain)
    return found


def _distinct(hypothesis: Hypothesis, focus: Focus) -> list[Finding]:
    """What a cause explains, one finding an object: what was asked about first, then what tells most."""
    found: dict[Ref, Finding] = {}
    own = hypothesis.finding.about
    effects = [each for each in hypothesis.explains if each.about != own or each.depth > 0]
    for each in sorted(effects, key=lambda each: (each.about not in focus.objects, -each.depth)):
        found.setdefault(each.about, each)
    return list(found.values())


def _began(world: World, finding: Finding) -> Iterator[Statement]:
    """The rollout that the trouble may have begun with: a newer ReplicaSet beside an older one."""
    sets = [
        each
        for each in world.all("ReplicaSet")
        if each.ref.namespace == finding.about.namespace
        and each.data.get("owner") == f"{finding.about.kind}/{finding.about.name}"
    ]
    if len(sets) < 2:
        return
    newest = max(sets, key=lambda each: str(each.data.get("created")))
    images = newest.spec.get("images") or []
    before = [each for each in sets if each is not newest and each.spec.get("images") != images]
    if not before or number(newest.spec.get("replicas")) == 0:
        return
    created = newest.data.get("created")
    yield statement(
        [
            f"Its newest ReplicaSet `{newest.ref.name}` was made at {created} with the image `{images[0]}`."
            if images
            else ""
        ],
        field_of(newest, f"created: {created}"),
        field_of(newest, str(images[0])) if images else None,
    )


def _ruled_out(world: World, finding: Finding) -> Iterator[Statement]:
    """Causes that would explain it too, and are not there: its node, its siblings."""
    pods = world.pods_of.get(finding.about, [])
    troubled = next((pod for pod in pods if pod.ref in finding.touches), None)
    if troubled is not None and troubled.data.get("node") and finding.rule != "nodes":
        node = world.get("Node", "", str(troubled.data["node"]))
        if node is not None and node.condition("Ready").get("status") == "True":
            yield statement(
                [f"{node.ref}, where {troubled.ref} is, is Ready.", f"{node.ref} is Ready."],
                field_of(node, "type: Ready"),
                field_of(troubled, f"node: {node.ref.name}"),
            )
    sibling = next((pod for pod in pods if ready(pod) and pod.ref not in finding.touches), None)
    if sibling is not None and finding.about.kind in WORKLOADS:
        yield statement(
            [f"Another of its pods, {sibling.ref.name}, runs and is ready.", f"{sibling.ref} is Running."],
            field_of(sibling, f"name: {sibling.ref.name}"),
            field_of(sibling, "ready: true"),
        )


def _well(writer: Writer, focus: Focus, *, elsewhere: bool) -> None:
    """Nothing was found: said by what was asked about, or by how much there was to look at.

    Where the question says that something fails, "nothing is wrong" would deny it: then only that nothing shows it.
    """
    world = writer.world
    census = world.pack.census
    if census is None:
        return
    lines = [line for line in census.text.split("\n") if line.partition(":")[0] in _COUNTED] or census.text.split("\n")[
        :1
    ]
    quotes = [Quote(census, line) for line in lines]
    ready_ = [each for ref in sorted(focus.objects)[:3] if (each := _ready(world, ref)) is not None]
    stand = [
        each for each in (*ready_, *(statement(f"{quote.words}.", quote) for quote in quotes)) if writer.bears(each)
    ]
    writer.block()
    what = "No signs of trouble were seen" if focus.reports else "Nothing is wrong here"
    counted = _counted(lines)
    wordings = [f"{what}: {ready_[0].wordings[0]}"] if ready_ else []
    if focus:
        wordings.append(f"{what} ({focus.named()}): {counted}.")
    wordings.append(f"{what}: {counted}.")
    cited = [quote for each in ready_[:1] for quote in each.quotes]
    sure = 0.6 if focus.reports else 0.9 if world.pack.logs or "logs: read of 0" not in census.text else 0.7
    writer.say(statement(wordings, *cited, *quotes, *_focused(world, focus), inferred=True), confidence=sure)
    writer.block("Looked at:" if elsewhere or focus.reports else "Looked at, and as it should be:", bullets=True)
    for each in stand[:7]:
        writer.say(each)
    for each in _last_words(world, focus):
        writer.say(each)


def _last_words(world: World, focus: Focus) -> Iterator[Statement]:
    """How the logs of what was named end."""
    for ref in sorted(focus.objects)[:3]:
        pods = [ref] if ref.kind == "Pod" else [each.ref for each in world.pods_of.get(ref, [])]
        log = next((log for pod in pods for log in world.logs.get(pod, []) if log.lines), None)
        if log is not None:
            line = log.lines[-1]
            yield statement(f"The log of {log.pod} ends with {quoted(said(line.text))}", line_of(line))


def _ready(world: World, ref: Ref) -> Statement | None:
    """How many of a workload's replicas are ready."""
    thing = world.by_ref.get(ref)
    wanted = thing.spec.get("replicas") if thing else None
    if thing is None or wanted is None:
        return None
    there = number(thing.status.get("readyReplicas"))
    if wanted == 0:
        return statement(f"{ref} is scaled to 0 replicas.", field_of(thing, "replicas: 0"))
    quotes = (field_of(thing, f"readyReplicas: {there}"), field_of(thing, f"replicas: {wanted}"))
    return statement([f"{ref} has {there} of {wanted} replicas ready.", f"{ref} wants {wanted} replicas."], *quotes)


def _focused(world: World, focus: Focus) -> Iterator[Quote]:
    inside = [thing.ref for thing in world.all("Deployment", "Pod") if thing.ref.namespace in focus.namespaces]
    for ref in [*sorted(focus.objects)[:2], *inside[:1]]:
        if (quote := field_of(world.by_ref.get(ref))) is not None:
            yield quote


def _counted(lines: Iterable[str]) -> str:
    return "; ".join(lines)


def _harmless(writer: Writer, found: Sequence[Finding], causes: Sequence[Finding]) -> None:
    """What looks like trouble and is none: said only where nothing else is."""
    world = writer.world
    notes = [each for each in found if not each.is_broken and each not in causes]
    writer.block("Worth knowing, and no fault by itself:", bullets=True)
    for each in notes[:_NOTES]:
        writer.say(each.headline, field_of(world.by_ref.get(each.about)))
    restarted = [
        (pod, container)
        for pod in world.all("Pod")
        for container in pod.containers
        if ready(pod)
        and number(container.get("restarts"))
        and counts(world, pod)
        and of(container, "last").get("finishedAt")
    ]
    if not causes:
        for pod, container in restarted[:_NOTES]:
            at = of(container, "last").get("finishedAt")
            writer.say(
                statement(
                    f"{pod.ref} restarted (last at {at}), and is ready since.",
                    field_of(pod, f"finishedAt: {at}"),
                    field_of(pod, "ready: true"),
                )
            )


def _next(writer: Writer, ranked: Sequence[Hypothesis]) -> None:
    world = writer.world
    commands = list(dict.fromkeys(each.finding.next for each in ranked[:2] if each.finding.next))
    title = f"Seen in {world.pack.origin}, as of {world.pack.taken or 'an unknown time'}."
    if commands:
        title = "\n".join(["To look further, reading only:", *(f"  {each}" for each in commands), "", title])
    writer.block(title)
    census = world.pack.census
    if census is not None:
        lines = [line for line in census.text.split("\n") if line.partition(":")[0] in _COUNTED]
        lines = [line for line in lines if f"{line}." not in writer.said]  # once is enough
        if lines:
            writer.say(statement(f"In all: {_counted(lines)}.", *(Quote(census, line) for line in lines)))


def _missing(world: World, ranked: Sequence[Hypothesis]) -> Iterator[str]:
    """What was not seen, so that nobody takes it for absent; and what was seen and is not understood."""
    by_why: dict[str, list[str]] = {}
    for each in world.pack.blind:
        by_why.setdefault(each.why, []).append(each.what)
    for why, what in by_why.items():
        if why == _UNLISTED:
            yield f"there was no list of these kinds, so whether any exist is unknown: {', '.join(what)}"
        elif len(what) == 1:
            yield f"{what[0]}: {why}"
        else:
            yield f"{', '.join(what[:-1])} and {what[-1]}: {why}"
    for each in world.pack.left_out:
        yield f"left out: {each}"
    silent = sorted(
        f"{kind} ({', '.join(each.ref.name for each in things[:3])}{', …' if len(things) > 3 else ''})"
        for kind, things in world.things.items()
        if kind not in BUILT_IN and not any(_speaks(each) for each in things)
    )
    if silent:
        yield f"read, but not understood, since their status says nothing of how they are: {', '.join(silent)}"
    if not ranked and "logs: read of 0" in (world.pack.census.text if world.pack.census else ""):
        yield "no log could be read: what programs say of themselves is unknown"


def _speaks(thing: Thing) -> bool:
    """Whether an object's status says how it is, in a way that can be read without knowing its kind."""
    return bool(
        thing.status.get("conditions")
        or thing.status.get("phase")
        or thing.status.get("health")
        or thing.status.get("state")
    )


def _report(ranked: Sequence[Hypothesis]) -> dict[str, Any]:
    """The hypotheses as JSON, for whoever goes on from them."""
    return {
        "hypotheses": [
            {
                "rule": each.finding.rule,
                "cause": each.finding.cause,
                "about": str(each.finding.about),
                "says": each.finding.headline.wordings[0],
                "score": round(each.score, 3),
                "explains": [str(other.about) for other in each.explains],
                "next": each.finding.next,
            }
            for each in ranked[:8]
        ]
    }
