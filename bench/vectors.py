"""Embedded vectors at 100k x 384: recall, latency against the bare engine, upserts, index, reopening, disk, memory.

`python bench/vectors.py [--points N]` writes bench/results/vectors.json and exits with 1 where a promise is not kept.
All ratios come from one run in which the contenders take turns.
"""

import argparse
import asyncio
import importlib.metadata
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # all contenders on one thread; read when numpy is imported

import numpy as np
import qdrant_edge as edge

from groundswell.backends.vectors.embedded import EmbeddedVectors
from groundswell.core.ports import CollectionInfo, Point

DIMENSIONS, TOP, QUERIES, EF = 384, 10, 200, 384
RECALL, RATIO = 0.97, 1.3


def material(points: int) -> tuple[np.ndarray, np.ndarray]:
    """Vectors whose variance decays over the dimensions, as that of real embeddings does; unit length."""
    source = np.random.default_rng(7)
    spectrum = np.arange(1, DIMENSIONS + 1) ** -0.5
    drawn = source.normal(size=(points + QUERIES, DIMENSIONS)) * spectrum
    unit = (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype("float32")
    return unit[:points], unit[points:]


def bare(vectors: np.ndarray, folder: Path) -> tuple[edge.EdgeShard, float]:
    """The engine by itself, in this process, with the same index."""
    kilobytes = 20_000 * DIMENSIONS * 4 // 1024
    shard = edge.EdgeShard.create(
        str(folder),
        edge.EdgeConfig(
            vectors={"dense": edge.EdgeVectorParams(size=DIMENSIONS, distance=edge.Distance.Cosine)},
            optimizers=edge.EdgeOptimizersConfig(indexing_threshold=kilobytes, default_segment_number=1),
            hnsw_config=edge.HnswIndexConfig(m=16, ef_construct=100, full_scan_threshold=10_000),
        ),
    )
    began = time.perf_counter()
    for start in range(0, len(vectors), 200):
        batch = [
            edge.Point(start + number, {"dense": vector.tolist()}, {"path": f"f{number}.py", "line": start + number})
            for number, vector in enumerate(vectors[start : start + 200])
        ]
        shard.update(edge.UpdateOperation.upsert_points(batch))
    shard.flush()
    seconds = time.perf_counter() - began
    shard.optimize()
    return shard, len(vectors) / seconds


def bare_search(shard: edge.EdgeShard, query: list[float]) -> list[int]:
    """What a program without the platform would do: ids, scores and payloads of the ten nearest."""
    request = edge.QueryRequest(
        limit=TOP,
        query=edge.Query.Nearest(query, using="dense"),
        params=edge.SearchParams(hnsw_ef=EF),
        with_payload=True,
    )
    return [int(hit.payload["line"]) for hit in shard.query(request) if hit.payload]


async def adapted(vectors: np.ndarray, folder: Path) -> tuple[EmbeddedVectors, dict[str, float]]:
    """The same points through the port, as an index of files would write them."""
    store = EmbeddedVectors(folder, quiet_seconds=3600)
    await store.ensure("bench", CollectionInfo(name="points", embedding="synthetic", dimensions=DIMENSIONS))
    spent = 0.0
    for start in range(0, len(vectors), 2000):
        batch = [
            Point(
                id=str(start + number), dense=tuple(vector), payload={"path": f"f{number}.py", "line": start + number}
            )
            for number, vector in enumerate(vectors[start : start + 2000].tolist())
        ]
        began = time.perf_counter()
        await store.upsert("bench", "points", batch)
        spent += time.perf_counter() - began
    began = time.perf_counter()
    building = asyncio.create_task(store.optimize("bench", "points"))
    waits: list[float] = []
    writes: list[float] = []
    ticks: list[float] = []
    while not building.done():
        asked = time.perf_counter()
        await store.search("bench", "points", dense=vectors[len(waits)].tolist(), limit=TOP)
        waits.append(time.perf_counter() - asked)
        if len(waits) % 10 == 0:
            asked = time.perf_counter()
            await store.upsert("bench", "points", batch[:1])
            writes.append(time.perf_counter() - asked)
        asked = time.perf_counter()
        await asyncio.sleep(0.1)
        ticks.append(time.perf_counter() - asked - 0.1)
    await building
    return store, {
        "upserts_per_second": len(vectors) / spent,
        "index_seconds": time.perf_counter() - began,
        "search_while_indexing_p50_ms": 1000 * statistics.median(waits),
        "search_while_indexing_max_ms": 1000 * max(waits),
        "write_while_indexing_max_ms": 1000 * max(writes, default=0.0),
        "event_loop_held_while_indexing_max_ms": 1000 * max(ticks),
    }


async def compare(
    store: EmbeddedVectors, shard: edge.EdgeShard, vectors: np.ndarray, queries: np.ndarray
) -> dict[str, Any]:
    """All three, query by query, in turn."""
    times: dict[str, list[float]] = {"exact": [], "bare": [], "adapter": []}
    right = {"bare": 0, "adapter": 0}
    for number, query in enumerate([*queries[:20], *queries]):
        asked = query.tolist()
        began = time.perf_counter()
        scores = vectors @ query
        best = np.argpartition(-scores, TOP)[:TOP]
        exact_done = time.perf_counter()
        found = bare_search(shard, asked)
        bare_done = time.perf_counter()
        hits = await store.search("bench", "points", dense=asked, limit=TOP)
        done = time.perf_counter()
        if number >= 20:  # the first ones warm up
            truth = {int(id_) for id_ in best}
            times["exact"].append(exact_done - began)
            times["bare"].append(bare_done - exact_done)
            times["adapter"].append(done - bare_done)
            right["bare"] += len(truth & set(found))
            right["adapter"] += len(truth & {int(hit.id) for hit in hits})
    figures: dict[str, Any] = {}
    for name, taken in times.items():
        figures[f"{name}_p50_ms"] = 1000 * statistics.median(taken)
        figures[f"{name}_p99_ms"] = 1000 * sorted(taken)[int(len(taken) * 0.99) - 1]
    for name, count in right.items():
        figures[f"{name}_recall"] = count / (TOP * len(queries))
    figures["ratio_p50"] = figures["adapter_p50_ms"] / figures["bare_p50_ms"]
    return figures


async def reopen(store: EmbeddedVectors, folder: Path, query: np.ndarray) -> tuple[float, float]:
    """From nothing to the first answer: process, lock, shard, search; and what the host then weighs."""
    await store.close()
    again = EmbeddedVectors(folder)
    began = time.perf_counter()
    await again.search("bench", "points", dense=query.tolist(), limit=TOP)
    seconds = time.perf_counter() - began
    children = Path("/proc/self/task").joinpath(str(os.getpid()), "children")
    weight = sum(pss(pid) for pid in children.read_text().split()) if children.exists() else 0.0
    await again.close()
    return seconds, weight


def pss(pid: str) -> float:
    """A process's share of memory, in MiB."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("Pss:"))


def disk(folder: Path) -> float:
    """What a folder really takes, in MiB: preallocated files are mostly holes."""
    return sum(path.stat().st_blocks * 512 for path in folder.rglob("*") if path.is_file()) / 2**20


async def small(points: np.ndarray, folder: Path) -> dict[str, float]:
    """Disk for an empty collection and for one of 10k points."""
    store = EmbeddedVectors(folder, quiet_seconds=3600)
    await store.ensure("bench", CollectionInfo(name="small", embedding="synthetic", dimensions=DIMENSIONS))
    empty = disk(folder)
    some = points[:10_000].tolist()
    await store.upsert(
        "bench", "small", [Point(id=str(n), dense=tuple(v), text=f"a word{n}") for n, v in enumerate(some)]
    )
    full = disk(folder)
    await store.close()
    return {"disk_empty_mib": empty, "disk_10k_mib": full}


async def run(points: int) -> dict[str, Any]:
    """Everything, in a folder that is removed afterwards."""
    vectors, queries = material(points)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        figures: dict[str, Any] = await small(vectors, folder / "small")
        shard, figures["bare_upserts_per_second"] = bare(vectors, folder / "bare")
        store, written = await adapted(vectors, folder / "store")
        figures |= written | await compare(store, shard, vectors, queries)
        shard.close()
        figures["disk_mib"] = disk(folder / "store")
        figures["reopen_seconds"], figures["host_pss_mib"] = await reopen(store, folder / "store", queries[0])
    return figures


def main() -> int:
    """Run, write, judge."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--points", type=int, default=100_000)
    points = parser.parse_args().points
    figures = asyncio.run(run(points))
    verdicts = {
        f"recall@{TOP} >= {RECALL}": figures["adapter_recall"] >= RECALL,
        f"p50 <= {RATIO} x bare engine": figures["ratio_p50"] <= RATIO,
    }
    report = {
        "machine": f"{platform.machine()}, {os.cpu_count()} CPUs, {platform.system()}",
        "load": os.getloadavg()[0],
        "python": platform.python_version(),
        "versions": {name: importlib.metadata.version(name) for name in ("qdrant-edge-py", "numpy")},
        "points": points,
        "figures": {name: round(value, 4) for name, value in figures.items()},
        "verdicts": verdicts,
    }
    results = Path(__file__).parent / "results"
    results.mkdir(exist_ok=True)
    (results / "vectors.json").write_text(json.dumps(report, indent=1) + "\n")
    print(json.dumps(report, indent=1))
    return 0 if all(verdicts.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
