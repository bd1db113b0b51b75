"""A whole platform in this process, and the place it is."""

from collections.abc import AsyncIterator

import pytest

from groundswell.cli.first_answer import sample
from groundswell.client import Client
from groundswell.core.check import Place
from groundswell.core.settings import load
from groundswell.runtime.drills import drills
from groundswell.runtime.platform import Running
from groundswell.waves.plan import profile
from services.serving import served


@pytest.fixture(scope="session")
async def laptop(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    folder = tmp_path_factory.mktemp("laptop")
    overrides = {
        "data": str(folder / "data"),
        "gateway.port": 0,
        "gateway.requests_per_minute": 100_000,
        "runs.lease_seconds": 10.0,
    }
    async with served(load(folder / "config", overrides, {"HOME": str(folder)})) as running:
        yield running


@pytest.fixture
async def client(laptop: Running) -> AsyncIterator[Client]:
    assert laptop.instance is not None
    async with Client(laptop.instance.url, laptop.base.local_key) as found:
        yield found


@pytest.fixture
def place(laptop: Running, client: Client) -> Place:
    async def answers() -> None:
        await client.ready()
        await client.keys()

    breakable = drills(laptop.base.loaded, laptop.base.data, answers)
    return Place(profile(), {"repo": f"path:{sample(laptop.base.data)}"}, breakable)
