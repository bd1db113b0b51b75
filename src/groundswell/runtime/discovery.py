"""Finds the six kinds of thing: by looking through our folders, and through packages named by entry points.

Nothing is registered. A third party's package names itself under the entry-point group `groundswell.extensions`; its
modules are searched just as ours are.
"""

import functools
import importlib
import pkgutil
from collections.abc import Iterator
from importlib.metadata import entry_points
from types import ModuleType
from typing import Any, TypeVar

from groundswell.core.agent import Agent
from groundswell.core.check import Check
from groundswell.core.errors import ConfigError
from groundswell.core.policy import Policy
from groundswell.core.tool import Tool

GROUP = "groundswell.extensions"
T = TypeVar("T")


def modules(package: str) -> Iterator[ModuleType]:
    """A package and all modules below it."""
    root = importlib.import_module(package)
    yield root
    for found in pkgutil.walk_packages(getattr(root, "__path__", []), f"{package}."):
        yield importlib.import_module(found.name)


@functools.cache
def extensions() -> tuple[ModuleType, ...]:
    """The modules of third parties."""
    found: list[ModuleType] = []
    for point in entry_points(group=GROUP):
        try:
            found.extend(modules(point.value.split(":")[0]))
        except ImportError as error:
            hint = "mend it, or uninstall the package that names it"
            raise ConfigError("broken_extension", f"extension {point.name!r} does not import: {error}", hint) from error
    return tuple(found)


def discover(package: str, kind: type[T]) -> dict[str, T]:
    """Every instance of a kind that a module of the package, or of an extension, defines at its top: name → thing."""
    found: dict[str, T] = {}
    homes: dict[str, str] = {}
    for module in (*modules(package), *extensions()):
        for value in vars(module).values():
            if not isinstance(value, kind):
                continue
            name: str = value.name  # type: ignore[attr-defined]  # each of the kinds has one
            if found.get(name, value) is not value:
                message = f"{kind.__name__.lower()} {name!r} is defined in {homes[name]} and in {module.__name__}"
                raise ConfigError("defined_twice", message, "rename one of them")
            found[name] = value
            homes.setdefault(name, module.__name__)
    return dict(sorted(found.items()))


@functools.cache
def tools() -> dict[str, Tool]:
    """All tools."""
    return discover("groundswell.tools", Tool)


@functools.cache
def agents() -> dict[str, Agent]:
    """All agents; importing them imports LangGraph."""
    return discover("groundswell.agents", Agent)


@functools.cache
def policies() -> dict[str, Policy]:
    """All policies."""
    return discover("groundswell.policies", Policy)


@functools.cache
def checks() -> dict[str, Check]:
    """All checks."""
    return discover("groundswell.waves", Check)


def backend(package: str, url: str) -> type[Any]:
    """The class whose `scheme` is that of a URL, in `groundswell.backends.PACKAGE` or an extension.

    An extension's backend also says which port it is for: `port = "vectors"`.
    """
    scheme = url.partition(":")[0]
    found: dict[str, type[Any]] = {}
    ours = [(module, "") for module in modules(f"groundswell.backends.{package}")]
    for module, wanted in (*ours, *((module, package) for module in extensions())):
        for value in vars(module).values():
            named = vars(value).get("scheme") if isinstance(value, type) else None
            if isinstance(named, str) and (not wanted or vars(value).get("port") == wanted):
                found[named] = value
    if scheme not in found:
        known = ", ".join(f"{name}:" for name in sorted(found))
        raise ConfigError("unknown_backend", f"{package}.url is {url!r}; no backend has that scheme", f"known: {known}")
    return found[scheme]
