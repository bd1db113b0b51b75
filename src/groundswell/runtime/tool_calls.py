"""Makes tool calls, for all tools: journal, policy, validation, deadline, retries, breaker, output and evidence."""

import asyncio
import contextlib
import itertools
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import stamina
from pydantic import ValidationError

from groundswell.backends.databases.calls import Cost, Journal, Place, Standing
from groundswell.backends.databases.connections import OUTAGES, EpochOver
from groundswell.backends.databases.evidence import Piece
from groundswell.backends.databases.runs import RunStore, Scope
from groundswell.core.errors import GroundswellError, ToolFailed, Unavailable
from groundswell.core.policy import Grant, Policy, SourceUse, ToolCall, Verdict, deny
from groundswell.core.records import Answered, Ask, ToolResult
from groundswell.core.records.events import Denial
from groundswell.core.tool import Tool
from groundswell.runtime.breaker import Breaker
from groundswell.runtime.call_context import CallContext, Outside, RunRepo
from groundswell.runtime.grants import asks, judge
from groundswell.runtime.keys import RunToken
from groundswell.runtime.results import STORED_AT_MOST, failure_of, result_of
from groundswell.runtime.run_pages import allowing
from groundswell.runtime.stoppable import RunStopped, Stoppable
from groundswell.runtime.telemetry import failed_extension, span

PROGRESS_SECONDS = 0.3
RUNS_KEPT = 32  # whose repositories stay opened
BREAKERS_KEPT = 512
DOUBT_SECONDS = 0.05  # between two looks at an effect that may still be under way


