import asyncio
import json
import re
from pathlib import Path
from typing import Any

import httpx2
import pytest

from groundswell.runtime.keys import WorkerToken
from groundswell.runtime.platform import Running
from write_path import trial


async def events(http: httpx2.AsyncClient, run: str, **headers: str) -> list[dict[str, Any]]:
    """The whole stream of a run's events."""
    found = []
    async with http.stream("GET", f"/v1/runs/{run}/events", headers=headers) as response:
        assert response.status_code == 200
        async for line in response.aiter_lines():
            if line.startswith("data: "):
                found.append(json.loads(line[6:]))
    return found


async def finished(http: httpx2.AsyncClient, body: dict[str, Any], **headers: str) -> dict[str, Any]:
    """A run, started and seen to its end."""
    made = await http.post("/v1/runs", json=body, headers=headers)
    assert made.status_code == 201, made.text
    await events(http, made.json()["id"], **headers)
    return (await http.get(f"/v1/runs/{made.json()['id']}", headers=headers)).json()


def problem(response: httpx2.Response) -> tuple[int, str]:
    assert response.headers["content-type"].startswith("application/problem+json"), response.text
    body = response.json()
    assert body["detail"]
    assert body["status"] == response.status_code
    return response.status_code, body["code"]


async def test_a_run_is_accepted_at_once_and_ends_with_its_answer(http: httpx2.AsyncClient):
    made = await http.post("/v1/runs", json={"input": "why", "agent": "trial"})
    assert made.status_code == 201
    assert made.headers["location"] == f"/v1/runs/{made.json()['id']}"
    assert made.json()["status"] == "queued"
    told = await events(http, made.json()["id"])
    assert [event["number"] for event in told] == list(range(1, len(told) + 1))
    kinds = [event["body"]["kind"] for event in told]
    assert kinds[:3] == ["run", "route", "run"]
    assert kinds[-1] == "answer"
    shown = (await http.get(made.headers["location"])).json()
    assert shown["status"] == "succeeded"
    assert shown["answer"]["text"] == trial.expected("why")
    assert shown["spent"]["tool_calls"] == trial.CALLS


async def test_the_same_request_streams_where_a_stream_is_accepted(http: httpx2.AsyncClient):
    accept = {"Accept": "text/event-stream"}
    async with http.stream("POST", "/v1/runs", json={"input": "why", "agent": "trial"}, headers=accept) as response:
        assert response.status_code == 201
        lines = [line async for line in response.aiter_lines()]
    assert [line for line in lines if line.startswith("event: ")][-1] == "event: answer"


async def test_a_stream_resumes_exactly_after_any_number(http: httpx2.AsyncClient):
    run = (await finished(http, {"input": "why", "agent": "trial"}))["id"]
    whole = await events(http, run)
    for number in range(0, len(whole), 7):
        assert await events(http, run, **{"Last-Event-ID": str(number)}) == whole[number:]


async def test_leaving_a_stream_does_not_end_the_run(http: httpx2.AsyncClient):
    made = await http.post("/v1/runs", json={"input": "leave", "agent": "trial"})
    async with http.stream("GET", f"/v1/runs/{made.json()['id']}/events") as response:
        await response.aiter_lines().__anext__()
    told = await events(http, made.json()["id"])
    assert told[-1]["body"]["status"] == "succeeded"


async def test_an_idempotency_key_gives_the_first_run_again(http: httpx2.AsyncClient):
    body, headers = {"input": "once", "agent": "trial"}, {"Idempotency-Key": "k-1"}
    first, second = [await http.post("/v1/runs", json=body, headers=headers) for _ in range(2)]
    assert first.json()["id"] == second.json()["id"]
    other = await http.post("/v1/runs", json={**body, "input": "twice"}, headers=headers)
    assert problem(other) == (409, "idempotency_mismatch")


async def test_a_refused_run_has_ended_when_it_is_stored_and_its_key_gives_it_again(
    http: httpx2.AsyncClient, foreign: dict[str, str]
):
    body = {"input": "why", "agent": "trial", "sources": {"repo": "path:/etc"}}
    made = [await http.post("/v1/runs", json=body, headers={**foreign, "Idempotency-Key": "k-no"}) for _ in range(2)]
    assert [each.status_code for each in made] == [201, 201]
    assert made[0].json()["id"] == made[1].json()["id"]
    assert made[1].json()["status"] == "failed"
    assert made[1].json()["error"]["code"]


