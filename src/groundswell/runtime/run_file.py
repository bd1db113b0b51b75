"""A finished run as one file of JSON lines, which says of itself whether it is whole.

The first line is the run, the last one the digest of all before it; between them are its events, its calls with their
replies, and the evidence it could see. Nothing in it was not stored, so secrets were removed before.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from typing import Any

from pydantic import ValidationError

from groundswell.core.errors import Invalid
from groundswell.core.records import Event, Evidence, Record, Recorded, Run, ToolSpec, Turn

FORMAT = 1
HINT = "write it anew: groundswell runs export ID -o FILE"


class Head(Record):
    """The first line."""

    format: int = FORMAT
    platform: str  # the version that wrote the file
    run: Run
    call: dict[str, Any] | None = None  # of a run of one call
    offered: tuple[ToolSpec, ...] = ()  # the tools that a model was told of
    history: tuple[Turn, ...] = ()  # earlier runs of its thread


class RunFile(Record):
    """A run's file, read."""

    head: Head
    events: tuple[Event, ...] = ()
    calls: tuple[Recorded, ...] = ()
    evidence: tuple[Evidence, ...] = ()

    @property
    def build(self) -> str:
        """Which version of the agent took the run last; empty where none did."""
        builds = [event.body.build for event in self.events if event.body.kind == "run" and event.body.build]
        return builds[-1] if builds else ""


def lines(file: RunFile) -> Iterator[str]:
    """A file's text, line by line."""
    digest, count = hashlib.sha256(), 0
    parts: Iterable[tuple[str, Record]] = [
        ("run", file.head),
        *(("event", event) for event in file.events),
        *(("call", call) for call in file.calls),
        *(("evidence", evidence) for evidence in file.evidence),
    ]
    for kind, record in parts:
        line = f'{{"{kind}":{record.model_dump_json()}}}\n'
        digest.update(line.encode())
        count += 1
        yield line
    yield json.dumps({"end": {"lines": count, "sha256": digest.hexdigest()}}) + "\n"


def read(text: bytes) -> RunFile:
    """Read a file; raises Invalid for one that is none of ours, of a later format, cut, or changed."""
    body, newline, last = text.removesuffix(b"\n").rpartition(b"\n")
    first = _json(body.partition(b"\n")[0] or last)
    head = first.get("run")
    if not isinstance(head, dict) or not isinstance(head.get("format"), int):
        raise Invalid("not_a_run_file", "this is no file of a run", HINT)
    if head["format"] != FORMAT:
        message = f"this file has format {head['format']}; this release reads format {FORMAT}"
        raise Invalid("run_file_format", message, "read it with the release that wrote it")
    end = _json(last).get("end")
    if not isinstance(end, dict):
        raise Invalid("run_file_cut", "the end of this file is missing", HINT)
    if end.get("sha256") != hashlib.sha256(body + newline).hexdigest() or end.get("lines") != body.count(b"\n") + 1:
        raise Invalid("run_file_changed", "this file is not as it was written", HINT)
    parts: dict[str, list[Any]] = {"run": [], "event": [], "call": [], "evidence": []}
    for line in body.split(b"\n"):
        for kind, record in _json(line).items():
            if kind not in parts:
                raise Invalid("not_a_run_file", f"this file has a line of kind {kind!r}, which is not known", HINT)
            parts[kind].append(record)
    try:
        return RunFile.model_validate(
            {"head": parts["run"][0], "events": parts["event"], "calls": parts["call"], "evidence": parts["evidence"]}
        )
    except ValidationError as error:
        where = ".".join(str(part) for part in error.errors(include_url=False, include_input=False)[0]["loc"])
        raise Invalid("not_a_run_file", f"this file does not say what a run is at {where}", HINT) from error


def _json(line: bytes) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
