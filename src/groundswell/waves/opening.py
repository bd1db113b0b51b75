"""How a gate opens in a cluster: what a wave brings must stand, and every line that is due must be proven.

What reads the cluster is asked of a platform in the gate's own pod, so that a verdict comes even when the one in the
cluster is down; the rest is asked of the platform in the cluster, once its tools stand.
"""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from groundswell.client import Client
from groundswell.core.check import Check, Place
from groundswell.core.errors import GroundswellError
from groundswell.core.records import Proof, Subject, Verdict
from groundswell.waves.acting import NAMESPACES, WAVE_LABEL, objects
from groundswell.waves.boards import NAMESPACE, Board, job_of
from groundswell.waves.gating import ASKABLE, Due, due, since, tried
from groundswell.waves.plan import Plan
from groundswell.waves.verifying import verified

Say = Callable[[str], None]
Manifest = Mapping[str, Any]
POLL_SECONDS = 2.0
AGAIN_SECONDS = 10.0
REFUSED, REFUSED_SECONDS = "it was refused: ", 40.0
LAST_WORDS = 300  # characters
CLOSED_HOURS = 1.0  # how long a closed verdict is told


@dataclass(frozen=True)
class Asked:
    """Whom a gate asks: the platform in its own pod, and the one in the cluster."""

    own: Client
    platform: Client
    place: Place


async def await_before(board: Board, expected: Mapping[int, str], seconds: float, say: Say) -> str:
    """Wait until all waves before are proven as this revision has them; else why not.

    Where one of them is changed to something else meanwhile, this revision is not the newest: that ends it at once.
    """
    until, told = time.monotonic() + seconds, ""
    first: dict[int, str] = {}
    while True:
        why = ""
        try:
            for wave, digest in expected.items():
                held = await board.held(wave, digest)
                why = why or held.why
                if held.digest not in ("", digest, first.setdefault(wave, held.digest)):
                    return f"wave {wave} was changed meanwhile: there is a newer revision"
        except GroundswellError as error:
            why = error.message
        if not why or time.monotonic() >= until:
            return why
        if why != told:
            say(f"waiting: {why}")
        told = why
        await asyncio.sleep(POLL_SECONDS)


async def opened(
    asked: Asked, board: Board, ledger: Plan, wave: int, subject: Subject, *, seconds: float, say: Say
) -> Verdict:
    """Try until the gate is open or patience is over; each verdict is laid down as it comes."""
    until = time.monotonic() + seconds
    proofs: dict[str, Proof] = {}
    told = ""
    while True:
        verdict = await judged(asked, ledger, wave, subject, proofs)
        await board.post(verdict)
        await board.project([each.number for each in ledger.waves])
        if verdict.open or time.monotonic() >= until:
            return verdict
        if verdict.reason != told:
            say(f"not yet: {verdict.reason}")
        told = verdict.reason
        # the sync waits for this Job: while it tries on, no newer commit is seen
        if verdict.reason.startswith(REFUSED):
            until = min(until, time.monotonic() + REFUSED_SECONDS)
        proofs = _passed(verdict)
        await asyncio.sleep(AGAIN_SECONDS)


async def renewed(
    asked: Asked, board: Board, ledger: Plan, subject: Callable[[str], Subject], *, tries: int = 4
) -> AsyncIterator[Verdict]:
    """Each wave that was reached, proven again: of what is applied now. What its gate is still trying is left to it."""
    numbers = [each.number for each in ledger.waves]
    for wave in numbers:
        held = await board.held(wave)
        if not held.digest or not held.shown.get("record") or held.changing:
            continue
        about, verdict = subject(held.digest), held.verdict
        kept = still_counting(verdict, datetime.now(UTC)) if verdict and verdict.subject == about else {}
        verdict = await judged(asked, ledger, wave, about, kept, again=True)
        for _ in range(tries):  # what is only on its way is no fault
            if verdict.open:
                break
            await asyncio.sleep(AGAIN_SECONDS)
            verdict = await judged(asked, ledger, wave, about, _passed(verdict), again=True)
        await board.post(verdict)
        await board.project(numbers)
        if verdict.open and await _failed(asked, job_of(wave, held.digest)):
            await board.maps.forget_job(job_of(wave, held.digest))
        yield verdict


def _passed(verdict: Verdict) -> dict[str, Proof]:
    return {proof.check: proof for proof in verdict.proofs if proof.judged() in ("pass", "skip")}


async def _failed(asked: Asked, job: str) -> bool:
    """Whether a gate's Job ended as a failure: it would stay one, and its Application Degraded."""
    for each in await objects(asked.own, asked.place, "jobs", NAMESPACE):
        if each.get("name") == job:
            return _lacking(each).startswith("failed")
    return False


async def judged(
    asked: Asked, ledger: Plan, wave: int, subject: Subject, kept: Mapping[str, Proof], *, again: bool = False
) -> Verdict:
    """What a gate comes to now; `kept` are proofs that still count. Asked `again`, it looks at the cluster anew."""
    place = replace(asked.place, wave=wave)
    fallen = await refused(asked.own, place) or await not_standing(asked.own, place, wave)
    checks = tried(ledger, wave)
    wanted = [each for each in checks if each.name not in kept or (again and since(each) < ASKABLE)]
    proofs = dict(kept)
    if not fallen:
        proofs |= await _asked(asked, place, wanted)
    found = due(ledger, place.profile, wave, proofs, checks)
    reasons = [*fallen, *(f"{each.line}: {each.status}, {each.reason}" for each in found.closing if not fallen)]
    return _verdict(wave, subject, found, reasons, proofs, ledger)


