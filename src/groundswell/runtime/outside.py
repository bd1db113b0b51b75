"""Opens what tools reach: processes for CPU-bound work, vectors, embeddings, repositories."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator

from groundswell.backends.databases.code_files import CodeFiles
from groundswell.backends.databases.collections import CollectionStore
from groundswell.backends.databases.connections import Database
from groundswell.backends.databases.evidence import EvidenceStore
from groundswell.backends.documents.library import Library
from groundswell.backends.repos.indexer import Limits
from groundswell.backends.repos.repositories import Repositories
from groundswell.backends.repos.source import CloneLimits, Credential
from groundswell.core.ports import Vectors
from groundswell.runtime.base import Base
from groundswell.runtime.call_context import Outside
from groundswell.runtime.cpu import CpuWorkers
from groundswell.runtime.discovery import backend
from groundswell.runtime.egress import egress, places
from groundswell.runtime.retention import keep_few
from groundswell.runtime.run_pages import Pages


@contextlib.asynccontextmanager
async def outside(base: Base, database: Database) -> AsyncGenerator[Outside]:
    """All of it; each part starts with its first use."""
    index = base.settings.index
    choice = base.embedder.taken(base.settings, base.data)
    cpu = CpuWorkers(index.processes)
    vectors: Vectors = backend("vectors", base.settings.vectors.url).opened(base.settings.vectors, base.data.vectors)
    web, way = base.settings.web, base.settings.egress
    credentials = {
        place: Credential(given.username, given.token.get_secret_value())
        for name, given in way.credentials.items()
        for place in places([f"https://{name}"])
    }
    files = CodeFiles(database)
    repos = Repositories(
        cache=base.data.repos,
        workers=cpu,
        store=files,
        vectors=vectors,
        embedder=choice.embedder,
        limits=Limits(files=index.files, file_bytes=index.file_bytes, parallel=index.processes),
        clone=CloneLimits(
            bytes=index.clone_bytes, seconds=index.clone_seconds, egress=egress(way), credentials=credentials
        ),
        used=files.used,
    )
    library = Library(CollectionStore(database), vectors, choice.embedder, cpu, web.pause_seconds)
    pages = Pages(web, library, cpu, egress(way), base.settings.sources)
    pruning = asyncio.create_task(keep_few(repos, files, base.settings.retention), name="retention")
    try:
        reviewing = base.settings.oidc.access_review
        yield Outside(cpu, vectors, repos, EvidenceStore(database), choice.sentence, pages, reviewing=reviewing)
    finally:
        pruning.cancel()
        await asyncio.gather(pruning, return_exceptions=True)
        await library.close()
        await repos.close()
        await vectors.close()
        await base.embedder.given_back()
        await cpu.close()
