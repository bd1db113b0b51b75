"""What people and runs see of a platform on a cluster, also while pods of it are deleted under them."""

import asyncio
from datetime import UTC, datetime

import pytest

from cluster.live import Live, until
from groundswell.client import Client
from groundswell.core.errors import GroundswellError, Unavailable
from groundswell.core.records import Event, NewRun, Run
from groundswell.deployment.objects import Object

BROKEN = "localhost/not-there:1"


def broken(image: str) -> list[Object]:
    """A workload whose image nobody has."""
    labels = {"app": "web"}
    container = {"name": "web", "image": image, "imagePullPolicy": "IfNotPresent"}
    spec = {
        "replicas": 1,
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
    }
    metadata = {"name": "web", "namespace": "shop"}
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}},
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec},
    ]


@pytest.fixture
async def shop(live: Live) -> None:
    """Something of others that is broken, once the cluster says so."""
    await asyncio.to_thread(live.apply, *broken(BROKEN))

    def waits() -> bool:
        pods = live.items("pods", "-n", "shop", "-l", "app=web")
        return any(
            "Pull" in status["state"].get("waiting", {}).get("reason", "")
            for pod in pods
            for status in pod["status"].get("containerStatuses", ())
        )

    await until(waits, "the pod waits for its image", 120)


def question(text: str, agent: str = "observability") -> NewRun:
    return NewRun.model_validate({"input": text, "agent": agent})


async def ended(platform: Client, run: str) -> list[Event]:
    events = [event async for event in platform.follow(run)]
    assert [event.number for event in events] == list(range(1, len(events) + 1)), "an event is lost or told twice"
    return events


async def test_the_key_of_bootstrap_opens_and_no_other(platform: Client) -> None:
    assert {"coding", "web", "observability"} <= {str(each["name"]) for each in await platform.agents()}
    async with Client(platform.url, "a-key-that-nobody-made") as stranger:
        with pytest.raises(GroundswellError) as refused:
            await stranger.agents()
    assert refused.value.status in (401, 403)


@pytest.mark.usefixtures("shop")
async def test_it_answers_about_this_cluster_and_may_not_read_its_secrets(live: Live, platform: Client) -> None:
    run = await platform.start(question("Why does the deployment web in namespace shop not start?"))
    await ended(platform, run.id)
    run = await platform.show(run.id)
    assert run.status == "succeeded"
    assert run.answer is not None
    first = run.answer.text.split("\n")[0]
    assert "shop/web" in first
    assert BROKEN in run.answer.text
    for claim in run.answer.claims:
        for citation in claim.citations:
            assert (await platform.evidence(citation.evidence, run=run.id)).text
    account = "system:serviceaccount:ai-tools:tools"
    may = lambda *words: live.kubectl.holds("auth", "can-i", "-q", f"--as={account}", *words)  # noqa: E731
    assert await asyncio.to_thread(may, "list", "pods", "-n", "shop")
    for words in (("get", "secrets", "-n", "shop"), ("delete", "pods", "-n", "shop"), ("create", "pods/exec", "-A")):
        assert not await asyncio.to_thread(may, *words), words
    live.figures["asked about a broken deployment"] = first


@pytest.mark.usefixtures("shop")
@pytest.mark.parametrize("victim", ["agents", "router", "tools"])
async def test_runs_survive_the_deletion_of_a_pod(live: Live, platform: Client, victim: str) -> None:
    """Runs are under way when their worker's, the router's or the tools' pod goes; each ends well, no event lost."""
    space = {"agents": "ai-agents", "router": "ai-router", "tools": "ai-tools"}[victim]
    (pod,) = await asyncio.to_thread(live.pods, space, victim)
    name = pod["metadata"]["name"]
    runs = [await platform.start(question("What is wrong in namespace shop?")) for _ in range(4)]
    runs += [await platform.start(question("Why does the deployment web in namespace shop not start?", ""))]
    await until_any_begins(platform, [run.id for run in runs])
    runs.append(await platform.start(question("What is wrong in namespace shop?")))
    words = ("-n", space, "delete", "pod", name, "--grace-period=1", "--wait")
    went = datetime.now(UTC)
    gone = asyncio.create_task(asyncio.to_thread(live.kubectl, *words))
    ended_by = went
    while not gone.done():  # a run takes seconds: while more come, some are under way whenever the pod goes
        ended_by = datetime.now(UTC)
        try:
            runs.append(await platform.start(question("What is wrong in namespace shop?")))
        except Unavailable:  # nothing was acknowledged; it is the router, and it has gone
            break
        await asyncio.wait([gone], timeout=0.2)
    await gone
    for run in runs:
        await ended(platform, run.id)
    after = [await platform.show(run.id) for run in runs]
    assert [run.status for run in after] == ["succeeded"] * len(runs), after
    assert all(run.answer and BROKEN in run.answer.text for run in after)
    await asyncio.to_thread(live.stands, space, "deployment", victim)
    assert name not in {each["metadata"]["name"] for each in await asyncio.to_thread(live.pods, space, victim)}
    assert covered(after, went, ended_by), "at some time no run was under way, and the pod may have gone just then"
    told = {"runs": len(after), "taken over": sum(run.epoch > 1 for run in after)}
    live.figures.setdefault("runs while a pod went", {})[victim] = told


def covered(runs: list[Run], began: datetime, ended: datetime) -> bool:
    """Whether there was a run under way at each moment of a time."""
    for run in sorted(runs, key=lambda run: run.created):
        if run.created <= began and run.ended:
            began = max(began, run.ended)
    return began >= ended


async def until_any_begins(platform: Client, runs: list[str]) -> None:
    """Wait until one of them has called a tool."""
    for _ in range(600):
        for run in runs:
            if await platform.calls(run):
                return
        await asyncio.sleep(0.1)
    raise AssertionError("no run begins")
