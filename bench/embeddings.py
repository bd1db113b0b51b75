"""Embedders: texts a second, and whether what is asked for is found.

Two tasks over the same passages: `paraphrase` asks in words that the answer does not use (words alone can hardly win),
`summary` asks with the first line of a docstring for the rest of it (where words do well).

`python bench/embeddings.py [--models FOLDER]` writes bench/results/embeddings.json and exits with 1 where MiniLM is not
clearly better than the static model at both, or not about as good as words alone at the second. FOLDER is where
`minilm_build` put its model, or may put it.
"""

import argparse
import asyncio
import importlib.metadata
import inspect
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from groundswell.backends.models import minilm_build
from groundswell.backends.models.embeddings import MINILM_FOLDER
from groundswell.backends.models.minilm import MiniLMEmbedder
from groundswell.backends.models.wordllama import WordLlamaEmbedder
from groundswell.core.ports import CollectionInfo, Embedder, Point
from groundswell.testing import ExactVectors

BETTER_THAN_STATIC, AS_GOOD_AS_WORDS = 1.15, 0.9
ENGINES = ("bm25", "minilm", "wordllama")
SPEED_TEXTS = 256
MODULES = (
    "argparse",
    "asyncio",
    "configparser",
    "csv",
    "difflib",
    "email.message",
    "http.client",
    "logging",
    "pathlib",
)
MODULES += ("shutil", "smtplib", "socket", "ssl", "statistics", "subprocess", "tarfile", "threading", "zipfile")

# a question, and a sentence that answers it in other words
PAIRS = (
    ("Why was my container restarted?", "The kernel killed the process because it went over its memory limit."),
    ("The volume has no room left", "Writing failed: ENOSPC on /var/lib/data."),
    ("How do I go back to the previous release?", "`rollout undo` returns the deployment to its former revision."),
    ("No machine has a free graphics card", "0/7 nodes available: insufficient nvidia.com/gpu."),
    ("Visitors see a warning about our HTTPS", "x509: the certificate expired two days ago."),
    ("Host names do not resolve inside the cluster", "CoreDNS answers SERVFAIL to every lookup."),
    ("Who is allowed to change this?", "Only members of the admin role may edit the configuration."),
    ("Make a nightly copy of the database", "A CronJob dumps PostgreSQL at 2 a.m. and uploads the archive."),
    ("One client uses up all the capacity", "Quotas per tenant keep a noisy neighbour from starving others."),
    ("Add more replicas when traffic grows", "The autoscaler raises the pod count as load climbs."),
    ("The image cannot be pulled", "ErrImagePull: authentication required by the registry."),
    ("The service gave up waiting", "context deadline exceeded after 30s."),
    ("Keep passwords out of the logs", "Secrets are masked before a line is written."),
    ("Where is this function called from?", "List every reference to the symbol in the repository."),
    ("Show what changed between two versions", "Print a unified diff of both revisions."),
    ("A web page tries to give the assistant orders", "Fetched text may carry an injected prompt; treat it as data."),
    ("Run code nobody trusts", "Execute the snippet in an isolated sandbox without a network."),
    ("Too many clients are connected to Postgres", "FATAL: remaining connection slots are reserved."),
    ("The queue keeps getting longer", "Backlog rises because consumers are slower than producers."),
    ("Take a machine out for repair", "Drain the node, then cordon it until the disk is replaced."),
    ("Is the answer supported by what was read?", "Every claim is checked against the passage that it cites."),
    ("Cut a long document into parts", "The splitter makes overlapping windows of five hundred tokens."),
    ("Find passages that mean the same", "Nearest neighbours in the vector index are returned."),
    ("Read settings from the command line", "Options given as flags override the file."),
)


def material() -> tuple[list[str], dict[str, list[tuple[str, int]]]]:
    """Passages, and for each task what is asked and the number of the passage that is right."""
    texts = [answer for _, answer in PAIRS]
    tasks = {"paraphrase": [(question, number) for number, (question, _) in enumerate(PAIRS)]}
    summaries: list[tuple[str, int]] = []
    for name in MODULES:
        for _, value in sorted(vars(__import__(name, fromlist=["_"])).items()):
            head, _, rest = (inspect.getdoc(value) or "").partition("\n\n") if callable(value) else ("", "", "")
            if 25 < len(head) < 200 and len(rest) > 100 and rest[:400] not in texts:
                summaries.append((" ".join(head.split()), len(texts)))
                texts.append(rest[:400])
    return texts, {**tasks, "summary": summaries}


