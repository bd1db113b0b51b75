"""The models service: every ask of a model goes through it. With no model configured it says just that."""

import contextlib
from collections.abc import AsyncGenerator
from typing import Annotated

from fastapi import APIRouter, Depends

from groundswell.backends.databases.calls import Journal
from groundswell.core.records import Answered, Ask, ModelView
from groundswell.runtime.base import Base
from groundswell.runtime.model_calls import ModelCalls, served
from groundswell.runtime.service import RunCaller, Service, opened_of

internal = APIRouter(prefix="/internal", include_in_schema=False)


@contextlib.asynccontextmanager
async def opened(base: Base) -> AsyncGenerator[ModelCalls]:
    """Connect to the database, for the journal; models are connected to when they are asked."""
    database = base.database("models")
    await database.open()
    calls = ModelCalls(Journal(database), served(base.settings.models))
    try:
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


async def ready(models: ModelCalls) -> dict[str, str]:
    """Which roles have a model."""
    if not models.models:
        return {"models": "none configured: agents answer from evidence alone (mode L3)"}
    named = (f"{role} {serving.settings.model or serving.settings.url}" for role, serving in models.models.items())
    return {"models": ", ".join(named)}


service = Service(name="models", namespace="ai-inference", routes=internal, opened=opened, check=ready)
