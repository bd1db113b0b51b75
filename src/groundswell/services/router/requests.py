"""What a request says beside its words: a mention, a thread to go on with, an answer to what was asked back."""

import re
from collections.abc import Collection, Mapping

from groundswell.core.agent import Agent
from groundswell.core.errors import Invalid
from groundswell.core.records import Message, NewRun, Route, Run
from groundswell.services.router.choice import Asked, Chooser, mentioned

LONGEST_NAME = 100  # characters with what is said around it: on a long text the pattern takes for ever
ONLY_A_NAME = re.compile(r"\W*(?:(?:the|use|ask)\W+)?([A-Za-z][\w-]*)(?:\W+(?:agent|one|please))*\W*")


async def routed(
    request: NewRun,
    earlier: Run | None,
    chooser: Chooser,
    agents: Mapping[str, Agent],
    configured: Collection[str] = (),
) -> tuple[NewRun, Route]:
    """The agent for a request that names none, and the request as it gets it; `earlier` is its thread's last run,
    `configured` the kinds of source that it would get beside its own.
    """
    message = _last_said(request)
    question = "\n".join(part.text for part in message.parts if part.kind == "text")
    name, rest = mentioned(question, agents)
    asked_back = earlier is not None and not earlier.agent
    if asked_back and not name and len(question) <= LONGEST_NAME:
        match = ONLY_A_NAME.fullmatch(question)
        name, rest = (match[1].lower(), "") if match and match[1].lower() in agents else ("", rest)
    if name:
        route = Route(agent=name, confidence=1.0, reason=f"the question names @{name}")
        return _without_mention(request, message, rest, earlier), route
    asked = Asked(
        question=question,
        attached="\n".join(part.text for part in message.parts if part.kind == "attachment"),
        sources=tuple(request.sources),
        configured=tuple(configured),
        current=earlier.agent if earlier else "",
        earlier=earlier.question if earlier and asked_back else "",
    )
    return request, await chooser.choose(asked)


def _last_said(request: NewRun) -> Message:
    said = [message for message in request.input if message.role == "user"]
    if not said:
        raise Invalid("no_question", "no message is from the user", "end the input with a message of role user")
    return said[-1]


def _without_mention(request: NewRun, message: Message, rest: str, earlier: Run | None) -> NewRun:
    """The mention is no part of the question; by itself it asks the thread's last question again."""
    attached = tuple(part for part in message.parts if part.kind == "attachment")
    if not rest.strip() and not attached:
        if earlier is None:
            hint = "write the question behind the agent's name"
            raise Invalid("empty_question", "the question is empty but for the agent's name", hint)
        return request.model_copy(update={"input": earlier.input})
    texts = [part for part in message.parts if part.kind == "text"]
    said = texts[0].model_copy(update={"text": rest.strip() or "What does this mean?"})
    kept = message.model_copy(update={"parts": (said, *attached)})
    return request.model_copy(update={"input": tuple(kept if each is message else each for each in request.input)})