class ToolCalls:
    """The one place where tools are called."""

    def __init__(
        self,
        journal: Journal,
        runs: RunStore,
        tools: Mapping[str, Tool],
        policies: Mapping[str, Policy],
        grant: Callable[[RunToken, Scope], Grant],
        outside: Outside,
        *,
        approval_seconds: float = 86_400,
    ) -> None:
        self.journal, self.runs, self.tools, self.policies = journal, runs, tools, policies
        self.approval_seconds, self.stoppable = approval_seconds, Stoppable(runs)
        self.grant, self.outside = grant, outside
        self.flying: dict[tuple[Any, ...], asyncio.Task[Answered]] = {}
        self.opened: OrderedDict[str, RunRepo] = OrderedDict()  # by run
        self.slots = {name: asyncio.Semaphore(tool.concurrency) for name, tool in tools.items()}
        self.breakers: OrderedDict[tuple[str, ...], Breaker] = OrderedDict()

    async def answer(self, token: RunToken, ask: Ask) -> Answered:
        """The reply, or the state that stands in its way. Asked twice at once, it is made once.

        Raises EpochOver, LimitReached and Conflict.
        """
        place = Place(token.tenant, token.run, token.epoch, ask)
        key = (place.key, token.epoch)
        task = self.flying.get(key)
        if task is None:
            task = self.flying[key] = asyncio.create_task(self._answer(token, place))
            task.add_done_callback(lambda _: self.flying.pop(key, None))
        # an asker that goes away does not stop the call: its reply is kept, and asked for again
        return await asyncio.shield(task)

    async def _answer(self, token: RunToken, place: Place) -> Answered:
        tool = self.tools.get(place.ask.kind)
        while True:
            standing = await self.journal.standing(place)
            if standing is not None and standing.state == "unknown" and standing.decision == "happened":
                await self.journal.believe(place, standing)
                continue
            if standing is not None and standing.state not in ("intended", "approved"):
                return Answered(state=standing.state, result=standing.result or _not_approved(place, standing))
            effect = tool is not None and tool.effect == "write"
            if effect and standing is not None and standing.acting and standing.state == "intended":
                await asyncio.sleep(DOUBT_SECONDS)  # its first attempt may still happen: too early to probe
                continue
            scope = await self.runs.scope(place.tenant, place.run)
            grant = self.grant(token, scope)
            if standing is None or standing.state == "approved":  # since it was asked for, policy may have changed
                refusal = self._refusal(tool, place, grant, scope) or await self._astray(tool, place, scope, grant)
                if refusal is not None:
                    await self.journal.refuse(place, *refusal)
                    continue
            assert tool is not None
            if standing is None and asks(tool, grant):
                await self.journal.ask(place, effect=effect, seconds=self.approval_seconds)
                continue
            await self._make(tool, place, scope, standing, grant)

    def _refusal(
        self, tool: Tool | None, place: Place, grant: Grant, scope: Scope
    ) -> tuple[ToolResult, Denial | None] | None:
        """Why a call is not made: policy first, so that nobody learns of tools that are not theirs."""
        name, arguments = place.ask.kind, place.ask.arguments
        call = ToolCall(agent=grant.agent, tool=name, arguments=arguments)
        verdict = judge(self.policies.values(), call, grant)
        if not verdict.allowed:
            return _denied(name, verdict)
        if tool is None:
            hint = "groundswell tools lists them"
            return ToolResult(
                status="error", code="unknown_tool", message=f"there is no tool {name!r}", hint=hint
            ), None
        if tool.direct and not scope.direct:
            message = f"only a caller may ask for {name}, not an agent in the course of its work"
            return _denied(name, deny("only_direct", message, f"groundswell tools call {name}"))
        try:
            tool.arguments.model_validate(arguments)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(str(part) for part in first["loc"])
            message = f"{name} cannot take {where or 'these arguments'}: {first['msg']}"
            return ToolResult(
                status="error", code="bad_arguments", message=message, hint=f"groundswell tools show {name}"
            ), None
        return None

    async def _astray(
        self, tool: Tool | None, place: Place, scope: Scope, grant: Grant
    ) -> tuple[ToolResult, Denial] | None:
        """Why a source that lies where it may leads where it may not: by a link, or to a repository around it.

        One that is to be changed must be writable where it leads to.
        """
        kind = tool.changes if tool else None
        changed = scope.sources.get(kind, "") if kind else ""
        if kind and changed and (refusal := await self._unwritable(place, kind, changed, grant)):
            return refusal
        pages = scope.sources.get("pages", "")
        if pages.startswith("path:") and pages not in scope.granted:
            found = await asyncio.to_thread(lambda: f"path:{Path(pages.removeprefix('path:')).resolve()}")
            if refusal := await self._outside_roots(place, "pages", found, grant):
                return refusal
        source = scope.sources.get("repo", "")
        if not source or source in scope.granted:
            return None
        try:
            found = await self.outside.repos.located(source)
        except GroundswellError:
            return None  # there is nothing to look at: the tool says so
        return await self._outside_roots(place, "repo", found, grant)

    async def _unwritable(self, place: Place, kind: str, source: str, grant: Grant) -> tuple[ToolResult, Denial] | None:
        if kind == "repo":
            try:
                source = await self.outside.repos.located(source)
            except GroundswellError:
                return None  # there is nothing to change: the tool says so
        writable = await asyncio.to_thread(lambda: [str(Path(root).resolve()) for root in grant.writable])
        use = SourceUse(kind=kind, source=source, write=True)
        verdict = judge(self.policies.values(), use, grant.model_copy(update={"writable": tuple(writable)}))
        return None if verdict.allowed else _denied(place.ask.kind, verdict)

    async def _outside_roots(
        self, place: Place, kind: str, found: str, grant: Grant
    ) -> tuple[ToolResult, Denial] | None:
        roots = await asyncio.to_thread(lambda: [str(Path(root).resolve()) for root in grant.roots])
        use = SourceUse(kind=kind, source=found)
        verdict = judge(self.policies.values(), use, grant.model_copy(update={"roots": (*grant.roots, *roots)}))
        return None if verdict.allowed else _denied(place.ask.kind, verdict)

    async def _make(self, tool: Tool, place: Place, scope: Scope, standing: Standing | None, grant: Grant) -> None:
        async with self.slots[tool.name]:  # before it is begun: a call that queues does not use up its deadline
            await self._made(tool, place, scope, standing, grant)

    async def _made(self, tool: Tool, place: Place, scope: Scope, standing: Standing | None, grant: Grant) -> None:
        reserve = Cost(bytes=tool.bytes * STORED_AT_MOST)
        effect = tool.effect == "write"
        # from before it is written down: others look for an effect's outcome when the time written down is over
        deadline = time.monotonic() + tool.seconds
        attempt = await self.journal.begin(place, before=standing, effect=effect, seconds=tool.seconds, reserve=reserve)
        if attempt is None:
            return  # somebody else was faster
        started = time.monotonic()
        doubtful = effect and standing is not None and standing.state == "intended"
        reporter = _Reporter(self.journal, place, attempt)
        context = CallContext(place.tenant, place.fact, scope, self.outside, deadline, reporter.progress)
        context.allows, context.grant = allowing(self.policies.values(), grant, tool.name), grant
        with span(f"execute_tool {tool.name}", "execute_tool", {"gen_ai.tool.name": tool.name}) as trace:
            try:
                work = self._outcome(tool, place, context, doubtful)
                # an effect is not cut off: its outcome would not be known
                result, pieces = await (work if effect else self.stoppable.done(place.run, work))
            except OutcomeUnknown as doubt:
                await self.journal.doubt(place, attempt, str(doubt), reserve)
                return
            except RunStopped:
                result, pieces = ToolResult(status="error", code="cancelled", message="its run was asked to stop"), []
            finally:
                await context.close()
                await reporter.close()
            trace.set("groundswell.tool.status", result.status)
            cost = Cost(bytes=sum(len(piece.text.encode()) for piece in pieces))
            took = time.monotonic() - started
            await self.journal.settle(place, attempt, result, pieces, cost, reserve, took)

    def _repo_of(self, run: str) -> RunRepo:
        opened = self.opened.setdefault(run, RunRepo())
        self.opened.move_to_end(run)
        if len(self.opened) > RUNS_KEPT:
            self.opened.popitem(last=False)
        return opened

    async def _outcome(
        self, tool: Tool, place: Place, context: CallContext, doubtful: bool
    ) -> tuple[ToolResult, list[Piece]]:
        """The result and its evidence. Raises OutcomeUnknown where nobody can say whether an effect happened."""
        arguments = tool.arguments.model_validate(place.ask.arguments)
        values = {name: getattr(arguments, name) for name in type(arguments).model_fields}
        if doubtful and not (tool.repeatable and tool.probe is None):
            found = await _probed(tool, context, values, f"{tool.name} was begun and never answered")
            if found is not None:
                return result_of(tool.returns.dump_python(found, mode="json"), tool.bytes, context.origin)
        since = datetime.now(UTC)
        try:
            breaker = self._breaker(tool.name, context)
            breaker.check()
            try:
                value = await _within_limits(tool, context, values, breaker)
            except (Unavailable, ToolFailed) as error:
                if tool.effect == "read" or error.code in OUTAGES or not _may_have_happened(error):
                    raise
                context.deadline = time.monotonic() + tool.seconds  # for the look alone
                value = await _probed(tool, context, values, f"{tool.name} broke off ({error.message})")
                if value is None:
                    raise
        except GroundswellError as error:
            if error.code in OUTAGES:
                raise  # no answer of the tool: the call stays intended, and its worker asks again
            return failure_of(error, since), []
        dumped = tool.returns.dump_python(value, mode="json")
        result, pieces = result_of(dumped, tool.bytes, context.origin)
        return result.model_copy(update={"source": context.origin, "since": since, "until": datetime.now(UTC)}), pieces

    def _breaker(self, tool: str, context: CallContext) -> Breaker:
        """That of a tool with what this run looks at: one source that is away must not keep others from theirs."""
        key = (tool, context.tenant, *(f"{kind}={source}" for kind, source in sorted(context.scope.sources.items())))
        breaker = self.breakers.setdefault(key, Breaker(tool))
        self.breakers.move_to_end(key)
        while len(self.breakers) > BREAKERS_KEPT:
            self.breakers.popitem(last=False)
        return breaker


