"""What a superstep costs: LangGraph alone (the floor), its stock PostgreSQL saver, and ours with everything on.

    python bench/superstep.py [--rounds 5] [--steps 40]

All three in one interleaved run on one embedded PostgreSQL, `durability="sync"`, one saver a run, at 1, 10 and 50 runs
at once. Ours states a fact in every step, which is stored as an event under the fence, logged and counted.
Asserted: ours ≤ 1.6 × stock with one run, ≤ 1.25 × with 10 and with 50.
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any, NotRequired, TypedDict

from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime, get_runtime
from psycopg.types.json import Jsonb

from groundswell.backends.databases.connections import Database
from groundswell.backends.databases.embedded import ROLE, EmbeddedPostgres
from groundswell.backends.databases.migrations import migrate
from groundswell.backends.databases.saver import RunSaver
from groundswell.core.context import RunContext
from groundswell.core.settings import Telemetry
from groundswell.runtime import telemetry
from report import write

SPREAD = (min, statistics.median, max)
LIMITS = {1: 1.6, 10: 1.25, 50: 1.25}


class State(TypedDict):
    question: str
    rounds: NotRequired[int]
    text: NotRequired[str]


class Noter:
    """The part of a run's context that this measures."""

    def __init__(self, saver: RunSaver) -> None:
        self.saver = saver

    def note(self, name: str, **data: Any) -> None:
        info = get_runtime().execution_info
        assert info is not None
        self.saver.state(info.task_id, info.checkpoint_id, "step", name, data)


async def step(state: State, runtime: Runtime[RunContext]) -> dict[str, Any]:
    if runtime.context is not None:
        runtime.context.note("round", number=state.get("rounds", 0))
    return {"rounds": state.get("rounds", 0) + 1, "text": "x" * 200}


def graph(steps: int) -> Any:
    built = StateGraph(State, context_schema=RunContext).add_node(step).add_edge(START, "step")
    built.add_conditional_edges("step", lambda s: END if s["rounds"] >= steps else "step", ["step", END])
    return built.compile()


async def many(count: int, one: Any) -> float:
    """Seconds for `count` runs at once."""
    began = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(count)))
    return time.perf_counter() - began


async def measure(rounds: int, steps: int) -> dict[str, Any]:
    telemetry.set_up(Telemetry(), "bench", "0", Path("/dev/null"))
    with tempfile.TemporaryDirectory(prefix="gs-bench-") as folder:
        server = EmbeddedPostgres(Path(folder))
        url = await server.start()
        await migrate(url)
        database = Database(url, role=ROLE, size=10, transaction_seconds=5, emit=telemetry.emit)
        await database.open()
        compiled = graph(steps)

        async def run_row() -> str:
            run = uuid.uuid4().hex
            sql = """INSERT INTO runs (id, tenant, thread, agent, caller, input, sources, granted, budget, status,
                                       epoch)
                     VALUES (%s, 'local', 't', 'bench', 'local', '[]', '{}', '[]', %s, 'running', 1)"""
            async with database.connection() as connection:
                await connection.execute(sql, (run, Jsonb({})))
            return run

        def config(name: str) -> Any:
            return {"configurable": {"thread_id": name}, "recursion_limit": steps + 5}

        async def floor() -> None:
            await compiled.ainvoke({"question": "q"}, config("x"))

        async def stock() -> None:
            saver = AsyncPostgresSaver(database.pool, serde=JsonPlusSerializer(allowed_msgpack_modules=None))
            with_saver = compiled.copy({"checkpointer": saver})
            await with_saver.ainvoke({"question": "q"}, config(uuid.uuid4().hex), durability="sync")

        async def ours() -> None:
            run = await run_row()
            saver = RunSaver(database, run, "local", 1)
            context: Any = Noter(saver)
            with_saver = compiled.copy({"checkpointer": saver})
            await with_saver.ainvoke({"question": "q"}, config(run), context=context, durability="sync")

        kinds = {"floor": floor, "stock": stock, "ours": ours}
        taken: dict[int, dict[str, list[float]]] = {n: {k: [] for k in kinds} for n in LIMITS}
        for number in range(rounds + 1):  # the first warms up
            for count in LIMITS:
                for name, one in kinds.items():
                    seconds = await many(count, one)
                    if number:
                        taken[count][name].append(seconds / (count * steps) * 1e6)
        await database.close()
        await server.stop()
    figures: dict[str, Any] = {}
    for count, by_kind in taken.items():
        ratios = [a / b for a, b in zip(by_kind["ours"], by_kind["stock"], strict=True)]
        figures[str(count)] = {
            **{f"{kind}_us": [round(f(v)) for f in SPREAD] for kind, v in by_kind.items()},
            "ratio": [round(f(ratios), 2) for f in SPREAD],
            "limit": LIMITS[count],
        }
    return figures


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=40)
    options = parser.parse_args()
    figures = asyncio.run(measure(options.rounds, options.steps))
    print("µs a superstep, min / median / max; ratio ours ÷ stock")
    for count, row in figures.items():
        print(f"{count:>3} at once", *(f"{k} {v}" for k, v in row.items()), sep="  ")
    write("superstep", figures)
    sys.exit(any(row["ratio"][1] > row["limit"] for row in figures.values()))


if __name__ == "__main__":
    main()