async def _asked(asked: Asked, place: Place, checks: Iterable[Check]) -> dict[str, Proof]:
    checks = list(checks)
    reading = [each for each in checks if since(each) < ASKABLE]
    made = await verified(asked.own, place, reading, drills=False, tell=lambda check, proof: None)
    asking = [each for each in checks if each not in reading]
    return made | await verified(asked.platform, place, asking, drills=False, tell=lambda check, proof: None)


def _verdict(
    wave: int, subject: Subject, found: Due, reasons: list[str], proofs: Mapping[str, Proof], ledger: Plan
) -> Verdict:
    now = datetime.now(UTC)
    resting = {name for line in found.passed for name in ledger.line(line.line).checks}
    expiries = [proof.expires for name in resting if (proof := proofs.get(name)) and proof.expires]
    return Verdict(
        wave=wave,
        subject=subject,
        open=not reasons,
        reason="; ".join(reasons[:4]),
        at=now,
        expires=min(expiries, default=now + timedelta(hours=CLOSED_HOURS)),
        unproven=dict(found.unproven),
        proofs=tuple(proofs.values()),
    )


def still_counting(verdict: Verdict, now: datetime) -> dict[str, Proof]:
    """The proofs that have not lived half their life."""
    return {
        proof.check: proof
        for proof in verdict.proofs
        if proof.judged() == "pass"
        and proof.ended
        and proof.expires
        and now < proof.ended + (proof.expires - proof.ended) / 2
    }


async def refused(own: Client, place: Place) -> list[str]:
    """What the API server did not take of this wave, in its words."""
    if not place.profile.has("argocd"):
        return []
    for each in await objects(own, place, "applications"):
        if str(each.get("labels", {}).get(WAVE_LABEL, "")) == str(place.wave):
            state = each.get("status", {}).get("operationState", {})
            failed = [
                one for one in state.get("syncResult", {}).get("resources", []) if one.get("status") == "SyncFailed"
            ]
            return [f"{REFUSED}{one.get('kind')} {one.get('name')}: {one.get('message', '')}" for one in failed]
    return []


async def not_standing(own: Client, place: Place, wave: int) -> list[str]:
    """What this wave and those before bring and is not there in full, each with what its pods say."""
    fallen: list[tuple[Manifest, str]] = []
    for kind in ("deployments", "statefulsets", "jobs"):
        for each in await objects(own, place, kind):
            number = str(each.get("labels", {}).get(WAVE_LABEL, ""))
            gate = each.get("spec", {}).get("podLabels", {}).get("app.kubernetes.io/name") == "gate"
            if each.get("namespace") not in NAMESPACES or not number.isdecimal() or int(number) > wave or gate:
                continue
            if said := _lacking(each):
                fallen.append((each, said))
    pods = await objects(own, place, "pods") if fallen else []
    return [f"{each['kind']} {each['namespace']}/{each['name']} {said}{_of_pods(each, pods)}" for each, said in fallen]


def _lacking(each: Manifest) -> str:
    spec, status = each.get("spec", {}), each.get("status", {})
    if each["kind"] == "Job":
        conditions = {one.get("type"): one for one in status.get("conditions", []) if one.get("status") == "True"}
        if "Failed" in conditions:
            return f"failed: {conditions['Failed'].get('message', '')}"
        return "" if "Complete" in conditions else "is not done"
    wanted = spec.get("replicas", 1)
    if each.get("generation") != status.get("observedGeneration"):
        return "was not looked at by its controller yet"
    ready, new = status.get("readyReplicas", 0), status.get("updatedReplicas", 0)
    there = status.get("replicas", 0)
    if ready >= wanted and new >= wanted and there <= wanted:
        return ""
    refused = [
        str(one.get("message", ""))
        for one in status.get("conditions", [])
        if one.get("type") == "ReplicaFailure" and one.get("status") == "True"
    ]
    old = f", {there - new} of them of the revision before" if there > new else ""
    return f"has {ready} of {there} pods ready{old}, and needs {wanted} new ones" + (
        f": {refused[0]}" if refused else ""
    )


def _of_pods(each: Manifest, pods: Iterable[Manifest]) -> str:
    """What the containers of its pods wait for, or why the last one ended, or why none is placed."""
    said: list[str] = []
    labels: Manifest = each.get("spec", {}).get("podLabels", {})
    for pod in pods:
        if (
            pod.get("namespace") != each["namespace"]
            or not labels
            or not labels.items() <= pod.get("labels", {}).items()
        ):
            continue
        for one in pod.get("containers", []):
            for part in (one, one.get("last", {})):
                code = f" (exit code {part['exitCode']})" if part.get("exitCode") else ""
                words = f"{part.get('reason', '')}{code} {gist(str(part.get('message', '')))}".strip()
                quiet = part.get("state") == "running" or part.get("reason") in ("Completed", "ContainerCreating")
                said += [f"container {one.get('name')}: {words}"] if words and not quiet else []
        said += [
            str(one["message"])
            for one in pod.get("conditions", [])
            if one.get("type") == "PodScheduled" and one.get("status") == "False" and one.get("message")
        ]
    unique = list(dict.fromkeys(said))[:2]
    return f": {'; '.join(unique)[:600]}" if unique else ""


def gist(message: str) -> str:
    """Of the end of a container's log: our error and its hint, else the last words. Its lines may have been joined."""
    text = " ".join(message.split())
    found = re.search(r"(?:^|\s)([Ee]rror: .*)", text)
    return found[1] if found else text[-LAST_WORDS:]