async def _within_limits(tool: Tool, context: CallContext, values: dict[str, Any], breaker: Breaker) -> Any:
    try:
        async with asyncio.timeout(context.remaining()):
            if context.remaining() <= 0:  # the timeout itself bites only where the tool waits for something
                raise TimeoutError
            async for attempt in stamina.retry_context(
                on=Unavailable, attempts=1 + tool.retries, wait_initial=0.1, wait_max=2.0, wait_jitter=0.2
            ):
                with attempt:
                    value = await tool.function(context, **values)
                    breaker.succeeded()
                    return value
    except TimeoutError as error:
        breaker.failed()
        message = f"{tool.name} did not finish within {tool.seconds:g} s"
        raise Unavailable("tool_deadline", message, "ask for less at once") from error
    except Unavailable as error:
        if error.code not in OUTAGES:
            breaker.failed()
        raise
    except GroundswellError:
        breaker.succeeded()  # it answers: that it says no is no failure
        raise
    except Exception as error:  # an extension's code; recorded, and the run goes on without it
        failed_extension("tool", tool.name, error)
        message = f"{tool.name} failed: {type(error).__name__}"
        raise ToolFailed("tool_crashed", message, "the platform's log has the traceback") from error
    raise AssertionError


def _may_have_happened(error: GroundswellError) -> bool:
    """Whether an effect may have happened although it ended so: a tool that says no has not acted."""
    return isinstance(error, Unavailable) or error.code == "tool_crashed"


