"""`/v1/chat/completions` and `/v1/models`, so that any OpenAI client can talk to the agents, and to the models.

Closing the connection of a chat completion cancels its run: these clients have no other way.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from typing import Annotated, Any, Protocol

from fastapi import APIRouter, Path, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from pydantic import TypeAdapter, ValidationError

from groundswell.backends.peers import Peer
from groundswell.core.errors import Conflict, Denied, GroundswellError, Invalid, NotFound, Unavailable, from_problem
from groundswell.core.records import Event, ModelReport, ModelView, Run
from groundswell.runtime import telemetry
from groundswell.runtime.base import Base
from groundswell.runtime.keys import CallerToken
from groundswell.runtime.service import body_of, opened_of
from groundswell.services.openai.cited import extension, text_of, usage_of
from groundswell.services.openai.protocol import AGENT, DONE, ROLE, ChatCompletion, Writer, event, refused

routes = APIRouter(prefix="/v1", tags=["openai"])
TOKEN_SECONDS = 1800
PIECE = 80  # characters of an answer that is streamed
LOOK_SECONDS = 0.25  # between two looks whether a client that waits is still there
PING_SECONDS = 10.0
FINAL = {"x-should-retry": "false"}  # OpenAI's clients ask again after a 503, and each time would start another run
_later: set["asyncio.Task[Any]"] = set()


class Stopped(Conflict):
    """The run was cancelled while its words went by."""


class Gateway(Protocol):
    """What these routes need of the gateway."""

    base: Base
    router: Peer
    peers: dict[str, Peer]

    async def admit(self, request: Request) -> CallerToken:
        """Who asks, if they may ask now."""
        ...


class Asked:
    """One request, its caller, and the services it goes to."""

    def __init__(self, gateway: Gateway, caller: CallerToken) -> None:
        self.gateway, self.caller = gateway, caller

    @property
    def headers(self) -> dict[str, str]:
        """The caller's name as the gateway's word."""
        token = self.gateway.base.keys.sign("gateway", self.caller, TOKEN_SECONDS)
        return {"authorization": f"Bearer {token}", **telemetry.headers()}

    async def post(self, peer: str, path: str, body: Any) -> Any:
        """A JSON answer."""
        return await self.gateway.peers[peer].post(path, body, self.headers)

    async def read(self, path: str) -> Any:
        """A JSON page of the router."""
        async with self.gateway.router.relay("GET", path, self.headers, b"") as (status, _, chunks):
            return _json(b"".join([chunk async for chunk in chunks]), status)


@routes.post("/chat/completions", response_model=None, summary="Answer as a chat completion")
async def complete(request: Request) -> Response:
    """`agent:NAME` answers on evidence; `llm:ROLE` is passed through to the model of that role."""
    try:
        gateway: Gateway = opened_of(request)
        caller = await gateway.admit(request)
        if "runs" not in caller.scopes:
            raise Denied("scope_missing", "this key may not do that: it lacks the scope 'runs'")
        raw = await _body(request, gateway.base.settings.gateway.max_body_bytes)
        asked = _checked(raw)
        if asked.n not in (None, 1):
            raise Invalid("one_choice", "one choice is all there is: leave n out")
        door = Asked(gateway, caller)
        if asked.model.startswith(ROLE):
            return await _passed_through(request, door, asked, raw)
        return await _answered(request, door, asked)
    except GroundswellError as error:
        status, body, headers = refused(error)
        return JSONResponse(body, status, headers)


@routes.get("/models", response_model=None, summary="List agents and models as OpenAI lists models")
async def models(request: Request) -> Response:
    """Every agent that answers here, and every role that has a model."""
    try:
        gateway: Gateway = opened_of(request)
        door = Asked(gateway, await gateway.admit(request))
        agents: list[dict[str, Any]] = await door.read("/v1/agents")
        views = TypeAdapter(list[ModelView]).validate_python(await door.post("models", "/internal/listed", {}))
        speaks = any(view.role == "planner" and not view.resting for view in views)
        # an agent that looks at nothing has only a model's word
        answering = [agent for agent in agents if agent["tools"] or speaks]
        listed = [_model(f"{AGENT}{agent['name']}", description=agent["description"]) for agent in answering]
        for view in views:
            more = {"engine": view.model, "window": view.window, "resting": view.resting}
            listed.append(_model(f"{ROLE}{view.role}", **more))
        return JSONResponse({"object": "list", "data": listed})
    except GroundswellError as error:
        status, body, headers = refused(error)
        return JSONResponse(body, status, headers)


@routes.post("/models/llm:{role}/test", summary="Try what a model can do")
async def test(request: Request, role: Annotated[str, Path(max_length=40)]) -> ModelReport:
    """Streaming, tool calls, parallel ones, a JSON schema and the window, as a run of one call."""
    gateway: Gateway = opened_of(request)
    door = Asked(gateway, await gateway.admit(request))
    begun: dict[str, str] = await door.post("router", "/internal/relays", {"role": role})
    outcome: BaseException | str | None = None
    try:
        headers = {"authorization": f"Bearer {begun['token']}", **telemetry.headers()}
        report = await gateway.peers["models"].post("/internal/test", {"role": role}, headers)
        outcome = "succeeded"
        return ModelReport.model_validate(report)
    except GroundswellError as error:
        outcome = error
        raise
    finally:
        _soon(_end(door, begun["run"], outcome))


def _model(identity: str, **more: Any) -> dict[str, Any]:
    return {"id": identity, "object": "model", "created": 0, "owned_by": "groundswell", "groundswell": more}


async def _answered(request: Request, door: Asked, asked: ChatCompletion) -> Response:
    """A run of an agent."""
    run = Run.model_validate(await door.post("router", "/v1/runs", asked.as_run().model_dump(mode="json")))
    writer = Writer(asked.model, run.id)
    if asked.stream:
        fresh = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(_streamed(door, run, asked, writer), 200, fresh, media_type="text/event-stream")
    ended = await _while_connected(request, _ended(door, run.id), lambda: _cancel(door, run.id))
    if ended.status == "failed":
        status, body, headers = refused(_failure(ended))
        return JSONResponse(body, status, {**headers, **FINAL})
    finish = "length" if ended.status == "exhausted" else "stop"
    return JSONResponse(writer.whole(text_of(ended), finish, usage_of(ended), groundswell=extension(ended)))


async def _streamed(door: Asked, run: Run, asked: ChatCompletion, writer: Writer) -> AsyncGenerator[bytes]:
    """The answer, once it is there; comments meanwhile, so that nobody takes the silence for an end."""
    ended: Run | None = None
    try:
        yield writer.chunk({"role": "assistant", "content": ""})
        waiting = asyncio.ensure_future(_ended(door, run.id))
        try:
            while not (await asyncio.wait([waiting], timeout=PING_SECONDS))[0]:
                yield b": working\n\n"
            ended = waiting.result()
        finally:
            waiting.cancel()
        if ended.status == "failed":
            yield event(refused(_failure(ended))[1])
            return
        text = text_of(ended)
        for start in range(0, len(text), PIECE):
            yield writer.chunk({"content": text[start : start + PIECE]})
        finish = "length" if ended.status == "exhausted" else "stop"
        yield writer.chunk({}, finish, groundswell=extension(ended))
        if asked.counts:
            yield writer.usage(usage_of(ended))
        yield DONE
    except GroundswellError as error:
        yield event(refused(error)[1])
    finally:
        if ended is None:
            _soon(_cancel(door, run.id))


async def _ended(door: Asked, run: str) -> Run:
    """The run once it has ended."""
    async for told in _events(door, f"/v1/runs/{run}/events"):
        if told.kind == "answer":
            break
    return Run.model_validate(await door.read(f"/v1/runs/{run}"))


async def _events(door: Asked, path: str) -> AsyncIterator[Event]:
    """A run's events; a stream that breaks is taken up where it was."""
    last = 0
    while True:
        try:
            headers = {**door.headers, "last-event-id": str(last)}
            async with door.gateway.router.relay("GET", path, headers, b"") as (status, _, chunks):
                if status >= 400:
                    _json(b"".join([chunk async for chunk in chunks]), status)
                async for line in _lines(chunks):
                    if line.startswith("data: "):
                        told = Event.model_validate_json(line[6:])
                        last = told.number
                        yield told
                        if told.kind == "answer":
                            return
        except Unavailable:
            await asyncio.sleep(LOOK_SECONDS)


