"""Does a platform that runs for hours grow? Scripted four-step runs at a steady rate, with a retention of minutes.

    python bench/soak.py [--minutes 120] [--rate 2] [--retention 10]

Samples the PSS of the platform's process tree, PostgreSQL's among it, and the size of its data. The figures go to
`bench/results/soak.json`, the plot to `bench/results/soak.svg`. From minute 15 on it may grow by 5 %.
"""

import argparse
import asyncio
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from groundswell.client import Client
from groundswell.core.errors import GroundswellError
from groundswell.core.records import NewRun

RESULTS = Path(__file__).parent / "results"
SAMPLE_SECONDS = 5.0
SETTLED_MINUTES = 15.0
LATE_SECONDS = 30.0  # after its time, a run is overdue: it is looked for every five seconds
SOAKER = """
from typing import Any, NotRequired, TypedDict
from langgraph.graph import START, StateGraph
from langgraph.runtime import Runtime
from groundswell.core.agent import Agent
from groundswell.core.context import RunContext
from groundswell.core.records import Answer

class State(TypedDict):
    question: str
    seen: NotRequired[str]
    answer: NotRequired[dict[str, Any]]

def looking(number: int) -> Any:
    async def look(state: State, runtime: Runtime[RunContext]) -> dict[str, Any]:
        asked = {"pattern": f"tide|{state['question']}{number}"}
        found = await runtime.context.tools.result("repo_search", **asked)
        return {"seen": str(found.value)[:1000]}
    return look

async def conclude(state: State) -> dict[str, Any]:
    return {"answer": Answer(text=state.get("seen", "")).model_dump(mode="json")}

graph = StateGraph(State, context_schema=RunContext)
graph.add_sequence([(f"look{n}", looking(n)) for n in range(3)] + [("conclude", conclude)]).add_edge(START, "look0")
tools = frozenset({"repo_search"})
soaker = Agent(name="soaker", description="Four steps.", intents=("soak",), tools=tools, graph=graph)
"""


def pss(root: psutil.Process) -> Counter[str]:
    """Bytes of a process and all below it, each shared page counted once, by what they are."""
    total = Counter[str]()
    for process in [root, *root.children(recursive=True)]:
        try:
            words = " ".join(process.cmdline())
            known = (name for name in ("postgres", "shard_host", "multiprocessing") if name in words)
            total["platform" if process == root else next(known, "other")] += process.memory_full_info().pss
        except psutil.Error:  # it has just ended
            continue
    return total


def size(folder: Path) -> int:
    """Bytes of the files below a folder, while they come and go."""
    total = 0
    for path, _, names in os.walk(folder):
        for name in names:
            try:
                total += (Path(path) / name).lstat().st_size
            except OSError:
                continue
    return total


def started(folder: Path, retention: float) -> subprocess.Popen[bytes]:
    """A platform of its own, whose data die with the measurement; the agent is an extension as a package brings one."""
    site = folder / "site"
    info = site / "soaker-1.dist-info"
    info.mkdir(parents=True)
    (site / "soaker.py").write_text(SOAKER)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: soaker\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[groundswell.extensions]\nsoaker = soaker\n")
    days = retention / 1440
    (folder / "groundswell.toml").write_text(
        f"[gateway]\nport = 0\nrequests_per_minute = 100000\n[embeddings]\nurl = 'none:'\n[telemetry]\n"
        f"log_level = 'warning'\n[retention]\ncheckpoints_hours = {retention / 120}\ncalls_days = {days / 2}\n"
        f"events_days = {days / 2}\nevidence_days = {days / 2}\nruns_days = {days}\nevery_seconds = 5\n"
    )
    words = [sys.executable, "-m", "groundswell.cli.main", "--config", str(folder), "up", "--no-question"]
    environment = {**os.environ, "GROUNDSWELL_DATA": str(folder / "data"), "PYTHONPATH": str(site)}
    log = (folder / "log").open("wb")
    return subprocess.Popen(words, cwd=folder, env=environment, stdout=log, stderr=log)


async def reachable(folder: Path, process: subprocess.Popen[bytes]) -> dict[str, Any]:
    """The platform's address and key."""
    file = folder / "data" / "platform.json"
    for _ in range(1800):
        if process.poll() is not None:
            raise SystemExit((folder / "log").read_text())
        if file.exists():
            return json.loads(file.read_text())
        await asyncio.sleep(0.1)
    raise SystemExit("the platform does not start")


