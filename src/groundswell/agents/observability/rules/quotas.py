"""Quotas that are used up: which resource, how much of how much, and who is refused for it."""

import re
from collections import defaultdict
from collections.abc import Iterator

from groundswell.agents.observability.findings import Finding, event_of, field_of, quoted, statement
from groundswell.agents.observability.world import Happening, Ref, World, of

_SAYS = re.compile(r"exceeded quota: (?P<name>[\w.-]+)(?P<figures>.*)$")
_LATELY = 2 * 3600.0


def find(world: World) -> Iterator[Finding]:
    """One finding for each quota that events say is exceeded, while somebody still waits for pods."""
    told: dict[Ref, dict[Ref, Happening]] = defaultdict(dict)
    for event in world.happenings:
        match = _SAYS.search(event.message)
        if match and world.age(event.last) < _LATELY and not _is_over(world, event):
            told[Ref("ResourceQuota", event.about.namespace, match.group("name"))][world.above(event.about)] = event
    for quota, refused in sorted(told.items()):
        thing = world.by_ref.get(quota)
        if thing is None:
            continue
        event = next(iter(refused.values()))
        match = _SAYS.search(event.message)
        figures = match.group("figures").strip(", ") if match else ""
        hard, used = of(thing.status, "hard") or of(thing.spec, "hard"), of(thing.status, "used")
        full = next((key for key, value in used.items() if f"{key}=" in figures and value == hard.get(key)), "")
        full = full or next((key for key in used if f"{key}=" in figures), "")
        amount = f" ({full}: {used.get(full)} of {hard.get(full)})" if full else ""
        names = ", ".join(str(each) for each in sorted(refused)[:3])
        says = quoted(figures or event.message)
        quotes = [event_of(each) for each in list(refused.values())[:3]]
        yield Finding(
            rule="quotas",
            cause="quota",
            about=quota,
            headline=statement(
                [
                    f"{quota} is used up{amount}, so new pods of {names} are refused: {says}",
                    f"{quota} is used up{amount}: {says}",
                    f"{quota} is used up: {quoted(event.message)}",
                ],
                *quotes,
                field_of(thing, f"{full}: {used.get(full)}"),
                *(field_of(world.by_ref.get(each)) for each in sorted(refused)[:3]),
            ),
            depth=3,
            weight=0.95,
            touches=set(refused),
            next=f"kubectl -n {quota.namespace} describe resourcequota {quota.name}",
        )


def _is_over(world: World, event: Happening) -> bool:
    """Whether what was refused has its pods by now."""
    thing = world.by_ref.get(event.about)
    if thing is None:
        return False
    wanted = thing.spec.get("replicas", thing.spec.get("parallelism", 1))
    there = sum(1 for pod in world.pods_of.get(event.about, []) if pod.data.get("phase") in ("Running", "Succeeded"))
    return isinstance(wanted, int) and there >= wanted
