"""PostgreSQL's pod goes under writes, by deletion and by SIGKILL: what was acknowledged is there afterwards."""

import asyncio
import contextlib

import pytest

from cluster.live import Live, until
from groundswell.client import Client
from groundswell.core.errors import GroundswellError
from groundswell.core.records import NewRun

WRITERS = 4
KILL = "import os, signal; os.kill(-1, signal.SIGKILL)"  # all of its container but the first, which then ends too


class Writers:
    """Start runs as fast as they are acknowledged, and remember which were."""

    def __init__(self, platform: Client) -> None:
        self.platform, self.acknowledged, self.refused = platform, dict[str, str](), 0
        self.over = asyncio.Event()

    async def write(self, writer: int) -> None:
        number = 0
        while not self.over.is_set():
            number += 1
            text = f"writer {writer}, number {number}"
            try:
                run = await self.platform.start(NewRun.model_validate({"input": text, "agent": "probe"}))
            except GroundswellError as error:
                if error.status < 500:
                    raise
                self.refused += 1
                await asyncio.sleep(0.2)
                continue
            self.acknowledged[run.id] = text
            await asyncio.sleep(0.05)


async def killed(live: Live, number: int) -> tuple[str, int]:
    """Take PostgreSQL away, one time by deleting its pod, the next by ending its processes at once; wait for it."""
    before = await asyncio.to_thread(incarnation, live)
    if number % 2:
        words = ("exec", "postgres-0", "--", "python3", "-c", KILL)
    else:
        words = ("delete", "pod", "postgres-0", "--grace-period=1", "--wait")
    await asyncio.to_thread(live.kubectl.holds, "-n", "ai-vector", *words)  # who is killed says nothing
    return await until(lambda: (now := incarnation(live)) != before and now, "PostgreSQL is another, and ready", 180)


def incarnation(live: Live) -> tuple[str, int] | None:
    """Which pod and which start of its container it is, once it is ready."""
    for pod in live.pods("ai-vector", "postgres"):
        for status in pod["status"].get("containerStatuses", ()):
            if status["ready"]:
                return pod["metadata"]["uid"], status["restartCount"]
    return None


async def write_through(live: Live, platform: Client, kills: int) -> None:
    writers = Writers(platform)
    tasks = [asyncio.create_task(writers.write(number)) for number in range(WRITERS)]
    seen = {await asyncio.to_thread(incarnation, live)}
    try:
        for number in range(kills):
            count = len(writers.acknowledged)
            await until(lambda count=count: len(writers.acknowledged) > count + 20, "writes are acknowledged", 120, 0.1)
            seen.add(await killed(live, number))
        count = len(writers.acknowledged)
        await until(lambda: len(writers.acknowledged) > count + 20, "writes are acknowledged again", 120, 0.1)
    finally:
        writers.over.set()
        await asyncio.gather(*tasks)
    lost = []
    for run, text in writers.acknowledged.items():
        found = None
        with contextlib.suppress(GroundswellError):
            found = await platform.show(run)
        if found is None or found.question != text:
            lost.append(run)
    figures = {"kills": kills, "acknowledged": len(writers.acknowledged), "refused": writers.refused}
    live.figures["PostgreSQL under writes"] = figures | {"lost": len(lost)}
    assert lost == []
    assert len(seen) == kills + 1, "PostgreSQL did not go as often as it was killed"


async def test_nothing_acknowledged_is_lost_when_postgresql_is_killed(live: Live, platform: Client) -> None:
    await write_through(live, platform, 2)


@pytest.mark.long
@pytest.mark.timeout(1800)
async def test_nor_by_many_kills(live: Live, platform: Client) -> None:
    await write_through(live, platform, 20)
