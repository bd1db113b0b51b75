"""The rules of the house that no linter knows."""

import ast
import inspect
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest

import groundswell
from groundswell.backends.databases.migrations import known
from groundswell.core.tool import Tool
from groundswell.runtime import discovery
from groundswell.runtime.service import Service

ROOT = Path(__file__).parents[1]
PACKAGE = Path(groundswell.__path__[0])
LINT = Path(sys.executable).with_name("lint-imports")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
OF_ONE_MACHINE = re.compile(r"/(?:root|home|work|tmp|Users)/\w")
REGISTRIES = re.compile(r"pypi\.org|pythonhosted\.org|npmjs\.|registry\.yarnpkg")
PROMISED = {  # module → the dependency that is or brings it
    "anyio": "httpx2",
    "httpcore2": "httpx2",
    "langchain_core": "langgraph",
    "opentelemetry": "opentelemetry-sdk",
    "psycopg_pool": "psycopg",
    "qdrant_edge": "qdrant-edge-py",
    "re2": "google-re2",
    "starlette": "fastapi",
    "typing_extensions": "pydantic",
    "yaml": "pyyaml",
}
PLANTED = [
    ("core/planted.py", "import groundswell.runtime.base"),
    ("core/planted.py", "import rich"),
    ("policies/planted.py", "import httpx2"),
    ("tools/planted.py", "import groundswell.agents.coding.graph"),
    ("backends/planted.py", "import groundswell.services.router"),
    ("services/planted.py", "import psycopg"),
]


def tracked() -> list[Path]:
    """Every text file of the tree that is tracked or would be, without what locks versions."""
    words = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(words, capture_output=True, check=True, text=True, timeout=20).stdout.split("\0")
    files = [ROOT / name for name in names if name and not name.endswith((".lock", ".png"))]
    return [file for file in files if file.is_file()]


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("house")
    shutil.copy(ROOT / "pyproject.toml", folder)
    shutil.copytree(ROOT / "src", folder / "src", ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def layers(folder: Path) -> "subprocess.CompletedProcess[str]":
    environment = {"PYTHONPATH": str(folder / "src"), "PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1"}
    words = [str(LINT), "--no-cache"]
    return subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False)


def test_the_layers_are_kept(copied: Path) -> None:
    done = layers(copied)
    assert done.returncode == 0, done.stdout
    assert f"{len(PROJECT['tool']['importlinter']['contracts'])} kept, 0 broken" in done.stdout


@pytest.mark.parametrize(("file", "line"), PLANTED)
def test_an_import_that_points_upwards_or_outside_is_refused(copied: Path, file: str, line: str) -> None:
    planted = copied / "src" / "groundswell" / file
    planted.write_text(f'"""Planted."""\n\n{line}\n')
    try:
        done = layers(copied)
    finally:
        planted.unlink()
    assert done.returncode == 1, done.stdout
    assert f"groundswell.{file.removesuffix('.py').replace('/', '.')}" in done.stdout


def test_no_file_knows_the_machine_it_was_written_on_or_where_packages_come_from() -> None:
    found = [
        f"{file.relative_to(ROOT)}:{number}: {line.strip()}"
        for file in tracked()
        if not file.is_relative_to(ROOT / "tests")
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1)
        if OF_ONE_MACHINE.search(line) or REGISTRIES.search(line)
    ]
    assert found == []


def test_the_lock_names_the_public_registry_alone() -> None:
    hosts = set(re.findall(r"https?://[^/\"]+", (ROOT / "uv.lock").read_text()))
    assert hosts == {"https://pypi.org", "https://files.pythonhosted.org"}


def test_nothing_is_left_to_do_later_in_the_code() -> None:
    later = re.compile(r"\b(?:TODO|FIXME|XXX)\b")
    found = [file for file in tracked() if file.suffix == ".py" and file != Path(__file__)]
    assert [file.name for file in found if later.search(file.read_text())] == []


def test_init_files_are_empty_outside_the_core() -> None:
    files = [file for file in PACKAGE.rglob("__init__.py") if not file.is_relative_to(PACKAGE / "core")]
    sample = PACKAGE / "data"
    assert [file for file in files if file.stat().st_size and not file.is_relative_to(sample)] == []


def test_a_module_is_named_for_what_it_defines() -> None:
    vague = {"utils", "util", "helpers", "helper", "common", "misc", "manager"}
    assert [file for file in PACKAGE.rglob("*.py") if file.stem in vague] == []


def test_every_thing_that_can_be_added_says_what_it_is() -> None:
    things = [*discovery.tools().values(), *discovery.agents().values(), *discovery.policies().values()]
    assert len(things) > 10
    assert [thing.name for thing in things if len(thing.description) < 10 or thing.description[-1] not in ".)"] == []
    for package in ("agents", "tools", "policies", "services", "waves", "runtime", "backends", "core", "cli"):
        modules = discovery.modules(f"groundswell.{package}")
        assert [m.__name__ for m in modules if not inspect.getdoc(m) and Path(m.__file__ or "").stat().st_size] == []


def test_one_file_defines_one_tool_and_carries_its_name() -> None:
    modules = discovery.modules("groundswell.tools")
    ours = {
        value.name: module.__name__ for module in modules for value in vars(module).values() if isinstance(value, Tool)
    }
    assert ours
    assert ours == {name: f"groundswell.tools.{name}" for name in ours}


def test_each_service_has_the_namespace_that_the_roadmap_names() -> None:
    services = discovery.discover("groundswell.services", Service)
    assert {name: service.namespace for name, service in services.items()} == {
        "agents": "ai-agents",
        "gateway": "ai-router",
        "models": "ai-inference",
        "router": "ai-router",
        "tools": "ai-tools",
    }


def test_migrations_are_numbered_without_a_gap_and_all_of_them_are_known() -> None:
    files = sorted((PACKAGE / "backends" / "databases" / "migrations").glob("*.sql"))
    assert [migration.number for migration in known()] == list(range(1, len(files) + 1))


def test_no_pattern_has_a_possessive_group() -> None:
    """CPython before 3.11.5 fails to match `(…)*+` (python/cpython#106052): a secret would stay where it is."""
    found = [str(file) for file in PACKAGE.rglob("*.py") if re.search(r"\)(?:[*+?]|\{[\d,]*\})\+", file.read_text())]
    assert found == []


def test_one_version_everywhere() -> None:
    assert PROJECT["project"]["version"] == version("groundswell")
    assert re.search(rf"^## {re.escape(version('groundswell'))}\b", (ROOT / "CHANGES.md").read_text(), re.M)


def test_every_package_that_is_imported_is_a_dependency_or_promised_by_one() -> None:
    """What only comes along by chance may leave again."""
    named = {re.split(r"[\[<>=;! ]", line)[0] for line in _dependencies()}
    missing = {name for name in _imported() if PROMISED.get(name, name.replace("_", "-")) not in named}
    assert missing == set()


def _dependencies() -> list[str]:
    project = PROJECT["project"]
    return project["dependencies"] + [line for extra in project["optional-dependencies"].values() for line in extra]


def _imported() -> set[str]:
    files = [file for file in PACKAGE.rglob("*.py") if not file.is_relative_to(PACKAGE / "data")]
    nodes = [node for file in files for node in ast.walk(ast.parse(file.read_text()))]
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module]
    return {name.partition(".")[0] for name in names} - sys.stdlib_module_names - {"groundswell"}
