"""Kinds that nobody here knows: what their own status says of them, by the conventions of Kubernetes' conditions."""

import re
from collections.abc import Iterator

from groundswell.agents.observability.complaint_kinds import kind_of
from groundswell.agents.observability.findings import Finding, field_of, quoted, statement
from groundswell.agents.observability.world import BUILT_IN, Data, Ref, Thing, World, of, rows

_GOOD = re.compile(
    r"(?:.*(?:Ready|Available|Healthy|Synced|Succeeded|Reconciled|Accepted|Established|Valid|Resolved\w*|Programmed"
    r"|Complete|Completed|Archiving|Bound|Running|Online))$"
)
_BAD = re.compile(
    r".*(?:Degraded|Failed|Failing|Failure|Stalled|Error|Errors|Unhealthy|Invalid|Unavailable|Conflict\w*|Lost)$"
)
_BAD_PHASE = re.compile(
    r"(?i)^(?:\w*fail(?:ed|ing|ure)?|\w*error|degraded|unhealthy|lost|unreachable|fenced|stalled|invalid)$"
)
_ON_PURPOSE = re.compile(r"(?i)suspend|paused|disabled|deleting|terminating|hibernat|not ?requested|not ?enabled")
_RUN = re.compile(r"[-.]?\d[\d-]*$")  # what tells one of many runs from the next


def find(world: World) -> Iterator[Finding]:
    """One finding for each object that says of itself that it is not well."""
    for kind, things in sorted(world.things.items()):
        if kind in BUILT_IN:
            continue
        for thing in things:
            bad = _bad(thing)
            if bad is None or thing.spec.get("suspend") is True or thing.spec.get("paused") is True:
                continue
            if not _is_outlived(things, thing):
                yield _unwell(world, thing, bad)


def _bad(thing: Thing) -> Data | None:
    """The condition that tells most: a general one before a special one, one with a message before one without."""
    found: list[tuple[int, Data]] = []
    for each in rows(thing.status, "conditions"):
        if _is_wrong(each) and not _ON_PURPOSE.search(str(each.get("reason", ""))):
            general = str(each.get("type", "")) in ("Ready", "Available", "Healthy", "Degraded", "Failed", "Stalled")
            found.append((2 * bool(each.get("message")) + general, each))
    if found:
        return max(found, key=lambda each: each[0])[1]
    for key in ("phase", "state", "health"):
        value = thing.status.get(key)
        value = value.get("status") if isinstance(value, dict) else value
        if isinstance(value, str) and _BAD_PHASE.match(value):
            message = thing.status.get("message") or of(thing.status, "health").get("message") or ""
            return {"type": key, "status": value, "reason": value, "message": str(message)}
    return None


def _is_outlived(things: list[Thing], thing: Thing) -> bool:
    """Whether a later one of the same series of runs went well."""
    stem = _RUN.sub("", thing.ref.name)
    return stem != thing.ref.name and any(
        other.ref.namespace == thing.ref.namespace
        and _RUN.sub("", other.ref.name) == stem
        and str(other.data.get("created", "")) > str(thing.data.get("created", ""))
        and _bad(other) is None
        for other in things
    )


def _unwell(world: World, thing: Thing, bad: Data) -> Finding:
    name, status = str(bad.get("type")), str(bad.get("status"))
    reason, message = str(bad.get("reason") or ""), str(bad.get("message") or "")
    says = quoted(message or reason or name)
    because = f" ({reason})" if reason else ""
    made = {each.ref for each in world.made_by.get(thing.ref, [])}
    made |= {each.ref for each in world.by_name.get((thing.ref.namespace, thing.ref.name), [])}
    others = [
        statement(
            f"Its condition {each.get('type')} is {each.get('status')}: {quoted(_says(each))}",
            field_of(thing, _says(each)),
        )
        for each in rows(thing.status, "conditions")
        if each is not bad and each.get("type") != name and _is_wrong(each)
    ]
    return Finding(
        rule="conditions",
        cause=f"condition.{name.lower()}",
        kind=kind_of(message),
        about=thing.ref,
        headline=statement(
            [
                f"{thing.ref} is not well: {name} is {status}{because}: {says}",
                f"{thing.ref}: {name} is {status}{because}: {says}",
                f"{thing.ref}: {name} is {status}: {says}",
                f"{thing.ref}: {says}",
            ],
            field_of(thing, message, f"reason: {reason}"),
            field_of(thing, f"type: {name}", f"{name}: {status}"),
        ),
        depth=3,
        weight=0.8,
        details=others[:2],
        touches=made - {thing.ref},
        next=_command(thing.ref),
        since=str(bad.get("since", "")),
    )


def _says(each: Data) -> str:
    return str(each.get("message") or each.get("reason"))


def _is_wrong(each: Data) -> bool:
    name, status = str(each.get("type", "")), str(each.get("status", ""))
    return bool(status == "False" and _GOOD.match(name) or status == "True" and _BAD.match(name))


def _command(ref: Ref) -> str:
    where = f"-n {ref.namespace} " if ref.namespace else ""
    return f"kubectl {where}get {ref.kind.lower()} {ref.name} -o yaml"
