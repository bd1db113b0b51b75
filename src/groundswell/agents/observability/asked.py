"""What the question asks to see of what it names: the lines of a log, the fields of an object."""

import re
from collections.abc import Iterator

from groundswell.agents.observability.findings import Statement, field_of, line_of, quoted, statement
from groundswell.agents.observability.messages import Complaint, complaints, said
from groundswell.agents.observability.question import Focus
from groundswell.agents.observability.world import Log, Ref, Thing, World

_LOGS = re.compile(r"\blogs?\b|\bcomplain|\berrors? (?:are )?(?:in|from|of|does)\b|\b(?:say|says|print|write|writes)\b")
_FIELDS = re.compile(r"\b(?:which|what|how many|how much|show|list)\b")
_CAUSE = re.compile(r"\b(?:why|wrong|broke|broken|cause|fail\w*|matter|happen\w*|going on)\b")
_STEM = 4  # letters that a word of the question and a field's name share
_SHOWN = 4
_PLAIN = frozenset(
    "which what does have they them with from that this there many much show list select selects".split()  # noqa: SIM905
)


def wants_facts(focus: Focus) -> bool:
    """Whether the question asks what something is, rather than why something fails."""
    return bool(_FIELDS.search(focus.text)) and not _CAUSE.search(focus.text) and not _LOGS.search(focus.text)


def facts(world: World, focus: Focus) -> Iterator[Statement]:
    """The lines and fields that are asked for; nothing where none is."""
    if _LOGS.search(focus.text):
        yield from _logged(world, focus)
    if wants_facts(focus):
        yield from _fields(world, focus)


def _logged(world: World, focus: Focus) -> Iterator[Statement]:
    for about in sorted(focus.objects)[:_SHOWN]:
        logs = list(_logs(world, about))
        told = sorted((each for log in logs for each in complaints(log)), key=lambda each: -each.score)
        told = [each for each in told if _fits(each, focus)] or told
        seen: set[str] = set()
        for complaint in told:
            says = quoted(complaint.quote)
            if says not in seen and len(seen) < _SHOWN:
                seen.add(says)
                often = ", again and again" if complaint.line.count > 2 else ""
                yield statement(f"{complaint.log.pod} logs{often}: {says}", line_of(complaint.line))
        if not told and logs and logs[0].lines:
            line = logs[0].lines[-1]
            yield statement(f"The log of {logs[0].pod} ends with {quoted(said(line.text))}", line_of(line))


def _fits(complaint: Complaint, focus: Focus) -> bool:
    """Whether a line speaks of what the question does: DNS errors, conntrack, a host."""
    words = {word for word in re.findall(r"[a-z]{3,}", focus.text) if word not in _PLAIN}
    words -= {part for ref in focus.objects for part in re.findall(r"[a-z]+", ref.name)}
    return complaint.kind in words or any(word in complaint.line.text.lower() for word in words if len(word) > 5)


def _logs(world: World, about: Ref) -> Iterator[Log]:
    pods = [about] if about.kind == "Pod" else [each.ref for each in world.pods_of.get(about, [])]
    for pod in pods[:6]:
        yield from world.logs.get(pod, [])


def _fields(world: World, focus: Focus) -> Iterator[Statement]:
    """The fields whose names the question has."""
    stems = {word[:_STEM] for word in re.findall(r"[a-z]{4,}", focus.text) if word not in _PLAIN}
    named = [world.by_ref[ref] for ref in sorted(focus.objects) if ref in world.by_ref]
    named += [thing for kind in sorted(focus.kinds) for thing in world.things.get(kind, [])[:_SHOWN]]
    named += [pod for ref in sorted(focus.objects) for pod in world.pods_of.get(ref, [])[:1]]
    for thing in named[:8]:
        for line in list(_lines(thing, stems))[:_SHOWN]:
            yield statement(f"{thing.ref}: `{line}`", field_of(thing, line))


def _lines(thing: Thing, stems: set[str]) -> Iterator[str]:
    for line in thing.excerpt.text.split("\n"):
        key, colon, value = line.strip().removeprefix("- ").partition(":")
        parts = re.findall(r"[a-z]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", key).lower())
        if colon and value.strip() and any(part[:_STEM] in stems for part in parts if len(part) >= _STEM):
            yield line.strip().removeprefix("- ")
