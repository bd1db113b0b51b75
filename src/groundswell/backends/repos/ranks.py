"""Which files matter more: source before tests before what others wrote or a program made."""

import re

_TEST_FOLDERS = frozenset(("test", "tests", "testing", "spec", "specs", "__tests__", "testdata", "e2e", "__mocks__"))
_TEST_NAME = re.compile(
    r"^(?:test_.*|.*_test|.*\.(?:test|spec|e2e|cy)|.*(?:Test|Tests|Spec|IT)|conftest|.*_spec|tests?)$"
)
_SIDE_FOLDERS = frozenset(
    ("examples", "example", "docs", "doc", "benchmarks", "benchmark", "bench", "samples", "demo", "demos", "scripts")
)
_FOREIGN_FOLDERS = frozenset(("node_modules", "site-packages", "bower_components", ".venv", "venv", "Pods", ".tox"))
_VENDORED = frozenset(("vendor", "vendored", "_vendor", "third_party", "thirdparty", "external", "extern", "dist"))
_MADE = re.compile(r"(?:\.min\.(?:js|css|mjs)|\.map|_pb2(?:_grpc)?\.pyi?|\.pb\.go|\.lock|-lock\.json|\.snap|\.svg)$")
_LOCKS = frozenset(("go.sum", "pnpm-lock.yaml", "yarn.lock", "npm-shrinkwrap.json", "composer.lock"))


def is_test(path: str) -> bool:
    """Whether a path is that of a test, by its folders or its name."""
    folders, name = _split(path)
    return not _TEST_FOLDERS.isdisjoint(folders) or _TEST_NAME.match(_stem(name)) is not None


def is_foreign(path: str) -> bool:
    """Whether a file was installed here rather than written: it is not read at all."""
    return not _FOREIGN_FOLDERS.isdisjoint(path.split("/")[:-1])


def is_made(path: str) -> bool:
    """Whether a program wrote the file, by its name."""
    return _MADE.search(path) is not None or path.rpartition("/")[2] in _LOCKS


def rank(path: str) -> int:
    """0 for the project's own source, more for what matters less."""
    folders, _ = _split(path)
    if is_made(path) or not _VENDORED.isdisjoint(folders):
        return 3
    if is_test(path):
        return 2
    return 1 if not _SIDE_FOLDERS.isdisjoint(folders) else 0


def _split(path: str) -> tuple[list[str], str]:
    """Folders and name; plain text, since it is asked of every file."""
    *folders, name = path.split("/")
    return folders, name


def _stem(name: str) -> str:
    stem, dot, _ = name.rpartition(".")
    return stem if dot and stem else name
