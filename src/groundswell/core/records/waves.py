"""Waves: the lines of the roadmap, what was measured for them, and what a place must prove (architecture §8).

A verdict is a pure function of these records: a gate, a report and a replay judge alike, whoever runs them.
"""

from datetime import datetime
from typing import Literal

from pydantic import Field, field_validator

from groundswell.core.records.base import Record
from groundswell.core.records.evidence import Excerpt
from groundswell.core.records.runs import SourceKind

ProofStatus = Literal["pass", "fail", "unknown", "skip"]
LineStatus = Literal["pass", "fail", "unknown", "skip", "deferred"]
Part = Literal["checklist", "deliverable", "component", "completion"]
Figure = bool | int | float | str
Relation = Literal["==", "<=", ">=", "<", ">"]
SIGNS: dict[Relation, str] = {"==": "=", "<=": "≤", ">=": "≥", "<": "<", ">": ">"}  # for people


class Measure(Record):
    """One figure that was taken, and what it is held against."""

    name: str
    value: Figure | None  # None: it could not be taken
    relation: Relation = "=="
    threshold: Figure | None = None  # None: nothing is asked of it
    unit: str = ""

    def holds(self) -> bool | None:
        """Whether it is as asked; None where there is no figure. No data is never a pass."""
        value, threshold = self.value, self.threshold
        if value is None:
            return None
        if threshold is None:
            return True
        if self.relation == "==":
            return value == threshold
        if isinstance(value, str) or isinstance(threshold, str):
            return None  # a text is not more or less than anything
        return {
            "<=": value <= threshold,
            ">=": value >= threshold,
            "<": value < threshold,
            ">": value > threshold,
        }[self.relation]


class Proof(Record):
    """What a check measured, where it saw it, and until when that counts; only `pass` counts."""

    status: ProofStatus
    message: str  # what was found; of a skip, the reason
    measures: tuple[Measure, ...] = ()
    excerpts: tuple[Excerpt, ...] = ()
    simulated: bool = False  # taken on a stand-in: it never counts in production
    check: str = ""
    started: datetime | None = None
    ended: datetime | None = None
    expires: datetime | None = None

    def judged(self) -> ProofStatus:
        """The status that the measures give. What a check says of itself counts against it only, never for it."""
        if self.status == "skip":
            return "skip"
        held = [measure.holds() for measure in self.measures]
        if self.status == "fail" or False in held:
            return "fail"
        return "unknown" if not held or None in held else self.status


class Subject(Record):
    """What proofs are about: a version, with settings (in a cluster: rendered manifests), in one place."""

    version: str
    settings: str  # a digest
    place: str  # of a data directory, or a cluster's id


class Line(Record):
    """A line of the roadmap, in its own words, and what proves it, or why nothing does yet."""

    id: str = Field(pattern=r"^(?:w(?:\d|10)|done)\.[a-z0-9-]+$")
    wave: int | None = Field(default=None, ge=0, le=10)  # None: a completion criterion
    part: Part
    words: str
    under: str = ""  # a component's heading, where it is one of a list
    checks: tuple[str, ...] = ()
    rests_on: tuple[str, ...] = ()  # lines that prove this one when all of them are proven
    deferred: str = ""  # why nothing proves it yet
    without: str = ""  # what of it is left out, and why
    code: tuple[str, ...] = ()  # of a component: the files or folders that are it


class Wave(Record):
    """One wave of the roadmap."""

    number: int = Field(ge=0, le=10)
    name: str
    title: str
    objective: str


class Profile(Record):
    """A place: what it has, which lines it must prove, and which it cannot, with reasons. Ids may be patterns."""

    name: str
    about: str = ""
    production: bool = False  # nothing simulated counts
    parts: dict[str, str] = {}  # third parties: `ours`, `existing(WHERE)` or `none`
    material: dict[SourceKind, str] = {}  # what agents are tried on, where it is not what the package brings
    must: tuple[str, ...] = ()
    cannot: dict[str, str] = {}

    @field_validator("parts")
    @classmethod
    def _known(cls, value: dict[str, str]) -> dict[str, str]:
        for part, text in value.items():
            if text not in ("ours", "none") and not (text.startswith("existing(") and text.endswith(")")):
                raise ValueError(f"{part} is {text!r}; write ours, none or existing(WHERE)")
        return value

    def has(self, part: str) -> bool:
        """Whether a third-party part is here at all."""
        return self.parts.get(part, "none") != "none"

    def where(self, part: str) -> str:
        """Where an existing part is."""
        return self.parts.get(part, "").removeprefix("existing(").removesuffix(")")


class LineVerdict(Record):
    """How a line stands in one place."""

    line: str
    status: LineStatus
    required: bool
    reason: str = ""  # why it did not pass, or what of it was not proven
    simulated: bool = False


class WaveProofs(Record):
    """What is stored of one wave, and signed: in a data directory, or in a cluster's ConfigMap."""

    wave: int | None  # None: the completion criteria
    subject: Subject
    profile: str
    at: datetime
    proofs: tuple[Proof, ...]


class Verdict(Record):
    """What a gate came to, for one revision of one wave on one cluster: signed, and laid into the wave's ConfigMap."""

    wave: int
    subject: Subject
    open: bool
    reason: str = ""  # why it is closed, for people
    at: datetime
    expires: datetime  # when the first proof that it rests on does not count any more
    unproven: dict[str, tuple[str, ...]] = {}  # reason → lines that it let pass
    proofs: tuple[Proof, ...] = ()


class Report(Record):
    """One verification: all that is needed to judge it again elsewhere."""

    format: Literal["groundswell.verification/1"] = "groundswell.verification/1"
    subject: Subject
    profile: Profile
    started: datetime
    ended: datetime
    waves: tuple[int, ...]
    proofs: tuple[Proof, ...]
    lines: tuple[LineVerdict, ...] = ()
