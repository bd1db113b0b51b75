"""What tools say about a cluster. An object is its excerpt: `core.manifests` reads it back."""

from typing import Literal

from groundswell.core.records.base import Record
from groundswell.core.records.evidence import Excerpt

Severity = Literal["fatal", "error", "warning", "info"]


class LogMark(Record):
    """A line of a log that stands for all that are like it."""

    line: int  # where the first of them stands
    last: int  # where the last of them stands
    count: int
    level: Severity


class LogDigest(Record):
    """What one container's log says: its marked lines, in order, and the passages they stand in."""

    namespace: str
    pod: str
    container: str
    previous: bool = False  # of the container's run before this one
    lines: int  # that were read
    truncated: bool = False  # the log is longer than what was read
    marks: tuple[LogMark, ...] = ()
    excerpts: tuple[Excerpt, ...] = ()


class Listed(Record):
    """How much of a kind is known. Where `namespaces` is empty, all of them are."""

    kind: str
    count: int
    namespaces: tuple[str, ...] = ()


class Blind(Record):
    """Something that could not be seen, and why."""

    what: str
    why: str


class ClusterEvidence(Record):
    """One look at a cluster, as of one moment: objects, events, logs, and what is not known."""

    origin: str  # `kubeconfig:…#context` or `dump:…`
    taken: str  # RFC 3339: now, or the newest time in a dump
    objects: tuple[Excerpt, ...] = ()
    events: tuple[Excerpt, ...] = ()  # one a namespace: a line an event, oldest first
    logs: tuple[LogDigest, ...] = ()
    census: Excerpt | None = None  # how many of what there is
    listed: tuple[Listed, ...] = ()  # a kind that does not stand here is unknown, never absent
    blind: tuple[Blind, ...] = ()
    left_out: tuple[str, ...] = ()


class ObjectRow(Record):
    """An object in a list."""

    kind: str
    namespace: str
    name: str
    status: str = ""
    created: str = ""


class Series(Record):
    """One series of a metrics query: its labels and its values by time, as one text."""

    labels: dict[str, str]
    points: int
    first: float | None = None
    last: float | None = None
    least: float | None = None
    most: float | None = None


class Metrics(Record):
    """What a metrics query came to."""

    query: str
    series: tuple[Series, ...] = ()
    excerpt: Excerpt | None = None
    cost: int = 0  # samples that the guard reckoned with
    left_out: int = 0  # series beyond those shown
