"""The loop that all agents share: `think` is one turn of a model, `act` its calls; each is a superstep of its own.

It stands between what an agent's skeleton found and `ground`. The skeleton's findings are its first message; without a
model, or when one goes away, they are the answer. Nothing a model says is in an answer before grounding has checked it.
"""

import asyncio
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, NotRequired, TypedDict

from langgraph.channels import DeltaChannel
from langgraph.graph import END, StateGraph
from langgraph.managed import RemainingSteps
from langgraph.runtime import Runtime

from groundswell.agents import conversation, tool_texts
from groundswell.agents.conversation import Evidences, Shown, folded
from groundswell.agents.drafts import Draft
from groundswell.agents.findings import Found, found_first, merged
from groundswell.agents.forced_choice import leads, led
from groundswell.agents.grounding import ground
from groundswell.agents.prompt_files import prompt
from groundswell.core.agent import Update
from groundswell.core.context import RunContext
from groundswell.core.errors import GroundswellError, Invalid, LimitReached
from groundswell.core.records import (
    ChatMessage,
    ChatReply,
    ChatRequest,
    ModelView,
    Role,
    ToolResult,
    ToolSpec,
    ToolUse,
)

AT_ONCE = 16
REPAIRS = 3  # malformed calls in a row, then the rung below
STEPS_KEPT = 4  # supersteps that must be left when the last turn begins
SECONDS_KEPT = 0.08  # of a run's seconds, for what follows the last turn
LONGEST_REPLY = 4096  # tokens
PAGE = 6000  # characters of a long result read on
NUDGED, PRUNED = 2, 3  # the same call with the same result, so often

_PLAN = ToolSpec(
    name="plan",
    description="Write down the steps you intend, or change them. Nobody acts on it but you.",
    parameters={
        "type": "object",
        "properties": {"steps": {"type": "array", "items": {"type": "string"}, "maxItems": 20}},
        "required": ["steps"],
    },
)
_HANDLE = {"handle": {"type": "string", "description": "Of a result that was cut, such as R3."}}
_PAGE = ToolSpec(
    name="result_page",
    description="Read on in a result that was cut.",
    parameters={
        "type": "object",
        "properties": {**_HANDLE, "offset": {"type": "integer"}},
        "required": ["handle", "offset"],
    },
)
_FIND = ToolSpec(
    name="result_find",
    description="The lines of a result that was cut which have a text in them.",
    parameters={
        "type": "object",
        "properties": {**_HANDLE, "text": {"type": "string"}},
        "required": ["handle", "text"],
    },
)
_OWN = (_PLAN, _PAGE, _FIND)
_HIDDEN = frozenset({"result_read"})  # what result_page does here with numbered evidence

LAST = "This was your last step: no more calls. Answer now from the evidence above."
SAY = "Your reply had neither a call nor an answer. Answer now, each sentence with its evidence."
DISCONFIRM = "Before you name a cause, make one query whose result could show that you are wrong."
REPEATED = "You asked this before and got the same. It will not change: use what you have, or ask for something else."
STRATEGY = (
    "You repeat a call whose result does not change. Try another tool or other words, or answer with what you have."
)


class Progress(TypedDict, total=False):
    """How far a loop is; all of it is JSON."""

    role: Role
    roles: list[Role]  # the rungs below
    native: bool
    window: int
    turns: int
    tokens: int
    seconds: float  # of the run, when the loop began
    ratio: float  # tokens as an engine counts them, to our estimate
    repairs: int
    nudges: int
    acted: bool
    plan: list[str]
    seen: dict[str, list[Any]]  # a call's digest → how often, the digest of its result
    pending: list[dict[str, Any]]
    results: list[str]  # digests of results, by handle
    last: bool
    done: bool
    final: str
    fell: str  # why a rung was left


