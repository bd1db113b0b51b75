"""Globs over repository paths: `**`, `*`, `?`, `[…]`, `{a,b}`. One without a slash is about the file's name."""

import re
from collections.abc import Callable

import re2

from groundswell.core.errors import ToolFailed

EVERYTHING = ("", "**", "**/*", "*")


def matcher(glob: str) -> Callable[[str], bool]:
    """Whether a path matches; raises ToolFailed("bad_glob")."""
    glob = glob.removeprefix("./").removeprefix("/")
    if glob in EVERYTHING:
        return lambda path: True
    if len(glob) > 500:
        raise ToolFailed("bad_glob", "the glob is longer than 500 characters", "Use a shorter one.")
    if glob.endswith("/"):
        glob += "**"
    pattern = _translated(glob if "/" in glob else f"**/{glob}")
    try:
        compiled = re2.compile(pattern, _options())
    except re2.error as error:
        raise ToolFailed("bad_glob", f"{glob!r} is not a glob", "Write one like src/**/*.py.") from error
    return lambda path: compiled.fullmatch(path) is not None


def _options() -> "re2.Options":
    options = re2.Options()
    options.log_errors = False
    return options


def _translated(glob: str) -> str:
    out: list[str] = []
    at, depth = 0, 0
    while at < len(glob):
        rest = glob[at:]
        if rest.startswith("**/"):
            out.append("(?:.*/)?")
            at += 3
        elif rest.startswith("**"):
            out.append(".*")
            at += 2
        elif found := re.match(r"\[[!^]?[^\]/]+\]", rest):
            out.append("[" + found.group()[1:].replace("!", "^", 1) if rest[1] == "!" else found.group())
            at += found.end()
        else:
            text, depth = _single(rest[0], depth)
            out.append(text)
            at += 1
    return "".join(out) + ")" * depth


def _single(character: str, depth: int) -> tuple[str, int]:
    match character:
        case "*":
            return "[^/]*", depth
        case "?":
            return "[^/]", depth
        case "{":
            return "(?:", depth + 1
        case "}" if depth:
            return ")", depth - 1
        case "," if depth:
            return "|", depth
        case _:
            return re.escape(character), depth
