"""Measure who-calls-what and where-is-it against language servers, on pinned packages.

    python bench/callers.py --language go --package github.com/go-chi/chi/v5

The unit is a line: (path, line) where a symbol is used, imports, exports and comments left out on both sides.
The floor is what a search for the name as a word would answer.
"""

import argparse
import asyncio
import contextlib
import json
import random
import re
import sys
import tempfile
from collections import defaultdict
from collections.abc import AsyncGenerator, Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ast_grep_py import SgNode, SgRoot

from groundswell.backends.repos.index import Stored
from groundswell.backends.repos.repositories import Repositories
from groundswell.core.ports import Repo
from language_server import LanguageServer
from material import PACKAGES, Package, prepare
from oracles import LANGUAGE_IDS, SUFFIXES, server

RESULTS = Path(__file__).parent / "results" / "callers.json"
CONFIDENCE = 0.5
BARS = {"imported": 0.95, "methods": 0.75, "definitions": 0.95}
CONTAINERS = {5, 10, 11, 23}  # class, enum, interface, struct
FUNCTIONS = {12}
METHODS = {6}
GRAMMARS = {
    ".ts": "typescript",
    ".mts": "typescript",
    ".cts": "typescript",
    ".tsx": "tsx",
    ".py": "python",
    ".go": "go",
}
IMPORTS = {
    "import_statement",
    "import_from_statement",
    "future_import_statement",
    "import_declaration",
    "package_clause",
}

NO_NAMES = {"constructor", "__init__", "__new__", "default", "prototype", "get", "set"}  # found through their owner
LANGUAGE_NAMES = {"javascript": "typescript and javascript", "typescript": "typescript and javascript"} | {
    name: name for name in ("python", "go")
}

Line = tuple[str, int]


@dataclass(frozen=True, order=True)
class Named:
    """A definition as the oracle sees it. `chain` is its name inside its file: `Class.method`."""

    path: str
    line: int
    column: int
    chain: str
    kind: str  # imported | methods | other


@dataclass
class Score:
    """Lines found by both, by us alone, by the oracle alone."""

    symbols: int = 0
    both: int = 0
    ours: int = 0
    theirs: int = 0
    misses: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    @property
    def precision(self) -> float:
        """The share of our lines that the oracle knows too."""
        return self.both / (self.both + self.ours) if self.both + self.ours else 1.0

    @property
    def recall(self) -> float:
        """The share of the oracle's lines that we know too."""
        return self.both / (self.both + self.theirs) if self.both + self.theirs else 1.0

    @property
    def f1(self) -> float:
        """Their harmonic mean."""
        return 2 * self.precision * self.recall / (self.precision + self.recall or 1.0)

    def add(self, symbol: Named, found: set[Line], expected: set[Line]) -> None:
        """Count one symbol."""
        self.symbols += 1
        self.both += len(found & expected)
        self.ours += len(found - expected)
        self.theirs += len(expected - found)
        if found != expected:
            wrong, missed = sorted(found - expected), sorted(expected - found)
            self.misses.append({"symbol": symbol.chain, "path": symbol.path, "wrong": wrong, "missed": missed})

    def __add__(self, other: "Score") -> "Score":
        counts = (getattr(self, name) + getattr(other, name) for name in ("symbols", "both", "ours", "theirs"))
        return Score(*counts)

    def figures(self) -> dict[str, Any]:
        """What is printed and stored."""
        shares = {"precision": self.precision, "recall": self.recall, "f1": self.f1}
        counts = {"symbols": self.symbols, "both": self.both, "only_ours": self.ours, "only_theirs": self.theirs}
        return counts | {name: round(value, 4) for name, value in shares.items()}


def source_files(root: Path, language: str) -> list[Path]:
    """The files of one language, in order, without what nobody wrote here."""
    hidden = re.compile(r"\.git|node_modules|vendor" + (r"|_.*|testdata" if language == "go" else ""))  # as Go does
    files = sorted(path for path in root.rglob("*") if path.suffix in SUFFIXES[language])
    return [
        path
        for path in files
        if not any(hidden.fullmatch(part) for part in path.relative_to(root).parts[:-1])
        and not path.name.endswith(".d.ts")
    ]


