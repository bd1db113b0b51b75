"""One verification: which checks run, what they found, and what is kept of it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime

from groundswell.client import Client
from groundswell.core.check import Check, Place
from groundswell.core.records import LineVerdict, Proof, Report, Subject, WaveProofs
from groundswell.runtime import discovery
from groundswell.runtime.checks import proof_of
from groundswell.waves.ledger import Gate, gates, owing, verdicts
from groundswell.waves.plan import Plan
from groundswell.waves.proofs import Entry, Shelf, joined

Tell = Callable[[Check, Proof | None], None]


def checks_of(ledger: Plan, waves: Sequence[int]) -> list[Check]:
    """The checks of some waves in the order of their lines; those of extensions that prove one of them last."""
    lines = [line for wave in waves for line in ledger.of(wave)]
    named = list(dict.fromkeys(name for line in lines for name in line.checks))
    found, ids = discovery.checks(), {line.id for line in lines}
    theirs = [name for name, check in found.items() if name not in named and ids & set(check.proves)]
    return [found[name] for name in (*named, *theirs) if name in found]


async def verified(
    platform: Client, place: Place, checks: Iterable[Check], *, drills: bool, tell: Tell
) -> dict[str, Proof]:
    """Run checks one after another, so that none disturbs another's figures; drills come last."""
    made: dict[str, Proof] = {}
    for check in sorted(checks, key=lambda each: each.drill):
        tell(check, None)
        made[check.name] = await proof_of(check, platform, place, drills=drills)
        tell(check, made[check.name])
    return made


def reported(
    ledger: Plan, subject: Subject, place: Place, waves: Sequence[int], started: datetime, proofs: Mapping[str, Proof]
) -> Report:
    """What a verification came to, with all that is needed to judge it again."""
    return Report(
        subject=subject,
        profile=place.profile,
        started=started,
        ended=datetime.now(UTC),
        waves=tuple(waves),
        proofs=tuple(proofs.values()),
        lines=tuple(verdicts(ledger, proofs, place.profile).values()),
    )


def judged_again(ledger: Plan, report: Report) -> tuple[dict[str, LineVerdict], list[str]]:
    """The verdicts that a report's own measurements give, and the lines where it says otherwise."""
    found = verdicts(ledger, {proof.check: proof for proof in report.proofs}, report.profile)
    stated = {line.line: line.status for line in report.lines}
    return found, [line for line, verdict in found.items() if stated.get(line, verdict.status) != verdict.status]


def looked_at(ledger: Plan, waves: Sequence[int], found: Mapping[str, LineVerdict]) -> list[LineVerdict]:
    """The verdicts of some waves; of all waves with the completion criteria."""
    whole = set(waves) >= {wave.number for wave in ledger.waves}
    lines = [line for wave in waves for line in ledger.of(wave)] + (ledger.of(None) if whole else [])
    return [found[line.id] for line in lines]


def owed(ledger: Plan, waves: Sequence[int], found: Mapping[str, LineVerdict]) -> list[LineVerdict]:
    """The required lines of some waves that did not pass."""
    return owing(looked_at(ledger, waves, found))


def stored(shelf: Shelf, ledger: Plan, report: Report) -> list[Gate]:
    """Keep the proofs of the waves that were looked at, and remember how their gates stand."""
    proofs = {proof.check: proof for proof in report.proofs}
    for wave in report.waves:
        names = dict.fromkeys(check.name for check in checks_of(ledger, [wave]))
        record = WaveProofs(
            wave=wave,
            subject=report.subject,
            profile=report.profile.name,
            at=report.ended,
            proofs=tuple(proofs[name] for name in names if name in proofs),
        )
        shelf.keep(record)
    made = gates(ledger, {line.line: line for line in report.lines})
    shelf.remember([_entry(gate, report) for gate in made if gate.wave in report.waves])
    return made


def with_kept(shelf: Shelf | None, subject: Subject, made: Mapping[str, Proof]) -> dict[str, Proof]:
    """What was found now, over what was proven before and still counts."""
    return joined(shelf.kept(subject) if shelf else {}, made)


def _entry(gate: Gate, report: Report) -> Entry:
    return Entry(
        at=report.ended,
        wave=gate.wave,
        open=gate.open,
        passed=gate.passed,
        owed=gate.owed,
        reason=gate.reason,
        version=report.subject.version,
    )