def figures(ranks: list[int]) -> dict[str, float]:
    """Mean reciprocal rank, and how many are among the first ten."""
    return {
        "mrr10": statistics.fmean(1 / rank if rank <= 10 else 0.0 for rank in ranks),
        "recall10": statistics.fmean(rank <= 10 for rank in ranks),
    }


async def ranks(
    texts: list[str], tasks: dict[str, list[tuple[str, int]]], embedder: Embedder | None
) -> dict[str, dict[str, float]]:
    """How well each task goes: by vectors, or by words where there is no embedder."""
    store, name = ExactVectors(), "passages"
    dimensions = embedder.dimensions if embedder else 0
    await store.ensure("bench", CollectionInfo(name=name, dimensions=dimensions))
    vectors = await embedder.embed(texts, kind="document") if embedder else [[]] * len(texts)
    points = [Point(id=str(n), dense=tuple(v), text=t) for n, (t, v) in enumerate(zip(texts, vectors, strict=True))]
    await store.upsert("bench", name, points)
    result: dict[str, dict[str, float]] = {}
    for task, asked in tasks.items():
        places: list[int] = []
        for question, right in asked:
            if embedder:
                [vector] = await embedder.embed([question], kind="query")
                found = await store.search("bench", name, dense=vector, limit=10)
            else:
                found = await store.search("bench", name, text=question, limit=10)
            places.append(next((place for place, hit in enumerate(found, 1) if hit.id == str(right)), 99))
        result[task] = figures(places)
    return result


async def speed(embedder: Embedder, texts: list[str]) -> dict[str, float]:
    """Texts a second in bulk, and one question at a time."""
    await embedder.embed(texts[:8], kind="document")  # loads the model
    began = time.perf_counter()
    await embedder.embed(texts[:SPEED_TEXTS], kind="document")
    bulk = len(texts[:SPEED_TEXTS]) / (time.perf_counter() - began)
    single: list[float] = []
    for question, _ in PAIRS:
        began = time.perf_counter()
        await embedder.embed([question], kind="query")
        single.append(time.perf_counter() - began)
    return {"texts_per_second": bulk, "query_p50_ms": 1000 * statistics.median(single)}


async def run(models: Path) -> dict[str, Any]:
    """All three over the same passages."""
    await asyncio.to_thread(minilm_build.build, models / MINILM_FOLDER)
    texts, tasks = material()
    result: dict[str, Any] = {"bm25": await ranks(texts, tasks, None)}
    for name, embedder in (("minilm", MiniLMEmbedder(models / MINILM_FOLDER)), ("wordllama", WordLlamaEmbedder())):
        result[name] = {**await ranks(texts, tasks, embedder), **await speed(embedder, texts)}
        await embedder.close()
    sizes = {f"{task}_questions": len(asked) for task, asked in tasks.items()}
    return {"passages": len(texts), "mean_characters": statistics.fmean(map(len, texts)), **sizes, **result}


def main() -> int:
    """Run, write, judge."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--models", type=Path)
    models = parser.parse_args().models
    with tempfile.TemporaryDirectory() as scratch:
        found = asyncio.run(run(models or Path(scratch)))
    mrr = {(name, task): found[name][task]["mrr10"] for name in ENGINES for task in ("paraphrase", "summary")}
    verdicts = {
        f"{task}: MiniLM's MRR >= {BETTER_THAN_STATIC} x wordllama's": mrr["minilm", task]
        >= BETTER_THAN_STATIC * mrr["wordllama", task]
        for task in ("paraphrase", "summary")
    }
    verdicts[f"summary: MiniLM's MRR >= {AS_GOOD_AS_WORDS} x BM25's"] = (
        mrr["minilm", "summary"] >= AS_GOOD_AS_WORDS * mrr["bm25", "summary"]
    )
    report = {
        "machine": f"{platform.machine()}, {os.cpu_count()} CPUs, {platform.system()}",
        "load": os.getloadavg()[0],
        "python": platform.python_version(),
        "versions": {name: importlib.metadata.version(name) for name in ("onnxruntime", "wordllama", "qdrant-edge-py")},
        "figures": found,
        "verdicts": verdicts,
    }
    results = Path(__file__).parent / "results"
    results.mkdir(exist_ok=True)
    (results / "embeddings.json").write_text(json.dumps(report, indent=1) + "\n")
    print(json.dumps(report, indent=1))
    return 0 if all(verdicts.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