def names(symbols: Iterable[dict[str, Any]], path: str, outer: tuple[str, ...] = ()) -> Iterator[Named]:
    """The functions, classes and methods of a file, not those inside functions."""
    for symbol in symbols:
        kind, name = symbol["kind"], re.sub(r"[(\[].*", "", symbol["name"]) or symbol["name"]
        if receiver := re.fullmatch(r"\(\*?([\w.]+)(?:\[.*\])?\)\.(\w+)", symbol["name"]):  # how gopls writes a method
            name, chain = receiver[2], (receiver[1], receiver[2])
        else:
            chain = (*(part for part in outer if part[0] != "<"), name)  # `<unknown>`: what has no name
        start = symbol["selectionRange"]["start"]
        if re.fullmatch(r"[A-Za-z_$#][\w$]*", name) and name not in NO_NAMES:
            sort = "methods" if kind in METHODS | FUNCTIONS and len(chain) > 1 else "imported"
            if kind in METHODS | FUNCTIONS | CONTAINERS:
                yield Named(path, start["line"] + 1, start["character"], ".".join(chain), sort)
        if kind in CONTAINERS:
            yield from names(symbol.get("children") or [], path, (*outer, symbol["name"]) if not receiver else chain)


def declarations(symbols: Iterable[dict[str, Any]], path: str) -> set[tuple[str, int, int]]:
    """Where the names of a file's definitions stand, all of them."""
    found = set[tuple[str, int, int]]()
    for symbol in symbols:
        start = symbol["selectionRange"]["start"]
        found.add((path, start["line"] + 1, start["character"]))
        found |= declarations(symbol.get("children") or [], path)
    return found


class Texts:
    """The repository's files, and which of their lines only import, export or comment."""

    def __init__(self, root: Path, files: list[Path]) -> None:
        self.lines: dict[str, list[str]] = {}
        self.names_only: dict[str, set[int]] = {}
        self.comments: dict[str, list[tuple[int, int, int, int]]] = {}
        for file in files:
            path = file.relative_to(root).as_posix()
            text = file.read_text(encoding="utf-8", errors="replace")
            self.lines[path] = text.splitlines()
            self.names_only[path], self.comments[path] = set(), []
            self._walk(path, SgRoot(text, GRAMMARS.get(file.suffix, "javascript")).root())

    def _walk(self, path: str, node: SgNode) -> None:
        for child in node.children():
            span = child.range()
            if child.kind() == "comment":
                self.comments[path].append((span.start.line, span.start.column, span.end.line, span.end.column))
            elif _names_only(child):
                self.names_only[path].update(range(span.start.line + 1, span.end.line + 2))
            else:
                self._walk(path, child)

    def counts(self, path: str, line: int, column: int | None = None) -> bool:
        """Whether something at a place is a use, rather than an import, an export or a comment."""
        if path not in self.lines or line in self.names_only[path]:
            return False
        place = (line - 1, column or 0)
        return column is None or not any((a, b) <= place < (c, d) for a, b, c, d in self.comments[path])

    def declares(self, path: str, line: int, column: int) -> bool:
        """Whether a place defines a name (overloads, setters), or only says `this`: some servers list these as uses."""
        if path not in self.lines:
            return False
        text = self.lines[path][line - 1][:column]
        if re.match(r"this\b", self.lines[path][line - 1][column:]):
            return True
        return bool(re.search(r"\b(def|class|function|func(\s*\([^)]*\))?)\s+$", text))

    def defines(self, path: str, line: int, name: str) -> bool:
        """Whether a line of Python defines a name: of a getter and its setter pyright shows the last only."""
        word = re.escape(name.rpartition(".")[2])
        return bool(re.match(rf"\s*(async\s+)?def\s+{word}\b", self.lines.get(path, [""] * line)[line - 1]))

    def words(self, name: str) -> set[Line]:
        """Every line that has a name as a word."""
        word = re.compile(rf"(?<![\w$]){re.escape(name)}(?![\w$])")
        return {
            (path, number)
            for path, lines in self.lines.items()
            for number, line in enumerate(lines, 1)
            if word.search(line) and self.counts(path, number)
        }


