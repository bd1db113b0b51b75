"""What a run does, told on a terminal of 80 columns while it does it."""

from datetime import UTC, datetime
from itertools import count
from typing import Any

from pydantic import TypeAdapter

from groundswell.cli.progress import Told
from groundswell.core.records import Event
from groundswell.core.records.events import Body

ONE, TWO = "research:1", "research:2"
BODY: TypeAdapter[Body] = TypeAdapter(Body)
NUMBERS = count(1)


def told(*bodies: dict[str, Any]) -> Told:
    made = Told()
    for body in bodies:
        made.take(Event(run="r", number=next(NUMBERS), at=datetime.now(UTC), body=BODY.validate_python(body)))
    return made


def note(name: str, ns: str = "", **data: Any) -> dict[str, Any]:
    return {"kind": "note", "node": "n", "name": name, "data": data, "ns": ns}


def step(*nodes: str, ns: str = "", number: int = 1) -> dict[str, Any]:
    return {"kind": "step", "step": number, "nodes": nodes, "ns": ns}


def call(tool: str, ns: str = "", **arguments: Any) -> dict[str, Any]:
    return {"kind": "call.started", "call": f"c/{tool}", "tool": tool, "attempt": 1, "arguments": arguments, "ns": ns}


def research(part: int, ns: str) -> dict[str, Any]:
    return note("research", ns, part=part, of=2, question=f"What is the {part}. thing, " + "and the next " * 9 + "?")


def test_every_step_of_every_researcher_counts_and_a_models_turn_is_no_call() -> None:
    made = told(
        *(step("understand"), step("brief", number=2)),
        *(research(1, ONE), step("understand", ns=ONE), step("gather", ns=ONE, number=2)),
        *(call("documents_search", ONE, limit=30, query="a thing"), call("model:planner", ONE, messages=2)),
        step("understand", ns=TWO),
    )
    assert (made.steps, made.calls) == (5, 1)


def test_researchers_stand_below_in_their_order_and_each_says_what_it_does() -> None:
    made = told(
        *(note("brief", parts=["a", "b"]), step("brief")),
        *(research(2, TWO), research(1, ONE), call("documents_search", TWO, limit=30, query="a thing")),
        note("researched", ONE, part=1, of=2, claims=1, fell=""),
        step("hand_in", ns=ONE),
    )
    assert "researches 2 parts" in str(made)
    one, two = made.below(78)
    assert one.startswith("1/2 What is the 1. thing")
    assert one.endswith(" · done: 1 finding")
    assert two.startswith("2/2 What is the 2. thing")
    assert two.endswith(" · documents_search a thing")
    assert max(len(one), len(two)) <= 78


def test_a_plan_is_a_list_and_a_hypothesis_a_sentence() -> None:
    made = told(
        note("plan", steps=["Read the events", "Look at the logs"]),
        note("hypothesis", cause="no memory is left", refuted_by="a free node"),
        step("act"),
    )
    assert made.below(78) == ["1. Read the events", "2. Look at the logs"]
    assert str(made).endswith("suspects: no memory is left; it would be refuted by: a free node")


def test_a_note_that_lacks_a_value_or_is_not_known_is_shown_as_it_is() -> None:
    assert str(told(note("hypothesis", why="x"))).endswith("hypothesis x")
    assert str(told(note("weather", sky="blue"))).endswith("weather blue")


def test_what_grounding_left_out_is_counted() -> None:
    made = told(note("grounding", kept=3, dropped=[{"why": "it cites nothing", "text": "It works."}]))
    assert "3 sentences stand, 1 are left out" in str(made)
