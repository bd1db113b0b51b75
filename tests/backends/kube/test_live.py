"""A cluster behind its API: pages, rights and time are taken as they come, and nothing but `GET` is asked."""

import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest

from agents.observability.dumps import event, log, node, pod
from groundswell.backends.kube import live as reading
from groundswell.backends.kube.bounds import Bounds
from groundswell.backends.kube.clusters import Live, opened
from groundswell.core.errors import Denied, GroundswellError, NotFound, ToolFailed, Unavailable
from small_server import Answering, SmallServer, running

NAME = "shop-5d4f-x"
SICK = {"state": {"waiting": {"reason": "CrashLoopBackOff"}}, "restarts": 6, "ready": False, "last": {"exitCode": 1}}


class Here:
    """Work of a CPU, done at once."""

    async def run(self, function: Callable[..., Any], *arguments: Any, seconds: float) -> Any:
        return function(*arguments)


class Api(SmallServer):
    """A small API server; `forbidden` are the plurals that may not be listed in all namespaces."""

    def __init__(self) -> None:
        super().__init__(_Handler)
        self.lists: dict[str, list[dict[str, Any]]] = {"nodes": [node()], "pods": [], "events": []}
        self.logs: dict[str, str] = {}
        self.forbidden: set[str] = set()
        self.seen: list[str] = []
        self.page = 500
        self.discovery: dict[str, dict[str, Any]] = {}


class _Handler(Answering):
    server: Api  # type: ignore[assignment]

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        asked = {key: values[0] for key, values in parse_qs(url.query).items()}
        plural = url.path.rpartition("/")[2]
        self.server.seen.append(f"{self.command} {url.path}")
        if url.path == "/version":
            self.answer(200, {"gitVersion": "v1.35.0"})
        elif url.path in self.server.discovery:
            self.answer(200, self.server.discovery[url.path])
        elif plural == "log":
            key = f"{url.path.split('/')[-2]} {asked.get('previous')}"
            text = self.server.logs.get(key)
            self.answer(200 if text is not None else 400, text if text is not None else {"message": "no log"})
        elif plural in self.server.forbidden and "/namespaces/" not in url.path:
            self.answer(403, {"message": f"{plural} is forbidden: User cannot list resource"})
        elif plural in self.server.lists:
            items, start = self.server.lists[plural], int(asked.get("continue", 0))
            end = start + self.server.page
            metadata = {"continue": str(end)} if end < len(items) else {}
            self.answer(200, {"kind": "List", "metadata": metadata, "items": items[start:end]})
        else:
            self.answer(404, {"message": "the server could not find the requested resource"})


@pytest.fixture
def api() -> Iterator[Api]:
    with running(Api()) as server:
        yield server


def kubeconfig(folder: Path, server: str) -> str:
    file = folder / "config"
    cluster = {"name": "c", "cluster": {"server": server}}
    user = {"name": "u", "user": {"token": "t"}}
    context = {"name": "x", "context": {"cluster": "c", "user": "u", "namespace": "demo"}}
    config = {"current-context": "x", "clusters": [cluster], "users": [user], "contexts": [context]}
    file.write_text(json.dumps(config))
    return f"kubeconfig:{file}"


def live(source: str) -> Live:
    cluster = opened(source, Here(), seconds=30, progress=lambda stage, done, total: None)
    assert isinstance(cluster, Live)
    return cluster


async def test_a_cluster_is_read_page_by_page_with_the_logs_of_what_is_in_trouble(api: Api, tmp_path: Path) -> None:
    api.page = 2
    api.lists["pods"] = [pod(f"shop-5d4f-{number}") for number in range(4)] + [pod(NAME, **SICK)]
    api.lists["events"] = [event("Pod", NAME, "BackOff", "Back-off restarting")]
    api.logs = {f"{NAME} false": "ERROR it broke", f"{NAME} true": "ERROR it broke before"}
    cluster = live(kubeconfig(tmp_path, api.url))
    pack = await cluster.evidence(("shop",))
    await cluster.close()
    assert pack.origin == f"kubeconfig:{tmp_path}/config#x"
    assert pack.census is not None
    assert "pods: 5, 4 of them well" in pack.census.text
    assert [(each.pod, each.previous) for each in pack.logs] == [(NAME, False), (NAME, True)]
    assert {"ConfigMap", "Service"} <= {each.what for each in pack.blind}
    assert all(each.startswith("GET ") and "secrets" not in each for each in api.seen)


