"""Which file an ECMAScript import means: relative paths, `tsconfig.json`, `package.json` and workspaces."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from posixpath import dirname, join, normpath, splitext
from typing import Any, cast

from groundswell.backends.repos.facts import FileFacts
from groundswell.backends.repos.language import Project

PROJECT_FILES = ("package.json", "tsconfig.json", "jsconfig.json", "tsconfig.base.json")
_ENDINGS = (".ts", ".tsx", ".mts", ".cts", ".js", ".jsx", ".mjs", ".cjs", ".d.ts", ".d.mts", ".d.cts")
_MEANT = {  # what is written is what the compiler will make
    ".js": (".ts", ".tsx", ".js", ".d.ts"),
    ".jsx": (".tsx", ".jsx"),
    ".mjs": (".mts", ".mjs", ".d.mts"),
    ".cjs": (".cts", ".cjs", ".d.cts"),
}
_BUILT = re.compile(r"(^|/)(dist|lib|build|out|esm|cjs|es)(/(esm|cjs|es|types|src|modern|legacy))*/")
_CONDITIONS = ("types", "source", "import", "module", "require", "node", "browser", "default")
_DEEP = 8  # how far conditions and `extends` nest


def project_facts(path: str, text: str) -> FileFacts:
    """What `package.json` or `tsconfig.json` says of modules."""
    facts = FileFacts("ecmascript-project", text.count("\n") + 1)
    try:
        said = json.loads(_without_comments(text)) if "tsconfig" in path or "jsconfig" in path else json.loads(text)
    except ValueError:
        facts.problem = "syntax"
        return facts
    if isinstance(said, dict):
        said = cast(dict[str, Any], said)
        options: Any = said.get("compilerOptions")
        merged = {**said, **(cast(dict[str, Any], options) if isinstance(options, dict) else {})}
        wanted = ("name", "main", "module", "types", "typings", "exports", "imports", "baseUrl", "paths", "extends")
        facts.settings = {key: merged[key] for key in wanted if key in merged}
    return facts


def _without_comments(text: str) -> str:
    def keep(match: re.Match[str]) -> str:
        return match[0] if match[0].startswith('"') else ""

    bare = re.sub(r'"(?:[^"\\\n]|\\.)*"|//[^\n]*|/\*.*?\*/', keep, text, flags=re.DOTALL)
    return re.sub(r",(\s*[}\]])", r"\1", bare)


def resolve(specifier: str, path: str, project: Project) -> Sequence[str]:
    """The files a specifier may mean, best first."""
    key = ("ecmascript", specifier, dirname(path))
    return project.memo(key, lambda: tuple(dict.fromkeys(_resolve(specifier, dirname(path), project))))


def _resolve(specifier: str, folder: str, project: Project) -> Iterator[str]:
    if specifier.startswith("."):
        yield from _file(normpath(join(folder, specifier)), project)
        return
    if specifier.startswith(("node:", "http:", "https:")):
        return
    if specifier.startswith("#"):
        yield from _own_import(specifier, folder, project)
        return
    yield from _mapped(specifier, folder, project)
    yield from _workspace(specifier, project)


def _file(base: str, project: Project) -> Iterator[str]:
    """The file at a path without, or with the wrong, ending; or a folder's index."""
    base = "" if base == "." else base
    if base.startswith(".."):
        return
    stem, ending = splitext(base)
    for meant in _MEANT.get(ending, ()):
        if project.has(stem + meant):
            yield stem + meant
            return
    candidates = [base, *(base + end for end in _ENDINGS)] if base else []
    candidates += [join(base, "index" + end) for end in _ENDINGS]
    for candidate in candidates:
        if project.has(candidate) and splitext(candidate)[1] != ".json":
            yield candidate
            return
    if base and (said := project.settings(join(base, "package.json"))):
        yield from _entry(base, said, ".", project)


def _mapped(specifier: str, folder: str, project: Project) -> Iterator[str]:
    """What the nearest `tsconfig.json` maps it to."""
    for place in _upwards(folder):
        for name in ("tsconfig.json", "jsconfig.json", "tsconfig.base.json"):
            if said := _configuration(join(place, name), project):
                yield from _by_paths(specifier, said, project)
                if "baseUrl" in said:
                    yield from _file(normpath(join(said["baseUrl"], specifier)), project)


def _configuration(path: str, project: Project, depth: int = 0) -> Mapping[str, Any]:
    """`baseUrl` and `paths` of a configuration, with what it extends, from the repository's root."""
    said = project.settings(path)
    if not said or depth > _DEEP:
        return {}
    folder = dirname(path)
    parents = said.get("extends", [])
    merged: dict[str, Any] = {}
    for parent in [parents] if isinstance(parents, str) else parents if isinstance(parents, list) else []:
        if isinstance(parent, str) and parent.startswith("."):
            target = normpath(join(folder, parent))
            target = target if target.endswith(".json") else f"{target}.json"
            merged |= _configuration(target, project, depth + 1)
    if isinstance(said.get("baseUrl"), str):
        merged["baseUrl"] = normpath(join(folder, said["baseUrl"]))
    if isinstance(said.get("paths"), dict):
        merged["paths"], merged["from"] = said["paths"], merged.get("baseUrl", folder)
    return merged


