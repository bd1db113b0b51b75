"""`groundswell verify`: runs the checks of waves, and says which lines of the roadmap they prove."""

import asyncio
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from groundswell.cli import exits
from groundswell.cli.invocation import Invocation, here
from groundswell.cli.sources import KINDS
from groundswell.cli.terminal import Style, aside, printable, say, styled, width, wrapped
from groundswell.core.errors import ConfigError

if TYPE_CHECKING:
    from groundswell.client import Client
    from groundswell.core.check import Check
    from groundswell.core.records import LineVerdict, Measure, Proof, Report
    from groundswell.waves.plan import Plan
    from groundswell.waves.proofs import Shelf

STYLES: dict[str, Style] = {"pass": "good", "fail": "bad", "unknown": "bad", "skip": "dim", "deferred": "dim"}
COLUMNS = 80
ProfileOption = Annotated[
    Path | None, typer.Option("--profile", metavar="FILE", help="The place's profile.toml; by default a laptop's.")
]


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(verify)


def verify(
    context: typer.Context,
    wave: Annotated[list[int] | None, typer.Option(help="This wave; may be repeated. All of them by default.")] = None,
    drills: Annotated[bool, typer.Option("--drills", help="Run what breaks things on purpose, too.")] = False,
    profile: ProfileOption = None,
    sample: Annotated[
        list[str] | None, typer.Option(metavar="KIND=SOURCE", help="What agents are tried on; may be repeated.")
    ] = None,
    json_file: Annotated[str, typer.Option("--json", metavar="FILE", help="Write all of it here; - is stdout.")] = "",
    junit: Annotated[str, typer.Option(metavar="FILE", help="Write JUnit's XML here.")] = "",
    replay: Annotated[Path | None, typer.Option(metavar="FILE", help="Judge a report again; asks nobody.")] = None,
    beside: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="Show another place's report, judged again, beside it; may be repeated."),
    ] = None,
) -> None:
    """Prove the lines of the roadmap, wave by wave.

    They are proven on the running platform; proofs are kept, signed, until they expire.

    Exit code 0 where every line that this place must prove passes, else 1.
    """
    from groundswell.waves.plan import plan
    from groundswell.waves.verifying import judged_again, owed

    ledger = plan()
    known = [each.number for each in ledger.waves]
    waves = sorted(set(wave or known))
    if unknown := [number for number in waves if number not in known]:
        raise ConfigError("no_wave", f"there is no wave {unknown[0]}", f"they are {known[0]} to {known[-1]}")
    if replay is not None:
        report = _read(replay)
        found, changed = judged_again(ledger, report)
        waves = [number for number in report.waves if number in waves]
    else:
        report = asyncio.run(_verified(here(context), ledger, waves, profile, named(sample or []), drills=drills))
        found, changed = {line.line: line for line in report.lines}, []
    _written(report, ledger, waves, json_file, junit)
    if json_file != "-":
        if beside:
            others = map(_read, beside)
            rest = [(other.profile.name, judged_again(ledger, other)[0]) for other in others]
            side_by_side(ledger, waves, [(report.profile.name, found), *rest])
        else:
            show(ledger, waves, found, {proof.check: proof for proof in report.proofs})
        for line in changed:
            aside(f"the report says otherwise about {line} than its measurements do", "bad")
    raise typer.Exit(exits.FAILED if owed(ledger, waves, found) or changed else exits.ANSWERED)


async def _verified(
    invocation: Invocation,
    ledger: "Plan",
    waves: Sequence[int],
    file: Path | None,
    samples: Mapping[str, str],
    *,
    drills: bool,
) -> "Report":
    from groundswell.cli.first_answer import sample
    from groundswell.core.check import Place
    from groundswell.core.records import Subject
    from groundswell.runtime import drills as laptop
    from groundswell.waves.plan import profile
    from groundswell.waves.verifying import checks_of, reported, stored, verified, with_kept

    place_profile = profile(file)
    started = datetime.now(UTC)
    async with invocation.platform(start=True) as client:
        subject = Subject.model_validate((await client.platform())["subject"])
        data = invocation.data()
        local = not invocation.url
        material = ({"repo": f"path:{sample(data.create())}"} if local else {}) | dict(samples)
        breakable = laptop.drills(invocation.loaded(), data, lambda: _answering(client)) if local else {}
        place = Place(place_profile, material, breakable)
        shelf = shelf_of(invocation) if local else None
        made = await verified(client, place, checks_of(ledger, waves), drills=drills, tell=_told)
    report = reported(ledger, subject, place, waves, started, with_kept(shelf, subject, made))
    if shelf is not None:
        stored(shelf, ledger, report)
    return report


