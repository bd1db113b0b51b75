"""The checkpoints of one leased run: each commit is one round trip, one transaction, and ends with the fence.

The stock saver commits a superstep twice, side by side: its writes and its checkpoint. Here the checkpoint waits until
the writes are gathered, and both go in one commit; a task that finishes before the others is stored at once.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, LiteralString

import psycopg
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import WRITES_IDX_MAP, ChannelVersions, Checkpoint, CheckpointMetadata
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from psycopg.rows import dict_row

from groundswell.backends.databases.connections import APPEND, EPOCH_OVER, Database, EpochOver, as_json
from groundswell.core.errors import LimitReached
from groundswell.core.records import Fact
from groundswell.core.records.calls import parted
from groundswell.core.records.events import Noted, Stepped, StepStarted


class Serializer(JsonPlusSerializer):
    """LangGraph's own, except that a state may hold integers of any size, as callers and models may send them."""

    def __init__(self) -> None:
        super().__init__(allowed_msgpack_modules=None)

    def dumps_typed(self, obj: Any) -> tuple[str, bytes]:
        """As MessagePack, or as JSON where an integer has more than the 64 bits that it has room for."""
        try:
            return super().dumps_typed(obj)
        except TypeError as error:
            with contextlib.suppress(TypeError, ValueError):
                return "plain", json.dumps(obj).encode()
            raise error from None

    def loads_typed(self, data: tuple[str, bytes]) -> Any:
        """What `dumps_typed` made."""
        return json.loads(data[1]) if data[0] == "plain" else super().loads_typed(data)


class Write:
    """One write of the stock saver: its statements, gathered, and the facts that go with them."""

    def __init__(self, facts: list[Fact]) -> None:
        self.facts, self.statements = facts, list[Callable[[psycopg.AsyncCursor[Any]], Awaitable[Any]]]()
        self.complete: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.stored = False

    async def execute(self, sql: LiteralString, values: Sequence[Any]) -> None:
        """As a cursor's."""
        self.statements.append(lambda cursor: cursor.execute(sql, values))

    async def executemany(self, sql: LiteralString, rows: Sequence[Sequence[Any]]) -> None:
        """As a cursor's."""
        self.statements.append(lambda cursor: cursor.executemany(sql, rows))

    def finish(self) -> None:
        """All its statements are here."""
        if not self.complete.done():
            self.complete.set_result(None)


def nodes_to_run(channels: Mapping[str, Any]) -> tuple[str, ...]:
    """The nodes that a checkpoint's channels trigger: by an edge, by all edges into one node, or by `Send`."""
    nodes = {name.removeprefix("branch:to:") for name in channels if name.startswith("branch:to:")}
    nodes |= {sent.node for sent in channels.get("__pregel_tasks") or ()}
    for name, seen in channels.items():
        if name.startswith("join:"):
            sources, _, node = name.removeprefix("join:").rpartition(":")
            nodes |= {node} if set(sources.split("+")) == set(seen or ()) else set()
    return tuple(sorted(nodes))


@dataclass
class Supersteps:
    """How many supersteps a run has left, over all its graphs: LangGraph's own limit is one for each of them.

    One counts when it begins: while the graphs below it or beside it move, its own is taken already.
    """

    left: int

    def follow(self, checkpoint: Checkpoint) -> None:
        """Count the superstep that follows a checkpoint, if one does. Raises LimitReached where none is left."""
        if nodes_to_run(checkpoint["channel_values"]):
            if self.left <= 0:
                raise LimitReached("budget_steps", "the run has no supersteps left")
            self.left -= 1


_current: ContextVar[Write] = ContextVar("write")


