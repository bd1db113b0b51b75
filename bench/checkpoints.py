"""How much a run's checkpoints take, over what its steps say: the state grows by 1 KiB a step.

    python bench/checkpoints.py [--steps 400]

The loop's own channel for what was said, through our saver. Counted are the bytes of all rows as they are handed to
PostgreSQL, before it compresses them; a list in a plain channel stands beside. Asserted: ours ≤ 8 × the payload.
"""

import argparse
import asyncio
import base64
import operator
import random
import sys
from typing import Annotated, Any, TypedDict

from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph

from groundswell.agents.loop.state import LoopState
from groundswell.backends.databases.saver import RunSaver
from postgres import Rig, opened
from report import write

LIMIT = 8.0
SIZE = """SELECT (SELECT coalesce(sum(octet_length(checkpoint::text) + octet_length(metadata::text)), 0)
                  FROM langgraph.checkpoints WHERE thread_id = r.id)
               + (SELECT coalesce(sum(octet_length(blob)), 0) FROM langgraph.checkpoint_blobs WHERE thread_id = r.id)
               + (SELECT coalesce(sum(octet_length(blob)), 0) FROM langgraph.checkpoint_writes WHERE thread_id = r.id)
               AS bytes FROM runs r WHERE r.id = %s"""
CHANCE = random.Random(7)


class Ours(LoopState):
    """As the loop's."""


class Plain(TypedDict):
    """A list that grows in a channel of LangGraph's usual kind."""

    question: str
    talk: Annotated[list[dict[str, Any]], operator.add]


def said() -> dict[str, Any]:
    """1 KiB that nothing can compress."""
    return {"said": {"role": "tool", "content": base64.b64encode(CHANCE.randbytes(740)).decode()}}


async def step(state: Any) -> dict[str, Any]:
    return {"talk": [said()]}


def graph(state: Any, steps: int) -> CompiledStateGraph[Any, Any, Any, Any]:
    built = StateGraph(state).add_node("step", step).add_edge(START, "step")
    built.add_conditional_edges("step", lambda s: END if len(s["talk"]) >= steps else "step", ["step", END])
    return built.compile()


async def volume(rig: Rig, state: Any, steps: int) -> int:
    """Bytes that a run's checkpoints take."""
    run = await rig.run()
    with_saver = graph(state, steps).copy({"checkpointer": RunSaver(rig.database, run, "local", 1)})
    config: Any = {"configurable": {"thread_id": run}, "recursion_limit": steps + 5}
    made = await with_saver.ainvoke({"question": "q"}, config, durability="sync")
    assert len(made["talk"]) == steps
    stored = await with_saver.aget_state(config)
    assert stored.values["talk"] == made["talk"], "what is stored is the whole of it"
    row = await rig.database.row(SIZE, run)
    assert row is not None
    return int(row["bytes"])


async def measure(steps: int) -> dict[str, Any]:
    async with opened() as rig:
        ours, plain = await volume(rig, Ours, steps), await volume(rig, Plain, max(steps // 8, 1))
    payload = steps * 1024
    return {
        "steps": steps,
        "payload_bytes": payload,
        "stored_bytes": ours,
        "times_payload": round(ours / payload, 2),
        "limit": LIMIT,
        "plain_channel": {"steps": max(steps // 8, 1), "times_payload": round(plain / max(steps // 8, 1) / 1024, 2)},
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=400)
    figures = asyncio.run(measure(parser.parse_args().steps))
    print(*(f"{name}: {value}" for name, value in figures.items()), sep="\n")
    write("checkpoints", figures)
    sys.exit(figures["times_payload"] > LIMIT)


if __name__ == "__main__":
    main()
