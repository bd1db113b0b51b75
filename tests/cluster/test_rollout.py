"""From an empty cluster to all waves, each opened only by proof; and everything in one pod, to try it."""

import asyncio
import base64
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from cluster.live import DEPLOY, OURS, PROVEN, STANDS, Live
from groundswell.cli.gates import forwarded
from groundswell.client import Client
from groundswell.core.records import NewRun
from groundswell.deployment import layout
from groundswell.deployment.objects import Object

Break = Callable[[Object], None]


async def test_all_in_one_answers_within_two_minutes(live: Live) -> None:
    """One `kubectl apply -k`, then a question through a port-forward. The limit is a promise that people are given."""
    began = time.monotonic()
    async with asyncio.timeout(120):
        await asyncio.to_thread(live.kubectl, "apply", "-k", str(DEPLOY / "clusters/all-in-one"))
        await asyncio.to_thread(live.stands, "groundswell", "deployment", "groundswell")
        live.figures["seconds"]["all-in-one ready"] = time.monotonic() - began
        secret = await asyncio.to_thread(live.kubectl.json, "-n", "groundswell", "get", "secret", "groundswell-key")
        key = base64.b64decode(secret["data"]["key"]).decode()
        where = ("groundswell", "service/groundswell")
        async with forwarded(live.kubectl, *where) as url, Client(url, key) as platform:
            asked = {
                "input": "Is anything wrong with the deployment groundswell in namespace groundswell?",
                "agent": "observability",
            }
            answered = [event async for event in platform.stream(NewRun.model_validate(asked))]
            run = await platform.show(answered[0].run)
    live.figures["seconds"]["all-in-one answered"] = time.monotonic() - began
    assert run.status == "succeeded", run
    assert run.answer is not None
    assert "groundswell/groundswell" in run.answer.text
    assert run.answer.claims
    words = ("delete", "-k", str(DEPLOY / "clusters/all-in-one"), "--wait", "--ignore-not-found")
    await asyncio.to_thread(live.kubectl, *words, seconds=180)


def test_the_waves_open_in_order_by_proof(live: Live, opened: str) -> None:
    assert [int(wave) for wave, _ in STANDS.findall(opened)] == list(layout.WAVES)
    proven = {int(wave): int(lines) for wave, lines in PROVEN.findall(opened)}
    assert list(proven) == list(layout.WAVES)
    assert proven[0] > 0
    assert sorted(proven.values()) == list(proven.values())
    there = {each["metadata"]["name"] for each in live.items("namespaces")}
    assert there >= set(OURS) - {"groundswell"}


def blocks_dns(each: Object) -> None:
    """The rule of one namespace that lets names be looked up is gone."""
    if each["kind"] == "NetworkPolicy" and _named(each) == ("ai-tools", "all"):
        each["spec"]["egress"] = [{"to": [{"podSelector": {}}], "ports": [{"port": 8000}]}]


def crashes(each: Object) -> None:
    """PostgreSQL is started with an option that it does not have."""
    if each["kind"] == "StatefulSet":
        each["spec"]["template"]["spec"]["containers"][0]["args"].append("--no-such-option")


def names_a_node(each: Object) -> None:
    """A Deployment wants to be on a node of that name."""
    if each["kind"] == "Deployment" and each["metadata"]["name"] == "models":
        each["spec"]["template"]["spec"]["nodeName"] = "node1"


def _named(each: Object) -> tuple[str, str]:
    return each["metadata"]["namespace"], each["metadata"]["name"]


# what is broken, the file, the wave that stays closed, and what a person is told
BREAKS: list[tuple[Break, str, int, str]] = [
    (blocks_dns, "waves/00-foundation/isolation.yaml", 0, "DNS is blocked in ai-tools"),
    (crashes, "clusters/{}/01-core/core.yaml", 1, "StatefulSet ai-vector/postgres does not come to stand"),
    (names_a_node, "waves/02-inference/models.yaml", 2, "nodeName names a node"),
]


@pytest.mark.usefixtures("opened")
def test_what_is_broken_keeps_the_next_wave_closed_and_a_revert_opens_it(live: Live, tmp_path: Path) -> None:
    """Each break is told by name. The one after it gets further, so the one before is mended by its revert."""
    for number, (break_, file, wave, told) in enumerate(BREAKS):
        tree = tmp_path / str(number)
        shutil.copytree(DEPLOY, tree)
        name = tree / file.format(live.profile)
        objects = list(yaml.safe_load_all(name.read_text()))
        before = yaml.safe_dump_all(objects)
        for each in objects:
            break_(each)
        assert yaml.safe_dump_all(objects) != before, f"{break_.__name__} breaks nothing"
        name.write_text(yaml.safe_dump_all(objects))
        status, said = live.rollout(tree, seconds=45)
        assert status != 0, said
        assert told in said, said
        assert [int(each) for each, _ in STANDS.findall(said)] == list(range(wave)), said
        live.figures.setdefault("breaks", {})[break_.__name__] = said.strip().splitlines()[-2:]
    began = time.monotonic()
    status, said = live.rollout(DEPLOY, "--drills")
    assert status == 0, said
    assert [int(each) for each, _ in STANDS.findall(said)] == list(layout.WAVES)
    live.figures["seconds"]["rolled out again, with drills"] = time.monotonic() - began
