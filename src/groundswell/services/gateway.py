"""The gateway, the one door: who are you, may you, how fast; then it passes the request on to the router."""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Path, Query, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from limits import RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import MovingWindowRateLimiter
from pydantic import Field

from groundswell.backends.databases.api_keys import ApiKey, ApiKeys, Tenant
from groundswell.backends.databases.connections import Database
from groundswell.backends.peers import Peer
from groundswell.core.errors import Denied, Invalid, LimitReached, NotFound, Unavailable
from groundswell.core.records import Record
from groundswell.core.settings import TENANT
from groundswell.runtime import telemetry
from groundswell.runtime.authentication import LOCAL, SCOPES, Authentication
from groundswell.runtime.base import VERSION, Base
from groundswell.runtime.door import Door
from groundswell.runtime.keys import CallerToken
from groundswell.runtime.oidc_callers import PREFIX as OIDC
from groundswell.runtime.reference_page import page, policy
from groundswell.runtime.service import Service, body_of, opened_of
from groundswell.runtime.start_page import start_page
from groundswell.services.openai import doors

routes = APIRouter(prefix="/v1")
PASSED_ON = ("accept", "content-type", "idempotency-key", "last-event-id")  # nothing that names an identity
PASSED_BACK = ("content-type", "location", "retry-after", "cache-control", "x-accel-buffering")
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]
TOKEN_SECONDS = 60
OTHERS = ("router", "agents", "tools", "models")


@dataclass
class Gateway:
    """What the routes work with."""

    base: Base
    database: Database
    keys: ApiKeys
    authentication: Authentication
    limiter: MovingWindowRateLimiter
    router: Peer
    peers: dict[str, Peer]

    async def admit(self, request: Request) -> CallerToken:
        """Who asks, if they may ask now."""
        self.base.last_asked = asyncio.get_running_loop().time()
        caller = await self.authentication.caller(request)
        limit = RateLimitItemPerMinute(self.base.settings.gateway.requests_per_minute)
        if not await self.limiter.hit(limit, caller.tenant, caller.caller):
            reset, _ = await self.limiter.get_window_stats(limit, caller.tenant, caller.caller)
            message = f"more than {limit.amount} requests a minute"
            raise LimitReached("too_fast", message, "slow down", retry_after=max(1, round(reset - time.time())))
        return caller


@contextlib.asynccontextmanager
async def opened(base: Base) -> AsyncGenerator[Gateway]:
    """Connect to the database, for keys, and to the services."""
    database = base.database("gateway")
    await database.open()
    keys = ApiKeys(database)
    peers = {name: base.peer(name) for name in OTHERS}
    limiter = MovingWindowRateLimiter(MemoryStorage())
    authentication = Authentication(base, keys)
    try:
        yield Gateway(base, database, keys, authentication, limiter, peers["router"], peers)
    finally:
        await authentication.close()
        for peer in peers.values():
            await peer.close()
        await database.close()


GatewayDep = Annotated[Gateway, Depends(opened_of)]


def _needs(caller: CallerToken, scope: str) -> None:
    if scope not in caller.scopes:
        raise Denied("scope_missing", f"this key may not do that: it lacks the scope {scope!r}")


async def _keeper(request: Request, gateway: GatewayDep) -> CallerToken:
    caller = await gateway.admit(request)
    _needs(caller, "keys")
    return caller


async def _admin(request: Request, gateway: GatewayDep) -> CallerToken:
    caller = await gateway.admit(request)
    _needs(caller, "admin")
    return caller


def _tenant(keeper: CallerToken, named: str) -> str:
    """Whose keys are meant: the keeper's tenant's; for the scope `admin` also another's."""
    if named not in ("", keeper.tenant):
        _needs(keeper, "admin")
    return named or keeper.tenant


Keeper = Annotated[CallerToken, Depends(_keeper)]
OfTenant = Annotated[
    str, Query(pattern=f"{TENANT}|^$", description="Another tenant than yours: for the scope `admin`.")
]


