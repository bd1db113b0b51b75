"""Embedders: texts a second, and whether a question finds the sentence that answers it in other words.

`python bench/embeddings.py [--models FOLDER]` writes bench/results/embeddings.json and exits with 1 where MiniLM is not
clearly better than the static model and than words alone. FOLDER is where `minilm_build` put its model, or may.
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

BETTER_THAN_STATIC, BETTER_THAN_WORDS = 1.2, 1.5
DISTRACTORS, SPEED_TEXTS = 400, 256
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


def passages() -> list[str]:
    """The answers, and docstrings of the standard library that answer nothing."""
    found: list[str] = []
    for name in MODULES:
        for _, value in sorted(vars(__import__(name, fromlist=["_"])).items()):
            text = inspect.getdoc(value) if callable(value) else None
            if text and 60 < len(text) and text[:400] not in found:
                found.append(text[:400])
    return [answer for _, answer in PAIRS] + found[:DISTRACTORS]


def figures(ranks: list[int]) -> dict[str, float]:
    """Mean reciprocal rank, and how many are among the first ten."""
    return {
        "mrr10": statistics.fmean(1 / rank if rank <= 10 else 0.0 for rank in ranks),
        "recall10": statistics.fmean(rank <= 10 for rank in ranks),
    }


async def ranks(texts: list[str], embedder: Embedder | None) -> list[int]:
    """At which place each question finds its answer: by vectors, or by words where there is no embedder."""
    store, name = ExactVectors(), "passages"
    dimensions = embedder.dimensions if embedder else 0
    await store.ensure("bench", CollectionInfo(name=name, dimensions=dimensions))
    vectors = await embedder.embed(texts, kind="document") if embedder else [[]] * len(texts)
    points = [Point(id=str(n), dense=tuple(v), text=t) for n, (t, v) in enumerate(zip(texts, vectors, strict=True))]
    await store.upsert("bench", name, points)
    places: list[int] = []
    for number, (question, _) in enumerate(PAIRS):
        if embedder:
            [asked] = await embedder.embed([question], kind="query")
            found = await store.search("bench", name, dense=asked, limit=10)
        else:
            found = await store.search("bench", name, text=question, limit=10)
        places.append(next((place for place, hit in enumerate(found, 1) if hit.id == str(number)), 99))
    return places


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
    texts = passages()
    result: dict[str, Any] = {"bm25": figures(await ranks(texts, None))}
    for name, embedder in (("minilm", MiniLMEmbedder(models / MINILM_FOLDER)), ("wordllama", WordLlamaEmbedder())):
        result[name] = figures(await ranks(texts, embedder)) | await speed(embedder, texts)
        await embedder.close()
    return {"passages": len(texts), "mean_characters": statistics.fmean(map(len, texts)), **result}


def main() -> int:
    """Run, write, judge."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--models", type=Path)
    models = parser.parse_args().models
    with tempfile.TemporaryDirectory() as scratch:
        found = asyncio.run(run(models or Path(scratch)))
    minilm, static, words = (found[name]["mrr10"] for name in ("minilm", "wordllama", "bm25"))
    verdicts = {
        f"MiniLM's MRR >= {BETTER_THAN_STATIC} x wordllama's": minilm >= BETTER_THAN_STATIC * static,
        f"MiniLM's MRR >= {BETTER_THAN_WORDS} x BM25's": minilm >= BETTER_THAN_WORDS * words,
    }
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
