"""Wave 9: many at once, and all of them end well."""

import asyncio
import time

from groundswell.client import Client
from groundswell.core.check import check, judged, measure, seen
from groundswell.core.records import Proof
from groundswell.waves.acting import PROBE, asked

AT_ONCE = 32


@check(proves="w9.load", seconds=180)
async def many_runs_at_once_all_end_well(platform: Client) -> Proof:
    """Thirty-two runs started at once: each ends with its own answer, and none twice."""
    began = time.monotonic()
    runs = await asyncio.gather(*(asked(platform, f"number {n}", agent=PROBE) for n in range(AT_ONCE)))
    took = time.monotonic() - began
    well = [run for n, run in enumerate(runs) if run.run.status == "succeeded" and run.text.endswith(f"number {n}")]
    ends = [len(run.bodies("answer")) for run in runs]
    slowest = max(run.seconds for run in runs)
    return judged(
        f"{len(well)} of {AT_ONCE} ended with their answer in {took:.1f} s, the slowest after {slowest:.1f} s",
        measure("ended well", len(well), AT_ONCE, unit="runs"),
        measure("ends of a run", max(ends), 1),
        measure("slowest", round(slowest, 2), 60, relation="<=", unit="s"),
        seen=[seen(f"run:{runs[0].run.id}", runs[0].text)],
    )
