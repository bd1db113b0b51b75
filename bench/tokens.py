"""What a model's token costs on its way from the node to a reader, in CPU time, over LangGraph's own `custom` stream.

    python bench/tokens.py [--rounds 5] [--tokens 20000]

The floor is a node that hands each token to LangGraph's stream writer, and a reader that takes it from `astream`; it
stores nothing. Ours is the way of the models service: gathered into events of 1 kB, redacted, stored under the fence,
read back from the table and written as Server-Sent Events, PostgreSQL's own CPU time included. Asserted: ours ≤ 3 × it.
"""

import argparse
import asyncio
import statistics
import sys
import time
from typing import Any, TypedDict

from langgraph.config import get_stream_writer
from langgraph.graph import START, StateGraph

from groundswell.backends.databases.calls import Cost, Journal, Place
from groundswell.backends.databases.events import EventLog
from groundswell.backends.models.chat_assembly import Delta
from groundswell.core.records import Ask
from groundswell.runtime.model_text import Teller
from groundswell.runtime.sse import encoded
from postgres import Rig, cpu_seconds, opened
from report import write

LIMIT = 3.0
PROSE = (
    "The pod was killed because its container went over the memory limit; the node had 3.2 GiB left. "
    "Look at the deployment's requests, then at the working set over the last hour.\n"
)
TOKENS = [PROSE[at : at + 4] for at in range(0, len(PROSE), 4)]  # as long as they are in prose, on the average
END = """UPDATE runs SET status = 'succeeded', ended = clock_timestamp() WHERE id = %s"""


class State(TypedDict):
    tokens: int


async def say(state: State) -> dict[str, Any]:
    writer = get_stream_writer()
    for number in range(state["tokens"]):
        writer({"text": TOKENS[number % len(TOKENS)]})
        if number % 50 == 49:
            await asyncio.sleep(0)  # a model's tokens come from a socket: the loop has its turn between reads
    return {}


async def floor(tokens: int) -> tuple[float, float]:
    """CPU seconds of LangGraph's own stream: of this process, twice, since there is no other."""
    graph = StateGraph(State).add_node(say).add_edge(START, "say").compile()
    began, seen = time.process_time(), 0
    async for _ in graph.astream({"tokens": tokens}, stream_mode="custom"):
        seen += 1
    took = time.process_time() - began
    assert seen == tokens
    return took, took


async def ours(rig: Rig, tokens: int) -> tuple[float, float]:
    """CPU seconds of our way: of this process, and with the database's."""
    journal, log, run = Journal(rig.database), EventLog(rig.database), await rig.run()
    place = Place("local", run, 1, Ask(task="t", checkpoint="c", kind="model:planner", arguments={}, n=0))
    attempt = await journal.begin(place, before=None, effect=False, seconds=600, reserve=Cost(tool_calls=0))
    assert attempt is not None
    all_of_it, here = cpu_seconds(), time.process_time()
    text: list[bytes] = []

    async def read() -> None:
        text.extend([part async for part in encoded(log.follow("local", run))])

    reader = asyncio.create_task(read())
    teller = Teller(journal, place, attempt)
    for number in range(tokens):
        teller.take(Delta(text=TOKENS[number % len(TOKENS)]))
        if number % 50 == 49:
            await asyncio.sleep(0)
        if teller.full.is_set():  # a socket would not have brought more before this is stored
            assert teller.task is not None
            await teller.task
    await teller.close()
    async with rig.database.connection() as connection:
        await connection.execute(END, (run,))
    await reader
    took = time.process_time() - here, cpu_seconds() - all_of_it
    whole = b"".join(text).decode()
    assert whole.count("event: text") >= tokens * 4 // 1300, "an event has about 1 kB"
    assert whole.count("memory limit") >= tokens * 4 // len(PROSE) - 200, "all of it came"
    return took


async def measure(rounds: int, tokens: int) -> dict[str, Any]:
    taken: dict[str, list[tuple[float, float]]] = {"floor": [], "ours": []}
    async with opened() as rig:
        for number in range(rounds + 1):  # the first warms up
            for name, work in (("floor", floor(tokens)), ("ours", ours(rig, tokens))):
                took = await work
                if number:
                    taken[name].append(took)
    micro = {
        name: [round(statistics.median(each[part] for each in rows) / tokens * 1e6, 2) for part in (0, 1)]
        for name, rows in taken.items()
    }
    ratios = [a[1] / b[1] for a, b in zip(taken["ours"], taken["floor"], strict=True)]
    return {
        "tokens": tokens,
        "floor_us": micro["floor"][0],
        "ours_us": micro["ours"][1],
        "ours_without_postgresql_us": micro["ours"][0],
        "ratio": [round(f(ratios), 2) for f in (min, statistics.median, max)],
        "limit": LIMIT,
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tokens", type=int, default=20_000)
    options = parser.parse_args()
    figures = asyncio.run(measure(options.rounds, options.tokens))
    print(*(f"{name}: {value}" for name, value in figures.items()), sep="\n")
    write("tokens", figures)
    sys.exit(figures["ratio"][1] > LIMIT)


if __name__ == "__main__":
    main()
