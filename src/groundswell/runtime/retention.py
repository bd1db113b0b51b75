"""Retention: what is due goes, a run at a time, in the background or when asked."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable

from groundswell.backends.databases.code_files import CodeFiles
from groundswell.backends.databases.retention import RetentionStore
from groundswell.backends.repos.repositories import Repositories
from groundswell.core.errors import GroundswellError, NotFound
from groundswell.core.records import PARTS, PrunedPart, Pruning
from groundswell.core.settings import Retention
from groundswell.runtime import telemetry

AT_ONCE = 50  # runs in one look
ASKED_SECONDS = 20.0  # that a request to prune works at most; it says whether more is due
HOUR, DAY = 3600.0, 86400.0


def ages(settings: Retention) -> dict[PrunedPart, float]:
    """After how many seconds each part of an ended run goes; what is kept for ever is left out."""
    seconds: dict[PrunedPart, float] = {
        "checkpoints": settings.checkpoints_hours * HOUR,
        "calls": settings.calls_days * DAY,
        "events": settings.events_days * DAY,
        "evidence": settings.evidence_days * DAY,
    }
    return {part: age for part, age in seconds.items() if age > 0}


class Pruner:
    """Prunes what is due; without a tenant, of all."""

    def __init__(self, store: RetentionStore, settings: Retention) -> None:
        self.store, self.settings = store, settings

    async def serve(self) -> None:
        """Prune until cancelled. A database that is away is asked again at the next look."""
        while True:
            await asyncio.sleep(self.settings.every_seconds)
            try:
                await self.store.forget_workers()
                done = await self.prune()
                if done != Pruning():
                    telemetry.log.info("retention.pruned", **done.model_dump(exclude_defaults=True))
            except GroundswellError as error:
                telemetry.log.warning("retention.failed", error=error.message)

    async def prune(self, tenant: str = "", *, seconds: float | None = None) -> Pruning:
        """All that is due by the settings: parts, then whole runs."""
        until = None if seconds is None else time.monotonic() + seconds
        work = _Work(self.store, tenant, until)
        for part, age in ages(self.settings).items():
            await work.parts(part, age, _reason(part, age))
        if self.settings.evidence_bytes:
            await work.beyond(self.settings.evidence_bytes)
        if self.settings.runs_days:
            await work.runs(self.settings.runs_days * DAY)
        return work.done()

    async def prune_older(self, tenant: str, age: float, *, runs: bool, by: str) -> Pruning:
        """Every part of a tenant's runs that ended so many seconds ago; with `runs` these themselves."""
        work = _Work(self.store, tenant, time.monotonic() + ASKED_SECONDS)
        if runs:
            await work.runs(age)
        else:
            for part in PARTS:
                await work.parts(part, age, f"pruned by {by}")
        return work.done()

    async def counted(self, tenant: str, age: float | None, *, runs: bool) -> Pruning:
        """What would be pruned; with an age as `prune_older`, else as `prune`."""
        due = ages(self.settings) if age is None else dict.fromkeys(PARTS, age) if not runs else {}
        found: dict[PrunedPart | str, int] = {
            part: await self.store.counted(part, seconds, tenant) for part, seconds in due.items()
        }
        if age is None and self.settings.evidence_bytes:
            beyond = len(await self.store.beyond(self.settings.evidence_bytes, tenant, 1_000_000))
            found["evidence"] = max(found.get("evidence", 0), beyond)
        last = self.settings.runs_days * DAY if age is None else age if runs else 0.0
        if last or runs:
            found["runs"] = await self.store.counted(None, last, tenant)
        return Pruning.model_validate(found | {"dry_run": True})


async def keep_few(repos: Repositories, files: CodeFiles, settings: Retention) -> None:
    """Drop clones and indexes of repositories that nobody has used for long, until cancelled."""
    while True:
        await asyncio.sleep(settings.every_seconds)
        try:
            if settings.clones_days and (clones := await repos.drop_clones(settings.clones_days * DAY)):
                telemetry.log.info("retention.clones", dropped=clones)
            for tenant, repo in await files.unused(settings.indexes_days * DAY) if settings.indexes_days else ():
                await repos.forget(tenant, repo, files.forget)
                telemetry.log.info("retention.index", tenant=tenant, repo=repo)
        except GroundswellError as error:
            telemetry.log.warning("retention.failed", error=error.message)
        except OSError as error:
            telemetry.log.warning("retention.failed", error=str(error))


class _Work:
    """One round of pruning."""

    def __init__(self, store: RetentionStore, tenant: str, until: float | None) -> None:
        self.store, self.tenant, self.until = store, tenant, until
        self.counts: dict[str, int] = {}
        self.more = False

    def done(self) -> Pruning:
        """What came of it."""
        return Pruning.model_validate(self.counts | {"more": self.more})

    async def parts(self, part: PrunedPart, age: float, reason: str) -> None:
        """Replace a part of all runs that are old enough."""
        await self._each(
            part,
            lambda: self.store.due(part, age, self.tenant, AT_ONCE),
            lambda tenant, run: self.store.prune(tenant, run, part, reason),
        )

    async def beyond(self, size: int) -> None:
        """Replace the evidence of the oldest runs until the rest is small enough."""
        reason = f"a tenant's evidence may have {size:,} bytes (retention.evidence_bytes)"
        await self._each(
            "evidence",
            lambda: self.store.beyond(size, self.tenant, AT_ONCE),
            lambda tenant, run: self.store.prune(tenant, run, "evidence", reason),
        )

    async def runs(self, age: float) -> None:
        """Delete all runs that are old enough."""

        async def delete(tenant: str, run: str) -> bool:
            with contextlib.suppress(NotFound):  # somebody else was faster
                return await self.store.delete(tenant, run)
            return False

        await self._each("runs", lambda: self.store.due(None, age, self.tenant, AT_ONCE), delete)

    async def _each(
        self,
        name: str,
        due: Callable[[], Awaitable[list[tuple[str, str]]]],
        act: Callable[[str, str], Awaitable[bool]],
    ) -> None:
        """One transaction a run; where nothing of a look could be had, the rest is for the next round."""
        moved = True
        while moved:
            moved = False
            for tenant, run in await due():
                if self.until is not None and time.monotonic() > self.until:
                    self.more = True
                    return
                if await act(tenant, run):
                    moved = True
                    self.counts[name] = self.counts.get(name, 0) + 1


def _reason(part: PrunedPart, age: float) -> str:
    if part == "checkpoints":
        return f"kept for {age / HOUR:g} hours after the end (retention.checkpoints_hours)"
    return f"kept for {age / DAY:g} days after the end (retention.{part}_days)"
