"""The agents service: a worker that moves runs. It answers only for its health; work it takes from the table."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator

from fastapi import APIRouter

from groundswell.core.errors import Unavailable
from groundswell.runtime import discovery
from groundswell.runtime.base import Base
from groundswell.runtime.service import Service
from groundswell.runtime.worker import Services, Worker


@contextlib.asynccontextmanager
async def opened(base: Base) -> AsyncGenerator[Worker]:
    """Connect, and work until the end."""
    database = base.database("agents")
    await database.open()
    services = Services(base.peer("router"), base.peer("tools"), base.peer("models"))
    worker = Worker(
        base.worker,
        database,
        services,
        base.keys,
        discovery.agents(),
        discovery.tools(),
        policy=base.policy,
        lease_seconds=base.settings.runs.lease_seconds,
        at_once=base.settings.runs.at_once,
    )
    await worker.leases.beat()
    working = asyncio.create_task(worker.serve(), name="worker")
    worker.task = working
    try:
        yield worker
    finally:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
        await services.router.close()
        await services.tools.close()
        await services.models.close()
        await database.close()


async def ready(worker: Worker) -> dict[str, str]:
    """Whether it works."""
    if worker.task is not None and worker.task.done():
        raise Unavailable("worker_stopped", "this worker has stopped", "restart it; its runs go to others")
    return {"worker": worker.name, "runs": str(len(worker.held))}


service = Service(name="agents", namespace="ai-agents", routes=APIRouter(), opened=opened, check=ready)