async def _cancel(door: Asked, run: str) -> None:
    with contextlib.suppress(GroundswellError):  # it has ended by itself
        await door.post("router", f"/v1/runs/{run}/cancel", None)


def _failure(run: Run) -> GroundswellError:
    if run.error is None:
        return Unavailable("failed", "it failed")
    status = Denied.status if run.reason == "denied" else run.error.status or Unavailable.status
    told = {"code": run.error.code, "detail": run.error.message, "hint": run.error.hint}
    return from_problem(told, status)


async def _passed_through(request: Request, door: Asked, asked: ChatCompletion, raw: Mapping[str, Any]) -> Response:
    """A run of one model call, whose text goes by and is not kept."""
    role = asked.model.removeprefix(ROLE)
    begun: dict[str, str] = await door.post("router", "/internal/relays", {"role": role})
    body = {name: value for name, value in raw.items() if name != "groundswell"}
    if asked.stream:
        body["stream_options"] = {**(raw.get("stream_options") or {}), "include_usage": True}
    run, leave = begun["run"], lambda: _end(door, begun["run"], None)
    said = _wanted(door, run, _relayed(door, begun["token"], {"role": role, "body": body}))
    try:
        first = await _while_connected(request, anext(said, None), leave)
        if first is None:
            raise Unavailable("model_cut_off", "the model sent nothing")
    except Stopped:
        await leave()
        raise
    except BaseException as error:
        _soon(_end(door, run, error))
        raise
    if asked.stream:
        fresh = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        told = _told(door, run, first, said, counts=asked.counts)
        return StreamingResponse(told, 200, fresh, media_type="text/event-stream")
    await said.aclose()
    await _end(door, run, "succeeded")
    return Response(first, media_type="application/json")


