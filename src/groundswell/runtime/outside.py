"""Opens what tools reach: processes for CPU-bound work, vectors, embeddings, repositories."""

import contextlib
from collections.abc import AsyncGenerator

from groundswell.backends.databases.connections import Database
from groundswell.backends.databases.evidence import EvidenceStore
from groundswell.runtime.base import Base
from groundswell.runtime.cpu import CpuWorkers
from groundswell.runtime.discovery import backend
from groundswell.runtime.tool_calls import Outside


@contextlib.asynccontextmanager
async def outside(base: Base, database: Database) -> AsyncGenerator[Outside]:
    """All of it; each part starts with its first use."""
    settings = base.settings
    cpu = CpuWorkers(settings.index.processes)
    vectors = backend("vectors", settings.vectors.url)(base.data.vectors)
    try:
        yield Outside(cpu, vectors, None, EvidenceStore(database), "none")
    finally:
        await vectors.close()
        await cpu.close()