class NewKey(Record):
    """A request for an API key."""

    name: str = Field(min_length=1, max_length=80, examples=["laptop of ana"])
    caller: str = Field(default="", max_length=80, description="Whom it stands for; by default its name.")
    tenant: str = Field(
        default="", pattern=f"{TENANT}|^$", description="Another tenant than yours: for the scope `admin`."
    )
    scopes: tuple[str, ...] = ("runs",)


class CreatedKey(Record):
    """A new key: its text is shown this once."""

    key: str
    record: ApiKey


@routes.post("/keys", status_code=201, tags=["keys"], summary="Create an API key")
async def create_key(body: NewKey, gateway: GatewayDep, keeper: Keeper) -> CreatedKey:
    """A key for a caller of this tenant, or by the scope `admin` of another; only its hash is stored."""
    unknown = set(body.scopes) - set(SCOPES)
    if unknown or not set(body.scopes) <= set(keeper.scopes):
        raise Invalid("bad_scope", f"no such scope, or not yours to give: {', '.join(body.scopes)}", f"of: {SCOPES}")
    tenant = _tenant(keeper, body.tenant)
    if LOCAL in body.scopes and not (keeper.local and tenant == keeper.tenant):
        raise Invalid("bad_scope", "only who is at this machine can give their own reach away, in their own tenant")
    caller = body.caller or body.name
    if caller == "local" or caller.startswith(OIDC):
        raise Invalid("reserved_caller", f"no key can stand for {caller!r}", "name another caller: --caller NAME")
    text, record = await gateway.keys.create(tenant, body.name, caller, body.scopes)
    return CreatedKey(key=text, record=record)


@routes.get("/keys", tags=["keys"], summary="List API keys")
async def list_keys(gateway: GatewayDep, keeper: Keeper, tenant: OfTenant = "") -> list[ApiKey]:
    """The keys of this tenant, without themselves."""
    return await gateway.keys.listed(_tenant(keeper, tenant))


@routes.delete("/keys/{key_id}", tags=["keys"], summary="Revoke an API key")
async def revoke_key(
    gateway: GatewayDep, keeper: Keeper, key_id: Annotated[str, Path(max_length=64)], tenant: OfTenant = ""
) -> ApiKey:
    """Take a key back, at once."""
    return await gateway.keys.revoke(_tenant(keeper, tenant), key_id)


@routes.get("/tenants", tags=["keys"], summary="List tenants", dependencies=[Depends(_admin)])
async def list_tenants(gateway: GatewayDep) -> list[Tenant]:
    """The tenants there are, for the scope `admin`: those with keys or callers, and those that `policy.toml` names."""
    ruled = gateway.base.policy.tenants
    known = {tenant.name: tenant for tenant in await gateway.keys.tenants()}
    for name in ruled.keys() - known.keys():
        known[name] = Tenant(name=name)
    return [known[name].model_copy(update={"policy": name in ruled}) for name in sorted(known)]


@routes.get("/platform", tags=["catalogue"], summary="What this platform is made of")
async def platform(request: Request, gateway: GatewayDep) -> dict[str, Any]:
    """Its version, how each service stands, and what this caller's runs look at that name no source."""
    caller = await gateway.admit(request)
    defaults = gateway.base.settings.sources.model_dump(exclude_defaults=True) if caller.local else {}
    subject = gateway.base.subject.model_dump()
    return {"version": VERSION, "services": await _services(gateway), "sources": defaults, "subject": subject}


async def _services(gateway: Gateway) -> dict[str, Any]:
    async def one(peer: Peer) -> dict[str, Any]:
        try:
            _, body = await peer.get("/ready")
        except Unavailable as error:
            return {"status": "away", "message": error.message}
        return body

    bodies = await asyncio.gather(*(one(peer) for peer in gateway.peers.values()))
    return dict(zip(gateway.peers, bodies, strict=True))