async def _relayed(door: Asked, token: str, body: dict[str, Any]) -> AsyncGenerator[str]:
    """The chunks that the models service relays; of a request that does not stream, the whole reply as one."""
    headers = {"authorization": f"Bearer {token}", "content-type": "application/json", **telemetry.headers()}
    content = json.dumps(body).encode()
    async with door.gateway.peers["models"].relay("POST", "/internal/relay", headers, content) as (status, _, chunks):
        if status >= 400:
            _json(b"".join([chunk async for chunk in chunks]), status)
        async for line in _lines(chunks):
            if line:
                told: dict[str, Any] = json.loads(line)
                if "problem" in told:
                    raise from_problem(told["problem"], 503)
                yield told["data"]


async def _told(door: Asked, run: str, first: str, said: AsyncGenerator[str], *, counts: bool) -> AsyncGenerator[bytes]:
    outcome: BaseException | str | None = None
    try:
        async with contextlib.aclosing(said):
            chunk: str | None = first
            while chunk is not None:
                if counts or not _only_usage(chunk):
                    yield f"data: {chunk}\n\n".encode()
                chunk = await anext(said, None)
        outcome = "succeeded"
    except Stopped as error:
        yield event(refused(error)[1])
    except GroundswellError as error:
        outcome = error
        yield event(refused(error)[1])
    finally:
        _soon(_end(door, run, outcome))


