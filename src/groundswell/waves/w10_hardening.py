"""Wave 10: what was acknowledged is there after the worst that can be done here."""

import asyncio
import contextlib
import secrets

from groundswell.client import Client
from groundswell.core.check import Drill, Place, check, failed, judged, measure, seen
from groundswell.core.errors import GroundswellError
from groundswell.core.records import NewRun, Proof, Run
from groundswell.waves.acting import PROBE, is_back

KILLS = 3
BETWEEN = 5  # acknowledged runs before each kill
SECONDS = 60.0


@check(proves="w10.no-loss", drill=True, undo=is_back, hours=7 * 24, seconds=300)
async def acknowledged_runs_survive_kills(platform: Client, place: Place) -> Proof:
    """Start runs while the stores are killed three times: each that was acknowledged is there, and ends."""
    drill = place.drills.get("stores")
    if drill is None:
        return failed("this place does not say how its stores are restarted")
    acknowledged: dict[str, str] = {}
    stopping = asyncio.Event()
    writing = asyncio.create_task(_write(platform, acknowledged, stopping))
    try:
        said = [await _killed(drill, acknowledged) for _ in range(KILLS)]
    finally:
        stopping.set()
        await writing
    runs = [await _ended(platform, run) for run in acknowledged]
    lost = [run for run, found in zip(acknowledged, runs, strict=True) if found is None]
    wrong = [found.id for found in runs if found and not _right(found, acknowledged[found.id])]
    return judged(
        f"{len(acknowledged)} runs were acknowledged through {len(said)} kills, {len(lost)} were lost",
        measure("lost", len(lost), 0, unit="runs"),
        measure("acknowledged", len(acknowledged), KILLS * BETWEEN, relation=">=", unit="runs"),
        measure("kills", len(said), KILLS),
        measure("without their answer", len(wrong), 0, unit="runs"),
        seen=[seen("drill", each) for each in said],
    )


async def _killed(drill: Drill, acknowledged: dict[str, str]) -> str:
    """One kill in the middle of writes: some were acknowledged since the last one."""
    enough = len(acknowledged) + BETWEEN
    async with asyncio.timeout(SECONDS):
        while len(acknowledged) < enough:  # noqa: ASYNC110 - what is waited for is written by another task
            await asyncio.sleep(0.02)
    return await drill()


async def _write(platform: Client, acknowledged: dict[str, str], stopping: asyncio.Event) -> None:
    while not stopping.is_set():
        text = f"kept {secrets.token_hex(6)}"
        with contextlib.suppress(GroundswellError):  # not acknowledged: nothing was promised
            run = await platform.start(NewRun.model_validate({"input": text, "agent": PROBE}))
            acknowledged[run.id] = text
        await asyncio.sleep(0.05)


async def _ended(platform: Client, run: str) -> Run | None:
    """The run once it has ended; None where it is not there."""
    with contextlib.suppress(GroundswellError, TimeoutError):
        async with asyncio.timeout(SECONDS):
            async for _ in platform.follow(run):
                pass
            return await platform.show(run)
    return None


def _right(run: Run, text: str) -> bool:
    return run.status == "succeeded" and run.answer is not None and run.answer.text == f"asked: {text}"
