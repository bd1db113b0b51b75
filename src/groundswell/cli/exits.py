"""How the program ends: 0 answered, 1 failed, 2 usage or configuration, 3 not found or abstained, 4 denied, 5 limit,
6 unavailable, 7 waiting."""

from typing import TYPE_CHECKING, Any

from groundswell.core.errors import GroundswellError, NotFound

if TYPE_CHECKING:
    from groundswell.core.records import Run

ANSWERED, FAILED, USAGE, ABSTAINED, DENIED, LIMIT, UNAVAILABLE, WAITING = range(8)
INTERRUPTED = 130
OF_RESULTS = {"ok": ANSWERED, "no_data": ABSTAINED, "error": FAILED, "denied": DENIED, "approval_required": WAITING}


def of_error(error: GroundswellError) -> int:
    """The exit code of an error."""
    return ABSTAINED if isinstance(error, NotFound) else error.exit_code


def of_run(run: "Run") -> int:
    """The exit code of a run as it stands."""
    if run.status == "succeeded":
        return ANSWERED if run.answer and run.answer.text.strip() else ABSTAINED
    if run.status == "failed":
        return DENIED if run.reason == "denied" else FAILED
    return {"exhausted": LIMIT, "waiting": WAITING, "cancelled": INTERRUPTED}.get(run.status, FAILED)


def of_result(result: dict[str, Any]) -> int:
    """The exit code of a tool's result."""
    return OF_RESULTS.get(str(result.get("status")), FAILED)
