"""Two tenants share a cluster, a platform and its database; neither learns of the other through any tool."""

import json
from pathlib import Path
from typing import Any

import httpx2
import pytest

from backends.repos.conftest import make_repository
from groundswell.backends.databases.api_keys import ApiKeys
from groundswell.runtime.platform import Running
from services.test_api import finished

READS: list[tuple[str, dict[str, Any]]] = [
    ("cluster_evidence", {"about": ["beta"]}),
    ("objects_list", {"kind": "pods"}),
    ("objects_list", {"kind": "namespaces"}),
    ("objects_list", {"kind": "services", "namespace": "alpha"}),
    ("object_get", {"kind": "pod", "namespace": "alpha", "name": "alpha-web"}),
    ("object_get", {"kind": "pod", "namespace": "alpha", "name": "beta-web"}),
    ("pod_logs", {"namespace": "alpha", "pod": "alpha-web"}),
    ("pod_logs", {"namespace": "alpha", "pod": "beta-web"}),
    ("events_list", {}),
    ("events_list", {"about": "beta"}),
]
REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("objects_list", {"kind": "pods", "namespace": "NS"}, "namespace_not_allowed"),
    ("object_get", {"kind": "pod", "namespace": "NS", "name": "NS-web"}, "namespace_not_allowed"),
    ("pod_logs", {"namespace": "NS", "pod": "NS-web"}, "namespace_not_allowed"),
    ("events_list", {"namespace": "NS"}, "namespace_not_allowed"),
    ("object_get", {"kind": "namespace", "name": "NS"}, "object_not_allowed"),
    ("object_get", {"kind": "node", "name": "node-NS"}, "object_not_allowed"),
    ("objects_list", {"kind": "persistentvolumes"}, "kind_not_allowed"),
    ("metrics_query", {"promql": "up"}, "series_not_allowed"),
]


async def bearer(platform: Running, tenant: str) -> dict[str, str]:
    database = platform.base.database("gateway")
    await database.open()
    text, _ = await ApiKeys(database).create(tenant, "reader", "reader", ["runs"])
    await database.close()
    return {"Authorization": f"Bearer {text}"}


async def called(
    http: httpx2.AsyncClient, tool: str, arguments: dict[str, Any], agent: str = "observability", **headers: str
) -> tuple[dict[str, Any], str]:
    """A call's result, and all that its run shows to whoever may see it."""
    body = {"agent": agent, "arguments": arguments}
    made = await http.post(f"/v1/tools/{tool}/calls", json=body, headers=headers)
    assert made.status_code == 201, made.text
    run = made.json()["id"]
    events = await http.get(f"/v1/runs/{run}/events", headers=headers)
    calls = await http.get(f"/v1/runs/{run}/calls", headers=headers)
    (call,) = calls.json()
    return call["result"], events.text + calls.text


@pytest.mark.parametrize(("tool", "arguments"), READS)
async def test_no_read_of_one_tenant_tells_of_the_other(
    http: httpx2.AsyncClient, platform: Running, tool: str, arguments: dict[str, Any]
):
    result, seen = await called(http, tool, arguments, **await bearer(platform, "alpha"))
    own = ("alpha/beta-web", '"beta-web"', "'beta-web'", '"beta"')  # what the caller said itself
    for word in own:
        seen = seen.replace(word, "")
    assert "beta" not in seen, seen[max(0, seen.find("beta") - 200) : seen.find("beta") + 200]
    assert (result["status"] == "ok") == ("beta" not in json.dumps(arguments) or tool == "cluster_evidence")


@pytest.mark.parametrize(("tool", "arguments", "code"), REFUSED)
async def test_what_is_anothers_is_refused_in_the_words_for_what_is_not_there(
    http: httpx2.AsyncClient, platform: Running, tool: str, arguments: dict[str, Any], code: str
):
    alpha = await bearer(platform, "alpha")
    told: list[tuple[str, ...]] = []
    for namespace in ("beta", "nowhere"):
        filled = json.loads(json.dumps(arguments).replace("NS", namespace))
        result, _ = await called(http, tool, filled, **alpha)
        words = (result["status"], result["code"], result["message"], result["hint"])
        told.append(tuple(word.replace(namespace, "NS") for word in words))
    assert told[0] == told[1]
    assert told[0][1] == code


async def test_stored_results_of_one_tenant_are_not_there_for_the_other(http: httpx2.AsyncClient, platform: Running):
    alpha, beta = await bearer(platform, "alpha"), await bearer(platform, "beta")
    result, _ = await called(http, "pod_logs", {"namespace": "beta", "pod": "beta-web"}, **beta)
    assert "beta broke" in json.dumps(result["value"])
    digests = {result["digest"], result["value"]["digest"]}
    for digest in digests:
        assert (await http.get(f"/v1/evidence/{digest}", headers=beta)).status_code == 200
        assert (await http.get(f"/v1/evidence/{digest}", headers=alpha)).status_code == 404
    agents = (await http.get("/v1/agents", headers=alpha)).json()
    reader = next(each["name"] for each in agents if "result_read" in each["tools"])
    read, seen = await called(http, "result_read", {"handle": f"{digests.pop()}:0"}, reader, **alpha)
    assert read["status"] == "no_data"
    assert "broke" not in seen


