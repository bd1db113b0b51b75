"""The pages in `docs/waves/`: each wave's lines, word for word, and what proves them.

`python -m groundswell.waves.pages docs/waves` writes them.
"""

import sys
from pathlib import Path

from groundswell.core.records import Line, Wave
from groundswell.runtime import discovery
from groundswell.waves.plan import Plan, plan

SECTIONS = (
    ("component", "Components"),
    ("deliverable", "Deliverables"),
    ("checklist", "Validation Checklist"),
)


def pages(ledger: Plan) -> dict[str, str]:
    """Each page's name and text."""
    found = {f"{wave.number:02}-{wave.name}.md": _page(ledger, wave) for wave in ledger.waves}
    return found | {"completion.md": _completion(ledger)}


def _page(ledger: Plan, wave: Wave) -> str:
    lines = ledger.of(wave.number)
    parts = [f"# Wave {wave.number} — {wave.title}", f"**Objective.** {wave.objective}"]
    for part, title in SECTIONS:
        parts += [f"## {title}", _table([line for line in lines if line.part == part])]
    names = dict.fromkeys(name for line in lines for name in line.checks)
    parts += ["## Checks", _checks(list(names))] if names else []
    return "\n\n".join(parts) + "\n"


def _completion(ledger: Plan) -> str:
    lead = "The platform is production-ready when:"
    return "\n\n".join(["# Completion Criteria", lead, _table(ledger.of(None))]) + "\n"


def _table(lines: list[Line]) -> str:
    rows = ["| line | id | what proves it |", "| --- | --- | --- |"]
    rows += [f"| {_indent(line)}{line.words} | `{line.id}` | {_proof(line)} |" for line in lines]
    return "\n".join(rows)


def _indent(line: Line) -> str:
    return "&emsp;" if line.under else ""


def _proof(line: Line) -> str:
    said = ", ".join(f"`{name}`" for name in line.checks)
    if line.rests_on:
        said = f"all of {', '.join(f'`{name}`' for name in line.rests_on)}"
    if line.deferred:
        said = f"deferred: {line.deferred}"
    if line.without:
        said += f". Without {line.without}"
    if line.code:
        said += f". It is {', '.join(f'`{path}`' for path in line.code)}"
    return said


def _checks(names: list[str]) -> str:
    found = discovery.checks()
    rows = ["| check | what it does | needs | counts for |", "| --- | --- | --- | --- |"]
    for name in names:
        check = found[name]
        kind = " A drill: it runs only when asked." if check.drill else ""
        does = " ".join(check.description.split())
        rows.append(f"| `{name}` | {does}{kind} | {', '.join(check.needs) or '–'} | {_span(check.hours)} |")
    return "\n".join(rows)


def _span(hours: float) -> str:
    return f"{hours / 24:g} days" if hours > 24 else f"{hours:g} h"


def main() -> None:
    """Write them."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in pages(plan()).items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
