"""The tools service: makes calls for runs, and owns repositories, vectors and embeddings."""

import contextlib
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends

from groundswell.backends.databases.calls import Journal
from groundswell.backends.databases.runs import RunStore, Scope
from groundswell.core.policy import Grant
from groundswell.core.records import Answered, Ask
from groundswell.runtime import discovery
from groundswell.runtime.base import Base
from groundswell.runtime.call_context import Outside
from groundswell.runtime.grants import grant_for, is_unbounded
from groundswell.runtime.keys import RunToken
from groundswell.runtime.outside import outside
from groundswell.runtime.service import RunCaller, Service, opened_of
from groundswell.runtime.tool_calls import ToolCalls

routes = APIRouter(tags=["internal"])


@dataclass
class Tools:
    """What the routes work with."""

    calls: ToolCalls
    outside: Outside

    @property
    def journal(self) -> Journal:
        """Where calls are written."""
        return self.calls.journal


@contextlib.asynccontextmanager
async def opened(base: Base) -> AsyncGenerator[Tools]:
    """Connect to the database, and open what tools reach."""
    database = base.database("tools")
    await database.open()
    agents = discovery.agents()

    def grant(token: RunToken, scope: Scope) -> Grant:
        local, alone = scope.subject.get("local") is True, scope.alone and not base.settings.oidc.issuer
        return grant_for(
            agents[token.agent],
            token.tenant,
            base.policy,
            caller=token.caller,
            granted=scope.granted,
            unbounded=is_unbounded(base.policy, local=local, alone=alone),
        )

    try:
        async with outside(base, database) as reached:
            calls = ToolCalls(
                Journal(database),
                RunStore(database),
                discovery.tools(),
                discovery.policies(),
                grant,
                reached,
                approval_seconds=base.settings.runs.approval_seconds,
            )
            async with calls.stoppable.watching():
                yield Tools(calls, reached)
    finally:
        await database.close()


ToolsDep = Annotated[Tools, Depends(opened_of)]


@routes.post("/calls")
async def call(ask: Ask, tools: ToolsDep, token: RunCaller) -> Answered:
    """A call's reply, from its row or made now; or the state that stands in its way."""
    return await tools.calls.answer(token, ask)


async def ready(tools: Tools) -> dict[str, str]:
    """What makes its vectors, and why; and what stores them."""
    return {"embeddings": tools.outside.embeddings, "vectors": await tools.outside.vectors.about()}


service = Service(name="tools", namespace="ai-tools", routes=routes, opened=opened, check=ready)
