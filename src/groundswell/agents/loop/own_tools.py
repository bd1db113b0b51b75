"""The tools that the loop has itself, beside those that an agent was granted."""

from groundswell.core.context import RunContext
from groundswell.core.records import ToolSpec

PLAN = ToolSpec(
    name="plan",
    description="Write down the steps you intend, or change them. Nobody acts on it but you.",
    parameters={
        "type": "object",
        "properties": {"steps": {"type": "array", "items": {"type": "string"}, "maxItems": 20}},
        "required": ["steps"],
    },
)
_HANDLE = {"handle": {"type": "string", "description": "Of a result that was cut, such as R3."}}
PAGE = ToolSpec(
    name="result_page",
    description="Read on in a result that was cut.",
    parameters={
        "type": "object",
        "properties": {**_HANDLE, "offset": {"type": "integer"}},
        "required": ["handle", "offset"],
    },
)
FIND = ToolSpec(
    name="result_find",
    description="The lines and fields of a result that was cut which have a text; `skip` goes on after so many.",
    parameters={
        "type": "object",
        "properties": {**_HANDLE, "text": {"type": "string"}, "skip": {"type": "integer"}},
        "required": ["handle", "text"],
    },
)
HYPOTHESIS = ToolSpec(
    name="hypothesis",
    description="Name the cause that you suspect, and which result would refute it; then make that query.",
    parameters={
        "type": "object",
        "properties": {"cause": {"type": "string"}, "refuted_by": {"type": "string"}},
        "required": ["cause", "refuted_by"],
    },
)
_HIDDEN = frozenset({"result_read"})  # what result_page does here with numbered evidence


def tools_of(context: RunContext, *, doubts: bool = False) -> tuple[ToolSpec, ...]:
    """The same every time, in the same order: engines cache what does not change."""
    own = (PLAN, PAGE, FIND, HYPOTHESIS) if doubts else (PLAN, PAGE, FIND)
    return (*(tool for tool in context.offered if tool.name not in _HIDDEN), *own)
