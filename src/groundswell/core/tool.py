"""The tool decorator: the signature is the schema, the docstring the description, the return type the result."""

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, create_model

from groundswell.core.context import ToolContext
from groundswell.core.records import SourceKind

Probe = Callable[[ToolContext, dict[str, Any]], Awaitable[Any]]


@dataclass(frozen=True)
class Tool:
    """A typed async function an agent may be granted, and what the runtime must know about it."""

    name: str
    description: str
    function: Callable[..., Awaitable[Any]]
    arguments: type[BaseModel]
    returns: TypeAdapter[Any]
    effect: Literal["read", "write"] = "read"
    seconds: float = 10.0  # its deadline
    retries: int = 2  # of an idempotent call that was `Unavailable`; an effect is never retried here
    concurrency: int = 8  # at once, in one process
    bytes: int = 64_000  # of a reply, as JSON; what is over is read on behind its handle
    approval: bool = False  # a person is asked first, where `policy.toml` does not say otherwise
    changes: SourceKind | None = None  # the source that an effect changes: policy must call it writable
    # of an effect: its value if it happened, None if not; a Conflict where only a person can tell, with what to look at
    probe: Probe | None = None
    repeatable: bool = False  # an effect whose target honours the idempotency key
    direct: bool = False  # only a caller may ask for it, as a run of one call: no node and no model

    @property
    def summary(self) -> str:
        """The first line of its description."""
        return self.description.partition("\n")[0]

    def schema(self) -> dict[str, Any]:
        """The JSON schema of its arguments."""
        return self.arguments.model_json_schema()


def tool(
    *,
    effect: Literal["read", "write"] = "read",
    seconds: float = 10.0,
    retries: int = 2,
    concurrency: int = 8,
    bytes: int = 64_000,
    approval: bool = False,
    changes: SourceKind | None = None,
    probe: Probe | None = None,
    repeatable: bool = False,
    direct: bool = False,
) -> Callable[[Callable[..., Awaitable[Any]]], Tool]:
    """Make a tool of an async function whose first parameter is its ToolContext."""

    def make(function: Callable[..., Awaitable[Any]]) -> Tool:
        if not inspect.iscoroutinefunction(function):
            raise TypeError(f"tool {function.__name__!r} must be an async function")
        hints = get_type_hints(function, include_extras=True)
        parameters = list(inspect.signature(function).parameters.values())[1:]
        fields: dict[str, Any] = {
            p.name: (hints[p.name], Field(... if p.default is p.empty else p.default)) for p in parameters
        }
        arguments = create_model(function.__name__, __config__=ConfigDict(extra="forbid"), **fields)
        return Tool(
            name=function.__name__,
            description=inspect.getdoc(function) or "",
            function=function,
            arguments=arguments,
            returns=TypeAdapter(hints["return"]),
            effect=effect,
            seconds=seconds,
            retries=retries if effect == "read" else 0,
            concurrency=concurrency,
            bytes=bytes,
            approval=approval,
            changes=changes,
            probe=probe,
            repeatable=repeatable,
            direct=direct,
        )

    return make
