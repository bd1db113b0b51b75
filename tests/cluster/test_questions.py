"""Seven questions about what is broken on purpose on this cluster; two of them only a real Prometheus can answer."""

import asyncio
import json
import re
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

import pytest

from cluster.broken import ALL, SPACE, Broken
from cluster.live import DEPLOY, Live, until
from groundswell.cli.gates import forwarded, key
from groundswell.client import Client
from groundswell.core.records import NewRun
from groundswell.deployment import layout

SHOWN_SECONDS = 150  # at most: restarts, probes, and scrapes of each metric
SCRAPED = (  # the metrics that answers rest on; a rate needs two scrapes, and some pods restart
    'count_over_time(http_requests_total{namespace="shop",code="500"}[5m]) > 3',
    'increase(container_cpu_cfs_throttled_periods_total{namespace="shop",pod=~"search-.*"}[5m]) > 20',
)


async def asked(live: Live, platform: Client, broken: Broken) -> str:
    """The first paragraph of the answer."""
    run = NewRun.model_validate({"input": broken.question, "agent": "observability"})
    events = [event async for event in platform.stream(run)]
    ended = await platform.show(events[0].run)
    text = ended.answer.text if ended.answer else f"{ended.status}: {ended.reason}"
    return text.split("\n\n")[0]


def with_prometheus(live: Live, tree: Path) -> None:
    """The same deployment on a cluster that has a Prometheus, by its profile and policy; what it changes is applied."""
    shutil.copytree(DEPLOY, tree)
    profile = tree / "clusters" / live.profile / "profile.toml"
    there = f'prometheus = "existing({live.prometheus})"'
    text, count = re.subn(r'^prometheus = "none"', there, profile.read_text(), flags=re.MULTILINE)
    assert count == 1
    profile.write_text(text)
    policy = tree / "policy.toml"
    policy.write_text(f'{policy.read_text().rstrip()}\nprometheus = "{live.prometheus}"\n')
    live.home.well("render", "--into", str(tree))
    for wave in layout.WAVES.values():
        overlay = tree / "clusters" / live.profile / wave
        words = ("apply", "--server-side", "--force-conflicts", "-k", str(overlay))
        if wave != layout.WAVES[1]:  # nothing of it differs, and a Job cannot be applied again
            live.kubectl(*words)
    for namespace, name in (
        ("ai-inference", "models"),
        ("ai-router", "router"),
        ("ai-agents", "agents"),
        ("ai-router", "gateway"),
        ("ai-tools", "tools"),
    ):
        live.stands(namespace, "deployment", name)


@pytest.fixture
async def shop(live: Live) -> AsyncIterator[None]:
    """All that is broken, once the cluster has had time to say so."""
    await asyncio.to_thread(live.kubectl, "delete", "namespace", SPACE, "--ignore-not-found", seconds=180)
    made = [each for broken in ALL for each in broken.objects(live.image)]
    await asyncio.to_thread(live.apply, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SPACE}}, *made)
    await until(lambda: told_by_the_api(live), "the cluster tells what is broken", SHOWN_SECONDS)
    yield
    await asyncio.to_thread(live.kubectl, "delete", "namespace", SPACE, "--wait=false")


@pytest.mark.usefixtures("opened", "shop")
async def test_seven_questions_are_answered_right(live: Live, tmp_path: Path) -> None:
    secret = await asyncio.to_thread(key, live.kubectl)
    answers: dict[str, str] = {}
    async with forwarded(live.kubectl) as url, Client(url, secret, patience=60) as platform:
        blind = {each.name: await asked(live, platform, each) for each in ALL if each.metrics}
    if live.prometheus:
        await asyncio.to_thread(with_prometheus, live, tmp_path / "deploy")
        await until(lambda: told_by_prometheus(live), "Prometheus knows of each", SHOWN_SECONDS)
    async with forwarded(live.kubectl) as url, Client(url, secret, patience=60) as platform:
        for each in ALL:
            if live.prometheus or not each.metrics:
                answers[each.name] = await asked(live, platform, each)
    live.figures["seven questions"] = answers
    live.figures["the same without Prometheus"] = blind
    wrong = {
        each.name: answers[each.name] for each in ALL if each.name in answers and not right(each, answers[each.name])
    }
    assert wrong == {}
    assert not any(right(each, blind[each.name]) for each in ALL if each.metrics), "these needed no Prometheus"
    if not live.prometheus:
        pytest.skip("no Prometheus was named, so two of seven were not asked")


def told_by_the_api(live: Live) -> bool:
    """Whether pods and events show everything but what only metrics do."""
    waits, ends, unplaced = set[str](), set[str](), False
    for pod in live.items("pods", "-n", SPACE):
        conditions = pod["status"].get("conditions", ())
        unplaced = unplaced or any(each.get("reason") == "Unschedulable" for each in conditions)
        for status in pod["status"].get("containerStatuses", ()):
            waits.add(status["state"].get("waiting", {}).get("reason", ""))
            ends.add(status.get("lastState", {}).get("terminated", {}).get("reason", ""))
    warned = {each.get("reason") for each in live.items("events", "-n", SPACE)}
    return unplaced and "CreateContainerConfigError" in waits and "OOMKilled" in ends and "Unhealthy" in warned


def told_by_prometheus(live: Live) -> bool:
    """Whether it has scraped each metric often enough, asked through the API server."""
    where = re.fullmatch(r"https?://([^.]+)\.([^.]+)\.svc[^:]*:(\d+)/?", live.prometheus)
    assert where, f"{live.prometheus} is no Service of this cluster"
    name, space, port = where.groups()
    path = f"/api/v1/namespaces/{space}/services/{name}:{port}/proxy/api/v1/query?query="
    asked = (json.loads(live.kubectl("get", "--raw", path + quote(each))) for each in SCRAPED)
    return all(answer["data"]["result"] for answer in asked)


def right(broken: Broken, answer: str) -> bool:
    """Whether an answer says what it must."""
    return all(each in answer for each in broken.says)
