"""What is kept for how long, and what stands in the place of what is gone."""

from datetime import datetime
from typing import Literal, get_args

from pydantic import Field

from groundswell.core.records.base import Record

PrunedPart = Literal["checkpoints", "calls", "events", "evidence"]
PARTS: tuple[PrunedPart, ...] = get_args(PrunedPart)


class Tombstone(Record):
    """When a part of a run was pruned, and why."""

    at: datetime
    reason: str


class Prune(Record):
    """A request to prune now. Without an age, what the settings say is due."""

    older_than_days: float | None = Field(
        default=None, ge=0, le=36500, description="Of runs that ended longer ago than this; unset: as the settings say."
    )
    runs: bool = Field(default=False, description="Delete these runs themselves, too.")
    dry_run: bool = Field(default=False, description="Only count.")


class Pruning(Record):
    """How many runs lost what; with `dry_run` how many would. `more`: time was up before all was done."""

    runs: int = 0  # deleted, with all that was theirs
    checkpoints: int = 0
    calls: int = 0
    events: int = 0
    evidence: int = 0
    dry_run: bool = False
    more: bool = False

    def plus(self, other: "Pruning") -> "Pruning":
        """Both rounds together."""
        counted = {name: getattr(self, name) + getattr(other, name) for name in ("runs", *PARTS)}
        return other.model_copy(update=counted)