async def test_a_password_in_a_source_is_refused_and_repeated_nowhere(http: httpx2.AsyncClient):
    secret = "hunter2-and-more"
    refused = await http.post("/v1/runs", json={"input": "x", "sources": {"repo": f"https://bob:{secret}@a.example/x"}})
    assert refused.status_code == 422
    assert secret not in refused.text
    called = {"agent": "trial", "arguments": {"text": f"password={secret}"}}
    run = (await http.post("/v1/tools/trial_mark/calls", json=called)).json()
    told = await events(http, run["id"])
    assert secret not in str(told) + (await http.get(f"/v1/runs/{run['id']}/calls")).text


async def test_twenty_equal_requests_at_once_make_one_run(http: httpx2.AsyncClient):
    body, headers = {"input": "race", "agent": "trial"}, {"Idempotency-Key": "k-race"}
    made = await asyncio.gather(*(http.post("/v1/runs", json=body, headers=headers) for _ in range(20)))
    assert len({each.json()["id"] for each in made}) == 1


async def test_runs_are_paged_by_cursor_without_gap_or_repetition(http: httpx2.AsyncClient):
    thread = "paged"
    made = [(await finished(http, {"input": f"n {n}", "agent": "broken", "thread": thread}))["id"] for n in range(5)]
    seen, cursor = [], ""
    while True:
        page = (await http.get("/v1/runs", params={"limit": 2, "thread": thread, "cursor": cursor})).json()
        seen += [run["id"] for run in page["runs"]]
        cursor = page["next"]
        if not cursor:
            break
    assert seen == made[::-1]
    assert problem(await http.get("/v1/runs", params={"cursor": "???"})) == (422, "bad_cursor")


async def test_a_running_run_can_be_cancelled_and_says_so(http: httpx2.AsyncClient):
    made = (await http.post("/v1/runs", json={"input": "spin", "agent": "endless"})).json()
    await http.post(f"/v1/runs/{made['id']}/cancel")
    told = await events(http, made["id"])
    assert told[-1]["body"]["status"] == "cancelled"
    assert problem(await http.post(f"/v1/runs/{made['id']}/cancel")) == (409, "run_ended")


@pytest.mark.parametrize("said", trial.UNSTORABLE)
async def test_an_answer_that_cannot_be_stored_ends_its_run_and_is_not_made_for_ever(
    http: httpx2.AsyncClient, said: str
):
    async with asyncio.timeout(5):
        run = await finished(http, {"input": said, "agent": "garbler"})
    assert (run["status"], run["epoch"]) == ("failed", 1)
    assert run["error"]["code"] in ("bad_value", "agent_crashed")


async def test_runs_of_a_thread_follow_one_another(http: httpx2.AsyncClient):
    body = {"input": "first", "agent": "trial", "thread": "busy"}
    first, second = [(await http.post("/v1/runs", json=body)).json() for _ in range(2)]
    rejected = await http.post("/v1/runs", json={**body, "on_busy": "reject"})
    assert problem(rejected) == (409, "thread_busy")
    one, two = await events(http, first["id"]), await events(http, second["id"])
    assert one[-1]["at"] <= next(e["at"] for e in two if e["body"].get("status") == "running")


async def test_a_tool_call_is_a_run_of_one_call(http: httpx2.AsyncClient):
    body = {"agent": "trial", "arguments": {"q": "x"}}
    made = (await http.post("/v1/tools/trial_look/calls", json=body)).json()
    assert (await events(http, made["id"]))[-1]["body"]["status"] == "succeeded"
    (call,) = (await http.get(f"/v1/runs/{made['id']}/calls")).json()
    assert call["result"]["value"]["value"] == trial.value_of("x")
    digest = call["result"]["value"]["excerpt"]["digest"]
    evidence = (await http.get(f"/v1/evidence/{digest[:12]}", params={"run": made["id"]})).json()
    assert (evidence["text"], evidence["source"]) == ("line of x", "repo:x#L1")


@pytest.mark.parametrize(
    ("tool", "arguments", "reason", "code"),
    [
        ("trial_look", {}, "error", "bad_arguments"),
        ("trial_look", {"q": "x", "more": 1}, "error", "bad_arguments"),
        ("trial_look", {"q": 10**30}, "error", "bad_arguments"),
        ("trial_mark", {"text": "x"}, "denied", "tool_not_allowed"),
    ],
)
async def test_a_call_without_sense_or_right_is_not_made(
    http: httpx2.AsyncClient, tool: str, arguments: dict[str, Any], reason: str, code: str
):
    agent = "endless" if reason == "denied" else "trial"
    made = (await http.post(f"/v1/tools/{tool}/calls", json={"agent": agent, "arguments": arguments})).json()
    told = await events(http, made["id"])
    assert (told[-1]["body"]["status"], told[-1]["body"]["reason"]) == ("failed", reason)
    assert told[-1]["body"]["error"]["code"] == code
    assert told[-1]["body"]["error"]["hint"]
    assert (reason == "denied") == any(event["body"]["kind"] == "denial" for event in told)


