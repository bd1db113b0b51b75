"""The ledger as one HTML file that people can publish: lines, proofs and history. It loads nothing and runs nothing."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from pathlib import Path

import groundswell
from groundswell.core.records import Line, LineVerdict, Measure, Profile, Proof, Subject
from groundswell.core.records.waves import SIGNS, Figure
from groundswell.waves.ledger import verdicts
from groundswell.waves.plan import Plan
from groundswell.waves.proofs import Entry
from groundswell.waves.standing import Standing

PARTS = (("checklist", "Validation checklist"), ("deliverable", "Deliverables"), ("component", "Components"))
DOTS = 40


@dataclass(frozen=True)
class Report:
    """What is told."""

    ledger: Plan
    place: Profile
    rows: Sequence[Standing]
    proofs: Mapping[str, Proof]
    history: Sequence[Entry]
    subject: Subject | None
    at: datetime
    hidden: Sequence[str] = ()  # folders of this machine, which are nobody's business


def page(report: Report) -> str:
    """The whole page."""
    found = verdicts(report.ledger, report.proofs, report.place)
    css = Path(__file__).with_name("report.css").read_text(encoding="utf-8")
    parts = [
        _head(report, found),
        _rail(report.rows),
        *(_wave(report, row, found) for row in report.rows),
        _completion(report, found),
        _history(report),
        _foot(report),
    ]
    body = "\n".join(parts)
    for folder in (*report.hidden, str(Path(groundswell.__path__[0]))):
        body = body.replace(escape(folder), "…") if len(folder) > 1 else body
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>Waves of {escape(report.place.name)}</title>\n<style>\n{css}</style>\n</head>\n<body>\n<main>\n"
        f"{body}\n</main>\n</body>\n</html>\n"
    )


def _head(report: Report, found: Mapping[str, LineVerdict]) -> str:
    owed = [line for line in found.values() if line.required]
    passed = [line for line in owed if line.status == "pass"]
    more = [line for line in found.values() if line.status == "pass" and not line.required]
    open_ = [row for row in report.rows if row.gate.open]
    version = f"Version {report.subject.version}, " if report.subject else ""
    free = [row for row in open_ if not row.gate.owed]
    figures = [
        (f"{len(passed)} of {len(owed)}", "required lines pass"),
        (f"{len(open_)} of {len(report.rows)}", f"gates are open, {len(free)} with nothing required"),
        (str(len(found) - len(passed) - len(more)), "lines are not proven here"),
    ]
    told = "".join(f"<div><b>{figure}</b>{name}</div>" for figure, name in figures)
    about = f"{escape(report.place.about[:1].upper() + report.place.about[1:])}. " if report.place.about else ""
    return (
        f"<header><h1>Waves of {escape(report.place.name)}</h1>"
        f'<p class="soft">{about}{version}{report.at:%Y-%m-%d %H:%M} UTC. '
        "A wave opens only on proof: what nobody measured here is never counted as passed.</p>"
        f'<div class="figures">{told}</div></header>'
    )


def _rail(rows: Sequence[Standing]) -> str:
    cells = [
        f'<li><a class="{_state(row)}" href="#wave-{row.wave.number}">'
        f"<b>{row.wave.number}</b>{escape(row.wave.name)}</a></li>"
        for row in rows
    ]
    return '<nav aria-label="Waves"><ol class="rail">' + "".join(cells) + "</ol></nav>"


def _state(row: Standing) -> str:
    return ("open" if row.gate.owed else "free") if row.gate.open else "closed"


def _wave(report: Report, row: Standing, found: Mapping[str, LineVerdict]) -> str:
    words = {"open": "open", "closed": "closed", "free": "nothing required here"}[_state(row)]
    said = f"{row.gate.passed} of {row.gate.owed} required lines pass" if row.gate.owed else ""
    if row.expires:
        said += f", until {row.expires:%Y-%m-%d %H:%M} UTC"
    blocks: list[str] = []
    for part, title in PARTS:
        lines = [line for line in report.ledger.of(row.wave.number) if line.part == part]
        blocks.append(f"<h3>{title}</h3>{_lines(lines, found, report.proofs)}")
    why = f'<p class="said">{escape(row.gate.reason)}</p>' if row.gate.reason else ""
    return (
        f'<section id="wave-{row.wave.number}"><div class="head">'
        f"<h2>Wave {row.wave.number} · {escape(row.wave.title)}</h2>"
        f'<span class="soft">{said}</span><span class="pill {_state(row)}">{words}</span></div>'
        f'<p class="soft">{escape(row.wave.objective)}</p>{why}' + "".join(blocks) + "</section>"
    )


def _completion(report: Report, found: Mapping[str, LineVerdict]) -> str:
    lines = _lines(report.ledger.of(None), found, report.proofs)
    return f'<section><div class="head"><h2>Completion criteria</h2></div>{lines}</section>'


def _lines(lines: Iterable[Line], found: Mapping[str, LineVerdict], proofs: Mapping[str, Proof]) -> str:
    items = "".join(_line(line, found[line.id], proofs) for line in lines)
    return f'<ul class="lines">{items}</ul>'


def _line(line: Line, verdict: LineVerdict, proofs: Mapping[str, Proof]) -> str:
    notes = [verdict.reason] if verdict.reason else []
    notes += [f"Rests on {', '.join(line.rests_on)}."] if line.rests_on and verdict.status == "pass" else []
    notes += [f"Without {line.without}."] if line.without else []
    marks = [mark for mark, there in (("required", verdict.required), ("simulated", verdict.simulated)) if there]
    told = "".join(f'<div class="said">{escape(note)}</div>' for note in notes)
    behind = "".join(_proof(proofs[name], notes) for name in line.checks if name in proofs and proofs[name].measures)
    under = ' class="under"' if line.under else ""
    identity = " · ".join([line.id, *marks])
    return (
        f'<li><div><span class="pill {verdict.status}">{verdict.status}</span></div><div{under}>{escape(line.words)}'
        f'<span class="id">{identity}</span>{told}{behind}</div></li>'
    )


def _proof(proof: Proof, said: Sequence[str]) -> str:
    title = "what was measured" if proof.message in said else proof.message
    rows = "".join(_measure(each) for each in proof.measures)
    seen = "".join(f"<pre>{escape(each.source)}\n{escape(each.text)}</pre>" for each in proof.excerpts[:6])
    when = f"{proof.ended:%Y-%m-%d %H:%M:%S} UTC" if proof.ended else ""
    return (
        f"<details><summary>{escape(title)}</summary>"
        f'<p class="said"><code>{escape(proof.check)}</code> {when}</p><div class="scroll"><table>'
        "<tr><th>measured</th><th>value</th><th>asked for</th><th>unit</th></tr>"
        f"{rows}</table></div>{seen}</details>"
    )


def _measure(measure: Measure) -> str:
    asked = "" if measure.threshold is None else f"{SIGNS[measure.relation]} {_text(measure.threshold)}"
    cells = (measure.name, _text(measure.value), asked, measure.unit)
    return "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>"


def _text(value: Figure | None) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "–" if value is None else str(value)


def _history(report: Report) -> str:
    if not report.history:
        return ""
    rows: list[str] = []
    for wave in report.ledger.waves:
        entries = [entry for entry in report.history if entry.wave == wave.number][-DOTS:]
        dots = "".join(f'<i class="{_gate(e)}" title="{_told(e)}"></i>' for e in entries)
        last = _told(entries[-1]) if entries else "not verified yet"
        rows.append(
            f'<tr><td>{wave.number} {escape(wave.name)}</td><td><div class="dots">{dots}</div></td><td>{last}</td></tr>'
        )
    return (
        '<section><div class="head"><h2>History</h2><span class="soft">each verification, oldest first</span></div>'
        '<div class="scroll"><table class="history">' + "".join(rows) + "</table></div></section>"
    )


def _told(entry: Entry) -> str:
    return escape(f"{entry.at:%Y-%m-%d %H:%M} {_gate(entry)}, {entry.passed} of {entry.owed}")


def _gate(entry: Entry) -> str:
    return "open" if entry.open else "closed"


def _foot(report: Report) -> str:
    about = ""
    if report.subject:
        about = f"Settings <code>{report.subject.settings}</code>, place <code>{report.subject.place}</code>. "
    return (
        f"<footer>{about}Written by <code>groundswell waves --html</code>. "
        "Measured by <code>groundswell verify</code>, whose <code>--json</code> report anybody can judge again "
        "with <code>--replay</code>.</footer>"
    )
