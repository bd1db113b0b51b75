"""Reads a PromQL query before it is sent, and reckons what it would cost: range × series."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import promql_parser

from groundswell.core.errors import LimitReached, ToolFailed

MOST_SAMPLES = 5_000_000
MOST_RANGE = timedelta(days=7)
MOST_POINTS = 1_000  # of one series in the answer
SCRAPE_SECONDS = 15.0


@dataclass(frozen=True)
class Selector:
    """One set of series that a query reads."""

    text: str  # as a query of its own
    seconds: float  # how far back each evaluation reads


def parsed(query: str) -> Any:
    """A query's tree. Raises ToolFailed("bad_promql") for what is none."""
    try:
        return promql_parser.parse(query)
    except ValueError as error:
        message = f"this is no PromQL: {' '.join(str(error).split())}"
        raise ToolFailed("bad_promql", message, "for example: rate(http_requests_total[5m])") from error


def selectors(query: str) -> list[Selector]:
    """What a query reads. Raises ToolFailed("bad_promql") for what is none, or reads everything there is."""
    expression = parsed(query)
    found: dict[int, Selector] = {}

    def visit(node: Any) -> bool:
        if isinstance(node, promql_parser.MatrixSelector):
            found[len(found)] = Selector(_named(node.vector_selector), (node.range or timedelta()).total_seconds())
            return False
        if isinstance(node, promql_parser.VectorSelector):
            found[len(found)] = Selector(_named(node), 0.0)
        elif isinstance(node, promql_parser.SubqueryExpr):
            for each in selectors(node.expr.prettify()):
                found[len(found)] = Selector(each.text, each.seconds + (node.range or timedelta()).total_seconds())
            return False
        return True

    _walk(expression, visit)
    return list(found.values())


def _walk(node: Any, visit: Any) -> None:
    """Visit a tree of expressions; what `visit` says no to is not entered."""
    if not visit(node):
        return
    for name in ("expr", "lhs", "rhs", "param"):
        child = getattr(node, name, None)
        if isinstance(child, promql_parser.Expr):
            _walk(child, visit)
    arguments = getattr(node, "args", None)
    if isinstance(arguments, list):
        for child in arguments:
            _walk(child, visit)


def _named(selector: Any) -> str:
    """A selector by itself. One that names neither a metric nor a label's whole value would read everything."""
    found = matchers_of(selector)
    matchers = [f"{each.name}{operator_of(each)}{quoted(each.value)}" for each in found]
    is_bound = selector.name or any(operator_of(each) == "=" and each.value for each in found)
    if not is_bound:
        hint = 'name a metric, or a label\'s whole value: {namespace="shop"}'
        raise ToolFailed("unbounded_promql", "a selector of this query would read every series there is", hint)
    return f"{selector.name or ''}{{{', '.join(matchers)}}}" if matchers else str(selector.name)


def matchers_of(selector: Any) -> list[Any]:
    """What a selector asks of its series. Raises ToolFailed for one that says `or`."""
    if selector.matchers.or_matchers:  # a dialect of others: Prometheus knows no `or` in there
        raise ToolFailed("bad_promql", "a selector may not say `or`", "join two selectors: a or b")
    return list(selector.matchers.matchers)


def operator_of(matcher: Any) -> str:
    """A matcher's operator as PromQL writes it."""
    return {"Equal": "=", "NotEqual": "!=", "Re": "=~", "NotRe": "!~"}[str(matcher.op).rpartition(".")[2]]


def quoted(value: str) -> str:
    """A label's value as PromQL writes it."""
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def checked(seconds: float, step: float) -> None:
    """Whether a range and its steps are such as may be asked for. Raises LimitReached."""
    if seconds > MOST_RANGE.total_seconds():
        raise LimitReached("range_too_long", f"a range of {seconds / 86400:.1f} days is longer than 7", "ask for less")
    if step and seconds / step > MOST_POINTS:
        message = f"{seconds / step:,.0f} points a series are more than {MOST_POINTS:,}"
        raise LimitReached("too_many_points", message, f"use a step of at least {seconds / MOST_POINTS:.0f} s")


def cost(reads: list[tuple[Selector, int]], seconds: float, step: float) -> int:
    """How many samples a query reads: each selector's series × what each evaluation reads of them."""
    evaluations = max(1.0, seconds / step if step else 1.0)
    total = 0.0
    for selector, series in reads:
        window = max(1.0, selector.seconds / SCRAPE_SECONDS)
        total += series * evaluations * window
    return int(total)


def afforded(samples: int) -> None:
    """Whether so many samples may be read. Raises LimitReached."""
    if samples > MOST_SAMPLES:
        message = f"this query would read about {samples:,} samples; at most {MOST_SAMPLES:,} are read"
        raise LimitReached("query_too_costly", message, "narrow it by labels, shorten its range, or widen its step")