@dataclass
class Report:
    """All that was measured on one package."""

    package: str
    language: str
    held_out: bool
    oracle: str
    texts: Texts
    scores: dict[str, Score]
    floor: dict[str, Score]
    defined: tuple[int, int]  # right, asked
    wrong_definitions: list[dict[str, Any]]
    milliseconds: float  # the median of one references()
    reasons: dict[tuple[str, str, int], str] = field(default_factory=dict[tuple[str, str, int], str])

    def figures(self) -> dict[str, Any]:
        """What is stored."""
        right, asked = self.defined
        return {
            "package": self.package,
            "language": self.language,
            "held_out": self.held_out,
            "oracle": self.oracle,
            "files": len(self.texts.lines),
            "callers": {kind: score.figures() for kind, score in self.scores.items()},
            "floor_by_name": {kind: score.figures() for kind, score in self.floor.items()},
            "definitions": {"asked": asked, "right": right, "share": round(right / asked, 4) if asked else None},
            "references_ms_median": round(self.milliseconds, 1),
        }


def _names_only(node: SgNode) -> bool:
    """Whether a node is an import, a re-export, an `__all__` or a `module.exports`."""
    kind, text = node.kind(), node.text()
    if kind == "export_statement":
        return bool(node.field("source")) or bool(re.match(r"export\s*(default\s+[\w$]+;?$|\{|=)", text))
    if kind in {"lexical_declaration", "variable_declaration"}:
        return bool(re.match(r"(const|let|var)\s[^=]+=\s*require\([^()]*\)[\w.]*;?$", text))
    if kind == "expression_statement":
        return bool(
            re.match(
                r"__all__\s*\+?=|(module\.)?exports(\.\w+)?\s*=\s*[\w.]+;?$|module\.exports\s*=\s*\{[^(]*\};?$", text
            )
        )
    return kind in IMPORTS


async def sample(
    oracle: LanguageServer,
    everything: list[Named],
    declared: set[tuple[str, int, int]],
    texts: Texts,
    wanted: int,
    draw: random.Random,
) -> list[tuple[Named, set[Line]]]:
    """Symbols drawn without looking, each with the lines on which the oracle says it is used.

    A function or class counts when another file uses it, a method when anything does. What overrides a method, or is
    overridden by it, is no use of it, though some servers list it.
    """
    chosen: list[tuple[Named, set[Line]]] = []
    for kind in ("imported", "methods"):
        by_name = {(symbol.path, symbol.chain): symbol for symbol in everything if symbol.kind == kind}
        candidates = list(by_name.values())  # overloads once
        draw.shuffle(candidates)
        found = 0
        for symbol in candidates:
            position = {"line": symbol.line - 1, "character": symbol.column}
            try:
                places = await oracle.references(oracle.root / symbol.path, position)
            except RuntimeError:  # a file that this platform's build leaves out
                continue
            uses = [place for place in places if place not in declared and not texts.declares(*place)]
            lines = {place[:2] for place in uses if texts.counts(*place)}
            lines.discard((symbol.path, symbol.line))
            if lines and (kind == "methods" or any(path != symbol.path for path, *_ in places)):
                chosen.append((symbol, lines))
                found += 1
            if found == wanted:
                break
    return chosen


class Forgetful:
    """A store of facts that is always empty, so that every run reads every file."""

    async def load(self, tenant: str, repo: str) -> Mapping[str, Stored]:
        """Nothing."""
        return {}

    async def replace(self, tenant: str, repo: str, changed: Mapping[str, Stored], removed: Collection[str]) -> None:
        """Nothing is kept."""