async def soaked(arguments: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Ask and sample until the time is over."""
    from importlib import resources

    process = started(folder, arguments.retention)
    samples: list[dict[str, float]] = []
    held = Counter[str]()
    ended = {"succeeded": 0, "other": 0, "refused": 0}
    try:
        there = await reachable(folder, process)
        source = f"path:{resources.files('groundswell') / 'data' / 'sample'}"
        root, began = psutil.Process(process.pid), time.monotonic()
        async with Client(there["url"], there["key"]) as client, asyncio.TaskGroup() as asking:

            async def ask(number: int) -> None:
                request = NewRun.model_validate(
                    {"input": f"soak {number}", "agent": "soaker", "sources": {"repo": source}}
                )
                try:
                    run = await client.start(request)
                    async for _ in client.follow(run.id):
                        pass
                    status = (await client.show(run.id)).status
                    ended["succeeded" if status == "succeeded" else "other"] += 1
                except GroundswellError:
                    ended["refused"] += 1

            asked, next_sample = 0, 0.0
            while (now := time.monotonic() - began) < arguments.minutes * 60:
                if now * arguments.rate >= asked:
                    asked += 1
                    asking.create_task(ask(asked))
                if now >= next_sample:
                    next_sample += SAMPLE_SECONDS
                    held = await asyncio.to_thread(pss, root)
                    data = await asyncio.to_thread(size, folder / "data")
                    samples.append({"minute": round(now / 60, 3), "pss": held.total(), "data": data})
                await asyncio.sleep(0.02)
        ages = await ages_of_runs(there)
    finally:
        process.terminate()
        process.wait(30)
    overdue = sum(age > arguments.retention * 60 + LATE_SECONDS for age in ages)
    return {"samples": samples, "ended": ended, "asked": asked, "runs_left": len(ages), "runs_overdue": overdue} | {
        "pss_at_the_end": dict(held)
    }


async def ages_of_runs(there: dict[str, Any]) -> list[float]:
    """How many seconds ago each run ended that is still there."""
    now, cursor, ages = datetime.now(UTC), "", list[float]()
    async with Client(there["url"], there["key"]) as client:
        while True:
            runs, cursor = await client.runs(limit=200, cursor=cursor)
            ages += [(now - run.ended).total_seconds() for run in runs if run.ended]
            if not cursor:
                return ages


def grown(samples: list[dict[str, float]], name: str, since: float) -> float | None:
    """How much the last tenth of the time holds over the first tenth of it, both from a minute on; None: too short."""
    after = [sample[name] for sample in samples if sample["minute"] >= since]
    tenth = len(after) // 10
    if tenth < 3:
        return None
    return round(statistics.median(after[-tenth:]) / statistics.median(after[:tenth]) - 1, 4)


def plot(samples: list[dict[str, float]], file: Path) -> None:
    """PSS and data over time, as SVG."""
    width, height, left, top = 800, 360, 60, 20
    last = max(sample["minute"] for sample in samples) or 1.0
    most = max(max(sample["pss"], sample["data"]) for sample in samples) * 1.1

    def line(name: str, color: str) -> str:
        points = " ".join(
            f"{left + s['minute'] / last * (width - left - 20):.1f},{height - 40 - s[name] / most * (height - 60):.1f}"
            for s in samples
        )
        return f'<polyline fill="none" stroke="{color}" stroke-width="1.5" points="{points}"/>'

    ticks = "".join(
        f'<text x="{left - 6}" y="{height - 36 - part * (height - 60) / 4:.0f}" text-anchor="end">'
        f"{most * part / 4 / 2**20:.0f} MiB</text>"
        for part in range(5)
    ) + "".join(
        f'<text x="{left + part * (width - left - 20) / 4:.0f}" y="{height - 20}" text-anchor="middle">'
        f"{last * part / 4:.4g} min</text>"
        for part in range(5)
    )
    file.write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" '
        f'font-size="11"><rect width="{width}" height="{height}" fill="white"/>{ticks}'
        f"{line('pss', '#1f6f8b')}{line('data', '#c77d1e')}"
        f'<text x="{left + 10}" y="{top}" fill="#1f6f8b">PSS of the process tree</text>'
        f'<text x="{left + 200}" y="{top}" fill="#c77d1e">data directory</text></svg>\n'
    )


def main() -> None:
    """Measure, print, and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=120)
    parser.add_argument("--rate", type=float, default=2, help="runs a second")
    parser.add_argument("--retention", type=float, default=10, help="minutes")
    parser.add_argument("--results", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="gs-soak-") as folder:
        found = asyncio.run(soaked(arguments, Path(folder)))
    samples = found.pop("samples")
    settled = min(SETTLED_MINUTES, arguments.minutes / 2)
    results = {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "minutes": arguments.minutes,
        "rate": arguments.rate,
        "retention_minutes": arguments.retention,
        **found,
        "grown_from_minute": settled,
        "pss_growth": grown(samples, "pss", settled),
        "data_growth": grown(samples, "data", settled),
        "pss_bytes": [int(samples[0]["pss"]), int(samples[-1]["pss"])],
        "data_bytes": [int(samples[0]["data"]), int(samples[-1]["data"])],
    }
    arguments.results.mkdir(parents=True, exist_ok=True)
    (arguments.results / "soak.json").write_text(json.dumps(results, indent=2) + "\n")
    plot(samples, arguments.results / "soak.svg")
    print(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
