"""Whatever route there is, it answers nobody without a right to it: a new one is tried here by being there."""

import re
import secrets
from collections.abc import AsyncIterator, Sequence
from typing import Any

import httpx2
import pytest

from groundswell.backends.databases.api_keys import ApiKeys
from groundswell.runtime import keys
from groundswell.runtime.discovery import discover
from groundswell.runtime.keys import CallerToken, RunToken, WorkerToken
from groundswell.runtime.platform import Running
from groundswell.runtime.service import Service, application
from services.issuer import Issuer
from services.test_api import finished, problem

OPEN = {("GET", "/health"), ("GET", "/ready")}  # to everybody
ANY_KEY = {("GET", "/v1/platform")}  # to whoever has a key, whatever it may do
NO_TENANTS_THING = {"name", "role"}  # agents, tools and roles of models are the same for all
Route = tuple[str, str]


async def routes(http: httpx2.AsyncClient) -> list[Route]:
    """Every route of the gateway, as its OpenAPI document lists them."""
    document = (await http.get("/openapi.json")).json()
    found = [(method.upper(), path) for path, item in document["paths"].items() for method in item if method != "head"]
    assert len(found) > 20
    return found


def filled(path: str, **values: str) -> str:
    """A path with something in each of its places."""
    return re.sub(r"{(\w+)}", lambda match: values.get(match.group(1), "absent"), path)


async def asked(http: httpx2.AsyncClient, method: str, path: str, **headers: str) -> httpx2.Response:
    body = {} if method in ("POST", "PUT", "PATCH") else None
    return await http.request(method, path, json=body, headers=headers)


async def made(platform: Running, tenant: str, *scopes: str) -> tuple[str, str]:
    """A key of a tenant: its text and its id."""
    database = platform.base.database("gateway")
    await database.open()
    text, record = await ApiKeys(database).create(tenant, "tried", "tried", scopes)
    await database.close()
    return text, record.id


@pytest.fixture
async def strangers(platform: Running, http: httpx2.AsyncClient, issuer: Issuer) -> dict[str, str]:
    """What nobody may come in with, by name."""
    ours, others = platform.base.keys, keys.generate()
    revoked, key_id = await made(platform, "narrow", "runs", "keys", "admin")
    assert (await http.delete(f"/v1/keys/{key_id}", params={"tenant": "narrow"})).status_code == 200
    run = RunToken("run_x", 1, "trial", "local", "local")
    caller = CallerToken("local", "local", ("runs", "keys", "prune", "admin"), local=True)
    return {
        "garbage": "garbage",
        "a key that never was": f"gsk_{secrets.token_urlsafe(32)}",
        "a key with a wrong end": revoked[:-1] + ("A" if revoked[-1] != "A" else "B"),
        "a revoked key": revoked,
        "a run token": ours.sign("router", run, 60),
        "an expired run token": ours.sign("router", run, -60),
        "a forged run token": others.sign("router", run, 60),
        "the gateway's own word": ours.sign("gateway", caller, 60),
        "a forged word of the gateway": others.sign("gateway", caller, 60),
        "a worker's token": ours.sign("agents", WorkerToken("w"), 60),
        "an expired token of the issuer": issuer.token(exp=1),
        "a token for another service": issuer.token(aud="another"),
    }


async def test_no_route_answers_a_stranger(http: httpx2.AsyncClient, strangers: dict[str, str]):
    for method, path in await routes(http):
        if (method, path) in OPEN:
            continue
        for name, text in strangers.items():
            answer = await asked(http, method, filled(path), Authorization=f"Bearer {text}")
            assert answer.status_code == 401, f"{method} {path} answers {name}: {answer.text}"
            assert text not in answer.text


async def test_no_route_answers_without_a_key_where_one_is_asked_for(http: httpx2.AsyncClient, platform: Running):
    platform.base.keyless = False
    try:
        for method, path in await routes(http):
            if (method, path) not in OPEN:
                answer = await asked(http, method, filled(path))
                assert answer.status_code == 401, f"{method} {path}: {answer.text}"
    finally:
        platform.base.keyless = True
    for method, path in await routes(http):
        if (method, path) not in OPEN:
            for foreign in ({"Host": "rebound.example"}, {"Origin": "https://evil.example"}):
                answer = await asked(http, method, filled(path), **foreign)
                assert answer.status_code == 403, f"{method} {path} with {foreign}: {answer.text}"


