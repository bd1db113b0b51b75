"""API keys, stored as SHA-256: they are 256 random bits, so a slow hash would only cost time."""

import hashlib
import secrets
from collections.abc import Sequence
from datetime import datetime

from groundswell.backends.databases.connections import Database
from groundswell.core.errors import NotFound
from groundswell.core.records import Record

PREFIX = "gsk_"


class ApiKey(Record):
    """A key, without itself."""

    id: str
    tenant: str
    name: str
    caller: str
    scopes: tuple[str, ...]
    created: datetime
    used: datetime | None = None
    revoked: datetime | None = None


class Tenant(Record):
    """A tenant, and how many keys of it are good."""

    name: str
    created: datetime | None = None  # None: nobody has come yet
    keys: int = 0
    policy: bool = False  # whether `policy.toml` has rules for it


COLUMNS = "id, tenant, name, caller, scopes, created, used, revoked"


KNOWN = "INSERT INTO tenants (tenant) VALUES (%s) ON CONFLICT DO NOTHING"


def hashed(key: str) -> str:
    """What is stored of a key."""
    return hashlib.sha256(key.encode()).hexdigest()


class ApiKeys:
    """Keys of callers."""

    def __init__(self, database: Database) -> None:
        self.database = database

    async def create(self, tenant: str, name: str, caller: str, scopes: Sequence[str]) -> tuple[str, ApiKey]:
        """A new key: its text, which is shown once, and its record."""
        text = PREFIX + secrets.token_urlsafe(32)
        sql = f"""INSERT INTO api_keys (tenant, id, name, caller, hash, scopes) VALUES (%s, %s, %s, %s, %s, %s)
                  RETURNING {COLUMNS}"""
        values = (tenant, secrets.token_hex(4), name, caller, hashed(text), list(scopes))
        async with self.database.transaction() as connection:
            await connection.execute(KNOWN, (tenant,))
            row = await (await connection.execute(sql, values)).fetchone()
        return text, ApiKey.model_validate(row)

    async def find(self, text: str) -> ApiKey | None:
        """The key behind a text, unless it was revoked; notes its use once a minute."""
        sql = f"SELECT {COLUMNS} FROM api_keys WHERE hash = %s AND revoked IS NULL"
        row = await self.database.row(sql, hashed(text))
        if row is None:
            return None
        sql = """UPDATE api_keys SET used = clock_timestamp()
                 WHERE tenant = %s AND id = %s AND (used IS NULL OR used < clock_timestamp() - interval '1 minute')"""
        async with self.database.connection() as connection:
            await connection.execute(sql, (row["tenant"], row["id"]))
        return ApiKey.model_validate(row)

    async def listed(self, tenant: str) -> list[ApiKey]:
        """A tenant's keys, newest first."""
        sql = f"SELECT {COLUMNS} FROM api_keys WHERE tenant = %s ORDER BY created DESC"
        return [ApiKey.model_validate(row) for row in await self.database.rows(sql, tenant)]

    async def tenants(self) -> list[Tenant]:
        """Every tenant that anybody has a key of, or has come as."""
        sql = """SELECT t.tenant AS name, t.created, count(k.id) FILTER (WHERE k.revoked IS NULL)::int AS keys
                 FROM tenants t LEFT JOIN api_keys k ON k.tenant = t.tenant GROUP BY t.tenant ORDER BY t.tenant"""
        return [Tenant.model_validate(row) for row in await self.database.rows(sql)]

    async def known(self, tenant: str) -> None:
        """Somebody of this tenant has come by another way than a key."""
        async with self.database.connection() as connection:
            await connection.execute(KNOWN, (tenant,))

    async def revoke(self, tenant: str, key: str) -> ApiKey:
        """Take a key back; it stays listed. Raises NotFound."""
        sql = f"""UPDATE api_keys SET revoked = coalesce(revoked, clock_timestamp()) WHERE tenant = %s AND id = %s
                  RETURNING {COLUMNS}"""
        row = await self.database.row(sql, tenant, key)
        if row is None:
            raise NotFound("no_key", f"there is no key {key}", "groundswell keys list")
        return ApiKey.model_validate(row)
