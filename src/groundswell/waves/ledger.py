"""Verdicts: how each line and each gate stands, by proofs alone. Nothing here is asked of a platform."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from groundswell.core.records import Line, LineStatus, LineVerdict, Profile, Proof
from groundswell.waves.plan import Plan, excuse, required

WORST: tuple[LineStatus, ...] = ("fail", "unknown", "skip", "deferred", "pass")


@dataclass(frozen=True)
class Gate:
    """Whether a wave's gate is open, why not, and what it let pass without proof."""

    wave: int
    open: bool
    reason: str
    passed: int
    owed: int
    unproven: tuple[LineVerdict, ...]


def verdicts(ledger: Plan, proofs: Mapping[str, Proof], place: Profile) -> dict[str, LineVerdict]:
    """Every line: by its checks, then those that rest on others."""
    found: dict[str, LineVerdict] = {}
    for line in sorted(ledger.lines, key=lambda each: bool(each.rests_on)):
        found[line.id] = _resting(ledger, line, found, proofs, place) if line.rests_on else _own(line, proofs, place)
    return {line.id: found[line.id] for line in ledger.lines}


def gates(ledger: Plan, found: Mapping[str, LineVerdict]) -> list[Gate]:
    """The gates in order: one opens when all its required lines pass, and the one before is open."""
    made: list[Gate] = []
    for wave in ledger.waves:
        lines = [found[line.id] for line in ledger.of(wave.number)]
        owed = [line for line in lines if line.required]
        missing = [line for line in owed if line.status != "pass"]
        closed = next((gate for gate in made if not gate.open), None)
        reason = ""
        if missing:
            first = min(missing, key=lambda line: WORST.index(line.status))
            reason = f"{first.line}: {first.status}{f', {first.reason}' if first.reason else ''}"
        elif closed:
            reason = f"wave {closed.wave} is closed"
        unproven = tuple(line for line in lines if line.status != "pass")
        gate = Gate(wave.number, not reason, reason, len(owed) - len(missing), len(owed), unproven)
        made.append(gate)
    return made


def owing(found: Iterable[LineVerdict]) -> list[LineVerdict]:
    """The required lines that did not pass."""
    return [line for line in found if line.required and line.status != "pass"]


def _own(line: Line, proofs: Mapping[str, Proof], place: Profile) -> LineVerdict:
    owed, cannot = required(place, line), excuse(place, line.id)
    if line.deferred:
        return LineVerdict(line=line.id, status="deferred", required=False, reason=line.deferred)
    stated: list[tuple[str, LineStatus, str]] = [(name, *_stands(proofs.get(name), place)) for name in line.checks]
    excused = {name for name, status, _ in stated if status == "skip" and name in place.cannot}
    left_out = [f"{name} is not proven: {reason}" for name, _, reason in stated if name in excused]
    counted: list[tuple[LineStatus, str]] = [(status, reason) for name, status, reason in stated if name not in excused]
    counted = counted or [("skip", "; ".join(left_out))]
    status, reason = min(counted, key=lambda each: WORST.index(each[0]))
    if status == "skip" and cannot and not owed:
        reason = cannot
    simulated = any(proof.simulated for name in line.checks if (proof := proofs.get(name)))
    said = "; ".join([*([reason] if status != "pass" and reason else []), *left_out])
    return LineVerdict(line=line.id, status=status, required=owed, reason=said, simulated=simulated)


def _stands(proof: Proof | None, place: Profile) -> tuple[LineStatus, str]:
    if proof is None:
        return "unknown", "it was not tried"
    status = proof.judged()
    if status == "pass" and proof.simulated and place.production:
        return "skip", "it was proven on a stand-in, which does not count in production"
    return status, "" if status == "pass" else proof.message


def _resting(
    ledger: Plan, line: Line, found: Mapping[str, LineVerdict], proofs: Mapping[str, Proof], place: Profile
) -> LineVerdict:
    owed, cannot = required(place, line), excuse(place, line.id)
    under = [found[name] if name in found else _own(ledger.line(name), proofs, place) for name in line.rests_on]
    worst = min(under, key=lambda each: WORST.index(each.status))
    status: LineStatus = "skip" if worst.status == "deferred" else worst.status
    short = [each.line for each in under if each.status == worst.status]
    reason = "" if status == "pass" else f"it rests on {', '.join(short)}, which {_is(worst.status)}"
    if status == "skip" and cannot and not owed:
        reason = cannot
    simulated = any(each.simulated for each in under)
    return LineVerdict(line=line.id, status=status, required=owed, reason=reason, simulated=simulated)


def _is(status: LineStatus) -> str:
    return {
        "fail": "failed",
        "unknown": "nobody can say",
        "skip": "was not tried here",
        "deferred": "is deferred",
        "pass": "passed",
    }[status]
