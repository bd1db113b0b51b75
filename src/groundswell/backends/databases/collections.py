"""Collections and their pages in PostgreSQL; each query names the tenant."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from psycopg.types.json import Jsonb

from groundswell.backends.databases.connections import Database
from groundswell.core.records import Collection, Document

_COLLECTION = """SELECT c.name, c.source, c.embedding, c.created, c.updated, count(d.path)::int AS pages,
                        coalesce(sum(d.bytes), 0)::bigint AS bytes
                 FROM collections c LEFT JOIN documents d ON d.tenant = c.tenant AND d.collection = c.name
                 WHERE c.tenant = %s AND (%s = '' OR c.name = %s)
                 GROUP BY c.tenant, c.name ORDER BY c.name"""


@dataclass(frozen=True)
class Kept:
    """One page as it was read."""

    path: str
    source: str
    title: str
    digest: str
    bytes: int
    passages: int
    etag: str = ""
    modified: str = ""
    links: tuple[str, ...] = ()


class CollectionStore:
    """What collections there are, and which pages they hold."""

    def __init__(self, database: Database) -> None:
        self.database = database

    async def listed(self, tenant: str, name: str = "") -> list[Collection]:
        """A tenant's collections, or the one with a name."""
        rows = await self.database.rows(_COLLECTION, tenant, name, name)
        return [Collection.model_validate(row) for row in rows]

    async def make(self, tenant: str, name: str, source: str, embedding: str) -> None:
        """Make a collection, or set what it is filled from."""
        sql = """INSERT INTO collections (tenant, name, source, embedding) VALUES (%s, %s, %s, %s)
                 ON CONFLICT (tenant, name) DO UPDATE
                 SET source = excluded.source, embedding = excluded.embedding, updated = clock_timestamp()"""
        async with self.database.connection() as connection:
            await connection.execute(sql, (tenant, name, source, embedding))

    async def remove(self, tenant: str, name: str) -> None:
        """Delete a collection's rows."""
        async with self.database.connection() as connection:
            await connection.execute("DELETE FROM collections WHERE tenant = %s AND name = %s", (tenant, name))

    async def documents(self, tenant: str, name: str) -> list[Document]:
        """The pages of a collection, in order."""
        sql = """SELECT path, source, title, bytes, digest, retrieved FROM documents
                 WHERE tenant = %s AND collection = %s ORDER BY path"""
        return [Document.model_validate(row) for row in await self.database.rows(sql, tenant, name)]

    async def kept(self, tenant: str, name: str) -> dict[str, Kept]:
        """The pages as they were read, by path."""
        sql = """SELECT path, source, title, digest, bytes, passages, etag, modified, links FROM documents
                 WHERE tenant = %s AND collection = %s"""
        rows = await self.database.rows(sql, tenant, name)
        return {row["path"]: replace(Kept(**row), links=tuple(row["links"])) for row in rows}

    async def keep(self, tenant: str, name: str, pages: Sequence[Kept]) -> None:
        """Store pages in place of those with the same paths."""
        sql = """INSERT INTO documents (tenant, collection, path, source, title, digest, etag, modified, bytes,
                                        passages, links)
                 VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
                 ON CONFLICT (tenant, collection, path) DO UPDATE
                 SET source = excluded.source, title = excluded.title, digest = excluded.digest, etag = excluded.etag,
                     modified = excluded.modified, bytes = excluded.bytes, passages = excluded.passages,
                     links = excluded.links, retrieved = clock_timestamp()"""
        rows = [
            (tenant, name, p.path, p.source, p.title, p.digest, p.etag, p.modified, p.bytes, p.passages)
            + (Jsonb(list(p.links)),)
            for p in pages
        ]
        async with self.database.transaction() as connection, connection.cursor() as cursor:
            await cursor.executemany(sql, rows)

    async def forget(self, tenant: str, name: str, paths: Sequence[str]) -> None:
        """Delete pages."""
        sql = "DELETE FROM documents WHERE tenant = %s AND collection = %s AND path = ANY(%s)"
        async with self.database.connection() as connection:
            await connection.execute(sql, (tenant, name, list(paths)))