def named(samples: Sequence[str]) -> dict[str, str]:
    """What agents are tried on, as it was named: elsewhere the packaged material lies elsewhere."""
    found = {kind: source for kind, _, source in (text.partition("=") for text in samples)}
    if bad := [kind for kind, source in found.items() if kind not in KINDS or not source]:
        raise ConfigError("bad_sample", f"{bad[0]!r} is no sample", f"write KIND=SOURCE, with {', '.join(KINDS)}")
    return found


async def _answering(client: "Client") -> None:
    """Every service is ready, and so is the gateway's own way to the database."""
    await client.ready()
    await client.keys()


def shelf_of(invocation: Invocation) -> "Shelf":
    """The proofs of this data directory."""
    from groundswell.waves.proofs import Shelf, signer

    data = invocation.data()
    return Shelf(data.proofs, signer(data.keys))


def _told(check: "Check", proof: "Proof | None") -> None:
    if proof is not None:
        took = (proof.ended - proof.started).total_seconds() if proof.ended and proof.started else 0.0
        aside(f"{styled(f'{proof.status:8}', STYLES[proof.status])}{check.name} ({took:.1f} s)")


def _read(file: Path) -> "Report":
    from pydantic import ValidationError

    from groundswell.core.records import Report

    try:
        return Report.model_validate_json(file.read_bytes())
    except OSError as error:
        raise ConfigError("unreadable_report", f"{file} cannot be read: {error.strerror}") from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        message = f"{file} is no report of a verification: {where} {first['msg']}"
        raise ConfigError("bad_report", message, "groundswell verify --json FILE writes one") from error


def _written(report: "Report", ledger: "Plan", waves: Sequence[int], json_file: str, junit: str) -> None:
    if json_file == "-":
        say(json.dumps(report.model_dump(mode="json"), ensure_ascii=False, indent=2))
    elif json_file:
        Path(json_file).write_text(report.model_dump_json(indent=2) + "\n", encoding="utf-8")
    if junit:
        from groundswell.waves.junit import document

        Path(junit).write_text(document(report, ledger, waves), encoding="utf-8")


def show(
    ledger: "Plan", waves: Sequence[int], found: Mapping[str, "LineVerdict"], proofs: Mapping[str, "Proof"]
) -> None:
    """Print the ledger in at most 80 columns: each line that was tried, then what was not, by its reason."""
    from groundswell.waves.ledger import gates
    from groundswell.waves.verifying import looked_at, owed

    open_ = {gate.wave: gate for gate in gates(ledger, found)}
    for number in waves:
        wave, gate = ledger.wave(number), open_[number]
        state = styled("open" if gate.open else "closed", "good" if gate.open else "bad")
        say(f"{styled(f'{number}  {wave.title}', 'bold')}  {state}, {gate.passed} of {gate.owed} required lines")
        if not gate.open and gate.passed == gate.owed:
            say(f"  {gate.reason}", "dim")
        _rows([found[line.id] for line in ledger.of(number)], ledger, proofs)
        say()
    verdicts = looked_at(ledger, waves, found)
    rest = [each for each in verdicts if each.line.startswith("done.")]
    if rest:
        say("Completion criteria", "bold")
        _rows(rest, ledger, proofs)
        say()
    missing, required = owed(ledger, waves, found), [each for each in verdicts if each.required]
    unproven = [each for each in verdicts if each.status != "pass" and not each.required]
    passed = f"{len(required) - len(missing)} of {len(required)} required lines pass"
    say(f"{passed}; {len(unproven)} more are not proven here")


