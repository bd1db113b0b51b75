"""One turn of a model: asked until there is a reply or nobody left to ask, and what the reply comes to."""

import json

from groundswell.agents import conversation, tool_texts
from groundswell.agents.cited_text import cited
from groundswell.agents.conversation import Shown
from groundswell.agents.drafts import Draft, leading
from groundswell.agents.forced_choice import leads, led
from groundswell.agents.loop.own_tools import tools_of
from groundswell.agents.loop.state import OVER, LoopState, Progress, kept, lower, mode_of, told
from groundswell.core.agent import Update
from groundswell.core.context import RunContext
from groundswell.core.errors import GroundswellError, Invalid, LimitReached
from groundswell.core.records import ChatMessage, ChatReply, ChatRequest, Role

STEPS_KEPT = 4  # supersteps that must be left when the last turn begins
SECONDS_KEPT = 0.08  # of a run's seconds, for what follows the last turn
LONGEST_REPLY = 4096  # tokens
REFUSALS = 2  # answers that name a cause nobody tried to refute, then the rung below

LAST = "This was your last step: no more calls. Answer now from the evidence above."
SAY = "Your reply had neither a call nor an answer. Answer now, each sentence with its evidence."
DISCONFIRM = "Before you name a cause, make one query whose result could show that you are wrong."
UNTESTED = "it named a cause, and made no query that could refute it"


