"""Hostile addresses as a run's tool calls: with its token, through policy and the guard, nothing inside is reached."""

import copy
import json
from collections.abc import AsyncIterator, Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import httpx2
import pytest

from backends.egress.addresses import ALLOWED_NAMES, NAMES
from backends.egress.servers import Internet, internet
from backends.egress.test_hostile import ALLOWED, CERTIFIED, ODD, TARGETS, URLS
from groundswell.core.settings import load
from groundswell.runtime import discovery, outside
from groundswell.runtime.platform import Running
from services.serving import served
from services.test_api import finished

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def extension() -> Iterator[pytest.MonkeyPatch]:
    patch = pytest.MonkeyPatch()
    patch.setattr(discovery, "entry_points", lambda group: [EntryPoint("fetcher", "services.fetcher", group)])
    cached = (discovery.extensions, discovery.agents, discovery.tools, discovery.policies)
    for each in cached:
        each.cache_clear()
    yield patch
    patch.undo()
    for each in cached:
        each.cache_clear()


@pytest.fixture(scope="module")
async def net(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Internet]:
    async with internet(tmp_path_factory.mktemp("internet"), [*CERTIFIED, "x_y.public.example.com"]) as there:
        yield there


@pytest.fixture(scope="module")
async def platform(
    tmp_path_factory: pytest.TempPathFactory, net: Internet, extension: pytest.MonkeyPatch
) -> AsyncIterator[Running]:
    folder: Path = tmp_path_factory.mktemp("platform")
    # the guard is the real one; names, and what lies behind an address that it allows, are the test's internet
    extension.setattr(outside, "egress", lambda settings: net.egress())
    (folder / "config").mkdir()
    (folder / "config" / "policy.toml").write_text('[tenants.local]\ndomains = ["*"]\n')  # it is the guard's to refuse
    overrides = {
        "data": str(folder / "data"),
        "gateway.port": 0,
        "web.page_seconds": 5.0,
        "embeddings.url": "none:",
    }
    async with served(load(folder / "config", overrides, {"HOME": str(folder)})) as running:
        yield running


async def fetched(platform: Running, net: Internet, urls: list[str]) -> dict[str, str]:
    """What one run's fetches of these came to."""
    net.names = copy.deepcopy(NAMES | ALLOWED_NAMES)
    net.page("/x")
    for seen in (net.dialled, net.canary_heard):
        seen.clear()
    assert platform.instance is not None
    async with httpx2.AsyncClient(base_url=platform.instance.url, timeout=200, trust_env=False) as http:
        run = await finished(http, {"agent": "fetcher", "input": json.dumps(urls)})
    assert run["status"] == "succeeded", run
    return dict(zip(urls, json.loads(run["answer"]["text"]), strict=True))


EACH = pytest.mark.parametrize("every", [5, pytest.param(1, marks=pytest.mark.long)])


@EACH
async def test_no_call_of_a_run_reaches_the_canary(platform: Running, net: Internet, every: int) -> None:
    redirects: list[str] = []
    for number, target in enumerate(TARGETS):
        net.page(f"/hop{number}", b"", "302 Found", f"Location: {target}")
        redirects.append(f"http://public.example.com/hop{number}")
    came_to = await fetched(platform, net, [*URLS[::every], *ODD, *redirects])
    assert "ok" not in came_to.values(), [url for url, code in came_to.items() if code == "ok"]
    assert "" not in came_to.values(), "each is refused by a code"
    assert list(came_to.values()).count("private_address") > 100 / every
    assert not [(host, port) for host, port in net.dialled if host not in net.public]
    assert net.canary_heard == []


@EACH
async def test_no_address_outside_is_refused_to_a_run(platform: Running, net: Internet, every: int) -> None:
    came_to = await fetched(platform, net, ALLOWED[::every])
    assert {url: code for url, code in came_to.items() if code != "ok"} == {}
    assert len(net.dialled) >= len(came_to)