async def test_bytes_that_both_tenants_have_are_each_ones_own(http: httpx2.AsyncClient, platform: Running):
    """What one has stored is not there for the other, is made anew for it, and does not show when it was read first."""
    alpha, beta = await bearer(platform, "alpha"), await bearer(platform, "beta")
    theirs, _ = await called(http, "trial_look", {"q": "in both"}, "trial", **beta)
    digest = theirs["value"]["excerpt"]["digest"]
    for wanted in (digest, digest[:8], theirs["digest"]):
        assert (await http.get(f"/v1/evidence/{wanted}", headers=beta)).status_code == 200
        assert (await http.get(f"/v1/evidence/{wanted}", headers=alpha)).status_code == 404
    own, _ = await called(http, "trial_look", {"q": "in both"}, "trial", **alpha)
    assert own["value"]["excerpt"]["digest"] == digest
    assert own["value"]["nonce"] != theirs["value"]["nonce"], "no reply of another tenant is given again"
    seen = [(await http.get(f"/v1/evidence/{digest}", headers=headers)).json() for headers in (alpha, beta)]
    assert seen[0]["text"] == seen[1]["text"] == "line of in both"
    assert seen[0]["retrieved"] > seen[1]["retrieved"], "when the other read it is not told"
    runs = (await http.get("/v1/runs", headers=beta)).json()["runs"]
    found = await http.get(f"/v1/evidence/{digest}", params={"run": runs[0]["id"]}, headers=alpha)
    assert found.json() == seen[0], "the name of another's run changes nothing"


async def test_an_index_of_one_tenant_answers_no_other(http: httpx2.AsyncClient, tmp_path: Path, platform: Running):
    alpha = await bearer(platform, "alpha")
    make_repository(tmp_path / "there", {"tides.py": "def high_water(): ...\n"})

    async def asked(folder: str, **headers: str) -> tuple[Any, str]:
        """How the run ended, and all that it shows."""
        sources = {"repo": f"path:{tmp_path / folder}"}
        body = {"agent": "coding", "arguments": {"name": "high_water"}, "sources": sources}
        run = (await http.post("/v1/tools/symbol_find/calls", json=body, headers=headers)).json()["id"]
        events = await http.get(f"/v1/runs/{run}/events", headers=headers)
        calls = await http.get(f"/v1/runs/{run}/calls", headers=headers)
        found = (await http.get(f"/v1/runs/{run}", headers=headers)).json()
        return (found["status"], found["reason"], str(found["error"]).replace(folder, "F")), events.text + calls.text

    _, local = await asked("there")
    assert "tides.py" in local, "the person at this machine has it indexed"
    told = [await asked(folder, **alpha) for folder in ("there", "nowhere")]
    assert told[0][0][:2] == ("failed", "denied")
    assert told[0][0] == told[1][0]
    assert "tides" not in told[0][1]


async def test_an_agent_answers_a_tenant_from_its_own_namespace_alone(http: httpx2.AsyncClient, platform: Running):
    for tenant, other in (("alpha", "beta"), ("beta", "alpha")):
        headers = await bearer(platform, tenant)
        run = await finished(http, {"input": "Why do pods crash?", "agent": "observability"}, **headers)
        assert run["status"] == "succeeded"
        assert f"{tenant}-web" in json.dumps(run["answer"])
        calls = await http.get(f"/v1/runs/{run['id']}/calls", headers=headers)
        events = await http.get(f"/v1/runs/{run['id']}/events", headers=headers)
        assert other not in json.dumps(run) + calls.text + events.text


async def test_the_local_caller_reads_what_it_names_itself_as_far_as_its_rights_reach(
    http: httpx2.AsyncClient, platform: Running
):
    source = platform.base.policy.tenants["alpha"].sources["kubernetes"]
    body = {"agent": "observability", "arguments": {"kind": "pods"}, "sources": {"kubernetes": source}}
    run = (await http.post("/v1/tools/objects_list/calls", json=body)).json()["id"]
    await http.get(f"/v1/runs/{run}/events")
    (call,) = (await http.get(f"/v1/runs/{run}/calls")).json()
    assert {row["name"] for row in call["result"]["value"]} == {"alpha-web", "beta-web"}


async def test_where_there_are_rules_whoever_has_none_reads_nothing(http: httpx2.AsyncClient, platform: Running):
    """A caller of the local tenant who is not the person at this machine, and one of a tenant without an entry."""
    for tenant in ("local", "unheard-of"):
        headers = await bearer(platform, tenant)
        result, _ = await called(http, "collection_show", {"name": "docs"}, "web", **headers)
        assert (result["status"], result["code"]) == ("denied", "collection_not_allowed"), tenant
        body = {"input": "why", "agent": "observability", "sources": {"kubernetes": "in-cluster:"}}
        run = await finished(http, body, **headers)
        assert (run["status"], run["reason"]) == ("failed", "denied")