class Here:
    """Workers that do the work at once: nothing else waits for it."""

    async def run(self, function: Callable[..., Any], *arguments: Any, seconds: float) -> Any:
        """`function(*arguments)`."""
        del seconds
        return function(*arguments)


@contextlib.asynccontextmanager
async def opened(root: Path) -> AsyncGenerator[Repo]:
    """A folder as the platform opens it."""
    with tempfile.TemporaryDirectory() as cache:
        repositories = Repositories(cache=Path(cache), workers=Here(), store=Forgetful())
        try:
            yield await repositories.open(f"path:{root}", tenant="bench")
        finally:
            await repositories.close()


async def measure(package: Package, cache: Path, wanted: int, seed: int) -> Report:
    """Ask the oracle and ourselves about the same symbols."""
    root = prepare(package, cache)
    files = source_files(root, package.language)
    texts = Texts(root, files)
    oracle, version = server(package.language, root, cache)
    async with oracle:
        for file in files:
            oracle.open(file, LANGUAGE_IDS[file.suffix])
        everything: list[Named] = []
        declared = set[tuple[str, int, int]]()
        for file in files:
            path, symbols = file.relative_to(root).as_posix(), await oracle.symbols(file)
            everything += names(symbols, path)
            declared |= declarations(symbols, path)
        # not cryptography: the same symbols each time
        chosen = await sample(oracle, everything, declared, texts, wanted, random.Random(seed))
    report = Report(
        package.spec,
        package.language,
        package.held_out,
        version,
        texts,
        {"imported": Score(), "methods": Score()},
        {"imported": Score(), "methods": Score()},
        (0, 0),
        [],
        0.0,
    )
    async with opened(root) as repo:
        await _compare(repo, report, chosen, everything, texts)
    return report


