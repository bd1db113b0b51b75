"""Admission webhooks that refuse or cannot be asked: the configuration, its Service, and what stands behind it."""

import re
from collections import defaultdict
from collections.abc import Iterator

from groundswell.agents.observability.dependencies import has_ready
from groundswell.agents.observability.findings import (
    Finding,
    Quote,
    Statement,
    event_of,
    field_of,
    line_of,
    quoted,
    statement,
)
from groundswell.agents.observability.world import Data, Ref, Thing, World, of, rows

CONFIGURATIONS = ("ValidatingWebhookConfiguration", "MutatingWebhookConfiguration")
FAILS = re.compile(r"failed calling webhook \"(?P<name>[^\"]+)\"")
_LATELY = 2 * 3600.0


def find(world: World) -> Iterator[Finding]:
    """One finding for each webhook that cannot be asked, whoever says so: events, conditions or logs."""
    told: dict[str, list[tuple[Ref, str, Quote]]] = defaultdict(list)
    for about, text, quote in _said(world):
        if match := FAILS.search(text):
            told[match.group("name")].append((about, text, quote))
    for name, those in sorted(told.items()):
        if configuration(world, name) is not None or len({about for about, _, _ in those}) > 1:
            yield _failing(world, name, those)


def configuration(world: World, name: str) -> tuple[Thing, Data] | None:
    """The configuration that has a webhook, and the webhook."""
    for thing in world.all(*CONFIGURATIONS):
        for hook in rows(thing.data, "webhooks"):
            if hook.get("name") == name:
                return thing, hook
    return None


def _said(world: World) -> Iterator[tuple[Ref, str, Quote]]:
    for event in world.happenings:
        if world.age(event.last) < _LATELY and (quote := event_of(event)):
            yield world.above(event.about), event.message, quote
    for ref, logs in world.logs.items():
        pod = world.by_ref.get(ref)
        for log in logs:
            for line in log.lines:
                if pod is not None and line.level != "info" and line.last > log.digest.lines * 0.7:
                    yield world.owner(pod), line.text, line_of(line)


def _failing(world: World, name: str, told: list[tuple[Ref, str, Quote]]) -> Finding:
    text, quote = told[0][1], told[0][2]
    found = configuration(world, name)
    match = re.search(r"https?://([\w-]+)\.([\w-]+)\.svc", text)
    service = Ref("Service", match.group(2), match.group(1)) if match else None
    if found is not None and (wanted := of(of(found[1], "clientConfig"), "service")):
        service = Ref("Service", str(wanted.get("namespace", "")), str(wanted.get("name", "")))
    thing = world.by_ref.get(service) if service else None
    core = FAILS.sub("", re.sub(r"^.*?(?=failed calling webhook)", "", text)).lstrip(": ")
    says = quoted(core or text)
    about = found[0].ref if found else service or told[0][0]
    needs = {service} | (world.backing(thing) if thing else set()) if service else set[Ref]()
    policy = str(found[1].get("failurePolicy", "Fail")) if found else ""
    of_whom = f" of {found[0].ref}" if found else ""
    holds = f" (`failurePolicy: {policy}`)" if policy else ""
    what = f"The call of the admission webhook `{name}`{holds}{of_whom} goes wrong"
    held = sorted({each for each, _, _ in told if each in world.by_ref})
    whom = ", ".join(map(str, held[:3])) + (" and others" if len(held) > 3 else "")
    words = [f"{what} and holds up {whom}: {says}", f"{what}: {says}"]
    if service and thing is not None and has_ready(world, thing) is False:
        words.insert(0, f"{what}, because its {service} stands empty, and holds up {whom}: {says}")
    words.append(f"The admission webhook `{name}`: {says}")
    return Finding(
        rule="webhooks",
        cause="webhook.unreachable",
        about=about,
        headline=statement(
            words,
            quote,
            field_of(found[0], f"failurePolicy: {policy}", f"name: {name}") if found else None,
            field_of(thing),
            *(field_of(world.by_ref.get(each)) for each in held[:3]),
        ),
        depth=3,
        weight=0.95,
        details=list(_details(world, found, thing, service)),
        needs={each for each in needs if each in world.by_ref} | ({service} if service else set()),
        touches={each for each, _, _ in told} | (_silent(world) if found and _covers_leases(found[1]) else set()),
        next=f"kubectl get {found[0].ref.kind.lower()} {found[0].ref.name} -o yaml" if found else "",
    )


def _covers_leases(hook: Data) -> bool:
    """Whether it is asked about the leases by which nodes say that they live; then its failure silences them."""
    resources = {str(each) for rule in rows(hook, "rules") for each in rule.get("resources") or ()}
    return bool(resources & {"*", "*/*", "leases"}) and hook.get("failurePolicy", "Fail") == "Fail"


def _silent(world: World) -> set[Ref]:
    return {node.ref for node in world.all("Node") if node.condition("Ready").get("status") == "Unknown"}


def _details(
    world: World, found: tuple[Thing, Data] | None, thing: Thing | None, service: Ref | None
) -> Iterator[Statement]:
    if found is not None:
        configured, hook = found
        policy = hook.get("failurePolicy", "Fail")
        yield statement(f"It has `failurePolicy: {policy}`.", field_of(configured, f"failurePolicy: {policy}"))
        for rule in rows(hook, "rules")[:1]:
            resources = ", ".join(map(str, rule.get("resources") or ()))
            if resources:
                yield statement(
                    f"It is asked about {resources}.",
                    field_of(configured, *(f"- {each}" for each in rule.get("resources") or ())),
                )
    if thing is not None and has_ready(world, thing) is False:
        ends = world.get("Endpoints", thing.ref.namespace, thing.ref.name)
        yield statement(
            [f"The list of endpoints of {thing.ref} is empty.", f"{thing.ref} is what it calls."],
            field_of(ends or thing),
        )
    elif service is not None and thing is None and world.lacks(*service):
        yield statement(
            f"Its {service} is not in the list of Services.",
            field_of(found[0] if found else None, f"name: {service.name}"),
        )
