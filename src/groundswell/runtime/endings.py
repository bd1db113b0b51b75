"""How runs end: what a graph came to, or what stopped it."""

from collections.abc import Mapping
from typing import Any

from groundswell.core.errors import GroundswellError
from groundswell.core.records import Answer, Problem, Run, ToolResult
from groundswell.core.records.events import Answered


def ending_of(state: Mapping[str, Any], *, direct: bool) -> Answered:
    """The end of a graph that has come to it; `direct` is a run of one call."""
    if direct:
        result = ToolResult.model_validate(state["result"])
        if result.status in ("ok", "no_data"):
            return Answered(status="succeeded", reason=result.status if result.status == "no_data" else "")
        problem = Problem(code=result.code, message=result.message, hint=result.hint)
        return Answered(status="failed", reason=result.status, error=problem)
    answer = Answer.model_validate(state.get("answer") or {})
    return Answered(status="succeeded", answer=answer, mode=state.get("mode", "L3"))


def exhausted(limit: str, run: Run) -> Answered:
    """A limit was reached."""
    used = getattr(run.budget, limit, "")
    answer = Answer(missing=(f"stopped at the limit of {used} {limit.replace('_', ' ')}",))
    return Answered(status="exhausted", reason=limit, answer=answer)


def failed(reason: str, error: GroundswellError) -> Answered:
    """Something went wrong."""
    problem = Problem(code=error.code, message=error.message, hint=error.hint)
    return Answered(status="failed", reason=reason, error=problem)
