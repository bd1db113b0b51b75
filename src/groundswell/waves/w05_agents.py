"""Wave 5: each agent finishes a task on evidence, the same three times, with its own tools, and every limit ends it."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from groundswell.client import Client
from groundswell.core.check import Place, check, judged, measure, seen, skipped
from groundswell.core.records import ENDED, Proof
from groundswell.waves.acting import PROBE, Seen, asked, called, evidence, material, scratch_collection
from groundswell.waves.w02_inference import roles

TIMES = 3


@dataclass(frozen=True)
class Task:
    """A question to an agent about what the package brings, and words that a right answer has."""

    agent: str
    question: str
    sources: Mapping[str, str]
    words: tuple[str, ...]


@asynccontextmanager
async def tasks(platform: Client, place: Place) -> AsyncGenerator[list[Task]]:
    """One for each agent."""
    looked_at = material(place)
    async with scratch_collection(platform, place) as name:
        yield [
            Task(
                "coding",
                "Where is next_high_water defined, and who calls it?",
                {"repo": looked_at["repo"]},
                ("tides.py",),
            ),
            Task("web", "What does a night in summer cost for a boat of 10 m?", {"pages": f"collection:{name}"}, ()),
            Task(
                "observability",
                "Why does the board show no tides?",
                {"kubernetes": looked_at["kubernetes"]},
                ("tides",),
            ),
        ]


async def done(platform: Client, task: Task) -> Seen:
    """A task, seen to its end."""
    return await asked(platform, task.question, agent=task.agent, sources=task.sources)


def _well(task: Task, seen_run: Seen) -> bool:
    answer = seen_run.run.answer
    observed = [claim for claim in answer.claims if claim.kind == "observed"] if answer else []
    return seen_run.run.status == "succeeded" and bool(observed) and all(w in seen_run.text for w in task.words)


@check(proves=("w5.tasks", "w5.coding", "w5.web", "w5.observability"), seconds=400)
async def each_agent_finishes_a_task(platform: Client, place: Place) -> Proof:
    """Each agent gathers with its tools over several steps, and ends with an answer made of observed claims."""
    async with tasks(platform, place) as given:
        runs = [(task, await done(platform, task)) for task in given]
    well = [task.agent for task, run in runs if _well(task, run)]
    steps = min(len(run.bodies("step")) + len(run.bodies("call.finished")) for _, run in runs)
    return judged(
        f"{len(well)} of {len(runs)} agents finished: {', '.join(well) or 'none'}",
        measure("agents that finished", len(well), len(runs)),
        measure("steps and calls of the shortest", steps, 2, relation=">="),
        seen=[seen(f"run:{run.run.id}", f"{task.agent}: {run.run.status}. {run.text}") for task, run in runs],
    )


@check(proves="w5.stable-grounded", seconds=600)
async def answers_are_the_same_three_times(platform: Client, place: Place) -> Proof:
    """Asked three times, each agent says the same, claim for claim; models may word it otherwise, so none is asked."""
    if await roles(platform):
        return await _alike(platform, place, by_evidence=True)
    return await _alike(platform, place, by_evidence=False)


async def _alike(platform: Client, place: Place, *, by_evidence: bool) -> Proof:
    """The same words; where a model has a say, the same evidence."""
    async with tasks(platform, place) as given:
        said = {task.agent: [_said(await done(platform, task), by_evidence) for _ in range(TIMES)] for task in given}
    alike = [agent for agent, answers in said.items() if len(set(answers)) == 1 and answers[0]]
    return judged(
        f"{len(alike)} of {len(said)} agents said the same {TIMES} times",
        measure("agents that said the same", len(alike), len(said)),
        measure("times", TIMES, TIMES),
        seen=[seen(agent, " ≠ ".join(dict.fromkeys(answers))) for agent, answers in said.items()],
    )


def _said(run: Seen, by_evidence: bool) -> str:
    claims = run.run.answer.claims if run.run.answer else ()
    if by_evidence:
        return " ".join(sorted({citation.evidence[:12] for claim in claims for citation in claim.citations}))
    return "\n".join(claim.text for claim in claims)


@check(proves="w5.stable-grounded", seconds=400)
async def every_claim_opens_what_it_rests_on(platform: Client, place: Place) -> Proof:
    """Behind every quote of every answer there is evidence, and the quote stands in it, word for word."""
    opened = cited = claims = bare = 0
    told: list[tuple[str, str]] = []
    async with tasks(platform, place) as given:
        for task in given:
            run = await done(platform, task)
            for claim in run.run.answer.claims if run.run.answer else ():
                claims += 1
                bare += claim.kind == "observed" and not claim.citations
                for citation in claim.citations:
                    cited += 1
                    found = await evidence(platform, citation.evidence, run.run.id)
                    stands = found is not None and _plain(citation.quote) in _plain(found.text)
                    opened += stands
                    if not stands:
                        told.append((citation.source, citation.quote))
    return judged(
        f"{opened} of {cited} citations of {claims} claims open at their quote",
        measure("claims", claims, 3, relation=">="),
        measure("citations", cited, 3, relation=">="),
        measure("that do not open at their quote", cited - opened, 0, unit="citations"),
        measure("observed claims without one", bare, 0),
        seen=[seen(source, quote) for source, quote in told],
    )


def _plain(text: str) -> str:
    return " ".join(text.split())


@check(proves="w5.boundaries", seconds=400)
async def tasks_use_granted_tools_alone(platform: Client, place: Place) -> Proof:
    """In whole tasks every call is on the agent's list; a call off the list made in its name is denied."""
    strayed: list[str] = []
    calls = refused = 0
    async with tasks(platform, place) as given:
        everything = {str(tool["name"]) for tool in await platform.tools()}
        for task in given:
            granted = set((await platform.agent(task.agent))["tools"])
            run = await done(platform, task)
            made = [body.tool for body in run.bodies("call.started")]
            calls += len(made)
            strayed += [f"{task.agent}: {tool}" for tool in made if tool not in granted and ":" not in tool]
            foreign = sorted(everything - granted)
            _, result = await called(platform, foreign[0], {}, agent=task.agent, sources=task.sources)
            refused += result.status == "denied"
    return judged(
        f"{calls} calls, {len(strayed)} of them off a list; {refused} of {len(given)} strays refused",
        measure("calls", calls, len(given), relation=">="),
        measure("off the list", len(strayed), 0, unit="calls"),
        measure("agents refused a tool of others", refused, len(given)),
        seen=[seen("calls", each) for each in strayed],
    )


