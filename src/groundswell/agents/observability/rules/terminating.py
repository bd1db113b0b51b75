"""Objects that are being deleted and do not go: a finalizer that nobody removes, a node that does not answer."""

from collections.abc import Iterator

from groundswell.agents.observability.findings import Finding, field_of, quoted, statement
from groundswell.agents.observability.world import Ref, World, rows

_STUCK = 300.0  # seconds after its grace period; a pod that has ended is stuck at once


def find(world: World) -> Iterator[Finding]:
    """Everything that is stuck so for five minutes or more."""
    for things in list(world.things.values()):
        for thing in things:
            deleting = thing.data.get("deleting")
            waits = bool(thing.data.get("finalizers")) and thing.data.get("phase") in ("Succeeded", "Failed")
            if not deleting or world.age(deleting) < (-_STUCK if waits else _STUCK):
                continue
            finalizers = thing.data.get("finalizers") or rows(thing.spec, "finalizers")
            names = ", ".join(f"`{each}`" for each in finalizers if isinstance(each, str))
            why = next(
                (
                    str(c.get("message"))
                    for c in rows(thing.status, "conditions")
                    if c.get("status") == "True"
                    and c.get("message")
                    and "Deletion" in str(c.get("type")) + str(c.get("reason"))
                    or c.get("type") in ("NamespaceContentRemaining", "NamespaceFinalizersRemaining")
                    and c.get("status") == "True"
                ),
                "",
            )
            words = [f"{thing.ref} is stuck in Terminating since {deleting}"]
            tail = f": its finalizer {names} is still there" if names else ""
            cites = [
                field_of(thing, f"deleting: {deleting}"),
                field_of(thing, "finalizers"),
                field_of(thing, why) if why else None,
            ]
            node = Ref("Node", "", str(thing.data.get("node", ""))) if thing.ref.kind == "Pod" else None
            yield Finding(
                rule="terminating",
                cause="terminating.finalizer" if names else "terminating",
                about=world.owner(thing) if thing.ref.kind == "Pod" and not names else thing.ref,
                headline=statement(
                    [
                        *([f"{words[0]}{tail}: {quoted(why)}"] if why else []),
                        f"{words[0]}{tail}.",
                        f"{thing.ref} is being deleted since {deleting}{tail}.",
                        f"{thing.ref} is being deleted{tail}.",
                    ],
                    *cites,
                ),
                depth=3 if names else 1,
                weight=0.7,
                needs={node} if node else set(),
                touches={thing.ref, *([world.owner(thing)] if thing.ref.kind == "Pod" else [])},
                next=f"kubectl -n {thing.ref.namespace} get {thing.ref.kind.lower()} {thing.ref.name} -o yaml"
                if thing.ref.namespace
                else f"kubectl get {thing.ref.kind.lower()} {thing.ref.name} -o yaml",
            )
