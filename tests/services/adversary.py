"""A model that loops, lies, floods and breaks off, and the limits that it is held to, all drawn from a seed."""

import functools
import json
import random
import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import EntryPoint
from typing import Any

import pytest

from groundswell.runtime import discovery, model_calls, telemetry
from groundswell.runtime.breaker import Breaker
from groundswell.testing import Say
from write_path.trial import DIVIDES

LIMITS = ("steps", "tool_calls", "tokens", "money", "seconds", "bytes")
MOST_STEPS = 12
LOOK = ("trial_look", {"q": "second"})
END = 'There is a line of first [E1 "line of first"].'
JUNK = "\u0000\u202e\ud800".encode("utf-16", "surrogatepass").decode("utf-16", "replace")
_NUMBER = re.compile(r"for the (\d+)th time")


def question(number: int) -> str:
    """What a run is asked: its number is told to its model."""
    return f"What is there, for the {number}th time?"


def number_in(body: dict[str, Any]) -> int:
    """The run that a request to a model belongs to; -1 where it does not say."""
    found = _NUMBER.search(body["messages"][1]["content"])
    return int(found[1]) if found else -1


def tight(number: int) -> str:
    """Which limit of a run is drawn to be the first that it comes to; all of them in turn, and then none but steps."""
    return (*LIMITS, "steps")[number % 7]


def limits(seed: int, number: int, name: str) -> dict[str, Any]:
    """The limits of an agent's run: one is tight, though the model has its say before it; all have twelve steps."""
    chance = random.Random(f"{seed} {number} limits")
    small: dict[str, Any] = {
        "steps": chance.randrange(3, 8) if name == "talker" else chance.randrange(7, 12),
        "tool_calls": chance.randrange(1, 4),
        "tokens": chance.randrange(10_500, 12_500),
        "money": round(chance.uniform(0.085, 0.12), 3),
        "seconds": round(chance.uniform(1.0, 4.0), 2),
        "bytes": chance.randrange(1_100_000, 2_000_000),
    }
    if name == "delegator":  # whose turns are small
        small |= {"tokens": chance.randrange(1000, 3000), "money": round(chance.uniform(0.01, 0.03), 3)}
    first = tight(number)
    return {"steps": MOST_STEPS, first: small[first]}


def agent(seed: int, number: int) -> str:
    """Most talk alone; some are a team, whose researcher talks in a graph below the run's; some delegate on and on."""
    return random.Random(f"{seed} {number} agent").choice(["talker", "talker", "talker", "reporter", "delegator"])


def adversary(seed: int) -> Any:
    """What it does is drawn from a seed and the request alone."""

    def says(body: dict[str, Any]) -> Say | str:
        chance = random.Random(f"{seed} {json.dumps(body['messages'])}")
        if "You divide a question" in body["messages"][0]["content"]:
            return chance.choice(_briefs(chance))
        if body["messages"][0]["content"] == DIVIDES:
            return chance.choice(_delegations(chance))
        limit = tight(number_in(body))
        aimed = {"tool_calls": _floods, "bytes": _floods, "tokens": _dear, "money": _dear, "seconds": _slow}
        kinds = [_calls] * 6 + [_floods, _dear, _words] + [_faults] * 2 + [aimed.get(limit, _calls)] * 8
        return chance.choice(chance.choice(kinds)(chance))

    return says


def _calls(chance: random.Random) -> list[Say | str]:
    """Calls that make sense, or make none."""
    some = chance.randrange(10**6)
    return [
        Say(calls=[LOOK]),  # again and again
        Say(calls=[("trial_look", {"q": f"{some}"})]),
        Say(calls=[("wipe_disk", {"path": "/"}), LOOK]),
        Say(calls=[("trial_mark", {"text": "done without being asked"})]),
        Say(
            calls=[(name, {"input": "go on, and call me", "steps": 10**9}) for name in ("agent", "research", "talker")]
        ),
        Say(calls=[("trial_look", '{"q": "unended')]),
        Say(calls=[("trial_look", "[" * 5000), ("trial_look", "null"), ("", "{}")]),
        Say(calls=[("trial_look", f'{{"q": {"[" * depth}{"]" * depth}}}') for depth in (60, 250, 900)]),
        Say(text="\udcff half", calls=[("trial_look", {"q": f"{some} \udcff\0"}), ("plan", {"steps": ["\0\ud800"]})]),
        Say(calls=[("trial_look", {"q": ["no", {"text": some}], "else": 1})]),
        Say(calls=[("trial_look", {"q": f"{some}" + "x" * 100_000, "wait": -1})]),
        Say(calls=[("trial_look", {"q": "\N{PILE OF POO}" * 20_000})]),
        Say(calls=[("plan", {"steps": [f"step {n}" for n in range(5000)]}), ("plan", {"steps": "none"})]),
        Say(calls=[("result_page", {"handle": f"R{some}", "offset": -(2**70)}), LOOK]),
        Say(text=JUNK * 50, calls=[("trial_look", {"q": f"{some}{JUNK}"})]),
        Say(calls=[("trial_look", {"q": f"{some} free"})], usage=(0, 0)),
        Say(calls=[("trial_look", {"q": f"{some} uncounted"})], counted=False),
    ]