class OutcomeUnknown(Exception):
    """Nobody can say whether an effect happened; the text says what to look at."""


async def _probed(tool: Tool, context: CallContext, values: dict[str, Any], told: str) -> Any:
    """What an effect's probe finds: its value, or None where it did not happen. Raises OutcomeUnknown."""
    if tool.probe is None:
        raise OutcomeUnknown(f"{told}; look whether it happened: {tool.summary}")
    try:
        async with asyncio.timeout(max(context.remaining(), 0.0)):
            return await tool.probe(context, values)
    except GroundswellError as error:
        if error.code in OUTAGES:
            raise
        raise OutcomeUnknown(error.message) from error
    except TimeoutError as error:
        raise OutcomeUnknown(f"{told}, and looking for what it did took too long") from error
    except Exception as error:  # an extension's code; recorded, and a person decides
        failed_extension("tool", tool.name, error)
        raise OutcomeUnknown(f"{told}, and looking for what it did failed: {type(error).__name__}") from error


def _not_approved(place: Place, standing: Standing) -> ToolResult | None:
    """What an agent is told of a call that a person refused."""
    if standing.state != "denied":
        return None
    message = f"{standing.decided_by} did not approve {place.ask.kind}"
    hint = standing.note or "do without it"
    return ToolResult(status="denied", code="not_approved", message=message, hint=hint)


class _Reporter:
    """Turns a tool's progress into events, a few a second at most, without holding the tool up."""

    def __init__(self, journal: Journal, place: Place, attempt: int) -> None:
        self.journal, self.place, self.attempt = journal, place, attempt
        self.numbers = itertools.count()
        self.last = 0.0
        self.task: asyncio.Task[None] | None = None
        self.closed = False  # work that goes on behind a call tells nobody

    def progress(self, stage: str, done: int, total: int) -> None:
        """Say how far the call is."""
        now = time.monotonic()
        if self.closed or now - self.last < PROGRESS_SECONDS or (self.task and not self.task.done()):
            return
        self.last = now
        self.task = asyncio.create_task(self._store(stage, done, total))

    async def close(self) -> None:
        """Say nothing more, and wait for what is under way."""
        self.closed = True
        if self.task:
            await asyncio.gather(self.task, return_exceptions=True)

    async def _store(self, stage: str, done: int, total: int) -> None:
        with contextlib.suppress(EpochOver, GroundswellError):  # the call itself finds out, and says so
            await self.journal.progress(self.place, self.attempt, next(self.numbers), stage, done, total)


def _denied(name: str, verdict: Verdict) -> tuple[ToolResult, Denial]:
    rule, message, hint = verdict.rule, verdict.message, verdict.hint
    result = ToolResult(status="denied", code=rule, message=message, hint=hint)
    return result, Denial(subject=name, rule=rule, message=message, hint=hint)