class LoopState(TypedDict):
    """What an agent's state has for the loop; its own state extends it."""

    question: str
    draft: NotRequired[Draft]
    places: NotRequired[dict[str, list[str]]]
    answer: NotRequired[dict[str, Any]]
    mode: NotRequired[str]
    loop: NotRequired[Progress]
    talk: NotRequired[Annotated[list[dict[str, Any]], DeltaChannel(folded)]]
    shown: NotRequired[Annotated[list[dict[str, Any]], DeltaChannel(folded)]]
    remaining: RemainingSteps


@dataclass(frozen=True)
class Loop:
    """One agent's loop: which model it wants, its prompt, its limit, and what it may do with the findings."""

    role: Role
    prompt: str
    turns: int
    may_overrule: bool = False
    must_doubt: bool = False

    async def brief(self, state: LoopState, runtime: Runtime[RunContext]) -> Update:
        """See which models there are, and write the first messages."""
        context = runtime.context
        views: dict[Role, ModelView] = {}
        if context.models is not None:
            views = {view.role: view for view in await context.models.views()}
        rungs: list[Role] = [role for role in _rungs(self.role) if role in views and not views[role].resting]
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
        messages = [self._system(context, native), ChatMessage(role="user", content=_first(state, context, found))]
        version, _ = prompt(self.prompt)
        context.note("loop", role=rungs[0], native=native, window=view.window, prompt=f"{self.prompt}@{version}")
        return {
            "loop": loop,
            "mode": _mode(self.role, rungs[0]),
            "talk": [{"reset": True}, *_kept(messages)],
            "shown": [{"reset": True}, *evidences.new],
        }

    async def think(self, state: LoopState, runtime: Runtime[RunContext]) -> Update:
        """One turn of the model. Whatever it does wrong, this ends in calls, in an answer, or one rung lower."""
        turn = _Turn(self, state, runtime.context)
        if turn.loop.get("role") == "small":
            return await turn.choose()
        return await turn.take()

    async def act(self, state: LoopState, runtime: Runtime[RunContext]) -> Update:
        """The calls of the turn, side by side."""
        acting = _Acting(state, runtime.context)
        return await acting.made()

    async def conclude(self, state: LoopState, runtime: Runtime[RunContext]) -> Update:
        """Make claims of what the model said, in front of what the skeleton found: none of that is lost."""
        loop = state.get("loop", {})
        draft: Draft = state.get("draft", {})
        shown: list[Any] = state.get("shown", [])
        overrules = self.may_overrule and loop.get("acted", False)
        places = state.get("places", {})
        combined = await merged(
            draft, places, loop.get("final", ""), shown, runtime.context.evidence, may_overrule=overrules
        )
        if fell := loop.get("fell", ""):
            missing = [*combined.draft.get("missing", []), fell]
            combined.draft["missing"] = missing
        mode = state.get("mode", "L3") if combined.used or loop.get("role") == "small" else "L3"
        return {"draft": combined.draft, "places": combined.places, "mode": mode}

    async def ground(self, state: LoopState, runtime: Runtime[RunContext]) -> Update:
        """Keep what its evidence bears."""
        return await ground(state, runtime)

    def after_brief(self, state: LoopState) -> str:
        """To the model, where there is one."""
        return "think" if "loop" in state else "ground"

    def after_think(self, state: LoopState) -> str:
        """To its calls, to its answer, or to another turn."""
        loop = state.get("loop", {})
        if loop.get("done"):
            return "conclude"
        return "act" if loop.get("pending") else "think"

    def _system(self, context: RunContext, native: bool) -> ChatMessage:
        parts = [prompt("loop")[1], prompt(self.prompt)[1]]
        if not native:
            parts.append(tool_texts.described(_tools(context)))
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
) -> "StateGraph[Any, RunContext, Any, Any]":
    """Put the loop and `ground` behind a skeleton's last node, which leaves `draft` and `places`.

    The state of the graph extends `LoopState`. `may_overrule`: the model may set findings of the skeleton aside, once
    it has looked for itself. `must_doubt`: it is asked to make one disconfirming query before it answers.
    """
    loop = Loop(role=role, prompt=prompt, turns=turns, may_overrule=may_overrule, must_doubt=must_doubt)
    builder.add_node("brief", loop.brief)
    builder.add_node("think", loop.think)
    builder.add_node("act", loop.act)
    builder.add_node("conclude", loop.conclude)
    builder.add_node("ground", loop.ground)
    builder.add_edge(after, "brief")
    builder.add_conditional_edges("brief", loop.after_brief, ["think", "ground"])
    builder.add_conditional_edges("think", loop.after_think, ["think", "act", "conclude"])
    builder.add_edge("act", "think")
    builder.add_edge("conclude", "ground")
    builder.add_edge("ground", END)
    return builder