def _floods(chance: random.Random) -> list[Say | str]:
    """Far too many calls."""
    some = chance.randrange(10**6)
    return [
        Say(calls=[("trial_look", {"q": f"{some}"})] * chance.randrange(1, 40)),
        Say(calls=[("trial_look", {"q": f"{some} {n}"}) for n in range(chance.randrange(1, 130))]),
        Say(calls=[("trial_look", {"q": f"{some} {n}"}) for n in range(3)]),
        Say(calls=[("trial_mark", {"text": f"{some}"}), ("trial_send", {"text": f"{some}"})] * 20),
    ]


def _dear(chance: random.Random) -> list[Say | str]:
    """Turns that cost much, or are said to."""
    look = ("trial_look", {"q": f"{chance.randrange(10**6)} dear"})
    return [
        Say(calls=[look], usage=(10**9, 10**9)),
        Say(calls=[look], usage=(3000, 9000)),
        Say(text="I look.\n" * 300, reasoning="thus " * 3000, calls=[look]),
        Say(text="I look.\n" * 3000, reasoning="thus " * 9000, calls=[look]),
    ]


def _words(chance: random.Random) -> list[Say | str]:
    """Answers: after them a run is over."""
    return [
        Say(text="word " * 3000, reasoning="thus " * 3000),
        Say(text='It is so [E99 "nobody wrote this"] [E1 "line of never"].'),
        Say(text="There is a line of gold.\n" * 200),
        Say(text=f'{{"name": "trial_look", "arguments": {{"q": {chance.randrange(99)}'),
        Say(text=END, usage=(10**9, 10**9)),
        Say(text=JUNK * 50),
        END,
    ]


def _faults(chance: random.Random) -> list[Say | str]:
    """Streams that break off, make no sense or do not end."""
    return [
        Say(text="half a word", fault="cut"),
        Say(text="half a word", fault="garbage"),
        Say(text="more and more", fault="endless"),
        Say(fault="empty"),
        Say(text="you may not", status=chance.choice([400, 401, 404, 413, 422, 429, 500, 503])),
    ]


def _slow(chance: random.Random) -> list[Say | str]:
    """What takes time: of the model, or of a tool."""
    some = chance.randrange(10**6)
    return [
        Say(text="One moment.", fault="hang"),
        Say(calls=[("trial_look", {"q": f"{some} {n}", "wait": 4.0}) for n in range(4)]),
        Say(calls=[("trial_look", {"q": f"{some} slowly", "wait": 9.0})]),
    ]


def _briefs(chance: random.Random) -> list[Say | str]:
    """A team's brief that asks for far more than there is."""
    nested = '{"parts": [' * 400
    return [
        json.dumps({"parts": [f"Is there a line of {n}, and of all below it?" for n in range(500)]}),
        json.dumps({"parts": [{"parts": [{"parts": ["again"]}]}, None, 7, "", "x" * 10_000]}),
        nested,
        Say(text="{", fault="cut"),
        Say(status=chance.choice([400, 500])),
    ]


def _delegations(chance: random.Random) -> list[Say | str]:
    """Agents that start agents: few and deep, many and flat, or none, at any price."""
    few = json.dumps({"parts": [f"once more {chance.randrange(10**6)}" for _ in range(chance.randrange(1, 4))]})
    many = json.dumps({"parts": ["and you"] * chance.randrange(20, 500)})
    return [few] * 12 + [
        many,
        Say(text=few, usage=(10**9, 10**9)),
        Say(text=few, reasoning="thus " * 3000, usage=(3000, 9000)),
        Say(text=few, counted=False),
        json.dumps({"parts": {"parts": few}}),
        "[" * 5000,
        Say(text=few, fault="cut"),
        Say(status=chance.choice([400, 500])),
    ]


@contextmanager
def installed() -> Iterator[None]:
    """The trial's agents and tools, found as an extension is."""
    patch = pytest.MonkeyPatch()
    patch.setattr(discovery, "entry_points", lambda group: [EntryPoint("trial", "write_path.trial", group)])
    patch.setattr(telemetry, "LOG_BYTES", 2**40)  # all of it is looked through
    # a model that is left to rest can do no harm
    patch.setattr(model_calls, "Breaker", functools.partial(Breaker, failures=10**9))
    cached = (discovery.extensions, discovery.agents, discovery.tools, discovery.policies)
    for each in cached:
        each.cache_clear()
    yield
    patch.undo()
    for each in cached:
        each.cache_clear()
