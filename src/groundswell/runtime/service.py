"""What all services have in common: errors, authentication, health, spans and metrics; a service's file adds routes."""

import contextlib
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from groundswell.backends.databases.calls import Journal
from groundswell.backends.databases.connections import EpochOver
from groundswell.core.errors import Conflict, Denied, GroundswellError, Invalid, Unauthenticated, Unavailable
from groundswell.runtime import telemetry
from groundswell.runtime.base import VERSION, Base
from groundswell.runtime.keys import CallerToken, RunToken, WorkerToken

Opened = Callable[[Base], AbstractAsyncContextManager[Any]]


@dataclass(frozen=True)
class Service:
    """HTTP routes, a name and a namespace; `opened` gives what the routes work with, and closes it."""

    name: str
    namespace: str
    routes: APIRouter
    opened: Opened
    more: Sequence[APIRouter] = ()
    check: Callable[[Any], Any] | None = None  # an async function of what was opened: raises where it is not ready
    dress: Callable[[FastAPI], None] = field(default=lambda app: None)  # what is not a route


def application(service: Service, base: Base) -> FastAPI:
    """A service as an ASGI application."""

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
        async with service.opened(base) as opened:
            app.state.opened = opened
            yield

    app = FastAPI(
        title=f"Groundswell {service.name}",
        version=VERSION,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json" if service.name != "gateway" else None,
    )
    app.state.base = base
    app.include_router(health_routes(service))
    for routes in (service.routes, *service.more):
        app.include_router(routes)
    service.dress(app)
    app.add_exception_handler(GroundswellError, _problem)
    app.add_exception_handler(EpochOver, _epoch_over)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _crashed)
    app.add_middleware(Observed, service=service.name)
    return app


def health_routes(service: Service) -> APIRouter:
    """`/health`: the process answers. `/ready`: it can work now."""
    routes = APIRouter(tags=["health"])

    @routes.get("/health", summary="The process answers")
    async def health() -> dict[str, str]:
        return {"status": "ok", "service": service.name, "version": VERSION}

    @routes.get("/ready", summary="The service can work now", responses={503: {"description": "not now"}})
    async def ready(request: Request) -> dict[str, Any]:
        found: Any = None
        if service.check is not None:
            found = await service.check(request.app.state.opened)
        return {"status": "ready", "service": service.name, "version": VERSION, "details": found or {}}

    return routes


def base_of(request: Request) -> Base:
    """The ground the service stands on."""
    return request.app.state.base


def opened_of(request: Request) -> Any:
    """What the service opened when it started."""
    return request.app.state.opened


async def body_of(request: Request, limit: int) -> bytes:
    """The body of a request; raises Invalid as soon as it is larger than the limit."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise Invalid("too_large", f"the request is larger than {limit:,} bytes", "send less at once")
    return bytes(body)


def bearer(request: Request) -> str:
    """The token of a request; raises Unauthenticated."""
    scheme, _, text = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not text:
        hint = "send Authorization: Bearer KEY; keys come from `groundswell keys create`"
        raise Unauthenticated("no_key", "this needs a key", hint)
    return text.strip()


def caller_of(request: Request) -> CallerToken:
    """Who asks, as the gateway has said it."""
    return base_of(request).keys.read(CallerToken, "gateway", bearer(request))


def run_of(request: Request) -> RunToken:
    """For which run a worker asks."""
    return base_of(request).keys.read(RunToken, "router", bearer(request))


async def leased_run_of(request: Request) -> RunToken:
    """The same, while its lease lasts; a token outlives it, and opens nothing then. Raises EpochOver."""
    token = run_of(request)
    journal: Journal = opened_of(request).journal
    await journal.check(token.tenant, token.run, token.epoch)
    return token


def worker_of(request: Request) -> WorkerToken:
    """Which worker asks."""
    return base_of(request).keys.read(WorkerToken, "agents", bearer(request))


def scoped(scope: str) -> Callable[[Request], CallerToken]:
    """A dependency: the caller, if the scope is theirs."""

    def check(request: Request) -> CallerToken:
        caller = caller_of(request)
        if scope not in caller.scopes:
            hint = f"use a key that has it: groundswell keys create NAME --scope {scope}"
            raise Denied("scope_missing", f"this key may not do that: it lacks the scope {scope!r}", hint)
        return caller

    return check


Caller = Annotated[CallerToken, Depends(scoped("runs"))]
Approver = Annotated[CallerToken, Depends(scoped("approve"))]
PruningCaller = Annotated[CallerToken, Depends(scoped("prune"))]
RunCaller = Annotated[RunToken, Depends(leased_run_of)]
WorkerCaller = Annotated[WorkerToken, Depends(worker_of)]


class Observed:
    """A span and figures for every request; streams count until their end."""

    def __init__(self, app: ASGIApp, service: str) -> None:
        self.app, self.service = app, service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and watch it."""
        if scope["type"] != "http" or scope["path"] in ("/health", "/ready"):
            await self.app(scope, receive, send)
            return
        status, began = 500, time.perf_counter()

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        attributes = {"http.request.method": scope["method"], "groundswell.service": self.service}
        with telemetry.span(scope["method"], "http", attributes, parent=headers) as span:
            try:
                await self.app(scope, receive, watched)
            finally:
                route = getattr(scope.get("route"), "path", "")
                span.name(f"{scope['method']} {route}".strip())
                span.set("http.response.status_code", status)
                telemetry.measured(
                    "http.server.request.duration", time.perf_counter() - began, route=route, status=status
                )


def problem(error: GroundswellError) -> JSONResponse:
    """An error as an RFC 9457 problem; 429 and 503 say when to come back."""
    headers = {"Content-Type": "application/problem+json"}
    if error.status in (429, 503):
        headers["Retry-After"] = str(error.details.get("retry_after", 1))
    if error.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return JSONResponse(error.problem(), error.status, headers)


async def _problem(_: Request, error: Any) -> JSONResponse:
    return problem(error)


async def _epoch_over(_: Request, error: Any) -> JSONResponse:
    return problem(Conflict("epoch_over", f"this epoch of run {error} is over"))


async def _invalid(_: Request, error: Any) -> JSONResponse:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"] if part != "body")
    message = f"{where}: {first['msg']}" if where else str(first["msg"])
    return problem(Invalid("bad_request", message, "GET /openapi.json describes every request"))


async def _http(_: Request, error: Any) -> JSONResponse:
    failure = GroundswellError(f"http_{error.status_code}", str(error.detail), "GET /openapi.json lists the routes")
    headers = {**(error.headers or {}), "Content-Type": "application/problem+json"}
    return JSONResponse(failure.problem() | {"status": error.status_code}, error.status_code, headers)


async def _crashed(request: Request, error: Any) -> JSONResponse:
    telemetry.log.error("request.crashed", path=request.url.path, exc_info=error)
    if isinstance(error, OSError):
        return problem(Unavailable("unavailable", f"something this needs is away: {type(error).__name__}"))
    return problem(GroundswellError("crashed", "this request failed inside the platform", "its log has the traceback"))
