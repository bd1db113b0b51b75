"""How runs end: what a graph came to, or what stopped it."""

from collections.abc import Mapping
from typing import Any

from langgraph.errors import GraphRecursionError

from groundswell.core.errors import Denied, GroundswellError, LimitReached, ToolFailed, Unavailable
from groundswell.core.records import Answer, Problem, Run, ToolResult
from groundswell.core.records.events import Answered


def ending_of(state: Mapping[str, Any], *, direct: bool) -> Answered:
    """The end of a graph that has come to it; `direct` is a run of one call."""
    if direct:
        result = ToolResult.model_validate(state["result"])
        if result.status in ("ok", "no_data"):
            return Answered(status="succeeded", reason=result.status if result.status == "no_data" else "")
        status = 403 if result.status == "denied" else _status(ToolFailed, result.transient)
        problem = Problem(code=result.code, message=result.message, hint=result.hint, status=status)
        return Answered(status="failed", reason=result.status, error=problem)
    answer = Answer.model_validate(state.get("answer") or {})
    return Answered(status="succeeded", answer=answer, mode=state.get("mode", "L3"))


def ending_by(error: Exception, run: Run) -> Answered:
    """The end of a run that an error stopped; what is no error of ours is its agent's code that broke."""
    if isinstance(error, GraphRecursionError):
        return exhausted("steps", run)
    if isinstance(error, LimitReached):
        return exhausted(error.code.removeprefix("budget_"), run)
    if isinstance(error, Denied):
        return failed("denied", error)
    if isinstance(error, GroundswellError):
        return failed(error.code, error)
    message = f"agent {run.agent!r} failed: {type(error).__name__}"
    return failed("agent_crashed", GroundswellError("agent_crashed", message, "the log has the traceback"))


def exhausted(limit: str, run: Run) -> Answered:
    """A limit was reached."""
    used = getattr(run.budget, limit, "")
    shown = f"{used:g}" if isinstance(used, float) else used
    answer = Answer(missing=(f"stopped at the limit of {shown} {limit.replace('_', ' ')}",))
    return Answered(status="exhausted", reason=limit, answer=answer)


def failed(reason: str, error: GroundswellError) -> Answered:
    """Something went wrong."""
    status = _status(type(error), error.details.get("transient") is True)
    problem = Problem(code=error.code, message=error.message, hint=error.hint, status=status)
    return Answered(status="failed", reason=reason, error=problem)


def _status(kind: type[GroundswellError], transient: bool) -> int:
    """What HTTP says of an error: only what may be there later is unavailable."""
    return Unavailable.status if transient else kind.status
