"""The models service: every ask of a model goes through it. With no model configured it says just that."""

import contextlib
import json
from collections.abc import AsyncGenerator
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from fastapi.responses import StreamingResponse

from groundswell.backends.databases.calls import Journal
from groundswell.core.errors import Denied, GroundswellError
from groundswell.core.records import Answered, Ask, ModelReport, ModelView, Record
from groundswell.runtime.base import Base
from groundswell.runtime.model_calls import ModelCalls, served
from groundswell.runtime.service import Caller, RunCaller, Service, opened_of

internal = APIRouter(prefix="/internal", include_in_schema=False)


@contextlib.asynccontextmanager
async def opened(base: Base) -> AsyncGenerator[ModelCalls]:
    """Connect to the database, for the journal; models are connected to when they are asked."""
    database = base.database("models")
    await database.open()
    calls = ModelCalls(Journal(database), served(base.settings.models, base.settings.egress))
    try:
        async with calls.stoppable.watching():
            yield calls
    finally:
        for serving in calls.models.values():
            await serving.model.close()
        await database.close()


ModelsDep = Annotated[ModelCalls, Depends(opened_of)]


@internal.post("/chat")
async def chat(ask: Ask, models: ModelsDep, token: RunCaller) -> Answered:
    """A turn's reply, from its row or asked now; its text is told meanwhile as events of the run."""
    return await models.answer(token, ask)


@internal.post("/models")
async def views(models: ModelsDep, token: RunCaller) -> list[ModelView]:
    """The roles that have a model."""
    return await models.views()


class Relayed(Record):
    """A request as an OpenAI client wrote it."""

    role: str
    body: dict[str, Any]


@internal.post("/relay", response_model=None)
async def relay(asked: Relayed, models: ModelsDep, token: RunCaller) -> StreamingResponse:
    """A chat completion passed through, one chunk a line, or the problem that ends it.

    The response begins before the engine's does: whoever stops waiting for the first word is seen to leave.
    """
    if token.agent != f"llm:{asked.role}":
        raise Denied("other_run", f"this run may not ask role {asked.role!r}")
    chunks = models.relayed(token, asked.role, asked.body)

    async def lines() -> AsyncGenerator[bytes]:
        async with contextlib.aclosing(chunks):
            try:
                async for chunk in chunks:
                    yield _line({"data": chunk})
            except GroundswellError as error:
                yield _line({"problem": error.problem()})

    return StreamingResponse(lines(), media_type="application/x-ndjson")


def _line(value: dict[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode() + b"\n"


class Tested(Record):
    """Which role's model to try."""

    role: str


@internal.post("/test")
async def test(asked: Tested, models: ModelsDep, token: RunCaller) -> ModelReport:
    """What a role's model can do."""
    if token.agent != f"llm:{asked.role}":
        raise Denied("other_run", f"this run may not ask role {asked.role!r}")
    return await models.tested(token, asked.role)


@internal.post("/listed")
async def listed(models: ModelsDep, caller: Caller) -> list[ModelView]:
    """The roles that have a model, for a caller."""
    return await models.views()


async def ready(models: ModelCalls) -> dict[str, str]:
    """Which roles have a model."""
    if not models.models:
        return {"models": "none configured: agents answer from evidence alone (mode L3)"}
    named = (f"{role} {serving.settings.model or serving.settings.url}" for role, serving in models.models.items())
    return {"models": ", ".join(named)}


service = Service(name="models", namespace="ai-inference", routes=internal, opened=opened, check=ready)