async def test_custom_resources_and_priorities_are_found_by_discovery_and_listed(api: Api, tmp_path: Path) -> None:
    verbs = ["get", "list"]
    resources = {
        "cache.example.com/v1": [
            {"name": "memcaches", "kind": "Memcache", "namespaced": True, "verbs": verbs},
            {"name": "memcaches/status", "kind": "Memcache", "namespaced": True, "verbs": ["get"]},
            {"name": "recipes", "kind": "Recipe", "namespaced": True, "verbs": verbs},  # has no status
        ],
        "serving.example.dev/v1": [
            {"name": "services", "kind": "Service", "namespaced": True, "verbs": verbs},
            {"name": "services/status", "kind": "Service", "namespaced": True, "verbs": ["get"]},
        ],
    }
    groups = [{"name": key.split("/")[0], "preferredVersion": {"groupVersion": key}} for key in resources]
    groups.append({"name": "metrics.k8s.io", "preferredVersion": {"groupVersion": "metrics.k8s.io/v1"}})
    api.discovery = {"/apis": {"groups": groups}}
    api.discovery |= {f"/apis/{version}": {"resources": those} for version, those in resources.items()}
    failed = {"type": "Ready", "status": "False", "reason": "NoQuorum", "message": "1 of 3 members answer"}
    api.lists["memcaches"] = [{"metadata": {"name": "fast", "namespace": "demo"}, "status": {"conditions": [failed]}}]
    api.lists["priorityclasses"] = [{"metadata": {"name": "low"}, "value": 5}]
    cluster = live(kubeconfig(tmp_path, api.url))
    pack = await cluster.evidence()
    await cluster.close()
    told = {each.source: each.text for each in pack.objects}
    assert any("Memcache/fast" in source and "1 of 3 members" in text for source, text in told.items())
    assert {"Memcache", "PriorityClass"} <= {each.kind for each in pack.listed}
    assert not any("recipes" in each or "metrics.k8s.io" in each for each in api.seen)
    assert ("services of serving.example.dev", "another kind has its name") in {
        (each.what, each.why) for each in pack.blind
    }


def served(plural: str, kind: str, *short: str) -> dict[str, Any]:
    verbs = ["get", "list"]
    return {"name": plural, "singularName": kind.lower(), "kind": kind, "namespaced": True, "verbs": verbs} | (
        {"shortNames": list(short)} if short else {}
    )


@pytest.fixture
def with_custom(api: Api) -> Api:
    """Two groups; both have a kind `Queue`."""
    of = {
        "cache.example.com/v1": [served("memcaches", "Memcache", "mc"), served("queues", "Queue")],
        "work.example.org/v1beta1": [served("queues", "Queue"), served("secrets", "Secret")],
    }
    groups = [{"name": each.split("/")[0], "preferredVersion": {"groupVersion": each}} for each in of]
    api.discovery = {"/apis": {"groups": groups}} | {f"/apis/{each}": {"resources": of[each]} for each in of}
    ready = {"conditions": [{"type": "Ready", "status": "False"}]}
    api.lists["memcaches"] = [{"metadata": {"name": "fast", "namespace": "demo"}, "status": ready}]
    api.lists["queues"] = [{"metadata": {"name": "mail", "namespace": "demo"}}]
    return api


@pytest.mark.parametrize("word", ["Memcache", "memcaches", "mc", "memcaches.cache.example.com"])
async def test_a_custom_kind_is_found_by_each_of_its_names(with_custom: Api, tmp_path: Path, word: str) -> None:
    cluster = live(kubeconfig(tmp_path, with_custom.url))
    (row,) = await cluster.objects(word)
    assert (row.kind, row.namespace, row.name, row.status) == ("Memcache", "demo", "fast", "Ready=False")
    assert "fast" in (await cluster.object(word, "demo", "fast")).text
    await cluster.close()


async def test_a_kind_of_no_group_or_of_several_is_refused_with_what_to_write(with_custom: Api, tmp_path: Path) -> None:
    cluster = live(kubeconfig(tmp_path, with_custom.url))
    for word, code, hint in (
        ("memcach", "unknown_kind", "did you mean memcaches.cache.example.com"),
        ("gadgets", "unknown_kind", "custom: memcaches.cache.example.com"),
        ("queue", "ambiguous_kind", "queues.cache.example.com, queues.work.example.org"),
        ("secrets.work.example.org", "no_secrets", ""),
    ):
        with pytest.raises(ToolFailed) as refused:
            await cluster.objects(word)
        assert refused.value.code == code
        assert hint in refused.value.hint
    assert [row.name for row in await cluster.objects("queues.work.example.org")] == ["mail"]
    await cluster.close()


