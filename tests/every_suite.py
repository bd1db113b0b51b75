"""Asks the questions of a suite and writes the answers, whole: claims, citations, digests. One process, one round.

PYTHONPATH=tests:bench python tests/every_suite.py router|observability|web FILE [EVERY]    (1: all, 8: every eighth)
"""

import asyncio
import json
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import router
import router_weights
from incidents import asking
from incidents.judge import HELD_OUT, TUNED, cases
from questions import suite


async def routes(every: int) -> dict[str, Any]:
    """The router's choice for every example that is held out of training, with its reason and alternatives."""
    given = [*router_weights.examples("test"), *router_weights.blind()][::every]
    said = await router.chosen(given, None)
    return {each.text: route.model_dump(mode="json") for each, route in zip(given, said, strict=True)}


async def incidents(every: int) -> dict[str, Any]:
    """What the observability agent says of every incident."""
    return {
        name: (await asking.answered(folder, question)).model_dump(mode="json")
        for name, folder, question, _ in list(cases(TUNED, *HELD_OUT))[::every]
    }


async def questions(every: int) -> dict[str, Any]:
    """What the web agent says to every question, over collections that are filled anew."""
    async with suite.standing("wordllama:") as desk:
        asked = suite.questions()[::every]
        return {each.ask: (await suite.answered(desk, each.ask)).model_dump(mode="json") for each in asked}


SUITES: dict[str, Callable[[int], Coroutine[Any, Any, dict[str, Any]]]] = {
    "router": routes,
    "observability": incidents,
    "web": questions,
}

if __name__ == "__main__":
    answers = asyncio.run(SUITES[sys.argv[1]](int(sys.argv[3]) if sys.argv[3:] else 1))
    Path(sys.argv[2]).write_text(json.dumps(answers, ensure_ascii=False, indent=1))