class _Turn:
    """One turn under way."""

    def __init__(self, of: Loop, state: LoopState, context: RunContext) -> None:
        assert context.models is not None
        self.of, self.state, self.context, self.models = of, state, context, context.models
        self.loop = Progress(**state.get("loop", {}))
        self.loop["turns"] = self.loop.get("turns", 0) + 1
        self.loop["pending"] = []
        self.messages = [ChatMessage.model_validate(each["said"]) for each in state.get("talk", [])]
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
                reply = await self.models.chat(self.loop.get("role", self.of.role), self._request(last=last))
            except LimitReached as error:
                self._finish("", error.message)
            except Invalid as error:
                self._ask_otherwise(error)
            except GroundswellError as error:
                self._again_or_lower(error)
                if self.loop.get("role") == "small":
                    return await self.choose()
            else:
                self._heard(reply, last=last)
                break
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
                lead = tool_texts.arguments_of(reply.content) or {}
                self.loop["tokens"] = self.loop.get("tokens", 0) + reply.usage.tokens
            except GroundswellError as error:
                lead = {}
                self._fell(error.message)
            if (chosen := lead.get("finding")) in options:
                draft = _leading(draft, int(str(chosen)[1:]) - 1)
        return {**self._update(), "draft": draft}

    def _is_last(self) -> bool:
        budget, loop = self.context.run.budget, self.loop
        spent = loop.get("tokens", 0)
        each = spent / max(1, loop.get("turns", 1) - 1) if loop.get("turns", 1) > 1 else 0
        return (
            loop.get("turns", 0) >= self.of.turns
            or self.state["remaining"] <= STEPS_KEPT + 2
            or budget.tokens - spent < 2.5 * each + LONGEST_REPLY
            or self.models.seconds_left() < loop.get("seconds", 0.0) * 0.25
        )

    def _request(self, *, last: bool) -> ChatRequest:
        native = self.loop.get("native", True) and not last
        window = self.loop.get("window", 0)
        left = self.models.seconds_left() - self.loop.get("seconds", 0.0) * SECONDS_KEPT
        return ChatRequest(
            messages=tuple(self.messages),
            tools=_tools(self.context) if native else (),
            max_tokens=max(16, min(LONGEST_REPLY, window // 4)),
            seconds=max(1.0, left if last else left * 0.6),
        )

    def _compact_if_long(self) -> None:
        window = self.loop.get("window", 0)
        request = self._request(last=False)
        if (
            request.estimated_tokens() * self.loop.get("ratio", 1.0)
            > window * conversation.COMPACT_AT - request.max_tokens
        ):
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
            self.messages[0] = self.of._system(self.context, native=False)  # pyright: ignore[reportPrivateUsage]
            self.messages = [_as_text(message) for message in self.messages]
            self.replaced = True
        elif error.code == "context_too_long" and self.loop.get("window", 0) > 1024:
            self.loop["window"] = int(self.loop.get("window", 0) * 0.6)
            self._compact()
        else:
            self._lower(error.message)

    def _again_or_lower(self, error: GroundswellError) -> None:
        """A reply that broke off is asked for once more; a model that is away is left."""
        broke = error.code in ("model_cut_off", "model_garbage")
        if broke and not self.retried and self.models.seconds_left() > self.loop.get("seconds", 0.0) * 0.25:
            self.retried = True
        else:
            self._lower(error.message)

    def _lower(self, why: str) -> None:
        """One rung lower: another model stands in, with all that was said so far; then none."""
        rungs = self.loop.get("roles", [])
        self.context.note("model lost", role=self.loop.get("role", ""), why=why, next=rungs[0] if rungs else "none")
        if not rungs:
            self._finish("", f"the model went away: {why}")
            return
        self.retried = False
        self.loop["role"], self.loop["roles"] = rungs[0], rungs[1:]
        self.loop["repairs"] = 0
        self.mode = _mode(self.of.role, rungs[0])
        self._fell(why)

    def _fell(self, why: str) -> None:
        self.loop["fell"] = f"a model went away: {why}"

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
        calls, text = list(reply.tool_calls), reply.content
        if not calls and not last:
            calls, text = tool_texts.calls_in(text, {tool.name for tool in _tools(self.context)})
        if last:
            _, text = tool_texts.calls_in(text, {tool.name for tool in _tools(self.context)})
            self._finish(text)
            return
        native = bool(reply.tool_calls)
        said = ChatMessage(role="assistant", content=reply.content, tool_calls=tuple(calls) if native else ())
        self.messages.append(said)
        self.added.append(said)
        if calls:
            self.loop["pending"] = [{**call.model_dump(), "native": native} for call in calls]
        elif not text.strip():
            self._nudge(SAY, "its replies were empty")
        elif self.of.must_doubt and not self.loop.get("acted") and not self.loop.get("nudges"):
            self._nudge(DISCONFIRM, "")
            self.loop["final"] = text
        else:
            self._finish(text)

    def _nudge(self, words: str, why: str) -> None:
        self.loop["nudges"] = self.loop.get("nudges", 0) + 1
        if self.loop["nudges"] > 2:
            self._finish(self.loop.get("final", ""), why)
        else:
            self._say(words)

    def _update(self) -> Update:
        written = _kept(self.messages if self.replaced else self.added)
        return {
            "loop": self.loop,
            "mode": self.mode,
            "talk": [{"reset": True}, *written] if self.replaced else written,
        }


class _Acting:
    """The calls of one turn under way."""

    def __init__(self, state: LoopState, context: RunContext) -> None:
        self.state, self.context = state, context
        self.loop = Progress(**state.get("loop", {}))
        self.evidences = Evidences([Shown(**each) for each in state.get("shown", [])])
        self.results = list(self.loop.get("results", []))
        self.seen = dict(self.loop.get("seen", {}))
        self.tools = {tool.name: tool for tool in _tools(context)}
        self.bad = 0
        self.stuck = 0

    async def made(self) -> Update:
        """The results, in the order of the calls."""
        asked = [ToolUse(id=c["id"], name=c["name"], arguments=c["arguments"]) for c in self.loop.get("pending", [])]
        native = all(c["native"] for c in self.loop.get("pending", []))
        answers = await asyncio.gather(*(self._asked(call) for call in asked[:AT_ONCE]))
        texts = [self._told(call, answer) for call, answer in zip(asked, answers, strict=False)]
        texts += [f"not called: at most {AT_ONCE} calls at once" for _ in asked[AT_ONCE:]]
        if native:
            messages = [
                ChatMessage(role="tool", tool_call_id=call.id, content=text)
                for call, text in zip(asked, texts, strict=True)
            ]
        else:
            told = [f"{call.name}:\n{text}" for call, text in zip(asked, texts, strict=True)]
            messages = [ChatMessage(role="user", content="\n\n".join(told))]
        self._judge(messages, len(asked))
        self.loop.update(pending=[], acted=True, results=self.results, seen=self.seen)
        return {
            "loop": self.loop,
            "talk": _kept(messages),
            "shown": self.evidences.new,
        }

    def _judge(self, messages: list[ChatMessage], asked: int) -> None:
        """Who makes no sense again and again, or only repeats itself, is not asked for much longer."""
        self.loop["repairs"] = self.loop.get("repairs", 0) + 1 if self.bad == asked else 0
        if self.loop["repairs"] >= REPAIRS or self.stuck > PRUNED:
            why = "it called what makes no sense" if self.stuck <= PRUNED else "it repeated the same call"
            self.context.note("stuck", why=why)
            rungs = self.loop.get("roles", [])
            self.loop["fell"] = f"the model of role {self.loop.get('role', '')} was left: {why}"
            if rungs and rungs[0] != "small":
                self.loop.update(role=rungs[0], roles=rungs[1:], repairs=0)
                self.seen = {}
            else:
                self.loop["turns"] = 10**6  # the next turn is the last one
        elif self.stuck == PRUNED:
            self.context.note("stuck", why="it repeated the same call")
            messages.append(ChatMessage(role="user", content=STRATEGY))

    async def _asked(self, call: ToolUse) -> ToolResult | str:
        """A tool's result, or a sentence that says what was wrong with the call."""
        arguments = tool_texts.arguments_of(call.arguments)
        if arguments is None:
            self.bad += 1
            return f"the arguments of {call.name} are no JSON object: {call.arguments[:120]!r}"
        if call.name not in self.tools:
            self.bad += 1
            return f"there is no tool {call.name!r}; there are: {', '.join(self.tools)}"
        if made_up := self._made_up(arguments):
            return f"{made_up!r} was not called: a URL must stand in the question or in a result, word for word"
        if call.name == _PLAN.name:
            return self._planned(arguments)
        if call.name in (_PAGE.name, _FIND.name):
            return await self._read_on(call.name, arguments)
        if self.seen.get(_key(call.name, arguments), [0])[0] >= PRUNED:
            self.stuck = PRUNED + 1
            return REPEATED
        try:
            result = await self.context.tools.result(call.name, **arguments)
        except LimitReached as error:
            self.loop["turns"] = 10**6
            return f"not called: {error.message}"
        if result.status == "error" and result.code in ("bad_arguments", "unknown_tool"):
            self.bad += 1
        return result

    def _told(self, call: ToolUse, answer: ToolResult | str) -> str:
        """What the model reads of a result."""
        if isinstance(answer, str):
            return answer
        if answer.status not in ("ok", "no_data"):
            return f"{answer.status}: {answer.message}" + (f" ({answer.hint})" if answer.hint else "")
        if answer.value in (None, [], {}):
            text = f"nothing found. {answer.message}".strip()
        else:
            text = self.evidences.rendered(answer.value)
        digest = answer.handle.partition(":")[0] or answer.digest
        handle = ""
        if digest:
            if digest not in self.results:
                self.results.append(digest)
            handle = f"R{self.results.index(digest) + 1}"
        told = fenced_result(text, call.name, self.loop.get("window", 0), handle)
        if answer.truncated:
            told += f'\n[the tool had more to say: result_page(handle="{handle}", offset=0) has the whole of it]'
        return self._repeated(call, text, told)

    def _repeated(self, call: ToolUse, text: str, told: str) -> str:
        key = _key(call.name, tool_texts.arguments_of(call.arguments) or {})
        digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]
        count, before = self.seen.get(key, [0, ""])
        count = count + 1 if before == digest else 1
        self.seen[key] = [count, digest]
        if count >= PRUNED:
            self.stuck = max(self.stuck, count)
            return REPEATED  # pruned: it stands above, twice
        return f"{told}\n{REPEATED}" if count >= NUDGED else told

    def _made_up(self, arguments: Mapping[str, Any]) -> str:
        """The first URL that nobody but the model wrote: it could carry what was read to anybody."""
        urls = [text for text in _texts(arguments) if "://" in text]
        if not urls:
            return ""
        # the model's own words do not count, nor do those that it put into a plan
        known = [self.state["question"], *self.context.run.sources.values()]
        known += [said["content"] for said in self._talk() if said["role"] in ("user", "tool")]
        return next((url for url in urls if not any(url in text for text in known)), "")

    def _talk(self) -> list[dict[str, Any]]:
        return [each["said"] for each in self.state.get("talk", [])]

    def _planned(self, arguments: Mapping[str, Any]) -> str:
        given = arguments.get("steps")
        steps = [str(step)[:300] for step in given][:20] if isinstance(given, list) else []
        if not steps:
            self.bad += 1
            return "plan needs steps: a list of sentences"
        self.loop["plan"] = steps
        self.context.note("plan", steps=steps)
        return "noted"

    async def _read_on(self, name: str, arguments: Mapping[str, Any]) -> str:
        handle = str(arguments.get("handle", ""))
        number = int(handle[1:]) if handle[:1] == "R" and handle[1:].isdecimal() else 0
        if not 1 <= number <= len(self.results):
            self.bad += 1
            return f"there is no result {handle!r}"
        stored = await self.context.evidence(self.results[number - 1])
        if stored is None:
            return f"{handle} is not stored any more; make the call again"
        text = self._numbered(stored.text)
        if name == _FIND.name:
            wanted = str(arguments.get("text", "")).lower()
            lines = [line for line in text.replace("\\n", "\n").splitlines() if wanted and wanted in line.lower()]
            return conversation.fenced("\n".join(lines)[:PAGE] or "no line has it", handle)
        offset = arguments.get("offset")
        start = offset if isinstance(offset, int) and offset > 0 else 0
        more = f"\n[goes on at offset {start + PAGE} of {len(text):,}]" if start + PAGE < len(text) else ""
        return conversation.fenced(text[start : start + PAGE], handle) + more

    def _numbered(self, text: str) -> str:
        try:
            return self.evidences.rendered(json.loads(text))
        except (ValueError, RecursionError):  # a reply that was cut before it was stored
            return text


def _kept(messages: Sequence[ChatMessage]) -> list[dict[str, Any]]:
    """Messages as the state holds them: LangGraph would make its own messages of anything that has a role."""
    return [{"said": message.model_dump(mode="json")} for message in messages]


def fenced_result(text: str, tool: str, window: int, handle: str) -> str:
    """A result as a model reads it."""
    return conversation.fenced(conversation.shortened(text, window, handle), tool)


def _rungs(role: Role) -> list[Role]:
    """Who answers in place of whom."""
    other: Role = "code" if role == "planner" else "planner"
    return [role, other, "small"]


def _mode(wanted: Role, role: Role) -> str:
    return "L2" if role == "small" else "L0" if role == wanted else "L1"


def _tools(context: RunContext) -> tuple[ToolSpec, ...]:
    """The same every time, in the same order: engines cache what does not change."""
    return (*(tool for tool in context.offered if tool.name not in _HIDDEN), *_OWN)


def _key(name: str, arguments: Mapping[str, Any]) -> str:
    text = json.dumps([name, arguments], sort_keys=True, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, Mapping):
        return [text for each in value.values() for text in _texts(each)]
    return [text for each in value for text in _texts(each)] if isinstance(value, list) else []


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


def _first(state: LoopState, context: RunContext, found: Found) -> str:
    """The question, what belongs to it, and what was found without a model."""
    parts = [f"The question:\n{state['question']}"]
    parts += [conversation.fenced(text, "what came with the question") for text in context.run.attachments]
    for turn in context.history[-3:]:
        parts.append(f"Asked before: {turn.question[:500]}\nAnswered: {turn.answer.text[:1500] or 'nothing found'}")
    if looked := ", ".join(f"{kind} {source}" for kind, source in context.run.sources.items()):
        parts.append(f"What you look at: {looked}")
    parts.append(found.text)
    return "\n\n".join(parts)


def _leading(draft: Draft, chosen: int) -> Draft:
    """The draft with one claim at the front of its own block."""
    blocks = [block.copy() for block in draft.get("blocks", [])]
    for block in blocks:
        claims = block.get("claims", [])
        if chosen in claims:
            block["claims"] = [chosen, *(each for each in claims if each != chosen)]
            break
    led_by = draft.copy()
    led_by["blocks"] = blocks
    return led_by
