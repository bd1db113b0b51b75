"""Keep the arguments of tool calls to what was granted."""

import math
import posixpath
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

from groundswell.core.policy import ALLOW, ArgumentRule, Grant, ToolCall, Verdict, deny, policy


@policy
def argument_rules(call: ToolCall, grant: Grant) -> Verdict:
    """Refuse a call one of whose arguments breaks a rule; an argument with rules must be given."""
    for name, rules in grant.arguments.get(call.tool, {}).items():
        for rule in rules:
            if broken := _broken(call.arguments, name, rule):
                where = f"[tenants.{grant.tenant}.arguments.{call.tool}.{name}] in policy.toml, or the agent, says so"
                return deny("argument_not_allowed", f"{call.tool} may not have {name}: {broken}", where)
    return ALLOW


def _broken(arguments: Mapping[str, Any], name: str, rule: ArgumentRule) -> str:
    """Why a rule does not hold; a default that nobody stated cannot be judged, so it is refused."""
    if name not in arguments:
        return "it must be stated, because there are rules for it"
    for value in _leaves(arguments[name]):
        forms = _forms(value)
        if rule.any_of and not all(_matches(form, rule.any_of) for form in forms):
            return f"{value!r} is none of {', '.join(rule.any_of)}"
        if any(_matches(form, rule.none_of) for form in forms):
            return f"{value!r} is one of {', '.join(rule.none_of)}"
        if rule.at_most is not None and not _number(value) <= rule.at_most:
            return f"{value!r} is not a number up to {rule.at_most:g}"
    return ""


def _leaves(value: Any) -> Iterator[Any]:
    """Every single value in an argument; an empty list or nothing at all is judged as an empty text."""
    if isinstance(value, Mapping):
        parts: list[Any] = [*value.keys(), *value.values()]
    elif isinstance(value, list | tuple):
        parts = list(value)
    else:
        yield "" if value is None else value
        return
    if not parts:
        yield ""
    for part in parts:
        yield from _leaves(part)


def _forms(value: Any) -> tuple[str, ...]:
    """A value as it is written, and as the path it means: `src/../secret` is judged as `secret`, too."""
    text = str(value)
    slashed = text.replace("\\", "/")
    if "/" not in slashed and slashed not in (".", ".."):
        return (text,)
    return text, posixpath.normpath(slashed)


def _matches(text: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(text, pattern) for pattern in patterns)


def _number(value: Any) -> float:
    """NaN, which no comparison holds for, where it is no number. A tool would also read a number from a text."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return math.nan
    try:
        return float(value)
    except (ValueError, OverflowError):
        return math.nan
