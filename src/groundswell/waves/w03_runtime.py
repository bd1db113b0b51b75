"""Wave 3: questions reach their agents, and what a run does is told from its start to its typed end."""

from groundswell.client import Client
from groundswell.core.check import Place, check, judged, measure, seen
from groundswell.core.records import ENDED, NewRun, Proof
from groundswell.waves.acting import PROBE, asked, material

QUESTIONS = (
    ("Which function parses the configuration file, and who calls it?", "coding"),
    ('Traceback (most recent call last):\n  File "app.py", line 7, in main\nKeyError: "port"', "coding"),
    ("Why is the payments deployment crash-looping since noon?", "observability"),
    ("Which pods in the shop namespace are pending, and why?", "observability"),
    ("What does the price list say about a berth for two nights?", "web"),
)


@check(proves=("w3.router", "w3.router-api", "w3.intents"))
async def questions_reach_their_agents(platform: Client) -> Proof:
    """Five questions that name no agent and no source: each gets the agent it is for."""
    routes = [await platform.route(NewRun.model_validate({"input": text})) for text, _ in QUESTIONS]
    right = sum(route.agent == agent for route, (_, agent) in zip(routes, QUESTIONS, strict=True))
    told = [
        seen("route", f"{text.splitlines()[0][:80]} → {route.agent or 'nobody'} ({route.confidence:.2f}), due {agent}")
        for route, (text, agent) in zip(routes, QUESTIONS, strict=True)
    ]
    return judged(
        f"{right} of {len(QUESTIONS)} questions reached their agent",
        measure("right agent", right, len(QUESTIONS), unit="questions"),
        seen=told,
    )


@check(proves="w3.lifecycle")
async def the_life_of_a_run_can_be_followed(platform: Client) -> Proof:
    """A run is queued, routed, running and ended; its events have no gap, and are told again after any number."""
    told = await asked(platform, "a whole life", agent=PROBE)
    kinds = [event.kind for event in told.events]
    statuses = [body.status for body in told.bodies("run")]
    numbers = [event.number for event in told.events]
    middle = numbers[len(numbers) // 2]
    again = [event async for event in platform.follow(told.run.id, middle)]
    return judged(
        f"{len(kinds)} events: {' → '.join(kinds)}",
        measure("begins queued", statuses[:1] == ["queued"], threshold=True),
        measure("was running", "running" in statuses, threshold=True),
        measure("ends with its answer", kinds[-1] == "answer" and told.run.status in ENDED, threshold=True),
        measure("without a gap", numbers == list(range(1, len(numbers) + 1)), threshold=True),
        measure("told again alike", again == [e for e in told.events if e.number > middle], threshold=True),
        seen=[seen(f"run:{told.run.id}", " → ".join(kinds))],
    )


@check(proves=("w3.transitions", "w3.langgraph"))
async def each_step_is_logged_from_start_to_end(platform: Client, place: Place) -> Proof:
    """Each step of a graph has an event when it begins and one when it is over, in this order, for the same nodes."""
    cluster = {"kubernetes": material(place)["kubernetes"]}
    told = await asked(platform, "Why does the board show no tides?", agent="observability", sources=cluster)
    begun = {(body.step, body.ns): body.nodes for body in told.bodies("step.started")}
    over = {(body.step, body.ns): body.nodes for body in told.bodies("step")}
    order = [(event.kind, event.body.step) for event in told.events if event.kind in ("step", "step.started")]  # type: ignore[union-attr]
    paired = all(
        order.index(("step.started", step)) < order.index(("step", step)) for step, _ in over if (step, _) in begun
    )
    both = [step for step in over if begun.get(step) == over[step]]
    return judged(
        f"{len(both)} of {len(over)} steps are logged at both ends",
        measure("logged at both ends", len(both), len(over), unit="steps"),
        measure("steps", len(over), 1, relation=">="),
        measure("begun and never over", len(begun) - len(both), 0, unit="steps"),
        measure("start before end", paired, threshold=True),
        seen=[seen(f"run:{told.run.id}", f"step {step}: {', '.join(nodes)}") for (step, _), nodes in over.items()],
    )


@check(proves=("w3.errors", "w3.engine"))
async def a_raising_node_ends_typed(platform: Client) -> Proof:
    """A node that raises ends its run as failed, with a code and a sentence; the next run is well."""
    told = await asked(platform, "raise", agent=PROBE)
    after = await asked(platform, "go on", agent=PROBE)
    problem = told.run.error
    return judged(
        f"the run {told.run.status}: {problem.message if problem else 'without saying why'}",
        measure("status", told.run.status, "failed"),
        measure("code", problem.code if problem else "none", "agent_crashed"),
        measure("ends with an event", told.events[-1].kind, "answer"),
        measure("the next run", after.run.status, "succeeded"),
        seen=[seen(f"run:{told.run.id}", problem.message if problem else "")],
    )
