"""How long a person waits for a diagnosis of a dump of 200 pods, through the whole platform; and the CPU time in it.

    python bench/dump.py [--asks 10]

- ask: from the request to its answer over HTTP, the platform running and warm. Asserted ≤ 2 s, the slowest, too.
- agent: the same graph over the same dump in this process, without a platform.
- floor: reading the dump's files and parsing their JSON alone.
"""

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

sys.path.insert(1, str(Path(__file__).parents[1] / "tests"))

from groundswell.client import Client
from groundswell.core.records import NewRun
from incidents import asking
from incidents.judge import HERE, judge, read
from laptop import Bench
from report import write

CASE = HERE / "cases" / "wharf-crane-rollout"
LIMIT_S = 2.0


def floor() -> float:
    """Seconds to read and parse."""
    began = time.perf_counter()
    for file in CASE.rglob("*"):
        if file.is_file():
            text = file.read_text(errors="replace")
            if file.suffix == ".json":
                json.loads(text)
    return time.perf_counter() - began


def used(pid: int, data: Path) -> float:
    """CPU seconds of the platform's processes so far, its PostgreSQL's among them."""
    server = int((next(data.rglob("postmaster.pid"))).read_text().split()[0])
    found = [psutil.Process(each) for each in (pid, server)]
    every = {p.pid: p for root in found for p in (root, *root.children(recursive=True))}
    return sum(sum(p.cpu_times()[:4]) for p in every.values())


async def asked(client: Client, question: str) -> tuple[float, str]:
    """Seconds, and what was said."""
    sources = {"kubernetes": f"dump:{CASE / 'dump'}"}
    began = time.perf_counter()
    run = await client.start(NewRun.model_validate({"input": question, "sources": sources}))
    async for _ in client.follow(run.id):
        pass
    took = time.perf_counter() - began
    ended = await client.show(run.id)
    return took, ended.answer.text if ended.answer else ""


async def measured(bench: Bench, asks: int) -> dict[str, Any]:
    """All figures."""
    case, instance = read(CASE), json.loads((bench.folder / "d/platform.json").read_text())
    async with Client(instance["url"], instance["key"]) as client:
        first, text = await asked(client, case.question)
        load, before = os.getloadavg()[0], used(bench.pid(), bench.folder / "d")
        rounds = [await asked(client, case.question) for _ in range(asks)]
        cpu = (used(bench.pid(), bench.folder / "d") - before) / asks
    began = time.process_time()
    alone = await asking.answered(CASE / "dump", case.question)
    taken = sorted(seconds for seconds, _ in rounds)
    return {
        "pods": sum(len(json.loads(file.read_text())["items"]) for file in (CASE / "dump").rglob("pods.json")),
        "ask_s": {"first": first, "p50": statistics.median(taken), "max": taken[-1]},
        "ask_cpu_s": cpu,
        "agent_cpu_s": time.process_time() - began,
        "floor_s": min(floor() for _ in range(3)),
        "load": [load, os.getloadavg()[0]],
        "right": all(judge(case, each).kind == "right" for each in (text, alone.text, *(said for _, said in rounds))),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure a diagnosis of 200 pods.")
    parser.add_argument("--asks", type=int, default=10)
    asks = parser.parse_args().asks
    with tempfile.TemporaryDirectory(prefix="gs-bench-") as name:
        bench = Bench(Path(name))
        bench.start()
        try:
            figures = asyncio.run(measured(bench, asks))
        finally:
            bench.run("stop")
    print(json.dumps(figures, indent=1))
    print(write("dump", figures))
    if figures["ask_s"]["max"] > LIMIT_S or not figures["right"]:
        sys.exit(
            f"the slowest of {asks} took {figures['ask_s']['max']:.2f} s, limit {LIMIT_S} s; load {figures['load']}"
        )


if __name__ == "__main__":
    main()