async def test_policy_narrows_what_another_tenant_may_do(http: httpx2.AsyncClient, foreign: dict[str, str]):
    shown = (await http.get("/v1/agents/trial", headers=foreign)).json()
    assert shown["tools"] == ["trial_look"]
    assert shown["grant"]["limits"]["tool_calls"] == 3
    ended = await finished(http, {"input": "why", "agent": "trial"}, **foreign)
    assert (ended["status"], ended["reason"]) == ("exhausted", "tool_calls")


@pytest.mark.parametrize("source", ["path:/etc", "https://b.example/x", "ssh://a.example/x", "file:///etc"])
async def test_another_tenant_has_only_the_sources_its_policy_lists(
    http: httpx2.AsyncClient, foreign: dict[str, str], source: str
):
    body = {"input": "why", "agent": "trial", "sources": {"repo": source}}
    made = (await http.post("/v1/runs", json=body, headers=foreign)).json()
    assert (made["status"], made["reason"]) == ("failed", "denied")
    told = await events(http, made["id"], **foreign)
    (denial,) = [event["body"] for event in told if event["body"]["kind"] == "denial"]
    assert denial["subject"] == source
    assert denial["hint"]


async def test_what_belongs_to_another_tenant_is_not_there(http: httpx2.AsyncClient, foreign: dict[str, str]):
    run = await finished(http, {"input": "mine", "agent": "trial"})
    assert (await http.post("/v1/runs", json={"input": "theirs", "agent": "trial"}, headers=foreign)).status_code == 201
    calls = (await http.get(f"/v1/runs/{run['id']}/calls")).json()
    digest = calls[0]["result"]["digest"]
    paths = ["", "/events", "/calls"]
    for path in [f"/v1/runs/{run['id']}{p}" for p in paths] + [
        f"/v1/threads/{run['thread']}",
        f"/v1/evidence/{digest}",
    ]:
        response = await http.get(path, headers=foreign)
        assert response.status_code == 404, path
        assert run["id"] not in response.text.replace(path, "") or "no run" in response.text
    assert (await http.post(f"/v1/runs/{run['id']}/cancel", headers=foreign)).status_code == 404
    assert (await http.get("/v1/runs", headers=foreign)).json()["runs"] != []
    assert all(r["tenant"] == "narrow" for r in (await http.get("/v1/runs", headers=foreign)).json()["runs"])


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"input": ""}, "bad_request"),
        ({"input": "   \n"}, "bad_request"),
        ({"input": "x" * 1_000_000}, "bad_request"),
        ({}, "bad_request"),
        ({"input": "x", "surprise": 1}, "bad_request"),
        ({"input": "x", "sources": {"moon": "x"}}, "bad_request"),
        ({"input": [{"parts": [{"kind": "picture", "text": "x"}]}]}, "bad_request"),
        ({"input": "x", "limits": {"seconds": -1}}, "bad_request"),
    ],
)
async def test_a_request_that_cannot_mean_anything_is_refused(http: httpx2.AsyncClient, body: Any, code: str):
    assert problem(await http.post("/v1/runs", json=body)) == (422, code)


async def test_a_body_over_the_limit_is_refused_before_it_is_read(http: httpx2.AsyncClient):
    response = await http.post("/v1/runs", content=b"x" * 5_000_000, headers={"Content-Type": "application/json"})
    assert problem(response) == (422, "too_large")