def _by_paths(specifier: str, said: Mapping[str, Any], project: Project) -> Iterator[str]:
    patterns = sorted(said.get("paths", {}).items(), key=lambda item: -len(item[0].partition("*")[0]))
    for pattern, targets in patterns:
        matched = _match(pattern, specifier)
        if matched is None or not isinstance(targets, list):
            continue
        for target in targets:
            if isinstance(target, str):
                yield from _file(normpath(join(said["from"], target.replace("*", matched, 1))), project)
        return


def _match(pattern: str, specifier: str) -> str | None:
    """What stands for the star."""
    before, star, after = pattern.partition("*")
    if not star:
        return "" if pattern == specifier else None
    fits = len(specifier) >= len(before) + len(after) and specifier.startswith(before) and specifier.endswith(after)
    return specifier[len(before) : len(specifier) - len(after)] if fits else None


def _workspace(specifier: str, project: Project) -> Iterator[str]:
    """A package of this repository, by its name."""
    known = project.memo("ecmascript packages", lambda: _packages(project))
    parts = specifier.split("/")
    length = 2 if specifier.startswith("@") else 1
    name, rest = "/".join(parts[:length]), "/".join(parts[length:])
    for folder in known.get(name, ()):
        yield from _entry(folder, project.settings(join(folder, "package.json")), f"./{rest}" if rest else ".", project)


def _packages(project: Project) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for path in project.named("package.json"):
        name = project.settings(path).get("name")
        if isinstance(name, str):
            found.setdefault(name, []).append(dirname(path))
    return found


def _entry(folder: str, said: Mapping[str, Any], wanted: str, project: Project) -> Iterator[str]:
    """The file a package gives under a name (`.`, `./sub`)."""
    for target in _exported(said.get("exports"), wanted):
        yield from _built(folder, target, project)
    if wanted != ".":
        yield from _file(normpath(join(folder, wanted)), project)
        yield from _file(normpath(join(folder, "src", wanted)), project)
        return
    for field in ("types", "typings", "module", "main"):
        if isinstance(target := said.get(field), str):
            yield from _built(folder, target, project)
    yield from _file(normpath(join(folder, "src/index")), project)
    for ending in _ENDINGS:
        if project.has(index := normpath(join(folder, f"index{ending}"))):
            yield index


def _exported(exports: Any, wanted: str) -> Iterator[str]:
    if isinstance(exports, str):
        if wanted == ".":
            yield exports
        return
    if not isinstance(exports, dict):
        return
    table = cast(dict[str, Any], exports)
    if not any(key.startswith((".", "#")) for key in table):
        table = {".": table}
    for pattern, target in table.items():
        matched = _match(pattern, wanted)
        if matched is not None:
            yield from (one.replace("*", matched) for one in _targets(target))


def _targets(target: Any, depth: int = 0) -> Iterator[str]:
    """The paths of a target, under whatever condition, likeliest first."""
    if isinstance(target, str):
        yield target
    elif isinstance(target, list) and depth < _DEEP:
        for one in cast(list[Any], target):
            yield from _targets(one, depth + 1)
    elif isinstance(target, dict) and depth < _DEEP:
        choices = cast(dict[str, Any], target)
        for condition in sorted(choices, key=lambda c: _CONDITIONS.index(c) if c in _CONDITIONS else 99):
            yield from _targets(choices[condition], depth + 1)


def _built(folder: str, target: str, project: Project) -> Iterator[str]:
    """A target, or the source it is built from where it is not in the repository."""
    base = normpath(join(folder, target))
    found = list(_file(base, project))
    if not found:
        relative = re.sub(r"(\.d)?\.[cm]?[jt]sx?$", "", normpath(target))
        found = list(_file(normpath(join(folder, _BUILT.sub(r"\1src/", relative, count=1))), project))
    yield from found


def _own_import(specifier: str, folder: str, project: Project) -> Iterator[str]:
    """`#name`, as the nearest `package.json` says."""
    for place in _upwards(folder):
        said = project.settings(join(place, "package.json"))
        for target in _exported(said.get("imports"), specifier) if said else ():
            yield from _built(place, target, project)


def _upwards(folder: str) -> Iterator[str]:
    while True:
        yield folder
        if not folder:
            return
        folder = dirname(folder)


def qualified(path: str, project: Project) -> str:
    """A module as an import would write it: its path without ending, and without `index`."""
    del project
    name = re.sub(r"(\.d)?\.[^./]+$", "", path)
    return name.removesuffix("/index") or name
