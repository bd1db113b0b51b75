"""What waits for a person: calls that need an approval, and effects of which nobody knows whether they happened."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Path, Request

from groundswell.backends.databases.decisions import Decisions
from groundswell.core.errors import GroundswellError
from groundswell.core.records import Decision, PendingCall
from groundswell.core.redaction import redact
from groundswell.runtime import telemetry
from groundswell.runtime.service import Approver, Caller, opened_of

routes = APIRouter(prefix="/v1", tags=["approvals"])
EXPIRE_SECONDS = 2.0  # between two looks at approvals whose time is over
RunId = Annotated[str, Path(max_length=64)]


@routes.get("/approvals", summary="What waits for a person")
async def pending(request: Request, caller: Caller) -> list[PendingCall]:
    """The calls of this caller's tenant that wait for an approval, or for somebody who says whether they happened."""
    return await _decisions(request).open(caller.tenant)


@routes.get("/runs/{run_id}/approvals", summary="What a run waits for, or waited for")
async def of_run(run_id: RunId, request: Request, caller: Caller) -> list[PendingCall]:
    """The calls of a run that a person was asked about, in the order in which they were asked for."""
    await opened_of(request).runs.get(caller.tenant, run_id)
    return await _decisions(request).of_run(caller.tenant, run_id)


@routes.post("/runs/{run_id}/approvals", summary="Decide about a call")
async def decide(run_id: RunId, body: Decision, request: Request, approver: Approver) -> PendingCall:
    """Approve or deny a call that waits for it, or say whether an effect whose outcome is unknown happened.

    The decision names the digest of the arguments, and holds for no others; the run goes on where it was.
    """
    body = body.model_copy(update={"reason": redact(body.reason)})
    return await _decisions(request).decide(approver.tenant, run_id, approver.caller, body)


async def expired(decisions: Decisions) -> None:
    """End what nobody approved in time; every router looks, and each such run is ended once."""
    while True:
        await asyncio.sleep(EXPIRE_SECONDS)
        try:
            while await decisions.expire():
                pass
        except GroundswellError as error:  # looked at again soon
            telemetry.log.warning("approvals.not_expired", error=error.message)


def _decisions(request: Request) -> Decisions:
    return opened_of(request).decisions
