"""A gate opens on a cluster that stands and is proven, closes on one that is not, and says what is wrong with it."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from groundswell.client import Client
from groundswell.core.check import Place
from groundswell.core.records import Subject
from groundswell.waves.acting import WAVE_LABEL
from groundswell.waves.boards import DIGEST, Board, name_of
from groundswell.waves.opening import Asked, judged, opened, renewed
from groundswell.waves.plan import plan, profile
from groundswell.waves.proofs import signer
from waves.cluster import Kinds, dump, of
from waves.test_boards import Held

pytestmark = [pytest.mark.timeout(180), pytest.mark.xdist_group("waves"), pytest.mark.real]
SINGLE = Path(__file__).parents[2] / "deploy" / "clusters" / "single-node" / "profile.toml"
SUBJECT = Subject(version="1", settings="aaaa", place="here")


def asked(client: Client, folder: Path) -> Asked:
    found = profile(SINGLE)
    parts = {**found.parts, "kubernetes": f"existing(dump:{folder})", "argocd": "existing(argocd)"}
    return Asked(client, client, Place(found.model_copy(update={"parts": parts})))


def router(wave: int = 0, /, **status: Any) -> dict[str, Any]:
    template = {"metadata": {"labels": {"app": "router"}}, "spec": {"containers": [{"name": "router"}]}}
    stands = {"observedGeneration": 1, "replicas": 1, "readyReplicas": 1, "updatedReplicas": 1}
    made = of("router", "ai-router", labels={WAVE_LABEL: str(wave)}, spec={"replicas": 1, "template": template})
    made["metadata"]["generation"] = 1
    return made | {"status": stands | status}


def crashing(kinds: Kinds) -> None:
    kinds["deployments"].append(router(replicas=2, readyReplicas=1))
    waiting = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 40s restarting"}}
    log = "pool warns\n" * 60 + "error: PostgreSQL at db:5432 does not answer: refused\nhint: see whether it runs\n"
    ended = {"terminated": {"reason": "Error", "exitCode": 2, "message": log}}
    state = {"name": "router", "state": waiting, "lastState": ended}
    made = of("router-1", "ai-router", labels={"app": "router"}, spec={"containers": [{"name": "router"}]})
    kinds["pods"].append(made | {"status": {"phase": "Running", "containerStatuses": [state]}})


def unplaced(kinds: Kinds) -> None:
    kinds["deployments"].append(router(readyReplicas=0))
    condition = {"type": "PodScheduled", "status": "False", "message": "0/1 nodes are available: 1 Insufficient memory"}
    made = of("router-1", "ai-router", labels={"app": "router"}, spec={"containers": [{"name": "router"}]})
    kinds["pods"].append(made | {"status": {"phase": "Pending", "conditions": [condition]}})


def over_quota(kinds: Kinds) -> None:
    message = 'pods "router-1" is forbidden: exceeded quota: bounds'
    failure = {"type": "ReplicaFailure", "status": "True", "message": message}
    kinds["deployments"].append(router(replicas=0, readyReplicas=0, updatedReplicas=0, conditions=[failure]))


def failed_job(kinds: Kinds) -> None:
    done = [{"type": "Failed", "status": "True", "message": "Job has reached the specified backoff limit"}]
    kinds["jobs"].append(of("migrate", "ai-vector", labels={WAVE_LABEL: "0"}, status={"conditions": done}))


def refused(kinds: Kinds) -> None:
    resource = {"kind": "Deployment", "name": "router", "status": "SyncFailed", "message": "nodeName names a node"}
    state = {"phase": "Running", "syncResult": {"resources": [resource]}}
    kinds["applications"][0]["status"]["operationState"] = state


def no_dns(kinds: Kinds) -> None:
    kinds["networkpolicies"].pop(1)


CLOSED: dict[str, tuple[Callable[[Kinds], None], str]] = {
    "crashes": (crashing, "container router: CrashLoopBackOff back-off 40s restarting"),
    "why it ended": (
        crashing,
        "Error (exit code 2) error: PostgreSQL at db:5432 does not answer: refused hint: see whether it runs",
    ),
    "placed nowhere": (unplaced, "1 Insufficient memory"),
    "quota": (over_quota, "exceeded quota: bounds"),
    "job": (failed_job, "Job ai-vector/migrate failed: Job has reached the specified backoff limit"),
    "refused": (refused, "it was refused: Deployment router: nodeName names a node"),
    "dns": (no_dns, "w0.dns: fail, DNS is blocked in ai-inference"),
}


@pytest.mark.parametrize("name", CLOSED)
async def test_a_closed_gate_says_why(name: str, client: Client, tmp_path: Path) -> None:
    breaks, sentence = CLOSED[name]
    made = await judged(asked(client, dump(tmp_path / "broken", breaks)), plan(), 0, SUBJECT, {})
    assert not made.open
    assert sentence in made.reason


async def test_a_later_wave_that_fell_closes_no_gate_below_it(client: Client, tmp_path: Path) -> None:
    def later(kinds: Kinds) -> None:
        kinds["deployments"].append(router(3, readyReplicas=0))

    assert (await judged(asked(client, dump(tmp_path / "later", later)), plan(), 0, SUBJECT, {})).open


async def test_a_gate_opens_closes_and_opens_again(client: Client, tmp_path: Path) -> None:
    maps = Held()
    maps.there = {name_of(0): ({}, {DIGEST: "aaaa"}), name_of(1): ({}, {DIGEST: "bbbb"})}
    board, said = Board(maps, signer(tmp_path / "keys"), "here"), list[str]()
    well, broken = asked(client, dump(tmp_path / "well")), asked(client, dump(tmp_path / "broken", no_dns))
    made = await opened(well, board, plan(), 0, SUBJECT, seconds=0, say=said.append)
    assert made.open, made.reason
    assert made.expires > datetime.now(UTC)
    assert any("w0.gpu-labels" in lines for lines in made.unproven.values())
    assert (await board.held(0)).why == ""
    await board.post(made.model_copy(update={"wave": 1, "subject": SUBJECT.model_copy(update={"settings": "bbbb"})}))

    def about(digest: str) -> Subject:
        return SUBJECT.model_copy(update={"settings": digest})

    closed = [each async for each in renewed(broken, board, plan(), about, tries=0)]
    assert [(each.wave, each.open) for each in closed] == [(0, False), (1, False)]
    assert "DNS is blocked" in maps.there["gate-01"][0]["below"]
    mended = [each async for each in renewed(well, board, plan(), about, tries=0)]
    assert mended[0].open
    assert (await board.held(0)).why == ""
    assert maps.there["gate-01"][0]["below"] == ""
