"""Files that are read as text: documentation and settings. They are found by search, and define nothing."""

from collections.abc import Callable, Sequence
from functools import partial

from groundswell.backends.repos.facts import FileFacts
from groundswell.backends.repos.language import Language, Project

_EXTENSIONS: dict[str, tuple[str, ...]] = {
    "markdown": (".md", ".markdown", ".mdx"),
    "restructuredtext": (".rst",),
    "text": (".txt", ".adoc", ".org"),
    "yaml": (".yaml", ".yml"),
    "toml": (".toml",),
    "json": (".json", ".jsonc", ".json5"),
    "ini": (".ini", ".cfg", ".conf", ".properties", ".env"),
    "html": (".html", ".htm", ".jinja", ".j2", ".vue", ".svelte"),
    "css": (".css", ".scss", ".less"),
    "sql": (".sql",),
    "protobuf": (".proto",),
    "xml": (".xml",),
    "terraform": (".tf", ".hcl"),
}
_FILENAMES = {"dockerfile": ("Dockerfile", "Containerfile"), "make": ("Makefile", "GNUmakefile")}


def _extract(language: str, path: str, text: str) -> FileFacts:
    del path
    return FileFacts(language, text.count("\n") + 1)


def _module(path: str, project: Project) -> str:
    del project
    return path


def _members(key: str, project: Project) -> Sequence[str]:
    del project
    return (key,)


def _resolve(specifier: str, path: str, project: Project) -> Sequence[str]:
    del specifier, path, project
    return ()


def _submodule(key: str, name: str, project: Project) -> str:
    del key, name, project
    return ""


def _language(name: str) -> Language:
    extract: Callable[[str, str], FileFacts] = partial(_extract, name)
    return Language(
        name=name,
        extensions=_EXTENSIONS.get(name, ()),
        filenames=_FILENAMES.get(name, ()),
        extract=extract,
        module=_module,
        members=_members,
        resolve=_resolve,
        submodule=_submodule,
        qualified=_module,
        deep=False,
    )


languages = tuple(_language(name) for name in (*_EXTENSIONS, *_FILENAMES))
