"""What an answer rests on, and what it says."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from groundswell.core.records.base import Record


class Excerpt(Record):
    """Text taken from a source, word for word: what becomes evidence.

    A tool returns excerpts inside its result. The runtime removes secrets, stores each one, and fills in `digest`.
    `source` is one of `repo:PATH#L1-L9`, `https://…`, `k8s:NAMESPACE/Kind/name`,
    `k8s:NAMESPACE/Pod/name/container/logs#L1-L9`, `prom:QUERY@START/END`, `git:BRANCH@COMMIT`.
    """

    source: str
    text: str
    digest: str = ""  # SHA-256 of the stored bytes, hex
    truncated: bool = False


class Evidence(Record):
    """The stored bytes of an excerpt, addressed by (tenant, digest), and one place they came from."""

    digest: str
    source: str
    origin: str = ""  # which repository and commit, cluster or site
    text: str
    truncated: bool = False
    retrieved: datetime


class Citation(Record):
    """Where a claim's quote stands."""

    evidence: str
    source: str
    quote: str


class Claim(Record):
    """One sentence of an answer; code has checked its citations (architecture §6.4).

    `observed`: the quote stands in the evidence. `inferred`: it cites at least one observed claim.
    """

    text: str
    kind: Literal["observed", "inferred"] = "observed"
    confidence: float = Field(default=1.0, ge=0, le=1)
    citations: tuple[Citation, ...] = ()


class Ranked(Record):
    """A source among others that may be the one meant, best first."""

    source: str
    score: float
