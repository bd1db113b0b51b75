"""The calls of one turn: made side by side, told to the model, and judged."""

import asyncio
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from groundswell.agents import conversation, tool_texts
from groundswell.agents.conversation import Evidences, Shown
from groundswell.agents.loop import reading
from groundswell.agents.loop.own_tools import FIND, HYPOTHESIS, PAGE, PLAN, tools_of
from groundswell.agents.loop.state import OVER, LoopState, Progress, kept, lower, mode_of
from groundswell.core.agent import Update
from groundswell.core.context import RunContext
from groundswell.core.errors import LimitReached
from groundswell.core.records import ChatMessage, Role, ToolResult, ToolUse
from groundswell.core.records.models import CHARACTERS_PER_TOKEN

AT_ONCE = 16
REPAIRS = 3  # malformed calls in a row, then the rung below
READ_ON = 6000  # characters of a long result, at most
NUDGED, PRUNED = 2, 3  # the same call with the same result, so often

REPEATED = "You asked this before and got the same. It will not change: use what you have, or ask for something else."
STRATEGY = (
    "You repeat a call whose result does not change. Try another tool or other words, or answer with what you have."
)


class Acting:
    """The calls of one turn under way."""

    def __init__(self, role: Role, state: LoopState, context: RunContext, *, doubts: bool) -> None:
        self.role: Role = role
        self.state, self.context = state, context
        self.loop = Progress(**state.get("loop", {}))
        self.mode = state.get("mode", "L3")
        self.evidences = Evidences([Shown(**each) for each in state.get("shown", [])])
        self.results = list(self.loop.get("results", []))
        self.seen = dict(self.loop.get("seen", {}))
        self.tools = {tool.name: tool for tool in tools_of(context, doubts=doubts)}
        self.bad = 0
        self.stuck = 0
        self.fresh = 0  # queries that were not made before, and brought an answer
        self.left = self.loop.get("share", {}).get("calls", OVER) - self.loop.get("calls", 0)

    async def made(self) -> Update:
        """The results, in the order of the calls."""
        pending = self.loop.get("pending", [])
        asked = [ToolUse(id=c["id"], name=c["name"], arguments=c["arguments"]) for c in pending]
        native = all(c["native"] for c in pending)
        most = max(0, min(AT_ONCE, self.left))
        answers = await self._answers(asked[:most])
        texts = [self._told(call, answer) for call, answer in zip(asked, answers, strict=False)]
        texts += [self._too_many() for _ in asked[most:]]
        if native:
            messages = [
                ChatMessage(role="tool", tool_call_id=call.id, content=text)
                for call, text in zip(asked, texts, strict=True)
            ]
        else:
            told = [f"{call.name}:\n{text}" for call, text in zip(asked, texts, strict=True)]
            messages = [ChatMessage(role="user", content="\n\n".join(told))]
        self.loop.update(pending=[], acted=True, results=self.results, seen=self.seen)
        self.loop["calls"] = self.loop.get("calls", 0) + len(answers)
        if self.left <= len(asked):
            self.loop["turns"] = OVER
        if self.fresh and self.loop.get("stated"):
            self.loop["doubted"] = True
        self._judge(messages, len(asked))
        return {
            "loop": self.loop,
            "mode": self.mode,
            "talk": kept(messages),
            "shown": self.evidences.new,
        }

    def _too_many(self) -> str:
        return "not called: no calls are left" if self.left < AT_ONCE else f"not called: at most {AT_ONCE} at once"

    def _judge(self, messages: list[ChatMessage], asked: int) -> None:
        """Who makes no sense again and again, or only repeats itself, is not asked for much longer."""
        self.loop["repairs"] = self.loop.get("repairs", 0) + 1 if self.bad == asked else 0
        if self.loop["repairs"] >= REPAIRS or self.stuck > PRUNED:
            why = "it called what makes no sense" if self.stuck <= PRUNED else "it repeated the same call"
            self.context.note("stuck", why=why)
            fell = f"the model of role {self.loop.get('role', '')} was left: {why}"
            rungs = self.loop.get("roles", [])
            if rungs and rungs[0] != "small":
                lower(self.loop, fell)
                self.mode = mode_of(self.role, self.loop.get("role", self.role))
            else:
                self.loop["fell"] = fell
                self.loop["turns"] = OVER
        elif self.stuck == PRUNED:
            self.context.note("stuck", why="it repeated the same call")
            messages.append(ChatMessage(role="user", content=STRATEGY))

    async def _answers(self, asked: list[ToolUse]) -> list[ToolResult | str]:
        """Reads are made side by side, then effects one after another: each keeps its place when this runs again."""
        answers: dict[int, ToolResult | str] = {}
        reads = [at for at, call in enumerate(asked) if not self._changes(call)]
        for at, answer in zip(reads, await asyncio.gather(*(self._asked(asked[at]) for at in reads)), strict=True):
            answers[at] = answer
        for at, call in enumerate(asked):
            if at not in answers:
                answers[at] = await self._asked(call)
        return [answers[at] for at in range(len(asked))]

    def _changes(self, call: ToolUse) -> bool:
        return call.name in self.tools and self.tools[call.name].changes

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
        if call.name == PLAN.name:
            return self._planned(arguments)
        if call.name == HYPOTHESIS.name:
            return self._suspected(arguments)
        if call.name in (PAGE.name, FIND.name):
            return await self._read_on(call.name, arguments)
        key = _key(call.name, arguments)
        if self.seen.get(key, [0])[0] >= PRUNED:
            self.stuck = PRUNED + 1
            return REPEATED
        try:
            result = await self.context.tools.result(call.name, **arguments)
        except LimitReached as error:
            self.loop["turns"] = OVER
            return f"not called: {error.message}"
        if result.status == "error" and result.code in ("bad_arguments", "unknown_tool"):
            self.bad += 1
        if result.status in ("ok", "no_data") and key not in self.seen:
            self.fresh += 1
        return result

    def _told(self, call: ToolUse, answer: ToolResult | str) -> str:
        """What the model reads of a result."""
        if isinstance(answer, str):
            return answer
        if self._changes(call):
            self._remember_effect(call.name, answer)
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
        told = conversation.fenced(conversation.shortened(text, self.loop.get("window", 0), handle), call.name)
        if answer.truncated:
            told += f'\n[the tool had more to say: result_page(handle="{handle}", offset=0) has the whole of it]'
        return self._repeated(call, text, told)

    def _remember_effect(self, name: str, answer: ToolResult) -> None:
        """An answer says which effects were not had, whatever a model makes of it; not one that was had after all."""
        undone = [each for each in self.loop.get("undone", []) if each[0] != name]
        if answer.status not in ("ok", "no_data"):
            why = f"{answer.message} ({answer.hint})" if answer.hint else answer.message
            undone.append([name, f"{name} was not done: {why}"])
        self.loop["undone"] = undone

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
        """The first URL that nobody but a model wrote: it could carry what was read to anybody."""
        urls = [text for text in _texts(arguments) if "://" in text]
        if not urls:
            return ""
        # the model's own words do not count, nor do those that it put into a plan
        known = [self.context.run.question, *self.context.run.sources.values()]
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

    def _suspected(self, arguments: Mapping[str, Any]) -> str:
        """A cause was named: what is queried from here on may refute it."""
        cause, refuted_by = (str(arguments.get(name, ""))[:300].strip() for name in ("cause", "refuted_by"))
        if not cause:
            self.bad += 1
            return "hypothesis needs the cause that you suspect"
        self.loop.update(stated=True, doubted=False)
        self.context.note("hypothesis", cause=cause, refuted_by=refuted_by)
        return "noted; now make the query that could refute it"

    async def _read_on(self, name: str, arguments: Mapping[str, Any]) -> str:
        handle = str(arguments.get("handle", ""))
        number = int(handle[1:]) if handle[:1] == "R" and handle[1:].isdecimal() else 0
        if not 1 <= number <= len(self.results):
            self.bad += 1
            return f"there is no result {handle!r}"
        stored = await self.context.evidence(self.results[number - 1])
        if stored is None:
            return f"{handle} is not stored any more; make the call again"
        share = int(self.loop.get("window", 0) * conversation.RESULT_SHARE * CHARACTERS_PER_TOKEN)
        room = max(1000, min(READ_ON, share))
        if name == FIND.name:
            text = str(arguments.get("text", ""))
            return reading.found(stored.text, text, arguments.get("skip"), room, self.evidences, handle)
        return reading.page(stored.text, arguments.get("offset"), room, self.evidences, handle)


def _key(name: str, arguments: Mapping[str, Any]) -> str:
    text = json.dumps([name, arguments], sort_keys=True, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, Mapping):
        return [text for each in value.values() for text in _texts(each)]
    return [text for each in value for text in _texts(each)] if isinstance(value, list) else []