async def test_no_route_answers_a_key_with_too_few_scopes(http: httpx2.AsyncClient, platform: Running):
    powerless, _ = await made(platform, "narrow")
    runs, _ = await made(platform, "narrow", "runs")
    for method, path in await routes(http):
        if (method, path) in OPEN | ANY_KEY:
            continue
        answer = await asked(http, method, filled(path), Authorization=f"Bearer {powerless}")
        assert answer.status_code == 403, f"{method} {path}: {answer.text}"
        if path.startswith(("/v1/keys", "/v1/tenants", "/v1/prune")) or method == "DELETE":
            answer = await asked(http, method, filled(path), Authorization=f"Bearer {runs}")
            assert answer.status_code == 403 or (method, answer.status_code) == ("DELETE", 404), f"{method} {path}"


async def test_what_is_anothers_is_not_there_in_the_words_for_what_never_was(
    http: httpx2.AsyncClient, platform: Running
):
    run = await finished(http, {"input": "mine alone", "agent": "trial"})
    calls = (await http.get(f"/v1/runs/{run['id']}/calls")).json()
    key = (await http.post("/v1/keys", json={"name": "mine"})).json()["record"]["id"]
    theirs = {
        "run_id": run["id"],
        "thread_id": run["thread"],
        "digest": calls[0]["result"]["digest"],
        "key_id": key,
    }
    absent = {name: "0" * len(value) for name, value in theirs.items()}
    text, _ = await made(platform, "narrow", "runs", "keys", "prune", "approve")
    decision = {"call": calls[0]["call"], "digest": "0" * 64, "choice": "approve"}
    tried = 0
    for method, path in await routes(http):
        places = set(re.findall(r"{(\w+)}", path))
        unknown = places - theirs.keys() - NO_TENANTS_THING
        assert not unknown, f"{path}: say here whose {unknown} is, and try it"
        if not places & theirs.keys():
            continue
        answers: list[tuple[int, str]] = []
        for values in (theirs, absent):
            body = {"POST": decision if path.endswith("/approvals") else {}}.get(method)
            headers = {"Authorization": f"Bearer {text}"}
            said = await http.request(method, filled(path, **values), json=body, headers=headers)
            told = said.text
            for name in places:
                told = told.replace(values[name], "ID").replace(values[name][:12], "ID")
            answers.append((said.status_code, told))
        assert answers[0] == answers[1], f"{method} {path}"
        assert answers[0][0] == 404, f"{method} {path}"
        tried += 1
    assert tried > 6
    for name, value in (("run", run["id"]), ("source", "x")):
        answer = await http.get(
            f"/v1/evidence/{theirs['digest']}", params={name: value}, headers={"Authorization": f"Bearer {text}"}
        )
        assert answer.status_code == 404


async def test_a_thread_a_list_and_an_idempotency_key_of_the_same_name_are_each_tenants_own(
    http: httpx2.AsyncClient, foreign: dict[str, str]
):
    word = f"canary{secrets.token_hex(4)}"
    body = {"input": f"{word} first", "agent": "trial", "thread": "shared-name"}
    mine = await finished(http, body, **{"Idempotency-Key": "same"})
    other = await finished(http, {**body, "input": "second"}, **foreign, **{"Idempotency-Key": "same"})
    assert mine["id"] != other["id"]
    for path in ("/v1/runs?thread=shared-name", "/v1/runs", "/v1/threads", "/v1/threads/shared-name", "/v1/platform"):
        answer = await http.get(path, headers=foreign)
        assert answer.status_code == 200
        assert word not in answer.text
        assert mine["id"] not in answer.text
    assert (await http.get("/v1/threads/shared-name", headers=foreign)).json()["runs"] == 1
    # a follow-up is routed by its own thread alone, and is told its own past alone
    chosen = await http.post("/v1/route", json={"input": "and then?", "thread": "shared-name"}, headers=foreign)
    assert word not in chosen.text
    events = await http.get(f"/v1/runs/{other['id']}/events", headers=foreign)
    assert word not in events.text
    page = (await http.get("/v1/runs", params={"limit": 1}, headers=foreign)).json()
    again = await http.get("/v1/runs", params={"cursor": page["next"]})  # another's cursor opens nothing of theirs
    assert all(run["tenant"] == "local" for run in again.json()["runs"])


