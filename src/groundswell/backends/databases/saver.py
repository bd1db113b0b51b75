"""The checkpoints of one leased run: each write is one round trip, one transaction, and ends with the fence."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Sequence
from typing import Any

import psycopg
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import WRITES_IDX_MAP, ChannelVersions, Checkpoint, CheckpointMetadata
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from psycopg.rows import DictRow, dict_row

from groundswell.backends.databases.connections import APPEND, EPOCH_OVER, Database, EpochOver, as_json
from groundswell.core.records import Fact
from groundswell.core.records.events import Noted, Stepped


class RunSaver(AsyncPostgresSaver):
    """Stores, with a task's writes or a step's checkpoint, what that task or step stated (architecture §5.4–5).

    `state` gathers facts of a task; they become events in the transaction that stores the task's writes. If the
    writes are not stored, LangGraph runs the task again and the facts are stated again: nothing is doubled.
    """

    def __init__(self, database: Database, run: str, tenant: str, epoch: int) -> None:
        super().__init__(database.pool, serde=JsonPlusSerializer(allowed_msgpack_modules=None))
        self.database, self.run, self.tenant, self.epoch = database, run, tenant, epoch
        self.order = asyncio.Lock()  # a checkpoint may not overtake its parent's writes
        self.stated: dict[str, tuple[str, list[Fact]]] = {}  # task → the checkpoint it runs on, facts
        self.batch: list[Fact] = []
        self.wrote: dict[str, str] = {}  # task → node, of the step under way

    def state(self, task: str, checkpoint: str, node: str, name: str, data: dict[str, Any]) -> None:
        """State a fact that becomes one with this task's writes."""
        facts = self.stated.setdefault(task, (checkpoint, []))[1]
        self.wrote[task] = node
        facts.append(Fact(key=f"{task}/{len(facts)}", body=Noted(node=node, name=name, data=data)))

    def forget(self, task: str) -> None:
        """A try of this task failed and is made again: what it stated is void."""
        self.stated.pop(task, None)

    def _finished(self, task: str, path: str) -> None:
        """Note a node's name: LangGraph's path has it (`~__pregel_pull, gather`), but not for what was sent."""
        name = path.rpartition(", ")[2]
        if path.startswith("~__pregel_pull") and not name.startswith("__"):
            self.wrote[task] = name

    async def recall(self, checkpoint: str) -> None:
        """Learn which nodes of the step under way had finished before this lease."""
        sql = """SELECT DISTINCT task_id, task_path FROM langgraph.checkpoint_writes
                 WHERE thread_id = %s AND checkpoint_ns = '' AND checkpoint_id = %s"""
        for row in await self.database.rows(sql, self.run, checkpoint):
            self._finished(row["task_id"], row["task_path"])

    async def aput_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        """Store a finished task's writes and facts; one that was interrupted or failed has stated nothing yet."""
        async with self.order:
            facts = self.stated.pop(task_id, ("", []))[1]
            self._finished(task_id, task_path)
            self.batch = [] if all(channel in WRITES_IDX_MAP for channel, _ in writes) else facts
            await super().aput_writes(config, writes, task_id, task_path)

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Store a step's checkpoint and its facts."""
        async with self.order:
            configurable = config.get("configurable", {})
            parent, ns = configurable.get("checkpoint_id"), configurable.get("checkpoint_ns", "")
            tasks = [task for task, (ran_on, _) in self.stated.items() if ran_on == parent]
            self.batch = [fact for task in tasks for fact in self.stated.pop(task)[1]]
            step = metadata.get("step", 0)
            if step > 0:
                nodes = tuple(sorted(set(self.wrote.values())))
                body = Stepped(step=step, nodes=nodes, ns=ns)
                self.batch.append(Fact(key=f"step/{checkpoint['id']}", body=body))
                self.wrote.clear()
            return await super().aput(config, checkpoint, metadata, new_versions)

    @contextlib.asynccontextmanager
    async def _cursor(self, *, pipeline: bool = False) -> AsyncGenerator[psycopg.AsyncCursor[DictRow]]:
        async with self.database.connection() as connection:
            if not pipeline:
                yield connection.cursor(binary=True, row_factory=dict_row)
                return
            try:
                async with connection.pipeline():  # no Sync inside: one implicit transaction
                    cursor = connection.cursor(binary=True, row_factory=dict_row)
                    yield cursor
                    # last, so that the run's row is locked for one statement only
                    await cursor.execute(APPEND, (self.run, self.epoch, as_json(self.batch)))
            except psycopg.Error as error:
                if error.sqlstate == EPOCH_OVER:
                    raise EpochOver(self.run) from error
                raise
        self.database.appended(self.run, self.tenant, self.batch)
