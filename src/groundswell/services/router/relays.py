"""Runs of one model call that the gateway passes through: `llm:ROLE`. Their text is not stored."""

import secrets
from typing import Annotated

from fastapi import APIRouter, Path, Request

from groundswell.backends.databases.relays import EPOCH, Relays
from groundswell.backends.databases.runs import Accepted
from groundswell.core.errors import Invalid
from groundswell.core.records import ROLES, Limits, Message, NewRun, Part, Problem, Record, Route
from groundswell.core.records.events import Answered
from groundswell.core.settings import TenantPolicy
from groundswell.runtime.grants import narrowed
from groundswell.runtime.keys import RunToken
from groundswell.runtime.service import Caller, base_of, opened_of

internal = APIRouter(prefix="/internal/relays", include_in_schema=False)
SECONDS = 1800  # the longest that one may take


class NewRelay(Record):
    """Which role is asked."""

    role: str


class Relay(Record):
    """A run that is under way, and its token for the models service."""

    run: str
    token: str


class Ended(Record):
    """How it ended."""

    status: str
    problem: Problem | None = None


@internal.post("")
async def begin(body: NewRelay, request: Request, caller: Caller) -> Relay:
    """Begin a run of one model call."""
    if body.role not in ROLES:
        raise Invalid("unknown_role", f"there is no role {body.role!r}", f"the roles are {', '.join(ROLES)}")
    base, name = base_of(request), f"llm:{body.role}"
    ruled = base.policy.tenants.get(caller.tenant, TenantPolicy())
    new = Accepted(
        id=f"run_{secrets.token_hex(10)}",
        tenant=caller.tenant,
        caller=caller.caller,
        request=NewRun(input=(Message(parts=(Part(text=f"a call of {name}; its text is not kept"),)),)),
        route=Route(agent=name, confidence=1.0, reason="named by the caller"),
        budget=narrowed(Limits(), ruled.limits),
        thread=f"thread_{secrets.token_hex(8)}",
        call={"model": body.role},
    )
    run = await _relays(request).begin(new, SECONDS)
    claims = RunToken(run.id, EPOCH, name, caller.caller, caller.tenant)
    return Relay(run=run.id, token=base.keys.sign("router", claims, SECONDS))


@internal.post("/{run}/end")
async def end(
    body: Ended, request: Request, caller: Caller, run: Annotated[str, Path(max_length=64)]
) -> dict[str, str]:
    """Say how it ended."""
    ending = Answered.model_validate({"status": body.status, "error": body.problem, "mode": "L0"})
    await _relays(request).end(caller.tenant, run, ending)
    return {"status": body.status}


def _relays(request: Request) -> Relays:
    return Relays(opened_of(request).database)
