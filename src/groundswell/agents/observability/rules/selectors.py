"""Custom resources that choose nodes by a label that none of them has."""

import re
from collections.abc import Iterator
from typing import Any

from groundswell.agents.observability.findings import Finding, field_of, statement
from groundswell.agents.observability.messages import complaints, lasting
from groundswell.agents.observability.world import BUILT_IN, Thing, World, of

_FIELD = re.compile(r"(?:node|peer)\w*selector$", re.IGNORECASE)
_KEY = re.compile(r"(?<![!\w])has\(([\w./-]+)\)|(?<![\w./-])([\w.-]+/[\w.-]+|[\w-]+)\s*(?:==|in\b)")


def find(world: World) -> Iterator[Finding]:
    """One finding for each such resource: worth knowing, and a fault where the nodes' network complains."""
    if not world.things.get("Node") or not world.knows("Node", ""):
        return
    labels = {key for node in world.all("Node") for key in node.labels}
    troubled = _network_complains(world)
    for kind, things in sorted(world.things.items()):
        for thing in things if kind not in BUILT_IN else ():
            for field, text, keys in _selectors(thing.spec):
                missing = next((key for key in keys if key not in labels), None)
                if missing is not None:
                    yield _nobody(world, thing, field, text, missing, is_broken=troubled)
                    break


def _selectors(spec: dict[str, Any]) -> Iterator[tuple[str, str, list[str]]]:
    """The fields that choose nodes: their name, how they read, and the labels that they want."""
    for field, value in spec.items():
        if not _FIELD.search(field):
            continue
        if isinstance(value, str):
            yield field, value, [one or other for one, other in _KEY.findall(value)]
        elif isinstance(value, dict):
            wanted = of(value, "matchLabels") or value
            yield field, "", [str(key) for key in wanted if key != "matchExpressions"]


def _network_complains(world: World) -> bool:
    return any(
        complaint.kind == "network" and lasting(complaint)
        for logs in world.logs.values()
        for log in logs
        for complaint in complaints(log)
    )


def _nobody(world: World, thing: Thing, field: str, text: str, missing: str, *, is_broken: bool) -> Finding:
    node = next(world.all("Node"))
    near = _like(world, missing)
    return Finding(
        rule="selectors",
        cause="selector.nodes",
        kind="network",
        about=thing.ref,
        headline=statement(
            [
                f"{thing.ref} selects none of the nodes: its `{field}` asks for the label `{missing}`.",
                f"{thing.ref} asks by its `{field}` for nodes with the label `{missing}`, and theirs are others.",
                f"{thing.ref} asks by its `{field}` for nodes with the label `{missing}`.",
            ],
            field_of(thing, f"{field}: {text}" if text else missing, missing, field),
            field_of(node),
        ),
        depth=3,
        weight=0.75,
        details=[statement(f"A label that the nodes have is `{near[1]}`.", field_of(near[0], near[1]))] if near else [],
        is_broken=is_broken,
        next="kubectl get nodes --show-labels",
    )


def _like(world: World, missing: str) -> tuple[Thing, str] | None:
    """A label of a node with the same prefix: perhaps what the other became."""
    prefix = missing.partition("/")[0]
    for node in world.all("Node"):
        for key in node.labels:
            if "/" in missing and key.startswith(f"{prefix}/") and key != missing:
                return node, key
    return None
