"""Gathers what is stored of a finished run into its file."""

from collections.abc import Sequence

from groundswell.backends.databases.calls import Journal
from groundswell.backends.databases.events import PAGE, EventLog
from groundswell.backends.databases.evidence import EvidenceStore
from groundswell.backends.databases.runs import RunStore
from groundswell.core.errors import Conflict
from groundswell.core.records import ENDED, Event, Run, ToolSpec
from groundswell.runtime.base import VERSION
from groundswell.runtime.run_file import Head, RunFile


async def exported(
    run: Run,
    runs: RunStore,
    log: EventLog,
    journal: Journal,
    store: EvidenceStore,
    offered: Sequence[ToolSpec],
) -> RunFile:
    """A run's file. Raises Conflict where it has not ended, or where its calls or evidence were pruned."""
    if run.status not in ENDED:
        raise Conflict("run_open", f"run {run.id} is {run.status}", "export it once it has ended")
    for part in ("calls", "evidence", "events"):
        if (gone := run.pruned.get(part)) is not None:
            message = f"the {part} of run {run.id} were pruned on {gone.at:%Y-%m-%d}: {gone.reason}"
            raise Conflict("run_pruned", message, "export runs before their time is over")
    call = await runs.call(run.tenant, run.id)
    history = [] if call else await runs.history(run.tenant, run.thread, run)
    evidence = {each.digest: each for each in await store.of_run(run.tenant, run.id)}
    for digest in {c.evidence for turn in history for claim in turn.answer.claims for c in claim.citations}:
        if digest not in evidence and (found := await store.get(run.tenant, digest)) is not None:
            evidence[digest] = found
    events: list[Event] = []
    while page := await log.after(run.tenant, run.id, events[-1].number if events else 0):
        events += page
        if len(page) < PAGE:
            break
    return RunFile(
        head=Head(platform=VERSION, run=run, call=call, offered=tuple(offered), history=tuple(history)),
        events=tuple(events),
        calls=tuple(await journal.recorded(run.tenant, run.id)),
        evidence=tuple(evidence.values()),
    )
