"""What the files of repositories say, kept in PostgreSQL: an index survives a restart and serves every replica."""

from collections.abc import Collection, Mapping

from groundswell.backends.databases.connections import Database
from groundswell.backends.repos.index import Stored


class CodeFiles:
    """The fact store of repository indexes."""

    def __init__(self, database: Database) -> None:
        self.database = database

    async def load(self, tenant: str, repo: str) -> Mapping[str, Stored]:
        """All facts of a repository, by path."""
        sql = "SELECT path, blob, facts FROM code_files WHERE tenant = %s AND repo = %s"
        async with self.database.connection() as connection:
            cursor = connection.cursor(binary=True)
            await cursor.execute(sql, (tenant, repo))
            return {row["path"]: Stored(row["blob"], bytes(row["facts"])) async for row in cursor}

    async def replace(self, tenant: str, repo: str, changed: Mapping[str, Stored], removed: Collection[str]) -> None:
        """Store the facts of some files, and forget others, in one transaction."""
        gone = [*removed, *changed]
        async with self.database.transaction() as connection:
            sql = "DELETE FROM code_files WHERE tenant = %s AND repo = %s AND path = ANY(%s)"
            await connection.execute(sql, (tenant, repo, gone))
            copying = "COPY code_files (tenant, repo, path, blob, facts) FROM STDIN (FORMAT BINARY)"
            async with connection.cursor() as cursor, cursor.copy(copying) as copy:
                copy.set_types(["text", "text", "text", "text", "bytea"])
                for path, stored in changed.items():
                    await copy.write_row((tenant, repo, path, stored.key, stored.data))

    async def used(self, tenant: str, repo: str) -> None:
        """An index was used just now."""
        sql = """INSERT INTO code_repos (tenant, repo) VALUES (%s, %s)
                 ON CONFLICT (tenant, repo) DO UPDATE SET used = clock_timestamp()"""
        async with self.database.connection() as connection:
            await connection.execute(sql, (tenant, repo))

    async def unused(self, seconds: float) -> list[tuple[str, str]]:
        """The indexes that nobody has used for so long: (tenant, repo)."""
        sql = "SELECT tenant, repo FROM code_repos WHERE used < clock_timestamp() - %s * interval '1 second'"
        return [(row["tenant"], row["repo"]) for row in await self.database.rows(sql, seconds)]

    async def forget(self, tenant: str, repo: str) -> None:
        """Delete an index."""
        async with self.database.transaction() as connection:
            await connection.execute("DELETE FROM code_files WHERE tenant = %s AND repo = %s", (tenant, repo))
            await connection.execute("DELETE FROM code_repos WHERE tenant = %s AND repo = %s", (tenant, repo))
