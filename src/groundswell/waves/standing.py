"""How the waves stand now: gates by the proofs that are kept, sync and health as the place tells them."""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from groundswell.client import Client
from groundswell.core.check import Place
from groundswell.core.errors import GroundswellError
from groundswell.core.records import LineVerdict, Profile, Proof, Wave
from groundswell.waves.acting import WAVE_LABEL, objects
from groundswell.waves.ledger import Gate, gates, verdicts
from groundswell.waves.plan import Plan


@dataclass(frozen=True)
class Standing:
    """One row of the table."""

    wave: Wave
    sync: str  # Argo CD's word; empty where there is none
    health: str
    gate: Gate
    oldest: datetime | None  # when the oldest proof that its gate rests on was made
    expires: datetime | None  # when the first of them does not count any more
    next_step: str


def standings(
    ledger: Plan, place: Profile, proofs: Mapping[str, Proof], told: Mapping[int, tuple[str, str]]
) -> list[Standing]:
    """All waves; `told` is sync and health of a wave, as far as anybody says."""
    found = verdicts(ledger, proofs, place)
    return [_standing(ledger, gate, found, proofs, told.get(gate.wave, ("", ""))) for gate in gates(ledger, found)]


def _standing(
    ledger: Plan, gate: Gate, found: Mapping[str, LineVerdict], proofs: Mapping[str, Proof], told: tuple[str, str]
) -> Standing:
    lines = [line for line in ledger.of(gate.wave) if found[line.id].required and found[line.id].status == "pass"]
    counted = [proofs[name] for line in lines for name in line.checks if name in proofs and proofs[name].ended]
    counted = [proof for proof in counted if proof.status == "pass"]
    oldest = min((proof.ended for proof in counted if proof.ended), default=None)
    expires = min((proof.expires for proof in counted if proof.expires), default=None)
    sync, health = told if told[0] or gate.owed else ("", "")  # where nothing is owed nobody's health says anything
    return Standing(ledger.wave(gate.wave), sync, health, gate, oldest, expires, _next(gate))


def _next(gate: Gate) -> str:
    """What to do now, in a few words."""
    if gate.open:
        return "nothing is required" if not gate.owed else ""
    if gate.passed == gate.owed:
        return gate.reason
    return f"groundswell verify --wave {gate.wave}: {gate.reason}"


async def told_by_argo(platform: Client, place: Place) -> dict[int, tuple[str, str]]:
    """Sync and health of each wave's Application, where the place has Argo CD and it can be asked."""
    if not (place.profile.has("argocd") and place.profile.has("kubernetes")):
        return {}
    told: dict[int, tuple[str, str]] = {}
    with contextlib.suppress(GroundswellError):
        for each in await objects(platform, place, "applications"):
            number = str(each.get("labels", {}).get(WAVE_LABEL, ""))
            if number.isdecimal():
                status = each.get("status", {})
                told[int(number)] = (
                    str(status.get("sync", {}).get("status", "Unknown")),
                    str(status.get("health", {}).get("status", "Unknown")),
                )
    return told
