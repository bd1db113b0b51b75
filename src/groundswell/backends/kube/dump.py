"""Reads what `kubectl cluster-info dump --all-namespaces --output-directory=DIR` wrote, and lists beside it.

A list that is cut off gives the objects that stand in it whole, and counts as not fully known.
"""

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from groundswell.backends.kube.bounds import EVERYTHING, Bounds
from groundswell.backends.kube.kinds import BY_NAME, BY_PLURAL, Kind, is_name
from groundswell.backends.kube.logs import sections
from groundswell.backends.kube.packing import LogText, Seen, Wanted, event_of, packed, wanted_logs
from groundswell.backends.kube.shapes import Object, mapping, mappings, shaped, text, times
from groundswell.core.errors import LimitReached, ToolFailed
from groundswell.core.records import Blind, ClusterEvidence

LONGEST_LIST = 256 * 2**20  # bytes
LONGEST_LOG = 4 * 2**20
FILES = 20_000
_HEAD = 4_000  # characters of a list, which tell its kind
_LOGS = (("logs.txt", False), ("previous-logs.txt", True))


def evidence(folder: Path, about: tuple[str, ...], bounds: Bounds = EVERYTHING) -> ClusterEvidence:
    """The whole dump as one pack, or as much of it as may be seen."""
    seen = read(folder, bounds=bounds)
    logs = [(wanted, logs_of(folder, wanted)) for wanted in wanted_logs(seen, about)]
    if not any(texts for _, texts in logs):
        seen.blind.append(Blind(what="logs", why="the dump has none"))
    return packed(seen, logs)


def read(folder: Path, kinds: frozenset[str] = frozenset(), bounds: Bounds = EVERYTHING) -> Seen:
    """The objects of a dump; of some kinds only, where they are named. Raises ToolFailed for what is no dump."""
    if not folder.is_dir():
        hint = "kubectl cluster-info dump --all-namespaces --output-directory=DIR writes one"
        raise ToolFailed("no_such_dump", f"{folder} is no folder", hint)
    seen = Seen(origin=f"dump:{folder}")
    found = 0
    for file, namespace in _lists(folder, bounds):
        found += 1
        stem = BY_PLURAL.get(file.stem.split(".")[0].lower())
        if kinds and stem is not None and stem.name not in kinds:
            continue
        _take(seen, file, namespace, kinds, bounds)
    if not found:
        hint = "name the folder that kubectl cluster-info dump wrote: it has nodes.json and a folder for each namespace"
        raise ToolFailed("not_a_dump", f"{folder} has no lists of Kubernetes objects", hint)
    if not seen.known and not seen.items and not kinds:
        raise ToolFailed(
            "not_a_dump", f"no file in {folder} is a list of Kubernetes objects", "it may be cut off: dump again"
        )
    return seen


def kind_called(folder: Path, word: str, bounds: Bounds = EVERYTHING) -> Kind:
    """The kind that a word means by a dump's lists: kind, plural, `PLURAL.GROUP`. Raises ToolFailed for none."""
    word, there = word.lower(), set[str]()
    for file, _ in _lists(folder, bounds):
        plural = file.stem.lower()
        if plural.split(".")[0] in BY_PLURAL:
            continue
        head = file.read_text(encoding="utf-8", errors="replace")[:_HEAD]
        kinds = [name.removesuffix("List") for name in re.findall(r'"kind"\s*:\s*"(\w+)"', head)]
        kind = next((name for name in kinds if name and _begins(plural, name)), "")
        group = next(iter(re.findall(r'"apiVersion"\s*:\s*"([\w.-]+\.[\w.-]+/\w+)"', head)), "")
        found = Kind(kind, plural.split(".")[0], f"apis/{group}") if kind and group else None
        if found is None or not bounds.has_kind(found):
            continue
        if word in (found.plural, kind.lower(), f"{found.plural}.{found.group}"):
            return found
        there.add(found.plural)
    known = ", ".join([*(kind.plural for kind in BY_NAME.values()), *sorted(there)])
    raise ToolFailed("unknown_kind", f"{word!r} is no kind that is looked at", f"known: {known}")


def _begins(plural: str, kind: str) -> bool:
    return plural.startswith(kind.lower()[:-1])


def _lists(folder: Path, bounds: Bounds) -> Iterator[tuple[Path, str]]:
    """Every list, with the namespace of its folder; folders of namespaces that may not be seen are not entered."""
    count = 0
    for entry in sorted(folder.iterdir()):
        if entry.is_symlink() or (entry.is_dir() and not bounds.has(entry.name)):
            continue
        files = [(entry, "")] if entry.is_file() else [(each, entry.name) for each in sorted(entry.glob("*.json"))]
        for file, namespace in files:
            if file.suffix != ".json" or file.is_symlink():
                continue
            count += 1
            if count > FILES:
                raise LimitReached("dump_too_large", f"{folder} has more than {FILES} lists", "dump fewer namespaces")
            yield file, namespace