LIMITS = {"steps": 3, "tool_calls": 2, "seconds": 1, "bytes": 1}
DRIVEN = {"steps": "steps", "tool_calls": "calls", "seconds": "seconds", "bytes": "calls"}


@check(proves="w5.termination")
async def each_limit_ends_typed(platform: Client) -> Proof:
    """A run without end is ended by each of its limits, and says by which: steps, calls, seconds, bytes."""
    ends: dict[str, str] = {}
    for limit, most in LIMITS.items():
        run = await asked(platform, DRIVEN[limit], agent=PROBE, limits={limit: most})
        ends[limit] = f"{run.run.status}({run.run.reason})"
    typed = [limit for limit, end in ends.items() if end == f"exhausted({limit})"]
    return judged(
        f"{len(typed)} of {len(LIMITS)} limits ended their run: {', '.join(ends.values())}",
        measure("ended by their limit", len(typed), len(LIMITS), unit="limits"),
        seen=[seen("run", f"{limit}={LIMITS[limit]}: {end}") for limit, end in ends.items()],
    )


@check(proves="w5.termination", seconds=300)
async def the_limits_of_models_end_typed(platform: Client) -> Proof:
    """A run that asks a model without end is ended by its tokens, and by its money where the model has a price."""
    if "planner" not in await roles(platform):
        return skipped("no model is set: [models.planner]")
    run = await asked(platform, "tokens", agent=PROBE, limits={"tokens": 300})
    end = f"{run.run.status}({run.run.reason})"
    return judged(
        f"with 300 tokens the run ended as {end}",
        measure("end", end, "exhausted(tokens)"),
        measure("ended", run.run.status in ENDED, threshold=True),
    )
