"""A whole platform in this process, with the write path's trial as an extension."""

from collections.abc import AsyncIterator, Callable, Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import httpx2
import psycopg
import pytest

from backends.kube.test_bounds import dumped
from groundswell.backends.databases.api_keys import ApiKeys
from groundswell.backends.databases.embedded import ROLE
from groundswell.core.settings import load
from groundswell.runtime import discovery
from groundswell.runtime.platform import Running
from services.issuer import AUDIENCE, Issuer
from services.serving import served
from small_server import running
from write_path import trial

SHARING = """
[tenants.{tenant}]
namespaces = ["{tenant}"]
sources = {{kubernetes = "{dump}"}}
"""


@pytest.fixture(scope="session")
def issuer() -> Iterator[Issuer]:
    """Whom the platform trusts to name callers."""
    with running(Issuer()) as trusted:
        yield trusted


@pytest.fixture(scope="session")
async def platform(tmp_path_factory: pytest.TempPathFactory, issuer: Issuer) -> AsyncIterator[Running]:
    folder: Path = tmp_path_factory.mktemp("platform")
    trial.LOGS["folder"] = folder
    config = folder / "config"
    config.mkdir()
    shared = dumped(folder, "alpha", "beta")
    (config / "policy.toml").write_text(
        f'[tenants.local]\neffects = ["trial_send", "patch_branch"]\nwritable = ["{folder}/clones"]\n'
        '[tenants.narrow]\ntools = ["trial_look"]\nlimits = {tool_calls = 3}\n'
        'schemes = ["https"]\ndomains = ["a.example"]\n'
        + "".join(SHARING.format(tenant=tenant, dump=shared) for tenant in ("alpha", "beta"))
    )
    patch = pytest.MonkeyPatch()
    # an installed package would name itself so; nothing else is put in its place
    patch.setattr(discovery, "entry_points", lambda group: [EntryPoint("trial", "write_path.trial", group)])
    cached = (discovery.extensions, discovery.agents, discovery.tools, discovery.policies)
    for each in cached:
        each.cache_clear()
    overrides = {
        "data": str(folder / "data"),
        "gateway.port": 0,
        "runs.lease_seconds": 4.0,
        "gateway.requests_per_minute": 100_000,
        "oidc.issuer": issuer.url,
        "oidc.audience": AUDIENCE,
        "oidc.tenants": {"shop-devs": "shop", "other-devs": "other"},
        "oidc.scopes": {"admins": ["keys", "admin"]},
    }
    loaded = load(config, overrides, {"HOME": str(folder)})
    try:
        async with served(loaded) as running:
            yield running
    finally:
        patch.undo()
        for each in cached:
            each.cache_clear()


@pytest.fixture
async def http(platform: Running) -> AsyncIterator[httpx2.AsyncClient]:
    """A client without a key, as a browser on this machine is one."""
    assert platform.instance is not None
    async with httpx2.AsyncClient(base_url=platform.instance.url, timeout=20) as client:
        yield client


@pytest.fixture
async def key(platform: Running, http: httpx2.AsyncClient) -> dict[str, str]:
    """The headers of a caller of the local tenant."""
    made = await http.post("/v1/keys", json={"name": "tester"})
    return {"Authorization": f"Bearer {made.json()['key']}"}


@pytest.fixture
async def foreign(platform: Running) -> dict[str, str]:
    """The headers of a caller of another tenant, whose policy is narrow."""
    database = platform.base.database("gateway")
    await database.open()
    text, _ = await ApiKeys(database).create("narrow", "stranger", "stranger", ["runs"])
    await database.close()
    return {"Authorization": f"Bearer {text}"}


@pytest.fixture
def admin(platform: Running) -> Callable[..., Any]:
    """Rows of the database, as nobody else may see or change them."""

    def rows(sql: str, *values: Any) -> list[Any]:
        with psycopg.connect(platform.base.database_url.replace("{role}", ROLE), autocommit=True) as connection:
            connection.execute("SET search_path = groundswell, langgraph")
            cursor = connection.execute(sql, values)
            return cursor.fetchall() if cursor.description else []

    return rows