async def test_a_first_key_of_a_tenant_needs_the_scope_admin_and_no_database(
    http: httpx2.AsyncClient, platform: Running
):
    made_ = await http.post("/v1/keys", json={"name": "first", "tenant": "fresh"})
    assert made_.status_code == 201
    text, record = made_.json()["key"], made_.json()["record"]
    assert record["tenant"] == "fresh"
    bearer = {"Authorization": f"Bearer {text}"}
    assert (await http.get("/v1/runs", headers=bearer)).json()["runs"] == []
    known = {tenant["name"]: tenant for tenant in (await http.get("/v1/tenants")).json()}
    assert known["fresh"]["keys"] == 1
    keeper, _ = await made(platform, "narrow", "runs", "keys")
    held = {"Authorization": f"Bearer {keeper}"}
    for answer in (
        await http.post("/v1/keys", json={"name": "x", "tenant": "fresh"}, headers=held),
        await http.get("/v1/keys", params={"tenant": "fresh"}, headers=held),
        await http.delete(f"/v1/keys/{record['id']}", params={"tenant": "fresh"}, headers=held),
        await http.get("/v1/tenants", headers=held),
    ):
        assert problem(answer) == (403, "scope_missing")
    own = await http.post("/v1/keys", json={"name": "x", "scopes": ["admin"]}, headers=held)
    assert problem(own) == (422, "bad_scope")
    for caller in ("local", "oidc:ana"):
        assert problem(await http.post("/v1/keys", json={"name": "x", "caller": caller})) == (422, "reserved_caller")
    assert problem(await http.post("/v1/keys", json={"name": "x", "tenant": "../x"}))[0] == 422
    revoked = await http.delete(f"/v1/keys/{record['id']}", params={"tenant": "fresh"})
    assert revoked.status_code == 200
    assert (await http.get("/v1/runs", headers=bearer)).status_code == 401


# Behind the gateway: whoever reaches a socket of an inner service gets no further than with a token for it.


def inner(platform: Running) -> dict[str, list[Route]]:
    """Every route of every inner service, hidden ones too."""
    found: dict[str, list[Route]] = {}
    for name, service in discover("groundswell.services", Service).items():
        if name != "gateway":
            those = listed(application(service, platform.base).routes)
            found[name] = [each for each in those if each not in OPEN and each[0] != "HEAD"]
    assert ("POST", "/internal/token") in found["router"]
    assert ("POST", "/calls") in found["tools"]
    return found


def listed(those: Sequence[Any]) -> list[Route]:
    """Routes, those of included routers too."""
    found: list[Route] = []
    for route in those:
        if (included := getattr(route, "original_router", None)) is not None:
            found += listed(included.routes)
        else:
            found += [(method, route.path) for method in sorted(route.methods or ())]
    return found


@pytest.fixture
async def sockets(platform: Running) -> AsyncIterator[dict[str, httpx2.AsyncClient]]:
    clients: dict[str, httpx2.AsyncClient] = {}
    for name in ("router", "tools", "models", "agents"):
        path = platform.base.address(name).removeprefix("unix:")
        transport = httpx2.AsyncHTTPTransport(uds=path)
        clients[name] = httpx2.AsyncClient(transport=transport, base_url=f"http://{name}", timeout=20)
    yield clients
    for client in clients.values():
        await client.aclose()


async def test_no_inner_route_answers_a_stranger(
    platform: Running, sockets: dict[str, httpx2.AsyncClient], strangers: dict[str, str]
):
    ours = platform.base.keys
    meant = {  # the one kind of token that a service may take, which is tried below
        "router": {"the gateway's own word", "a worker's token"},
        "tools": {"a run token"},
        "models": {"a run token", "the gateway's own word"},
        "agents": set[str](),
    }
    wrong = {
        "a run token that the gateway signed": ours.sign("gateway", RunToken("r", 1, "trial", "l", "local"), 60),
        "a caller that a worker named": ours.sign("agents", CallerToken("l", "local", ("runs",)), 60),
        "nothing": "",
    }
    tried = 0
    for name, found in inner(platform).items():
        for method, path in found:
            if path == "/openapi.json":
                continue
            for kind, text in (strangers | wrong).items():
                if kind in meant[name]:
                    continue
                headers = {"Authorization": f"Bearer {text}"} if text else {}
                answer = await asked(sockets[name], method, filled(path), **headers)
                assert answer.status_code == 401, f"{name} {method} {path} answers {kind}: {answer.text}"
                tried += 1
    assert tried > 200


