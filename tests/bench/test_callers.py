"""The bench that compares who calls what with language servers."""

import asyncio
import importlib
import sys
from pathlib import Path
from types import ModuleType

import pytest

BENCH = Path(__file__).parents[2] / "bench"


@pytest.fixture
def callers(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCH))
    return importlib.import_module("callers")


def symbol(name: str, kind: int, line: int, *children: dict[str, object]) -> dict[str, object]:
    start = {"line": line - 1, "character": 0}
    return {"name": name, "kind": kind, "selectionRange": {"start": start}, "children": list(children)}


def test_a_score_counts_lines_once_and_says_which_differ(callers: ModuleType) -> None:
    score = callers.Score()
    score.add(callers.Named("a.py", 1, 0, "f", "imported"), {("b.py", 1), ("b.py", 2)}, {("b.py", 2), ("b.py", 3)})
    assert (score.precision, score.recall, score.f1) == (0.5, 0.5, 0.5)
    assert score.misses == [{"symbol": "f", "path": "a.py", "wrong": [("b.py", 1)], "missed": [("b.py", 3)]}]
    assert (score + score).figures()["both"] == 2


def test_symbols_of_every_server_become_the_same_chains(callers: ModuleType) -> None:
    tree = [
        symbol("Order", 5, 1, symbol("total", 6, 2), symbol("constructor", 6, 3)),
        symbol("(*Mux).Get", 6, 5),
        symbol("<unknown>", 5, 7, symbol("run", 6, 8)),
        symbol("place", 12, 9, symbol("inner", 12, 10)),
    ]
    found = [(one.chain, one.kind) for one in callers.names(tree, "a.ts")]
    expected = [("Order", "imported"), ("Order.total", "methods"), ("Mux.Get", "methods")]
    assert found == [*expected, ("run", "imported"), ("place", "imported")]


@pytest.mark.parametrize(
    ("name", "text", "lines"),
    [
        ("a.py", "from m import f\n__all__ = ['f']\nf()\n# f\n", {3, 4}),
        ("a.ts", "import { f } from 'm';\nexport { f } from 'm';\nexport default f;\nexport const g = f();\n", {4}),
        ("a.js", "const f = require('m');\nmodule.exports = { f };\nexports.f = f;\nf();\n", {4}),
        ("a.go", 'package a\n\nimport f "m"\n\nvar x = f.X\n', {5}),
    ],
)
def test_imports_and_exports_are_no_uses(
    callers: ModuleType, tmp_path: Path, name: str, text: str, lines: set[int]
) -> None:
    file = tmp_path / name
    file.write_text(text)
    texts = callers.Texts(tmp_path, [file])
    assert {line for _, line in texts.words("f")} == lines


def test_comments_and_declarations_are_no_uses(callers: ModuleType, tmp_path: Path) -> None:
    file = tmp_path / "a.py"
    file.write_text("f()  # f again\nasync def f():\n    pass\n")
    texts = callers.Texts(tmp_path, [file])
    assert [texts.counts("a.py", 1, 0), texts.counts("a.py", 1, 7)] == [True, False]
    assert [texts.declares("a.py", 2, 10), texts.declares("a.py", 1, 0)] == [True, False]


@pytest.mark.real
@pytest.mark.timeout(120)
async def test_a_package_is_measured_against_a_real_language_server(callers: ModuleType, tmp_path: Path) -> None:
    root = tmp_path / "material/python/shop/repository"
    root.mkdir(parents=True)
    (root / "orders.py").write_text("class Order:\n    def total(self): ...\n\n\ndef place(): ...\n")
    (root / "app.py").write_text("from orders import Order, place\n\nplace()\nOrder().total()\nunknown().total()\n")
    await (await asyncio.create_subprocess_exec("git", "init", "-q", cwd=root)).wait()
    package = sys.modules["material"].Package("python", "shop==1")
    figures = (await callers.measure(package, tmp_path, 10, 1)).figures()
    assert figures["definitions"] == {"asked": 4, "right": 4, "share": 1.0}
    assert {kind: score["f1"] for kind, score in figures["callers"].items()} == {"imported": 1.0, "methods": 1.0}
    assert figures["floor_by_name"]["methods"]["precision"] == 0.5