class RunSaver(AsyncPostgresSaver):
    """Stores, with a task's writes or a step's checkpoint, what that task or step stated (architecture §5.4–5).

    `state` gathers facts of a task; they become events in the transaction that stores the task's writes. If the
    writes are not stored, LangGraph runs the task again and the facts are stated again: nothing is doubled.
    """

    def __init__(self, database: Database, run: str, tenant: str, epoch: int) -> None:
        super().__init__(database.pool, serde=Serializer())
        self.database, self.run, self.tenant, self.epoch = database, run, tenant, epoch
        self.supersteps: Supersteps | None = None
        self.begun: list[Write] = []
        self.turn = asyncio.Lock()
        self.stated: dict[str, tuple[str, list[Fact]]] = {}  # task → the checkpoint it runs on, facts
        self.wrote: dict[tuple[str, str], str] = {}  # (namespace, task) → node, of the steps under way

    def state(self, task: str, checkpoint: str, within: str, name: str, data: dict[str, Any]) -> None:
        """State a fact that becomes one with this task's writes; `within` is the task's own namespace."""
        ns, node = parted(within)
        facts = self.stated.setdefault(task, (checkpoint, []))[1]
        self.wrote[ns, task] = node
        facts.append(Fact(key=f"{task}/{len(facts)}", body=Noted(node=node, name=name, data=data, ns=ns)))

    def forget(self, task: str) -> None:
        """A try of this task failed and is made again: what it stated is void."""
        self.stated.pop(task, None)

    def _finished(self, ns: str, task: str, path: str) -> None:
        """Note a node's name: LangGraph's path has it (`~__pregel_pull, gather`), but not for what was sent."""
        name = path.rpartition(", ")[2]
        if path.startswith("~__pregel_pull") and not name.startswith("__"):
            self.wrote[ns, task] = name

    async def recall(self) -> list[Checkpoint]:
        """Learn which nodes of the steps under way had finished before this lease, in every graph of the run.

        Returns the latest checkpoint of each graph below the run's own.
        """
        sql = (
            "SELECT checkpoint_ns, max(checkpoint_id) AS id FROM langgraph.checkpoints WHERE thread_id = %s GROUP BY 1"
        )
        latest = {row["checkpoint_ns"]: row["id"] for row in await self.database.rows(sql, self.run)}
        sent = {ns.rpartition(":")[2]: parted(ns)[1] for ns in latest if ns}  # a subgraph's namespace names its task
        sql = """SELECT DISTINCT checkpoint_ns, task_id, task_path FROM langgraph.checkpoint_writes
                 WHERE thread_id = %s AND checkpoint_id = ANY(%s)"""
        for row in await self.database.rows(sql, self.run, list(latest.values())):
            ns, task = row["checkpoint_ns"], row["task_id"]
            self._finished(ns, task, row["task_path"])
            if task in sent:
                self.wrote[ns, task] = sent[task]
        below: list[RunnableConfig] = [
            {"configurable": {"thread_id": self.run, "checkpoint_ns": ns}} for ns in latest if ns
        ]
        return [found.checkpoint for config in below if (found := await self.aget_tuple(config)) is not None]

    async def aput_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        """Store a finished task's writes and facts; one that was interrupted or failed has stated nothing yet."""
        facts = self.stated.pop(task_id, ("", []))[1]
        self._finished(config.get("configurable", {}).get("checkpoint_ns", ""), task_id, task_path)
        failed = all(channel in WRITES_IDX_MAP for channel, _ in writes)
        with self._begun([] if failed else facts):
            await super().aput_writes(config, writes, task_id, task_path)

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Store a step's checkpoint and its facts, not before the writes it is made of."""
        configurable = config.get("configurable", {})
        parent, ns = configurable.get("checkpoint_id"), configurable.get("checkpoint_ns", "")
        tasks = [task for task, (ran_on, _) in self.stated.items() if ran_on == parent]
        facts = [fact for task in tasks for fact in self.stated.pop(task)[1]]
        step = metadata.get("step", 0)
        if step > 0:
            mine = [key for key in self.wrote if key[0] == ns]
            nodes = tuple(sorted({self.wrote.pop(key) for key in mine}))
            facts.append(Fact(key=f"step/{checkpoint['id']}", body=Stepped(step=step, nodes=nodes, ns=ns)))
            if ns:  # the superstep of the graph around it will say so: a sent task's own path has no name
                around, node = parted(ns)
                self.wrote[around, ns.rpartition(":")[2]] = node
        if follows := nodes_to_run(checkpoint["channel_values"]):
            begun = StepStarted(step=step + 1, nodes=follows, ns=ns)
            facts.append(Fact(key=f"step.started/{checkpoint['id']}", body=begun))
        writes = self.begun.copy()
        with self._begun(facts):
            await self._gathered(writes)
            stored = await super().aput(config, checkpoint, metadata, new_versions)
        if self.supersteps:
            self.supersteps.follow(checkpoint)
        return stored

    @contextlib.contextmanager
    def _begun(self, facts: list[Fact]) -> Generator[None]:
        """What is written in here goes with these facts."""
        write = Write(facts)
        self.begun.append(write)
        token = _current.set(write)
        try:
            yield
        finally:
            _current.reset(token)
            self.begun.remove(write)
            write.finish()

    @contextlib.asynccontextmanager
    async def _cursor(self, *, pipeline: bool = False) -> AsyncGenerator[Any]:
        """What the stock saver reads with, and what it writes to."""
        if pipeline:
            write = _current.get()
            yield write
            await self._store(write)
        else:
            async with self.database.connection() as connection:
                yield connection.cursor(binary=True, row_factory=dict_row)

    async def _store(self, write: Write) -> None:
        """Whoever has the turn stores all that is complete: a step's last writes and its checkpoint in one commit."""
        write.finish()
        async with self.turn:
            if write.stored:
                return
            await self._gathered(self.begun)
            async with self.database.connection() as connection:
                batch = [one for one in self.begun if one.complete.done() and not one.stored]
                facts = [fact for one in batch for fact in one.facts]
                try:
                    async with connection.pipeline():  # no Sync inside: one implicit transaction
                        cursor = connection.cursor(binary=True, row_factory=dict_row)
                        for statement in (statement for one in batch for statement in one.statements):
                            await statement(cursor)
                        # last, so that the run's row is locked for one statement only
                        await cursor.execute(APPEND, (self.run, self.epoch, as_json(facts)))
                except psycopg.Error as error:
                    if error.sqlstate == EPOCH_OVER:
                        raise EpochOver(self.run) from error
                    raise
            for one in batch:
                one.stored = True
        self.database.appended(self.run, self.tenant, facts)

    async def _gathered(self, writes: list[Write]) -> None:
        """Wait until the statements of these are there: not for the disk, only for what is being packed."""
        for write in writes.copy():
            await write.complete