ASK: dict[str, Any] = {"task": "t", "checkpoint": "c", "kind": "trial_look", "arguments": {"q": "x"}, "n": 0}
BODIES: dict[str, dict[str, Any]] = {
    "/calls": ASK,
    "/internal/chat": {**ASK, "kind": "model:planner"},
    "/internal/models": {},
    "/internal/relay": {"role": "planner", "body": {}},
    "/internal/test": {"role": "planner"},
    "/internal/listed": {},
}


async def test_a_run_token_opens_nothing_of_another_run_and_nothing_once_its_lease_is_over(
    platform: Running, http: httpx2.AsyncClient, sockets: dict[str, httpx2.AsyncClient], foreign: dict[str, str]
):
    ended = await finished(http, {"input": "why", "agent": "trial"})
    theirs = await finished(http, {"input": "why", "agent": "trial"}, **foreign)
    stored = (await http.get(f"/v1/runs/{ended['id']}/calls")).json()[0]
    spinning = (await http.post("/v1/runs", json={"input": "spin", "agent": "endless"})).json()["id"]
    async with http.stream("GET", f"/v1/runs/{spinning}/events") as response:
        async for line in response.aiter_lines():
            if '"running"' in line:
                break
    sign = platform.base.keys.sign
    over = {
        "of a finished run": RunToken(ended["id"], ended["epoch"], "trial", "local", "local"),
        "of another tenant's run": RunToken(theirs["id"], theirs["epoch"], "trial", "stranger", "local"),
        "of an older epoch": RunToken(spinning, 0, "endless", "local", "local"),
        "of an epoch to come": RunToken(spinning, 2, "endless", "local", "local"),
        "of a run under another tenant": RunToken(spinning, 1, "endless", "local", "narrow"),
        "of no run": RunToken("run_none", 1, "trial", "local", "local"),
    }
    task, kind, _, n = stored["call"].split("/")
    asks = [ASK, {**ASK, "task": task, "kind": kind, "arguments": stored["arguments"], "n": int(n)}]
    try:
        for name in ("tools", "models"):
            for method, path in inner(platform)[name]:
                if path in ("/openapi.json", "/internal/listed"):
                    continue
                assert path in BODIES, f"{name} {path}: say here what it takes, and try it"
                for which, token in over.items():
                    headers = {"Authorization": f"Bearer {sign('router', token, 60)}"}
                    for body in asks if path == "/calls" else [BODIES[path]]:
                        answer = await sockets[name].request(method, path, json=body, headers=headers)
                        assert problem(answer) == (409, "epoch_over"), f"{name} {path} with a token {which}"
    finally:
        await http.post(f"/v1/runs/{spinning}/cancel")


async def test_no_worker_gets_a_token_for_what_it_does_not_hold(
    platform: Running, http: httpx2.AsyncClient, sockets: dict[str, httpx2.AsyncClient]
):
    ended = await finished(http, {"input": "why", "agent": "trial"})
    worker = platform.base.keys.sign("agents", WorkerToken("somebody"), 60)
    for run, epoch in ((ended["id"], ended["epoch"]), ("run_none", 1)):
        answer = await sockets["router"].post(
            "/internal/token", json={"run": run, "epoch": epoch}, headers={"Authorization": f"Bearer {worker}"}
        )
        assert problem(answer) == (409, "epoch_over")


async def test_a_relay_is_ended_by_its_own_tenant_alone_and_nothing_else_is_ended_so(
    platform: Running, http: httpx2.AsyncClient, sockets: dict[str, httpx2.AsyncClient]
):
    def word(tenant: str) -> dict[str, str]:
        token = platform.base.keys.sign("gateway", CallerToken("c", tenant, ("runs",)), 60)
        return {"Authorization": f"Bearer {token}"}

    router = sockets["router"]
    begun = (await router.post("/internal/relays", json={"role": "planner"}, headers=word("local"))).json()["run"]
    spinning = (await http.post("/v1/runs", json={"input": "spin", "agent": "endless"})).json()["id"]
    end = {"status": "succeeded"}
    try:
        for run, tenant in ((begun, "narrow"), (spinning, "local"), (spinning, "narrow"), ("run_none", "local")):
            answer = await router.post(f"/internal/relays/{run}/end", json=end, headers=word(tenant))
            assert problem(answer) == (404, "no_run"), (run, tenant)
        assert (await http.get(f"/v1/runs/{begun}")).json()["last_event"] == 3
        answer = await router.post(f"/internal/relays/{begun}/end", json=end, headers=word("local"))
        assert answer.status_code == 200
    finally:
        await http.post(f"/v1/runs/{spinning}/cancel")
