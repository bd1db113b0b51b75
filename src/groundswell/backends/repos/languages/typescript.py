"""TypeScript and JavaScript, and the files that say how their modules are found."""

from collections.abc import Sequence
from functools import partial

from groundswell.backends.repos.ecmascript.facts import extract
from groundswell.backends.repos.ecmascript.resolution import PROJECT_FILES, project_facts, qualified, resolve
from groundswell.backends.repos.language import Language, Project


def module(path: str, project: Project) -> str:
    """A file is a module."""
    del project
    return path


def members(key: str, project: Project) -> Sequence[str]:
    """A module is one file."""
    del project
    return (key,)


def submodule(key: str, name: str, project: Project) -> str:
    """Modules do not nest."""
    del key, name, project
    return ""


_GLOBALS = frozenset(
    """
    Array ArrayBuffer BigInt Boolean Buffer DataView Date Error Function Infinity Intl JSON Map Math NaN
    Number Object Promise Proxy RangeError ReferenceError Reflect RegExp Set String Symbol SyntaxError
    TypeError URL URLSearchParams Uint8Array WeakMap WeakSet WeakRef arguments clearTimeout clearInterval
    console decodeURIComponent document encodeURIComponent fetch globalThis isNaN parseFloat parseInt
    process queueMicrotask require setImmediate setInterval setTimeout structuredClone undefined window
    Partial Readonly Record Pick Omit Exclude Extract NonNullable Parameters ReturnType InstanceType Awaited
    Required ReadonlyArray PromiseLike Iterable Iterator AsyncIterable Generator
    """.split()  # noqa: SIM905
)


def _language(name: str, extensions: tuple[str, ...]) -> Language:
    return Language(
        name=name,
        extensions=extensions,
        extract=partial(extract, name),
        module=module,
        members=members,
        resolve=resolve,
        submodule=submodule,
        qualified=qualified,
        private_imports=True,
        family="ecmascript",
        dispatch=0.6,
        builtins=_GLOBALS,
    )


languages = (
    _language("typescript", (".ts", ".tsx", ".mts", ".cts")),
    _language("javascript", (".js", ".jsx", ".mjs", ".cjs")),
    Language(
        name="ecmascript-project",
        filenames=PROJECT_FILES,
        extract=project_facts,
        module=module,
        members=members,
        resolve=resolve,
        submodule=submodule,
        qualified=qualified,
    ),
)