async def test_a_tenant_knows_of_no_custom_kind_but_those_that_are_granted(with_custom: Api, tmp_path: Path) -> None:
    source = kubeconfig(tmp_path, with_custom.url)
    bounds = Bounds(("demo",), (), ("queues.cache.example.com",))
    cluster = opened(source, Here(), seconds=30, progress=lambda stage, done, total: None, bounds=bounds)
    assert [row.name for row in await cluster.objects("queue")] == ["mail"]
    for word in ("memcaches", "queues.work.example.org", "nothing-at-all"):
        with pytest.raises(ToolFailed) as refused:
            await cluster.objects(word)
        assert refused.value.code == "unknown_kind"
        assert "memcache" not in refused.value.hint
        assert "work.example.org" not in refused.value.hint
    assert not any("work.example.org" in each for each in with_custom.seen)
    await cluster.close()


async def test_what_may_not_be_listed_everywhere_is_listed_where_it_may(api: Api, tmp_path: Path) -> None:
    api.lists["pods"] = [pod(NAME)]
    api.forbidden = {"pods", "nodes"}
    cluster = live(kubeconfig(tmp_path, api.url))
    pack = await cluster.evidence()
    await cluster.close()
    assert [(each.kind, each.namespaces) for each in pack.listed if each.kind == "Pod"] == [("Pod", ("demo",))]
    assert any(each.what == "Node" and "may not list" in each.why for each in pack.blind)


async def test_single_objects_lists_events_and_logs_are_there_for_the_asking(api: Api, tmp_path: Path) -> None:
    api.lists["pods"] = [pod(NAME, **SICK)]
    api.lists["events"] = [event("Pod", NAME, "BackOff", "Back-off restarting")]
    api.logs = {f"{NAME} false": log("one")}
    cluster = live(kubeconfig(tmp_path, api.url))
    assert [(row.name, row.status) for row in await cluster.objects("po")] == [(NAME, "CrashLoopBackOff, 0/1 ready")]
    assert "exitCode: 1" in (await cluster.object("pod", "demo", NAME)).text
    assert "BackOff" in (await cluster.events("demo", "back-off"))[0].text
    assert "one" in (await cluster.logs("demo", NAME)).text
    with pytest.raises(NotFound):
        await cluster.logs("demo", NAME, previous=True)
    with pytest.raises(NotFound):
        await cluster.object("pod", "demo", "gone")
    with pytest.raises(ToolFailed, match="never read"):
        await cluster.objects("secrets")
    with pytest.raises(ToolFailed, match="no kind"):
        await cluster.objects("gadgets")
    api.forbidden = {"pods"}
    with pytest.raises(Denied, match="forbidden"):
        await cluster.objects("pods")
    await cluster.close()


async def test_a_kubeconfig_that_points_nowhere_ends_with_what_to_do(tmp_path: Path) -> None:
    cluster = live(kubeconfig(tmp_path, "http://127.0.0.1:9"))
    with pytest.raises(Unavailable, match="cannot be reached") as gone:
        await cluster.evidence()
    await cluster.close()
    assert "kubectl get nodes" in gone.value.hint


async def test_a_cluster_that_takes_the_call_and_never_answers_ends_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "TIMEOUT", httpx2.Timeout(0.2))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        cluster = live(kubeconfig(tmp_path, f"http://127.0.0.1:{silent.getsockname()[1]}"))
        with pytest.raises(Unavailable, match="does not answer in time") as late:
            await cluster.evidence()
        await cluster.close()
    assert late.value.code == "cluster_timeout"
    assert "kubectl get nodes" in late.value.hint


async def test_of_a_cluster_of_five_thousand_pods_the_sick_one_is_told_in_a_small_pack(
    api: Api, tmp_path: Path
) -> None:
    api.lists["pods"] = [*(pod(f"shop-5d4f-{number}") for number in range(4_999)), pod(NAME, **SICK)]
    cluster = live(kubeconfig(tmp_path, api.url))
    pack = await cluster.evidence()
    await cluster.close()
    assert f"k8s:demo/Pod/{NAME}" in {each.source for each in pack.objects}
    assert pack.census is not None
    assert "pods: 5000, 4999 of them well" in pack.census.text
    assert any("pods that are well" in each for each in pack.left_out)
    assert len(json.dumps(pack.model_dump(mode="json"))) < 100_000
    assert api.seen.count("GET /api/v1/pods") == 10


@pytest.mark.parametrize(
    "body", ["", "{", "[]", "clusters: 3", "current-context: x\nclusters: []\ncontexts: []", "a: b"]
)
def test_a_file_that_is_no_kubeconfig_is_refused(body: str, tmp_path: Path) -> None:
    (tmp_path / "config").write_text(body)
    with pytest.raises(GroundswellError, match="names no cluster"):
        live(f"kubeconfig:{tmp_path}/config")


def test_a_source_that_is_none_is_refused(tmp_path: Path) -> None:
    for source in ("dump:relative", "https://example.com", f"kubeconfig:{tmp_path}/gone", "in-cluster:"):
        with pytest.raises(ToolFailed):
            live(source)
