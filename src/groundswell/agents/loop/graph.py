"""The loop that all agents share: `think` is one turn of a model, `act` its calls; each is a superstep of its own.

It stands between what an agent's skeleton found and `ground`. The skeleton's findings are its first message; without a
model, or when one goes away, they are the answer. Nothing a model says is in an answer before grounding has checked it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from langgraph.graph import END, StateGraph
from langgraph.runtime import Runtime

from groundswell.agents import conversation, tool_texts
from groundswell.agents.conversation import Evidences
from groundswell.agents.drafts import Draft
from groundswell.agents.findings import Found, found_first, merged
from groundswell.agents.grounding import ground
from groundswell.agents.loop.acting import Acting
from groundswell.agents.loop.own_tools import tools_of
from groundswell.agents.loop.state import LoopState, Progress, kept, mode_of, rungs_of
from groundswell.agents.loop.turn import Turn
from groundswell.agents.prompt_files import prompt
from groundswell.core.agent import Update
from groundswell.core.context import RunContext
from groundswell.core.records import ChatMessage, ModelView, Role


@dataclass(frozen=True)
class Loop:
    """One agent's loop: which model it wants, its prompt, its limit, and what it may do with the findings."""

    role: Role
    prompt: str
    turns: int
    may_overrule: bool = False
    must_doubt: bool = False

    async def prepare(self, state: LoopState, runtime: Runtime[RunContext]) -> Update:
        """See which models there are, and write the first messages."""
        context = runtime.context
        views = await views_of(context)
        rungs: list[Role] = [role for role in rungs_of(self.role) if role in views]
        if not rungs or context.models is None:
            return {"mode": "L3"}
        view = views[rungs[0]]
        evidences = Evidences([])
        found = await found_first(state.get("draft", {}), context.evidence, evidences, view.window)
        native = view.tools != "text"
        loop = Progress(
            role=rungs[0],
            roles=rungs[1:],
            native=native,
            window=view.window,
            turns=0,
            tokens=0,
            seconds=context.models.seconds_left(),
            ratio=1.0,
            done=False,
        )
        if share := state.get("share"):
            loop["share"] = share
        messages = [self._system(context, native), ChatMessage(role="user", content=_first(state, context, found))]
        version, _ = prompt(self.prompt)
        context.note("loop", role=rungs[0], native=native, window=view.window, prompt=f"{self.prompt}@{version}")
        return {
            "loop": loop,
            "mode": mode_of(self.role, rungs[0]),
            "talk": [{"reset": True}, *kept(messages)],
            "shown": [{"reset": True}, *evidences.new],
        }

    async def think(self, state: LoopState, runtime: Runtime[RunContext]) -> Update:
        """One turn of the model. Whatever it does wrong, this ends in calls, in an answer, or one rung lower."""
        turn = Turn(self.role, self.turns, state, runtime.context, doubts=self.must_doubt)
        return await (turn.choose() if turn.loop.get("role") == "small" else turn.take())

    async def act(self, state: LoopState, runtime: Runtime[RunContext]) -> Update:
        """The calls of the turn, side by side."""
        return await Acting(self.role, state, runtime.context, doubts=self.must_doubt).made()

    async def conclude(self, state: LoopState, runtime: Runtime[RunContext]) -> Update:
        """Make claims of what the model said, in front of what the skeleton found: none of that is lost."""
        loop = state.get("loop", {})
        draft: Draft = state.get("draft", {})
        shown: list[Any] = state.get("shown", [])
        looked = loop.get("doubted" if self.must_doubt else "acted", False)
        places = state.get("places", {})
        final, read = loop.get("final", ""), runtime.context.evidence
        combined = await merged(draft, places, final, shown, read, may_overrule=self.may_overrule and looked)
        said = [text for _, text in loop.get("undone", [])]
        if fell := loop.get("fell", ""):
            said.append(fell)
        if said:
            combined.draft["missing"] = [*combined.draft.get("missing", []), *said]
        heard = combined.used or loop.get("heard", False)
        return {
            "draft": combined.draft,
            "places": combined.places,
            "mode": state.get("mode", "L3") if heard else "L3",
        }

    async def ground(self, state: LoopState, runtime: Runtime[RunContext]) -> Update:
        """Keep what its evidence bears."""
        return await ground(state, runtime)

    def after_prepare(self, state: LoopState) -> str:
        """To the model, where there is one."""
        return "think" if "loop" in state else ""

    def after_think(self, state: LoopState) -> str:
        """To its calls, to its answer, or to another turn."""
        loop = state.get("loop", {})
        if loop.get("done"):
            return "conclude"
        return "act" if loop.get("pending") else "think"

    def _system(self, context: RunContext, native: bool) -> ChatMessage:
        parts = [prompt("loop")[1], prompt(self.prompt)[1]]
        if not native:
            parts.append(tool_texts.described(tools_of(context, doubts=self.must_doubt)))
        return ChatMessage(role="system", content="\n\n".join(parts))


def with_loop(
    builder: "StateGraph[Any, RunContext, Any, Any]",
    *,
    after: str,
    role: Role,
    prompt: str,
    turns: int,
    may_overrule: bool = False,
    must_doubt: bool = False,
    before: str = "ground",
) -> "StateGraph[Any, RunContext, Any, Any]":
    """Put the loop behind a skeleton's last node, which leaves `draft` and `places`; `ground` follows, and the end.

    The state of the graph extends `LoopState`. `may_overrule`: the model may set findings of the skeleton aside, once
    it has looked for itself. `must_doubt`: no cause is taken from it before a query that could have refuted it.
    `before`: a node of the graph that follows in place of `ground`.
    """
    loop = Loop(role=role, prompt=prompt, turns=turns, may_overrule=may_overrule, must_doubt=must_doubt)
    builder.add_node("prepare", loop.prepare)
    builder.add_node("think", loop.think)
    builder.add_node("act", loop.act)
    builder.add_node("conclude", loop.conclude)
    builder.add_edge(after, "prepare")
    builder.add_conditional_edges("prepare", loop.after_prepare, {"think": "think", "": before})
    builder.add_conditional_edges("think", loop.after_think, ["think", "act", "conclude"])
    builder.add_edge("act", "think")
    builder.add_edge("conclude", before)
    if before == "ground":
        builder.add_node("ground", loop.ground)
        builder.add_edge("ground", END)
    return builder


async def views_of(context: RunContext) -> Mapping[Role, ModelView]:
    """The roles whose model answers."""
    views = await context.models.views() if context.models is not None else ()
    return {view.role: view for view in views if not view.resting}


def _first(state: LoopState, context: RunContext, found: Found) -> str:
    """The question, what belongs to it, and what was found without a model."""
    parts = [f"The question:\n{state['question']}"]
    if (whole := context.run.question.strip()) != state["question"].strip():
        parts.append(f"It is part of this one, and others look for the rest:\n{whole}")
    parts += [conversation.fenced(text, "what came with the question") for text in context.run.attachments]
    for turn in context.history[-3:]:
        parts.append(f"Asked before: {turn.question[:500]}\nAnswered: {turn.answer.text[:1500] or 'nothing found'}")
    if looked := ", ".join(f"{kind} {source}" for kind, source in context.run.sources.items()):
        parts.append(f"What you look at: {looked}")
    parts.append(found.text)
    return "\n\n".join(parts)