def side_by_side(
    ledger: "Plan", waves: Sequence[int], places: Sequence[tuple[str, Mapping[str, "LineVerdict"]]]
) -> None:
    """Print how each line stands in several places, and why where it does not pass, in at most 80 columns."""
    columns, line_wide = min(width() or COLUMNS, COLUMNS), max(len(line.id) for line in ledger.lines) + 2
    wide = [max(len(name), *(len(status) for status in STYLES)) + 2 for name, _ in places]
    head = "".join(f"{name:{cell}}" for (name, _), cell in zip(places, wide, strict=True))
    say(f"{'':{line_wide + 2}}{head}".rstrip(), "bold")
    for number in waves:
        say(f"{number}  {ledger.wave(number).title}", "bold")
        for line in ledger.of(number):
            verdicts = [found[line.id] for _, found in places]
            cells = [
                styled(f"{each.status:{cell}}", STYLES[each.status]) for each, cell in zip(verdicts, wide, strict=True)
            ]
            say(f"  {line.id:{line_wide}}{''.join(cells)}".rstrip())
            for name, each in zip((name for name, _ in places), verdicts, strict=True):
                mark = "simulated" if each.simulated else ""
                why = "; ".join(filter(None, (each.reason if each.status != "pass" else "", mark)))
                for told in wrapped(printable(f"{name}: {why}"), columns - 4) if why else []:
                    say(f"    {told}", "dim")
    for name, found in places:
        counts = Counter(found[line.id].status for number in waves for line in ledger.of(number))
        say(f"{name}: " + ", ".join(f"{count} {status}" for status, count in counts.most_common()))


def _rows(verdicts: Sequence["LineVerdict"], ledger: "Plan", proofs: Mapping[str, "Proof"]) -> None:
    columns = min(width() or COLUMNS, COLUMNS)
    silent: dict[tuple[str, str], list[str]] = {}
    for verdict in verdicts:
        if verdict.status in ("skip", "deferred") and not verdict.required:
            silent.setdefault((verdict.status, verdict.reason), []).append(verdict.line)
            continue
        head = f"  {verdict.status:9}{verdict.line:24}"
        told = measured(verdict, ledger, proofs)
        first, *more = wrapped(printable(told), columns - len(head)) or [""]
        say(f"  {styled(f'{verdict.status:9}', STYLES[verdict.status])}{verdict.line:24}{first}".rstrip())
        for line in more:
            say(f"{'':{len(head)}}{line}")
    for (status, reason), lines in silent.items():
        said = wrapped(printable(f"{', '.join(lines)}: {reason}"), columns - 11)
        for number, line in enumerate(said):
            say(f"  {status if number == 0 else '':9}{line}", "dim")


def measured(verdict: "LineVerdict", ledger: "Plan", proofs: Mapping[str, "Proof"]) -> str:
    """What stands behind a verdict, in a few words: its figures, or why it did not pass."""
    mark = " (simulated)" if verdict.simulated else ""
    line = ledger.line(verdict.line)
    if verdict.status != "pass":
        return verdict.reason + mark
    if line.rests_on:
        return f"rests on {', '.join(line.rests_on)}" + mark
    shown = [_figure(proof.measures) for name in line.checks if (proof := proofs.get(name)) and proof.status == "pass"]
    said = "; ".join([*shown, *([verdict.reason] if verdict.reason else [])])
    return said + mark


def _figure(measures: Sequence["Measure"]) -> str:
    """The first figure that something is asked of."""
    from groundswell.core.records.waves import SIGNS

    held = [each for each in measures if each.threshold is not None]
    if not held:
        return ""
    first = next((each for each in held if not isinstance(each.threshold, bool)), held[0])
    if isinstance(first.threshold, bool):
        return first.name if first.value else f"not {first.name}"
    unit = f" {first.unit}" if first.unit else ""
    return f"{first.name}: {first.value} ({SIGNS[first.relation]} {first.threshold}){unit}"
