"""Gates of a rollout: which lines are due once a wave stands, and what keeps the next one closed.

What only reads a cluster can be tried from its first wave on, from here. The rest asks the platform itself, which
stands on a cluster with its tools; those lines are due then, whatever their wave.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from groundswell.core.check import Check
from groundswell.core.records import LineVerdict, Profile, Proof
from groundswell.waves.ledger import verdicts
from groundswell.waves.plan import Plan, excuse
from groundswell.waves.verifying import checks_of

ASKABLE = 4  # the wave of the tools, the last of the services that a run needs
WORKLOADS = {"no_workload_names_a_node": 1}  # the wave that brings the first thing to look at


@dataclass(frozen=True)
class Due:
    """What a gate came to: lines that keep it closed, those that passed, and what is not proven with reasons."""

    passed: tuple[LineVerdict, ...]
    closing: tuple[LineVerdict, ...]
    unproven: Mapping[str, tuple[str, ...]]  # reason → lines

    @property
    def open(self) -> bool:
        """Whether the next wave may begin."""
        return not self.closing


def tried(ledger: Plan, wave: int) -> list[Check]:
    """The checks that can be run once a wave stands: of it, and of all before."""
    found = checks_of(ledger, [each.number for each in ledger.waves if each.number <= wave])
    return [each for each in found if wave >= since(each)]


def since(check: Check) -> int:
    """From which wave on a check can be run on a cluster."""
    return WORKLOADS.get(check.name, 0) if "kubernetes" in check.needs and "prometheus" not in check.needs else ASKABLE


def due(ledger: Plan, place: Profile, wave: int, proofs: Mapping[str, Proof], ran: Iterable[Check]) -> Due:
    """Judge the lines up to a wave by the checks that ran."""
    names = {each.name for each in ran}
    found = verdicts(ledger, proofs, place)
    passed: list[LineVerdict] = []
    closing: list[LineVerdict] = []
    unproven: dict[str, list[str]] = {}
    for line in _upto(ledger, found, wave):
        checks = _behind(ledger, line.line)
        if line.status == "pass":
            passed.append(line)
        elif not line.required:
            unproven.setdefault(excuse(place, line.line) or line.reason, []).append(line.line)
        elif wave < ASKABLE and not names.issuperset(checks):
            unproven.setdefault(LATER, []).append(line.line)
        else:
            closing.append(line)
    return Due(tuple(passed), tuple(closing), {reason: tuple(lines) for reason, lines in unproven.items()})


def _behind(ledger: Plan, line: str) -> set[str]:
    """The checks that a line rests on, by itself and by the lines that it rests on."""
    found = ledger.line(line)
    return {*found.checks, *(check for other in found.rests_on for check in _behind(ledger, other))}


LATER = f"there is nothing to ask yet; due with wave {ASKABLE} at the latest"


def _upto(ledger: Plan, found: Mapping[str, LineVerdict], wave: int) -> Sequence[LineVerdict]:
    return [found[line.id] for line in ledger.lines if line.wave is not None and line.wave <= wave]