class Turn:
    """One turn under way."""

    def __init__(self, role: Role, turns: int, state: LoopState, context: RunContext, *, doubts: bool) -> None:
        assert context.models is not None
        self.role: Role = role
        self.turns, self.doubts = turns, doubts
        self.state, self.context, self.models = state, context, context.models
        self.tools = tools_of(context, doubts=doubts)
        self.loop = Progress(**state.get("loop", {}))
        self.loop["turns"] = self.loop.get("turns", 0) + 1
        self.loop["pending"] = []
        self.messages = told(state)
        self.added: list[ChatMessage] = []
        self.replaced = False
        self.mode = state.get("mode", "L3")
        self.retried = False

    async def take(self) -> Update:
        """Ask, until there is a reply or nobody left to ask."""
        last = self._is_last()
        if last and not self.loop.get("last"):
            self._say(LAST)
        self.loop["last"] = last
        while not self.loop.get("done"):
            self._compact_if_long()
            try:
                reply = await self.models.chat(self.loop.get("role", self.role), self._request(last=last))
            except LimitReached as error:
                self._finish("", error.message)
            except Invalid as error:
                self._ask_otherwise(error)
            except GroundswellError as error:
                self._again_or_lower(error)
            else:
                self._heard(reply, last=last)
                break
            if self.loop.get("role") == "small":
                return await self.choose()
        return self._update()

    async def choose(self) -> Update:
        """A small model says which finding answers best, and nothing else."""
        draft: Draft = self.state.get("draft", {})
        options = led(draft)
        self.loop["done"] = True
        if len(options) > 1:
            ask = leads(self.state["question"], draft, options)
            try:
                reply = await self.models.chat("small", ask)
            except GroundswellError as error:
                self.loop["fell"] = f"a model went away: {error.message}"
            else:
                lead = tool_texts.arguments_of(reply.content) or {}
                self.loop["tokens"] = self.loop.get("tokens", 0) + reply.usage.tokens
                if (chosen := lead.get("finding")) in options:
                    self.loop["heard"] = True
                    draft = leading(draft, int(str(chosen)[1:]) - 1)
        return {**self._update(), "draft": draft}

    def _is_last(self) -> bool:
        loop, share = self.loop, self.loop.get("share", {})
        spent = loop.get("tokens", 0)
        each = spent / max(1, loop.get("turns", 1) - 1) if loop.get("turns", 1) > 1 else 0
        return (
            loop.get("turns", 0) >= min(self.turns, share.get("turns", OVER))
            or self.state["remaining"] <= STEPS_KEPT + 2
            or share.get("tokens", self.context.run.budget.tokens) - spent < 2.5 * each + LONGEST_REPLY
            or self.models.seconds_left() < loop.get("seconds", 0.0) * 0.25
        )

    def _request(self, *, last: bool) -> ChatRequest:
        native = self.loop.get("native", True) and not last
        window = self.loop.get("window", 0)
        left = self.models.seconds_left() - self.loop.get("seconds", 0.0) * SECONDS_KEPT
        return ChatRequest(
            messages=tuple(self.messages),
            tools=self.tools if native else (),
            max_tokens=max(16, min(LONGEST_REPLY, window // 4)),
            seconds=max(1.0, left if last else left * 0.6),
        )

    def _compact_if_long(self) -> None:
        request = self._request(last=False)
        room = self.loop.get("window", 0) * conversation.COMPACT_AT - request.max_tokens
        if request.estimated_tokens() * self.loop.get("ratio", 1.0) > room:
            self._compact()

    def _compact(self) -> None:
        before = len(self.messages)
        shown: list[Shown] = [Shown(**each) for each in self.state.get("shown", [])]
        made = conversation.compacted(self.messages, shown, self.loop.get("plan", []), self.loop.get("window", 0))
        if sum(len(m.content) for m in made) < sum(len(m.content) for m in self.messages):
            self.messages, self.replaced = made, True
            self.context.note("compacted", messages_before=before, messages=len(made), evidence=len(shown))

    def _ask_otherwise(self, error: Invalid) -> None:
        if error.code == "tools_unsupported" and self.loop.get("native"):
            self.loop["native"] = False
            first = self.messages[0]
            in_words = f"{first.content}\n\n{tool_texts.described(self.tools)}"
            self.messages[0] = first.model_copy(update={"content": in_words})
            self.messages = [_as_text(message) for message in self.messages]
            self.replaced = True
        elif error.code == "context_too_long" and self.loop.get("window", 0) > 1024:
            self.loop["window"] = int(self.loop.get("window", 0) * 0.6)
            self._compact()
        else:
            self._lower(f"a model went away: {error.message}")

    def _again_or_lower(self, error: GroundswellError) -> None:
        """A reply that broke off is asked for once more; a model that is away is left."""
        broke = error.code in ("model_cut_off", "model_garbage")
        if broke and not self.retried and self.models.seconds_left() > self.loop.get("seconds", 0.0) * 0.25:
            self.retried = True
        else:
            self._lower(f"a model went away: {error.message}")

    def _lower(self, why: str) -> None:
        """One rung lower: another model stands in; then none, and what was found without one is the answer."""
        rungs = self.loop.get("roles", [])
        self.context.note("model lost", role=self.loop.get("role", ""), why=why, next=rungs[0] if rungs else "none")
        self.retried = False
        if lower(self.loop, why):
            self.mode = mode_of(self.role, self.loop.get("role", self.role))
        else:
            self._finish("", why)

    def _finish(self, text: str, why: str = "") -> None:
        self.loop["done"], self.loop["final"] = True, text
        if why:
            self.loop["fell"] = why

    def _say(self, text: str) -> None:
        message = ChatMessage(role="user", content=text)
        self.messages.append(message)
        self.added.append(message)

    def _heard(self, reply: ChatReply, *, last: bool) -> None:
        self.loop["tokens"] = self.loop.get("tokens", 0) + reply.usage.tokens
        request = self._request(last=last)
        if reply.usage.counted and reply.usage.prompt_tokens:
            self.loop["ratio"] = min(3.0, max(0.5, reply.usage.prompt_tokens / request.estimated_tokens()))
        names = {tool.name for tool in self.tools}
        if last:
            self._answered(tool_texts.calls_in(reply.content, names)[1], last=True)
            return
        calls, text = list(reply.tool_calls), reply.content
        if not calls:
            calls, text = tool_texts.calls_in(text, names)
        native = bool(reply.tool_calls)
        said = ChatMessage(role="assistant", content=reply.content, tool_calls=tuple(calls) if native else ())
        self.messages.append(said)
        self.added.append(said)
        if calls:
            self.loop["pending"] = [{**call.model_dump(), "native": native} for call in calls]
            self.loop["stated"] = self.loop.get("stated", False) or bool(cited(text))
        elif not text.strip():
            self._nudge()
        else:
            self._answered(text, last=False)

    def _answered(self, text: str, *, last: bool) -> None:
        """Take the answer; not where it names a cause that no query has tried to refute since it was named."""
        if not self.doubts or self.loop.get("doubted") or not cited(text):
            self._finish(text)
            return
        self.loop["stated"] = True
        self.loop["refusals"] = self.loop.get("refusals", 0) + 1
        why = f"the model of role {self.loop.get('role', '')} was left: {UNTESTED}"
        if last:
            self._finish("", why)
        elif self.loop["refusals"] <= REFUSALS:
            self._say(DISCONFIRM)
        else:
            self._lower(why)

    def _nudge(self) -> None:
        self.loop["nudges"] = self.loop.get("nudges", 0) + 1
        if self.loop["nudges"] > 2:
            self._finish("", "its replies were empty")
        else:
            self._say(SAY)

    def _update(self) -> Update:
        written = kept(self.messages if self.replaced else self.added)
        return {
            "loop": self.loop,
            "mode": self.mode,
            "talk": [{"reset": True}, *written] if self.replaced else written,
        }


def _as_text(message: ChatMessage) -> ChatMessage:
    """A message without the protocol's calls, for a model that has no parser for them."""
    if message.role == "tool":
        return ChatMessage(role="user", content=message.content)
    if not message.tool_calls:
        return message
    calls = [
        json.dumps({"tool": c.name, "arguments": tool_texts.arguments_of(c.arguments)}) for c in message.tool_calls
    ]
    blocks = "\n".join(f"```tool\n{call}\n```" for call in calls)
    return ChatMessage(role="assistant", content=f"{message.content}\n{blocks}".strip())
