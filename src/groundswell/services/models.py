"""The models service: every ask of a model goes through it. With no model configured it says just that."""

import contextlib
from collections.abc import AsyncGenerator

from fastapi import APIRouter

from groundswell.runtime.base import Base
from groundswell.runtime.service import Service


@contextlib.asynccontextmanager
async def opened(base: Base) -> AsyncGenerator[Base]:
    """Nothing to open without a model."""
    yield base


async def ready(_: Base) -> dict[str, str]:
    """Which roles have a model."""
    return {"models": "none configured: agents answer from evidence alone (mode L3)"}


service = Service(name="models", namespace="ai-inference", routes=APIRouter(), opened=opened, check=ready)
