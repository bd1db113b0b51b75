"""Evidence: bytes addressed by (tenant, digest), and where they came from."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import psycopg
from psycopg.rows import DictRow

from groundswell.backends.databases.connections import Database
from groundswell.core.records import Evidence


@dataclass(frozen=True)
class Piece:
    """Something to store: text with secrets removed, and its place."""

    text: str
    source: str
    origin: str = ""
    truncated: bool = False

    @property
    def digest(self) -> str:
        """SHA-256 of the bytes, hex."""
        return hashlib.sha256(self.text.encode()).hexdigest()


async def store(connection: psycopg.AsyncConnection[DictRow], tenant: str, run: str, pieces: Sequence[Piece]) -> None:
    """Store pieces within the caller's transaction."""
    unique = {(piece.digest, piece.source): piece for piece in pieces}
    if not unique:
        return
    digests, sources = [digest for digest, _ in unique], [source for _, source in unique]
    values = list(unique.values())
    # what is there is locked until this commits: retention deletes nothing that is about to be referred to
    await connection.execute(
        """WITH there AS MATERIALIZED (
               SELECT digest FROM evidence WHERE tenant = %s AND digest = ANY(%s) FOR KEY SHARE)
           INSERT INTO evidence (tenant, digest, body) SELECT DISTINCT ON (d) %s, d, b
           FROM unnest(%s::text[], %s::text[]) AS x (d, b) WHERE d NOT IN (SELECT digest FROM there)
           ON CONFLICT DO NOTHING""",
        (tenant, digests, tenant, digests, [piece.text for piece in values]),
    )
    await connection.execute(
        """INSERT INTO evidence_sources (tenant, digest, run, source, origin, truncated)
           SELECT %s, d, %s, s, o, t FROM unnest(%s::text[], %s::text[], %s::text[], %s::bool[]) AS x (d, s, o, t)
           ON CONFLICT DO NOTHING""",
        (tenant, run, digests, sources, [piece.origin for piece in values], [piece.truncated for piece in values]),
    )


class EvidenceStore:
    """Reading it back."""

    def __init__(self, database: Database) -> None:
        self.database = database

    async def get(self, tenant: str, digest: str, *, run: str = "", source: str = "") -> Evidence | None:
        """The bytes, with the place that fits best; `digest` may be cut to 8 characters or more."""
        sql = """SELECT e.digest, s.source, s.origin, e.body AS text, s.truncated, s.retrieved
                 FROM evidence e JOIN evidence_sources s USING (tenant, digest)
                 WHERE e.tenant = %s AND e.digest >= %s AND e.digest < %s || 'g' AND length(%s) >= 8
                 ORDER BY (s.run = %s) DESC, (s.source = %s) DESC, s.retrieved DESC LIMIT 1"""
        row = await self.database.row(sql, tenant, digest, digest, digest, run, source)
        return Evidence.model_validate(row) if row else None

    async def text(self, tenant: str, digest: str) -> str | None:
        """The bytes alone, by their whole digest."""
        row = await self.database.row("SELECT body FROM evidence WHERE tenant = %s AND digest = %s", tenant, digest)
        return row["body"] if row else None

    async def of_run(self, tenant: str, run: str) -> list[Evidence]:
        """What a run found, one of each digest; without the replies of its calls."""
        sql = """SELECT DISTINCT ON (e.digest) e.digest, s.source, s.origin, e.body AS text, s.truncated, s.retrieved
                 FROM evidence e JOIN evidence_sources s USING (tenant, digest)
                 WHERE s.tenant = %s AND s.run = %s AND s.source NOT LIKE 'tool:%%'
                 ORDER BY e.digest, s.retrieved DESC"""
        return [Evidence.model_validate(row) for row in await self.database.rows(sql, tenant, run)]
