"""Makes model calls, for all roles: journal, budget, breaker, slots, what is told meanwhile, and the reply."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from typing import Any

from groundswell.backends.databases.calls import Cost, Journal, Place
from groundswell.backends.databases.connections import OUTAGES
from groundswell.backends.databases.runs import RunStore
from groundswell.backends.models.chat import ChatModel, Endpoint
from groundswell.backends.models.chat_assembly import Delta
from groundswell.core.errors import ConfigError, Conflict, GroundswellError, Invalid, NotFound, Unavailable
from groundswell.core.records import (
    ROLES,
    Answered,
    Ask,
    ChatReply,
    ChatRequest,
    ModelReport,
    ModelView,
    Role,
    ToolResult,
    Usage,
)
from groundswell.core.records.calls import ResultStatus
from groundswell.core.records.models import CHARACTERS_PER_TOKEN
from groundswell.core.redaction import redact
from groundswell.core.settings import EgressSettings, ModelEndpoint, ModelRole
from groundswell.runtime.breaker import Breaker
from groundswell.runtime.egress import operators
from groundswell.runtime.keys import RunToken
from groundswell.runtime.model_probe import probed
from groundswell.runtime.model_text import Teller
from groundswell.runtime.results import failure_of
from groundswell.runtime.stoppable import RunStopped, Stoppable
from groundswell.runtime.telemetry import count, log, span

KIND = "model:"
MILLION = 1_000_000
CHUNK_CHARACTERS = 180  # of a streamed token, with what is around it


@dataclass
class Serving:
    """One role's model, and how it fares."""

    role: Role
    settings: ModelEndpoint
    model: ChatModel
    breaker: Breaker
    slots: asyncio.Semaphore

    def cost(self, usage: Usage) -> Cost:
        """What a turn costs; it is no tool call."""
        price = self.settings.price
        money = (usage.prompt_tokens * price.input + usage.completion_tokens * price.output) / MILLION
        return Cost(tool_calls=0, tokens=usage.tokens, money=money)

    def reserve(self, request: ChatRequest) -> Cost:
        """The most that a turn may cost."""
        return self.cost(Usage(prompt_tokens=request.estimated_tokens(), completion_tokens=request.max_tokens))

    @contextlib.asynccontextmanager
    async def turn(self, request: ChatRequest) -> AsyncGenerator[AsyncGenerator[Delta | ChatReply]]:
        """One turn, in its slot; the breaker learns how it ended."""
        self.breaker.check()
        async with self.slots:
            try:
                async with contextlib.aclosing(self.model.stream(request)) as said:
                    yield said
            except Invalid:
                self.breaker.succeeded()  # it answers: that it says no is no failure
                raise
            except (Unavailable, ConfigError):
                self.breaker.failed()
                raise
        self.breaker.succeeded()


def served(models: Mapping[ModelRole, ModelEndpoint], way: EgressSettings) -> dict[Role, Serving]:
    """A client for every role that is configured."""
    found: dict[Role, Serving] = {}
    for role in ROLES:
        if (settings := models.get(role)) is not None:
            endpoint = Endpoint(
                url=settings.url,
                model=settings.model,
                key=settings.key.get_secret_value() if settings.key else "",
                headers={name: value.get_secret_value() for name, value in settings.headers.items()},
                query={name: value.get_secret_value() for name, value in settings.query.items()},
                window=settings.window,
                seconds=settings.seconds,
            )
            slots = asyncio.Semaphore(settings.at_once)
            model = ChatModel(endpoint, transport=operators(way, settings.url, settings.at_once + 4))
            found[role] = Serving(role, settings, model, Breaker(f"the model of role {role}"), slots)
    return found


