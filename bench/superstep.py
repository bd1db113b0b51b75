"""What a superstep costs: LangGraph alone (the floor), its stock PostgreSQL saver, and ours with everything on.

    python bench/superstep.py [--rounds 5] [--steps 40]

All three in one interleaved run on one embedded PostgreSQL, `durability="sync"`, one saver a run, at 1, 10 and 50 runs
at once. Ours states a fact in every step, which is stored as an event under the fence, logged and counted, and its
supersteps are limited. Asserted: ours ≤ 1.6 × stock with one run, ≤ 1.25 × with 10 and with 50; no run fails.
CPU time, PostgreSQL's among it, is told beside: it is the same on a busy machine.
"""

import argparse
import asyncio
import statistics
import sys
import time
import uuid
from typing import Any, NotRequired, TypedDict

from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime, get_runtime

from groundswell.backends.databases.saver import RunSaver, Supersteps
from groundswell.core.context import RunContext
from postgres import cpu_seconds, opened
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


async def many(count: int, one: Any) -> tuple[float, float]:
    """Seconds for `count` runs at once, and their CPU seconds. Raises what one of them raises."""
    cpu, began = cpu_seconds(), time.perf_counter()
    await asyncio.gather(*(one() for _ in range(count)))
    return time.perf_counter() - began, cpu_seconds() - cpu


async def measure(rounds: int, steps: int) -> dict[str, Any]:
    compiled = graph(steps)

    def config(name: str) -> Any:
        return {"configurable": {"thread_id": name}, "recursion_limit": steps + 5}

    def check(state: Any) -> None:
        assert state["rounds"] == steps

    async with opened() as rig:

        async def floor() -> None:
            check(await compiled.ainvoke({"question": "q"}, config("x")))

        async def stock() -> None:
            saver = AsyncPostgresSaver(rig.database.pool, serde=JsonPlusSerializer(allowed_msgpack_modules=None))
            with_saver = compiled.copy({"checkpointer": saver})
            check(await with_saver.ainvoke({"question": "q"}, config(uuid.uuid4().hex), durability="sync"))

        async def ours() -> None:
            run = await rig.run()
            saver = RunSaver(rig.database, run, "local", 1)
            saver.supersteps = Supersteps(steps + 1)
            context: Any = Noter(saver)
            with_saver = compiled.copy({"checkpointer": saver})
            check(await with_saver.ainvoke({"question": "q"}, config(run), context=context, durability="sync"))

        kinds = {"floor": floor, "stock": stock, "ours": ours}
        taken: dict[int, dict[str, list[tuple[float, float]]]] = {n: {k: [] for k in kinds} for n in LIMITS}
        for number in range(rounds + 1):  # the first warms up
            for count in LIMITS:
                for name, one in kinds.items():
                    took = await many(count, one)
                    if number:
                        each = [seconds / (count * steps) * 1e6 for seconds in took]
                        taken[count][name].append((each[0], each[1]))
        sql = "SELECT count(*) AS runs, count(*) FILTER (WHERE steps = %s) AS whole FROM runs"
        row = await rig.database.row(sql, steps)
    assert row is not None
    assert row["runs"] == row["whole"] == (rounds + 1) * sum(LIMITS), "each run is stored whole"
    figures: dict[str, Any] = {}
    for count, by_kind in taken.items():
        ratios = [
            [a[part] / b[part] for a, b in zip(by_kind["ours"], by_kind["stock"], strict=True)] for part in (0, 1)
        ]
        figures[str(count)] = {
            **{f"{kind}_us": [round(f(each[0] for each in v)) for f in SPREAD] for kind, v in by_kind.items()},
            **{
                f"{kind}_steps_per_second": round(1e6 / statistics.median(each[0] for each in by_kind[kind]))
                for kind in ("stock", "ours")
            },
            "errors": 0,
            "ratio": [round(f(ratios[0]), 2) for f in SPREAD],
            "ratio_of_cpu": [round(f(ratios[1]), 2) for f in SPREAD],
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