async def _compare(
    repo: Repo, report: Report, chosen: list[tuple[Named, set[Line]]], everything: list[Named], texts: Texts
) -> None:
    same = defaultdict[str, set[Line]](set)
    for symbol in everything:
        for name in {symbol.chain, symbol.chain.rpartition(".")[2]}:
            same[name].add((symbol.path, symbol.line))
    clock, took, right, asked = asyncio.get_running_loop().time, list[float](), 0, 0
    for symbol, expected in chosen:
        hits = await repo.definitions(symbol.chain, path=symbol.path, limit=50)
        asked_for = next((hit.qualified for hit in hits if hit.line == symbol.line), symbol.chain)
        began = clock()
        uses = await repo.references(asked_for, path=symbol.path, limit=100_000)
        took.append(clock() - began)
        found = {
            (use.path, use.line)
            for use in uses
            if use.confidence >= CONFIDENCE and use.kind != "import" and texts.counts(use.path, use.line)
        }
        found.discard((symbol.path, symbol.line))
        report.reasons |= {(symbol.chain, use.path, use.line): f"{use.confidence} {use.reason}" for use in uses}
        report.scores[symbol.kind].add(symbol, found, expected)
        by_name = texts.words(symbol.chain.rpartition(".")[2]) - {(symbol.path, symbol.line)}
        report.floor[symbol.kind].add(symbol, by_name, expected)
        for name in sorted({symbol.chain, symbol.chain.rpartition(".")[2]}):
            first = [(hit.path, hit.line) for hit in (await repo.definitions(name, limit=5))[:1]]
            is_right = any(place in same[name] or texts.defines(*place, name) for place in first)
            asked, right = asked + 1, right + is_right
            if not is_right:
                report.wrong_definitions.append({"name": name, "ours": first, "theirs": sorted(same[name])[:5]})
    report.defined = (right, asked)
    report.milliseconds = sorted(took)[len(took) // 2] * 1000 if took else 0.0


def show(report: Report, misses: int) -> None:
    """Print one package's table, and the symbols we did worst on."""
    right, asked = report.defined
    held = " (held out)" if report.held_out else ""
    print(f"\n{report.package}{held}: {len(report.texts.lines)} files, {report.oracle}")
    print(f"  definitions  {right}/{asked} right; references() median {report.milliseconds:.0f} ms")
    for kind, score in report.scores.items():
        floor = report.floor[kind]
        print(
            f"  {kind:<11}  {score.symbols:>3} symbols  {score.both + score.theirs:>5} lines"
            f"  precision {score.precision:.3f}  recall {score.recall:.3f}  F1 {score.f1:.3f}"
            f"  (by name alone: F1 {floor.f1:.3f})"
        )
        worst = sorted(score.misses, key=lambda miss: -len(miss["wrong"]) - len(miss["missed"]))
        for miss in worst[:misses]:
            print(f"    {miss['symbol']} in {miss['path']}: {len(miss['wrong'])} wrong, {len(miss['missed'])} missed")
            for word in ("wrong", "missed"):
                for path, line in miss[word][:5]:
                    reason = report.reasons.get((miss["symbol"], path, line), "")
                    print(f"      {word} {path}:{line} {report.texts.lines[path][line - 1].strip()[:90]} [{reason}]")
    for miss in report.wrong_definitions[:misses]:
        print(f"    definition of {miss['name']}: ours {miss['ours']}, theirs {miss['theirs']}")


def main() -> int:
    """Measure what was asked for; exit 1 where a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--language", choices=sorted(SUFFIXES))
    parser.add_argument("--package", action="append", help="part of a package's name")
    parser.add_argument("--symbols", type=int, default=40, help="of each sort, for each package")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--misses", type=int, default=0, help="show this many of the worst")
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache/groundswell-bench")
    options = parser.parse_args()
    options.cache.mkdir(parents=True, exist_ok=True)
    chosen = [
        package
        for package in PACKAGES
        if options.language in (None, package.language)
        and (not options.package or any(part in package.spec for part in options.package))
    ]
    reports: list[Report] = []
    for package in chosen:
        report = asyncio.run(measure(package, options.cache, options.symbols, options.seed))
        show(report, options.misses)
        reports.append(report)
    missed = summary(reports)
    write(reports)
    print(*(missed or ["\nevery bar is reached"]), sep="\n")
    return 1 if missed else 0


def summary(reports: list[Report]) -> list[str]:
    """Print each language's totals, tuned on and held out apart; the bars that are missed."""
    missed: list[str] = []
    for language in dict.fromkeys(LANGUAGE_NAMES[report.language] for report in reports):
        for held_out in (False, True):
            some = [r for r in reports if LANGUAGE_NAMES[r.language] == language and r.held_out == held_out]
            if not some:
                continue
            figures = {kind: sum((r.scores[kind] for r in some), Score()).f1 for kind in ("imported", "methods")}
            right, asked = (sum(r.defined[n] for r in some) for n in (0, 1))
            figures["definitions"] = right / asked if asked else 0.0
            where = f"{language}, {'held out' if held_out else 'tuned on'}"
            print(f"\n{where}: " + ", ".join(f"{name} {value:.3f}" for name, value in figures.items()))
            missed += [
                f"{where}: {name} {figures[name]:.3f} < {bar}" for name, bar in BARS.items() if figures[name] < bar
            ]
    return missed


def write(reports: list[Report]) -> None:
    """Store the figures; packages that were not measured now keep what was measured before."""
    known: dict[str, Any] = {}
    if RESULTS.exists():
        known = {entry["package"]: entry for entry in json.loads(RESULTS.read_text())["packages"]}
    known |= {report.package: report.figures() for report in reports}
    order = {package.spec: number for number, package in enumerate(PACKAGES)}
    RESULTS.parent.mkdir(exist_ok=True)
    content = {
        "unit": "line",
        "confidence": CONFIDENCE,
        "bars": BARS,
        "python": sys.version.split()[0],
        "packages": sorted(known.values(), key=lambda entry: order.get(entry["package"], len(order))),
    }
    RESULTS.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