async def test_without_a_key_only_this_machine_is_answered(http: httpx2.AsyncClient):
    assert (await http.get("/v1/runs")).status_code == 200
    for headers in ({"Host": "evil.example"}, {"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        assert (await http.get("/v1/runs", headers=headers)).status_code == 403
    assert problem(await http.get("/v1/runs", headers={"Authorization": "Bearer gsk_wrong"})) == (401, "unknown_key")


async def test_a_revoked_key_is_refused_and_a_key_cannot_make_keys(http: httpx2.AsyncClient, key: dict[str, str]):
    assert (await http.get("/v1/runs", headers=key)).status_code == 200
    assert problem(await http.get("/v1/keys", headers=key)) == (403, "scope_missing")
    for record in (await http.get("/v1/keys")).json():
        await http.delete(f"/v1/keys/{record['id']}")
    assert problem(await http.get("/v1/runs", headers=key)) == (401, "unknown_key")


async def test_a_key_of_ones_own_reads_what_one_reads_and_no_other_key_can_make_it(
    http: httpx2.AsyncClient, key: dict[str, str], tmp_path: Path
):
    asked = {"input": "where is x?", "agent": "trial", "sources": {"repo": f"path:{tmp_path}"}}
    assert (await http.post("/v1/runs", json=asked, headers=key)).json()["reason"] == "denied"
    body = {"name": "editor", "scopes": ["runs", "keys", "local"]}
    own = {"Authorization": f"Bearer {(await http.post('/v1/keys', json=body)).json()['key']}"}
    assert (await finished(http, asked, **own))["status"] == "succeeded"
    keeper = {"name": "keeper", "scopes": ["runs", "keys", "admin"]}
    other = {"Authorization": f"Bearer {(await http.post('/v1/keys', json=keeper)).json()['key']}"}
    assert problem(await http.post("/v1/keys", json=body, headers=other)) == (422, "bad_scope")
    assert problem(await http.post("/v1/keys", json={**body, "tenant": "elsewhere"})) == (422, "bad_scope")


async def test_no_key_is_ever_stored(platform: Running, http: httpx2.AsyncClient):
    text = (await http.post("/v1/keys", json={"name": "secret"})).json()["key"]
    database = platform.base.database("gateway")
    await database.open()
    rows = await database.rows("SELECT * FROM api_keys")
    await database.close()
    assert text not in str(rows)


async def test_every_route_that_works_for_callers_needs_one(platform: Running, http: httpx2.AsyncClient):
    document = (await http.get("/openapi.json")).json()
    wrong = {"Authorization": "Bearer wrong"}
    for path, item in document["paths"].items():
        for method in item:
            if path in ("/health", "/ready"):
                continue
            response = await http.request(method, re.sub(r"\{\w+\}", "deadbeef", path), headers=wrong, json={})
            assert response.status_code == 401, (method, path)


@pytest.mark.parametrize("service", ["router", "tools"])
async def test_an_inner_service_takes_no_word_but_its_signers(platform: Running, service: str):
    socket = platform.base.address(service).removeprefix("unix:")
    transport = httpx2.AsyncHTTPTransport(uds=socket)
    worker = platform.base.keys.sign("agents", WorkerToken("w"), 60)
    async with httpx2.AsyncClient(transport=transport, base_url="http://x") as inner:
        paths = ["/v1/runs", "/internal/token"] if service == "router" else ["/calls"]
        for path in paths:
            for headers in ({}, {"Authorization": "Bearer x"}):
                response = await inner.post(path, json={"input": "x"}, headers=headers)
                assert response.status_code == 401, path
        wrong = await inner.post(paths[0], json={"input": "x"}, headers={"Authorization": f"Bearer {worker}"})
        assert problem(wrong) == (401, "bad_token")


async def test_secrets_in_a_question_are_gone_before_it_is_stored(platform: Running, http: httpx2.AsyncClient):
    secret = "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"
    run = await finished(http, {"input": f"why does {secret} fail", "agent": "trial"})
    database = platform.base.database("router")
    await database.open()
    for table in ("runs", "events", "calls", "evidence", "threads"):
        found = await database.rows(f"SELECT * FROM {table} AS t WHERE t::text LIKE %s", f"%{secret}%")  # type: ignore[arg-type]
        assert found == [], table
    blobs = await database.rows("SELECT 1 FROM runs WHERE id = %s", run["id"])
    await database.close()
    assert blobs


async def test_health_and_readiness_name_what_there_is(http: httpx2.AsyncClient):
    assert (await http.get("/health")).json()["status"] == "ok"
    ready = (await http.get("/ready")).json()
    assert ready["details"]["database"] == "embedded"
    services = (await http.get("/v1/platform")).json()["services"]
    assert {name: body["status"] for name, body in services.items()} == dict.fromkeys(
        ("router", "agents", "tools", "models"), "ready"
    )


async def test_the_reference_page_needs_no_network(http: httpx2.AsyncClient):
    page = await http.get("/docs")
    assert page.status_code == 200
    assert not re.findall(r"(?:src|href)=[\"']https?:", page.text)
    assert "<script" not in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]


async def test_unknown_routes_are_problems_too(http: httpx2.AsyncClient):
    assert problem(await http.get("/v1/nothing"))[0] == 404
    assert problem(await http.get("/nothing"))[0] == 404


async def test_openais_list_names_no_agent_that_has_nothing_to_answer_with(http: httpx2.AsyncClient):
    names = {model["id"] for model in (await http.get("/v1/models")).json()["data"]}
    assert {"agent:coding", "agent:web", "agent:observability"} <= names
    assert "agent:chat" not in names  # it has only a model's word, and there is no model