class ModelCalls:
    """The one place where models are asked for runs."""

    def __init__(self, journal: Journal, models: Mapping[Role, Serving]) -> None:
        self.journal, self.models = journal, models
        self.stoppable = Stoppable(RunStore(journal.database))
        self.flying: dict[tuple[Any, ...], asyncio.Task[Answered]] = {}
        self.settling: set[asyncio.Task[bool]] = set()

    def serving(self, role: str) -> Serving:
        """A role's model; raises NotFound."""
        for known, serving in self.models.items():
            if known == role:
                return serving
        message = f"no model is configured for role {role!r}"
        raise NotFound("no_model", message, f"set [models.{role}] url; groundswell models scan looks for one here")

    async def views(self) -> list[ModelView]:
        """Every role's model, as far as it is known; one that does not answer is resting."""
        return list(await asyncio.gather(*(self._view(serving) for serving in self.models.values())))

    async def _view(self, serving: Serving) -> ModelView:
        resting = serving.breaker.left > 0
        if not resting:
            try:
                await serving.model.ready()
            except GroundswellError:
                resting = True
                serving.breaker.failed()
        return ModelView(
            role=serving.role,
            model=serving.model.name,
            window=serving.model.window,
            tools=serving.settings.tools,
            resting=resting,
        )

    async def answer(self, token: RunToken, ask: Ask) -> Answered:
        """The reply, or what stands in its way. Asked twice at once, also by a later lease of the run, it is made once.

        Raises EpochOver, LimitReached and NotFound.
        """
        serving = self.serving(ask.kind.removeprefix(KIND))
        request = ChatRequest.model_validate(ask.arguments)
        place = Place(token.tenant, token.run, token.epoch, ask.model_copy(update={"arguments": request.outline()}))
        task = self.flying.get(place.key)
        if task is None:
            task = self.flying[place.key] = asyncio.create_task(self._answer(serving, place, request))
            task.add_done_callback(lambda _: self.flying.pop(place.key, None))
        # an asker that goes away does not stop the turn: its reply is kept, and asked for again
        return await asyncio.shield(task)

    async def relayed(self, token: RunToken, role: str, body: dict[str, Any]) -> AsyncGenerator[str]:
        """A chat completion passed through, chunk by chunk; journalled with what it used, and without its text."""
        serving = self.serving(role)
        serving.breaker.check()
        size = len(json.dumps(body.get("messages", [])))
        longest = body.get("max_tokens") or body.get("max_completion_tokens")
        guess = Usage(
            prompt_tokens=int(size / CHARACTERS_PER_TOKEN),
            completion_tokens=longest if isinstance(longest, int) and longest > 0 else 2048,
        )
        outline: dict[str, Any] = {"passed through": True, "characters": size}
        ask = Ask(task=f"relay-{token.run}", checkpoint="", kind=f"{KIND}{serving.role}", arguments=outline, n=0)
        place = Place(token.tenant, token.run, token.epoch, ask)
        reserve = serving.cost(guess)
        seconds = serving.settings.seconds
        attempt = await self.journal.begin(place, before=None, effect=False, seconds=seconds, reserve=reserve)
        if attempt is None:
            raise Conflict("relay_over", "this call was passed through already")
        counted, said, started = None, 0, time.monotonic()
        status: ResultStatus = "error"
        try:
            async with serving.slots, contextlib.aclosing(serving.model.passed_through(body)) as chunks:
                async for chunk in chunks:
                    counted, said = _usage_in(chunk) or counted, said + len(chunk)
                    yield chunk
            serving.breaker.succeeded()
            status = "ok"
        except (Unavailable, ConfigError):
            serving.breaker.failed()
            raise
        finally:
            # an engine counts at the end: of a reply that was left before, each chunk is about one token
            usage = counted or Usage(
                prompt_tokens=guess.prompt_tokens, completion_tokens=said // CHUNK_CHARACTERS, counted=False
            )
            kept = ToolResult(status=status, value={"passed through": True, "usage": usage.model_dump()})
            took = time.monotonic() - started
            settling = self.journal.settle(place, attempt, kept, [], serving.cost(usage), reserve, took)
            task = asyncio.create_task(settling)
            self.settling.add(task)
            task.add_done_callback(self.settling.discard)
            await asyncio.shield(task)

    async def tested(self, token: RunToken, role: str) -> ModelReport:
        """What a role's model can do; journalled as one call with what it used."""
        serving = self.serving(role)
        ask = Ask(task=f"test-{token.run}", checkpoint="", kind=f"{KIND}{role}", arguments={"test": role}, n=0)
        place = Place(token.tenant, token.run, token.epoch, ask)
        reserve = serving.cost(Usage(prompt_tokens=1000, completion_tokens=1000))
        attempt = await self.journal.begin(
            place, before=None, effect=False, seconds=serving.settings.seconds, reserve=reserve
        )
        if attempt is None:
            raise Conflict("test_over", "this test was made already")
        started = time.monotonic()
        usage, result = Usage(), ToolResult(status="error", message="the model does not answer")
        try:
            report, usage = await probed(serving.role, serving.model, serving.settings.tools)
            result = ToolResult(status="ok", value=report.model_dump(mode="json"))
            serving.breaker.succeeded()
            return report
        finally:
            took = time.monotonic() - started
            await self.journal.settle(place, attempt, result, [], serving.cost(usage), reserve, took)

    async def _answer(self, serving: Serving, place: Place, request: ChatRequest) -> Answered:
        while True:
            standing = await self.journal.standing(place)
            if standing is not None and standing.state != "intended":
                return Answered(state=standing.state, result=standing.result)
            reserve = serving.reserve(request)
            seconds = min(request.seconds or serving.settings.seconds, serving.settings.seconds)
            attempt = await self.journal.begin(place, before=standing, effect=False, seconds=seconds, reserve=reserve)
            if attempt is not None:
                await self._make(serving, place, request, attempt, reserve)

    async def _make(self, serving: Serving, place: Place, request: ChatRequest, attempt: int, reserve: Cost) -> None:
        started = time.monotonic()
        attributes = {"gen_ai.request.model": serving.model.name, "groundswell.role": serving.role}
        teller = Teller(self.journal, place, attempt)
        with span(f"chat {serving.role}", "chat", attributes) as trace:
            try:
                result, usage = await self.stoppable.done(place.run, self._turn(serving, request, teller))
            except RunStopped:
                result = ToolResult(status="error", code="cancelled", message="its run was asked to stop")
                usage = Usage(prompt_tokens=request.estimated_tokens(), counted=False)
            finally:
                await teller.close()
            trace.set("groundswell.model.status", result.status)
            trace.set("gen_ai.usage.input_tokens", usage.prompt_tokens)
            trace.set("gen_ai.usage.output_tokens", usage.completion_tokens)
            took = time.monotonic() - started
            await self.journal.settle(place, attempt, result, [], _believed(serving, usage, reserve), reserve, took)

    async def _turn(self, serving: Serving, request: ChatRequest, teller: Teller) -> tuple[ToolResult, Usage]:
        try:
            async with serving.turn(request) as said:
                async for part in said:
                    if isinstance(part, ChatReply):
                        count("groundswell.model.tokens", part.usage.tokens, role=serving.role)
                        return ToolResult(status="ok", value=_clean(part).model_dump(mode="json")), part.usage
                    teller.take(part)
        except GroundswellError as error:
            if error.code in OUTAGES:
                raise
            usage = Usage.model_validate(error.details.get("usage", {}))
            return failure_of(error), usage
        raise AssertionError("a turn ends with its reply or an error")


def _believed(serving: Serving, usage: Usage, reserve: Cost) -> Cost:
    """What a turn cost. An engine was asked for so much at most, and its word for more cannot break a run's budget."""
    cost = serving.cost(usage)
    if cost.tokens > reserve.tokens:
        log.warning("model.overcounted", role=serving.role, counted=cost.tokens, reserved=reserve.tokens)
    return Cost(0, min(cost.tokens, reserve.tokens), min(cost.money, reserve.money))


def _usage_in(chunk: str) -> Usage | None:
    """The usage that a chunk tells; the last one to do so has the whole."""
    if '"usage"' not in chunk:
        return None
    try:
        usage = json.loads(chunk).get("usage")
        return Usage(prompt_tokens=usage["prompt_tokens"], completion_tokens=usage["completion_tokens"])
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError):
        return None


def _clean(reply: ChatReply) -> ChatReply:
    """A reply without secrets."""
    calls = tuple(call.model_copy(update={"arguments": redact(call.arguments)}) for call in reply.tool_calls)
    texts = {"content": redact(reply.content), "reasoning": redact(reply.reasoning)}
    return reply.model_copy(update={**texts, "tool_calls": calls})