async def relay(request: Request) -> Response:
    """Pass a request on to the router: the caller's name is the gateway's word, whatever the request says."""
    gateway: Gateway = opened_of(request)
    caller = await gateway.admit(request)
    headers = {name: request.headers[name] for name in PASSED_ON if name in request.headers}
    headers["authorization"] = f"Bearer {gateway.base.keys.sign('gateway', caller, TOKEN_SECONDS)}"
    target = _target(request)
    body = await body_of(request, gateway.base.settings.gateway.max_body_bytes)
    stack = contextlib.AsyncExitStack()
    relayed = gateway.router.relay(request.method, target, headers | telemetry.headers(), body)
    status, answered, chunks = await stack.enter_async_context(relayed)

    back = {name: value for name, value in answered if name.lower() in PASSED_BACK}

    async def through() -> AsyncIterator[bytes]:
        async with stack:
            try:
                async for chunk in chunks:
                    yield chunk
            except Unavailable:
                if "text/event-stream" not in back.get("content-type", ""):
                    raise  # a reader of events comes back with its last number; others must see that it broke
        gateway.base.last_asked = asyncio.get_running_loop().time()

    return StreamingResponse(through(), status, back)


def _target(request: Request) -> str:
    """Path and query as they were written: read and written anew they could come to mean another route."""
    if ".." in request.url.path.split("/"):
        raise NotFound("no_route", "a path may not lead upwards", "GET /openapi.json lists the routes")
    path = request.scope["raw_path"].decode("latin-1")
    return path + (f"?{request.url.query}" if request.url.query else "")


async def openapi(request: Request) -> Response:
    """The OpenAPI document: the router's routes and the gateway's own."""
    return JSONResponse(await _document(request))


async def docs(request: Request) -> Response:
    """The same for people; it needs no network."""
    return HTMLResponse(page(await _document(request)), headers={"Content-Security-Policy": policy()})


async def start(request: Request) -> Response:
    """The page for people. It holds nothing: what it shows it asks for, with a key where one is needed."""
    text, security = start_page()
    headers = {"Content-Security-Policy": security, "Referrer-Policy": "no-referrer", "Cache-Control": "no-cache"}
    return HTMLResponse(text, headers=headers)


async def _document(request: Request) -> dict[str, Any]:
    gateway: Gateway = opened_of(request)
    own = request.app.openapi()
    _, theirs = await gateway.router.get("/openapi.json")
    health = {path: item for path, item in own["paths"].items() if not path.startswith("/v1")}
    paths = {path: item for path, item in theirs["paths"].items() if path.startswith("/v1")}
    paths |= {path: item for path, item in own["paths"].items() if path.startswith("/v1")}
    schemas = theirs.get("components", {}).get("schemas", {}) | own.get("components", {}).get("schemas", {})
    security = {"key": {"type": "http", "scheme": "bearer", "description": "An API key: `groundswell keys create`."}}
    return {
        "openapi": own["openapi"],
        "info": {"title": "Groundswell", "version": VERSION, "description": "Agents that answer on evidence."},
        "paths": dict(sorted(paths.items())) | health,
        "components": {"schemas": schemas, "securitySchemes": security},
        "security": [{"key": []}],
    }


async def ready(gateway: Gateway) -> dict[str, str]:
    """Ready when all services are."""
    services = await _services(gateway)
    away = [name for name, body in services.items() if body.get("status") != "ready"]
    if away:
        raise Unavailable("not_ready", f"not ready: {', '.join(away)}", "groundswell status")
    return {name: value for body in services.values() for name, value in body.get("details", {}).items()}


def dress(app: FastAPI) -> None:
    """What is not for the OpenAPI document: the document itself, all that is passed on, and the door before it."""
    app.add_middleware(Door)
    app.add_route("/", start, methods=["GET"], include_in_schema=False)
    app.add_route("/openapi.json", openapi, methods=["GET"], include_in_schema=False)
    app.add_route("/docs", docs, methods=["GET"], include_in_schema=False)
    app.add_route("/v1/{path:path}", relay, methods=METHODS, include_in_schema=False)


service = Service(
    name="gateway", namespace="ai-router", routes=routes, more=(doors.routes,), opened=opened, check=ready, dress=dress
)
