"""Policies: pure functions from an event to allow or deny. The first deny wins, and one that raises denies."""

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, get_type_hints

from pydantic import Field

from groundswell.core.records.base import Record
from groundswell.core.records.runs import Limits


class ArgumentRule(Record):
    """What an argument may be; patterns are those of `fnmatch`."""

    any_of: tuple[str, ...] = ()  # empty: anything
    none_of: tuple[str, ...] = ()
    at_most: float | None = None


class Grant(Record):
    """What one agent may do for one tenant: what it declares, narrowed by `policy.toml`, and this run's sources."""

    agent: str
    tenant: str
    caller: str = ""
    tools: frozenset[str] = frozenset()
    arguments: dict[str, dict[str, tuple[ArgumentRule, ...]]] = {}  # tool → argument → rules that must all hold
    schemes: tuple[str, ...] = ()  # of sources: `path`, `https`, …
    roots: tuple[str, ...] = ()  # folders below which `path:` sources may lie
    writable: tuple[str, ...] = ()  # folders below which an effect may change a source
    approve: tuple[str, ...] | None = None  # tools, or `effects`, that a person is asked about; None: as tools say
    domains: tuple[str, ...] = ()  # hosts a tool may reach; none by default
    sources: tuple[str, ...] = ()  # named by the local caller itself for this run: granted
    listed: dict[str, str] = {}  # kind → the one source that `policy.toml` gives this tenant
    # What may be read of what a source leads to. Nothing by default; None: whatever the caller's own rights reach.
    namespaces: tuple[str, ...] | None = ()
    cluster_objects: tuple[str, ...] | None = ()  # `Kind/name`, of kinds without a namespace
    custom_kinds: tuple[str, ...] | None = ()  # `PLURAL.GROUP`
    labels: dict[str, tuple[str, ...]] | None = {}  # of series: label → values
    repositories: tuple[str, ...] | None = ()
    collections: tuple[str, ...] | None = ()
    limits: Limits = Limits()


class ToolCall(Record):
    """An agent is about to call a tool."""

    agent: str
    tool: str
    arguments: dict[str, Any] = Field(default={})

    def urls(self) -> Iterator[str]:
        """Every argument, however deep, that is a URL of a host."""
        yield from (text for text in _texts(self.arguments) if "://" in text)


class SourceUse(Record):
    """A run asks to look at a source, or a call is about to change it."""

    kind: str
    source: str
    write: bool = False


Event = ToolCall | SourceUse


@dataclass(frozen=True)
class Verdict:
    """Allowed, or denied by a rule with a sentence and a hint."""

    allowed: bool
    rule: str = ""
    message: str = ""
    hint: str = ""


ALLOW = Verdict(allowed=True)


def deny(rule: str, message: str, hint: str = "") -> Verdict:
    """Refuse, and say why."""
    return Verdict(allowed=False, rule=rule, message=message, hint=hint)


@dataclass(frozen=True)
class Policy:
    """A rule; it applies to events of the type of its function's first parameter."""

    name: str
    description: str
    applies: type[Record]
    function: Callable[[Any, Grant], Verdict]


def policy(function: Callable[[Any, Grant], Verdict]) -> Policy:
    """Make a policy of a pure function `(event, grant) -> verdict`."""
    first = next(iter(inspect.signature(function).parameters))
    applies = get_type_hints(function)[first]
    return Policy(function.__name__, inspect.getdoc(function) or "", applies, function)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _texts(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _texts(each)