def _take(seen: Seen, file: Path, namespace: str, kinds: frozenset[str], bounds: Bounds) -> None:
    where = f"{namespace}/{file.name}" if namespace else file.name
    if file.stat().st_size > LONGEST_LIST:
        seen.blind.append(Blind(what=where, why="the file is too large to be read"))
        return
    body = file.read_text(encoding="utf-8", errors="replace")
    try:
        document = json.loads(body)
        whole = isinstance(document, dict)
    except (ValueError, RecursionError):
        document, whole = _salvaged(body), False
    document = mapping(document)
    items = mappings(document.get("items"))
    listed = text(document.get("kind"))
    stem = BY_PLURAL.get(file.stem.split(".")[0].lower())
    of_list = listed[:-4] if listed.endswith("List") and listed != "List" else stem.name if stem else ""
    if listed and not listed.endswith("List") and "metadata" in document and "items" not in document:
        items, of_list = [document], ""
    items = [item for item in (_placed(each, namespace) for each in items) if _kept(item, of_list, bounds)]
    is_list = whole and ("items" in document or listed.endswith("List"))
    if not whole:
        why = f"the file is cut off or is not JSON; {len(items)} objects could be read"
        seen.blind.append(Blind(what=where, why=why))
    by_kind: dict[str, list[Object]] = {of_list: []} if of_list and is_list else {}
    for item in items:
        by_kind.setdefault(text(item.get("kind")) or of_list, []).append(item)
    for kind, those in by_kind.items():
        if not kind or (kinds and kind not in kinds):
            continue
        if is_list and bounds.knows(kind):
            seen.known[kind].update(_where(kind, those, namespace, bounds))
        seen.taken = max(seen.taken, times(those))
        for item in those:
            if kind == "Event":
                seen.events.append(event_of(item))
            else:
                seen.items[kind].append(bounds.reduced(shaped(item, kind)))


def _placed(item: Object, namespace: str) -> Object:
    """An object that does not say where it is lies where its folder says."""
    if namespace and not mapping(item.get("metadata")).get("namespace"):
        return item | {"metadata": {**mapping(item.get("metadata")), "namespace": namespace}}
    return item


def _kept(item: Object, of_list: str, bounds: Bounds) -> bool:
    kind, group = text(item.get("kind")) or of_list, text(item.get("apiVersion")).rpartition("/")[0]
    return bounds.everything or (bounds.names_kind(kind, group) and bounds.keeps_raw(kind, item))


def _where(kind: str, items: list[Object], namespace: str, bounds: Bounds) -> Iterable[str]:
    """Where a kind is known from a list: everywhere, in its folder's namespace, or in those that may be seen."""
    if namespace or bounds.everything or (kind in BY_NAME and not BY_NAME[kind].namespaced):
        return (namespace,)
    return bounds.among(text(mapping(item.get("metadata")).get("namespace")) for item in items)


def _salvaged(body: str) -> Object:
    """The objects that stand whole in a list that is cut off."""
    kind = re.search(r'"kind"\s*:\s*"(\w+List)"', body[:2000])
    start = re.search(r'"items"\s*:\s*\[', body)
    items: list[Any] = []
    decoder = json.JSONDecoder()
    at = start.end() if start else len(body)
    while at < len(body):
        while at < len(body) and body[at] in " \t\r\n,":
            at += 1
        try:
            item, at = decoder.raw_decode(body, at)
        except (ValueError, RecursionError):
            break
        items.append(item)
    return {"kind": kind.group(1) if kind else "", "items": items}


def logs_of(folder: Path, wanted: Wanted) -> list[LogText]:
    """The logs of a pod."""
    found: list[LogText] = []
    home = folder / wanted.namespace / wanted.pod
    if (
        not (is_name(wanted.namespace) and is_name(wanted.pod))
        or not home.is_dir()
        or not home.resolve().is_relative_to(folder.resolve())
    ):
        return found
    for name, previous in _LOGS:
        file = home / name
        if not file.is_file() or file.is_symlink():
            continue
        size = file.stat().st_size
        with file.open("rb") as opened:
            if size > LONGEST_LOG:
                opened.seek(size - LONGEST_LOG)
            body = opened.read(LONGEST_LOG).decode("utf-8", "replace")
        for section in sections(body):
            if section.text.strip():
                found.append(LogText(section.container, section.text, previous, size > LONGEST_LOG))
    return found
