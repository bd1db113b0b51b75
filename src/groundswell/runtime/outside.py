"""Opens what tools reach: processes for CPU-bound work, vectors, embeddings, repositories."""

import contextlib
from collections.abc import AsyncGenerator

from groundswell.backends.databases.code_files import CodeFiles
from groundswell.backends.databases.connections import Database
from groundswell.backends.databases.evidence import EvidenceStore
from groundswell.backends.models.embeddings import choose
from groundswell.backends.repos.indexer import Limits
from groundswell.backends.repos.repositories import Repositories
from groundswell.backends.repos.source import CloneLimits
from groundswell.runtime.base import Base
from groundswell.runtime.cpu import CpuWorkers
from groundswell.runtime.discovery import backend
from groundswell.runtime.tool_calls import Outside


@contextlib.asynccontextmanager
async def outside(base: Base, database: Database) -> AsyncGenerator[Outside]:
    """All of it; each part starts with its first use."""
    index, embeddings = base.settings.index, base.settings.embeddings
    key = embeddings.key.get_secret_value() if embeddings.key else ""
    choice = choose(embeddings.url, models=base.data.models, model=embeddings.model, key=key)
    cpu = CpuWorkers(index.processes)
    vectors = backend("vectors", base.settings.vectors.url)(base.data.vectors)
    repos = Repositories(
        cache=base.data.repos,
        workers=cpu,
        store=CodeFiles(database),
        vectors=vectors,
        embedder=choice.embedder,
        limits=Limits(files=index.files, file_bytes=index.file_bytes, parallel=index.processes),
        clone=CloneLimits(bytes=index.clone_bytes, seconds=index.clone_seconds),
    )
    try:
        yield Outside(cpu, vectors, repos, EvidenceStore(database), choice.sentence)
    finally:
        await repos.close()
        await vectors.close()
        if choice.embedder:
            await choice.embedder.close()
        await cpu.close()
