"""Chat plainly with a model, where the settings let it: nothing it says rests on evidence, and the answer says so."""

from typing import Any, NotRequired, TypedDict

from langgraph.graph import START, StateGraph
from langgraph.runtime import Runtime

from groundswell.core.agent import Agent, Limits, Update
from groundswell.core.context import RunContext
from groundswell.core.errors import Invalid, NotFound, Unavailable
from groundswell.core.records import Answer, ChatMessage, ChatRequest

UNGROUNDED = "ungrounded: a model says this by itself, and nothing of it was checked"
SYSTEM = (
    "You are asked what no agent of this platform looks up. Answer briefly. You cannot act, and you see no sources."
)
ATTACHED = 8000  # characters
LONGEST = 800  # tokens: a brief answer, and an end to one that repeats itself


class State(TypedDict):
    """What the graph remembers."""

    question: str
    answer: NotRequired[dict[str, Any]]
    mode: NotRequired[str]


async def chat(state: State, runtime: Runtime[RunContext]) -> Update:
    """One turn with the planner; without it there is no answer."""
    context = runtime.context
    views = await context.models.views() if context.models is not None else ()
    if context.models is None or not any(view.role == "planner" and not view.resting for view in views):
        return _told(Answer(needs_model=True), "L3")
    said = [ChatMessage(role="system", content=SYSTEM)]
    for turn in context.history:
        said += [ChatMessage(role="user", content=turn.question)]
        said += [ChatMessage(role="assistant", content=turn.answer.text or turn.answer.question or "not found")]
    attached = "\n".join(context.run.attachments)[-ATTACHED:]
    said.append(ChatMessage(role="user", content="\n\n".join(part for part in (state["question"], attached) if part)))
    try:
        reply = await context.models.chat("planner", ChatRequest(messages=tuple(said), max_tokens=LONGEST))
    except (Invalid, NotFound, Unavailable) as error:
        return _told(Answer(needs_model=True, missing=(f"the model's word: {error.message}",)), "L3")
    if not reply.content.strip():
        return _told(Answer(missing=("the model's word: it said nothing",)), "L0")
    return _told(Answer(text=reply.content.strip(), missing=(UNGROUNDED,)), "L0")


def _told(answer: Answer, mode: str) -> Update:
    return {"answer": answer.model_dump(mode="json"), "mode": mode}


agent = Agent(
    name="chat",
    description="Talk plainly with a model, without evidence, where `[router] fallback` lets it.",
    intents=("small talk and what no other agent looks up",),
    tools=frozenset(),  # an agent without tools is never chosen by the words of a question
    limits=Limits(steps=3, seconds=120),
    graph=StateGraph(State, context_schema=RunContext).add_node(chat).add_edge(START, "chat"),
)
