"""Narrows a PromQL query to the series that a tenant may read: every selector of every subquery gets its matchers."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import promql_parser

from groundswell.backends.prometheus.guard import matchers_of, operator_of, parsed, quoted
from groundswell.core.errors import Denied

_UNSEEN = frozenset({"info"})  # read series that no selector of the query names
_TAIL = re.compile(r"(?: offset -?[0-9a-z]+| @ (?:-?[0-9.]+|start\(\)|end\(\)))*$")


def bounded(query: str, labels: Mapping[str, Sequence[str]]) -> str:
    """The query over series that have one of these values in each of these labels; values may hold `*` and `?`.

    Raises Denied where there are no labels, or where a query reads more than its selectors say; ToolFailed for what is
    no PromQL.
    """
    if not labels:
        raise Denied("series_not_allowed", "no series are granted", "labels of the tenant in policy.toml grants some")
    more = [f"{label}=~{quoted('|'.join(_pattern(value) for value in values))}" for label, values in labels.items()]

    def narrowed(node: Any) -> Any:
        if isinstance(node, promql_parser.Call) and node.func.name in _UNSEEN:
            message = f"{node.func.name}() reads series that the query does not name"
            raise Denied("function_not_allowed", message, "join by hand: metric * on (…) group_left (…) target_info")
        return _narrowed(node, more) if isinstance(node, promql_parser.VectorSelector) else None

    lines = promql_parser.transform(parsed(query), narrowed).prettify().split("\n")
    told = " ".join(line.strip() for line in lines)
    _proved(told, more)
    return told


def _narrowed(selector: Any, more: Sequence[str]) -> Any:
    matchers = [f"{quoted(each.name)}{operator_of(each)}{quoted(each.value)}" for each in matchers_of(selector)]
    tail = _TAIL.search(selector.prettify())
    return parsed(f"{selector.name or ''}{{{', '.join([*matchers, *more])}}}{tail.group() if tail else ''}")


def _proved(query: str, more: Sequence[str]) -> None:
    """What will be sent is read once more: no selector may have lost a matcher on the way."""
    wanted = {_told(each) for each in parsed("{" + ", ".join(more) + "}").matchers.matchers}

    def visit(node: Any) -> bool:
        if isinstance(node, promql_parser.VectorSelector):
            has = {_told(each) for each in node.matchers.matchers}
            if node.matchers.or_matchers or not wanted <= has:
                raise Denied(
                    "query_not_bounded", "this query cannot be narrowed to what is granted", "write it simpler"
                )
        return True

    promql_parser.walk(parsed(query), visit)


def _told(matcher: Any) -> tuple[str, str, str]:
    return str(matcher.op), matcher.name, matcher.value


def _pattern(value: str) -> str:
    """A pattern with `*` and `?` as a regular expression of Prometheus, which is anchored at both ends."""
    return "".join({"*": ".*", "?": "."}.get(mark, re.escape(mark)) for mark in value)