async def _wanted(door: Asked, run: str, said: AsyncGenerator[str]) -> AsyncGenerator[str]:
    """The chunks, for as long as nobody cancels the run through `/v1/runs`. Raises Stopped."""
    stopped = asyncio.ensure_future(_stopped(door, run))
    try:
        while True:
            chunk = asyncio.ensure_future(anext(said, None))
            try:
                await asyncio.wait([chunk, stopped], return_when=asyncio.FIRST_COMPLETED)
            finally:
                if not chunk.done():
                    chunk.cancel()
                    await asyncio.gather(chunk, return_exceptions=True)
            if stopped.done():
                raise Stopped("cancelled", "this call was cancelled", "ask again")
            if (text := chunk.result()) is None:
                return
            yield text
    finally:
        stopped.cancel()
        await asyncio.gather(stopped, return_exceptions=True)
        await said.aclose()


async def _stopped(door: Asked, run: str) -> None:
    """Until the run is asked to stop."""
    with contextlib.suppress(GroundswellError):
        async for told in _events(door, f"/v1/runs/{run}/events"):
            if told.body.kind == "run" and told.body.reason == "cancelling":
                return
    await asyncio.Event().wait()  # it ends by itself, or nobody can say: its words go on


def _only_usage(chunk: str) -> bool:
    """Whether a chunk is the one that was asked for on our behalf."""
    return '"usage"' in chunk and not (json.loads(chunk).get("choices"))


async def _end(door: Asked, run: str, outcome: BaseException | str | None) -> None:
    """Say how a call that was passed through ended: well, with an error, or because its client left."""
    body: dict[str, Any] = {"status": outcome if isinstance(outcome, str) else "cancelled"}
    if isinstance(outcome, GroundswellError):
        problem = {"code": outcome.code, "message": outcome.message, "hint": outcome.hint}
        body = {"status": "failed", "problem": problem}
    with contextlib.suppress(GroundswellError):  # it was ended before, or its holder's time will
        await door.post("router", f"/internal/relays/{run}/end", body)


async def _while_connected(request: Request, waiting: Any, leave: Any) -> Any:
    """A result, for as long as somebody waits for it; else what is to be done is done."""
    task = asyncio.ensure_future(waiting)
    try:
        while not (await asyncio.wait([task], timeout=LOOK_SECONDS))[0]:
            if await request.is_disconnected():
                await leave()
                raise Unavailable("client_left", "nobody waits for this any more")
        return task.result()
    finally:
        task.cancel()


def _soon(work: Any) -> None:
    """Do it even where the one who asked is gone and this task is being cancelled."""
    task = asyncio.ensure_future(work)
    _later.add(task)
    task.add_done_callback(_later.discard)


async def _lines(chunks: AsyncIterator[bytes]) -> AsyncIterator[str]:
    rest = b""
    async for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            yield line.rstrip(b"\r").decode("utf-8", "replace")
    if rest:
        yield rest.decode("utf-8", "replace")


async def _body(request: Request, limit: int) -> dict[str, Any]:
    try:
        found = json.loads(await body_of(request, limit))
    except (ValueError, RecursionError) as error:
        raise Invalid("bad_json", f"the request is no JSON: {error}") from error
    if not isinstance(found, dict):
        raise Invalid("bad_json", "the request is no object")
    return found


def _checked(raw: dict[str, Any]) -> ChatCompletion:
    try:
        return ChatCompletion.model_validate(raw)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise Invalid("bad_request", f"{where}: {first['msg']}") from error


def _json(data: bytes, status: int) -> Any:
    try:
        body = json.loads(data)
    except ValueError as error:
        raise Unavailable("bad_answer", f"a service answered {status} without JSON") from error
    if status >= 400:
        raise from_problem(body if isinstance(body, dict) else {}, status)
    if not isinstance(body, dict | list):
        raise NotFound("bad_answer", "a service answered without an object")
    return body
