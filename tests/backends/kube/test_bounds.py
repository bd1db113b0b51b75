"""A caller who may see one namespace learns nothing of another: with it or without it, every answer is the same."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from agents.observability.dumps import deployment, event, log, node, pod, service
from groundswell.backends.kube.access_review import Answers, Reviews, Subject
from groundswell.backends.kube.bounds import Bounds
from groundswell.backends.kube.clusters import Dump, Live, opened
from groundswell.core.errors import Denied, GroundswellError
from small_server import Answering, SmallServer, running

SICK = {"state": {"waiting": {"reason": "CrashLoopBackOff"}}, "restarts": 6, "ready": False, "last": {"exitCode": 1}}
SHOP = Bounds(("shop", "shop-*"), ())
KINDS = ("pods", "deployments", "services", "events", "configmaps", "namespaces", "nodes", "persistentvolumes", "pvc")
Object = dict[str, Any]


def lists(*namespaces: str) -> dict[str, list[Object]]:
    """A cluster's lists."""
    found: dict[str, list[Object]] = {"nodes": [node("node-a")], "persistentvolumes": [], "configmaps": []}
    for name in namespaces:
        sick = pod(f"{name}-web", name, name, **SICK)
        found.setdefault("pods", []).append(sick)
        found.setdefault("deployments", []).append(deployment(name, name))
        found.setdefault("services", []).append(service(name, {"app": name}, namespace=name))
        found.setdefault("namespaces", []).append({"metadata": {"name": name}})
        found["persistentvolumes"].append({"metadata": {"name": f"pv-{name}"}, "spec": {"claimRef": {"name": name}}})
        found["configmaps"].append({"metadata": {"name": f"cm-{name}", "namespace": name}, "data": {name: name}})
        for about, its in ((("Pod", f"{name}-web"), name), (("Node", f"node-{name}"), "default")):
            told = event(*about, "BackOff", f"{name} backs off", namespace=its)
            told["metadata"] = {"name": f"{name}.{about[0]}", "namespace": its}
            found.setdefault("events", []).append(told)
    return found


class Here:
    """Work of a CPU, done at once."""

    async def run(self, function: Callable[..., Any], *arguments: Any, seconds: float) -> Any:
        return function(*arguments)


def dumped(folder: Path, *namespaces: str) -> str:
    """The cluster as a dump: lists of all at the top, and a folder for each namespace."""
    (folder / "dump").mkdir(parents=True)
    for plural, items in lists(*namespaces).items():
        kind = {"nodes": "Node"}.get(plural, plural.removesuffix("s").capitalize())
        (folder / "dump" / f"{plural}.json").write_text(json.dumps({"kind": f"{kind}List", "items": items}))
    for name in namespaces:
        home = folder / "dump" / name / f"{name}-web"
        home.mkdir(parents=True)
        (home / "logs.txt").write_text(log(f"ERROR {name} broke"))
        (folder / "dump" / name / "replicasets.json").write_text("{ this is cut off")
    return f"dump:{folder}/dump"


class Api(SmallServer):
    """A small API server that keeps to namespaces, and answers SubjectAccessReviews from `rights`."""

    def __init__(self, *namespaces: str) -> None:
        super().__init__(_Handler)
        self.lists = lists(*namespaces)
        self.rights: set[tuple[str, str, str]] | None = set()  # user or group, resource, namespace; None: it is broken
        self.reviews: list[Object] = []
        self.seen: list[str] = []


class _Handler(Answering):
    server: Api  # type: ignore[assignment]

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        self.server.seen.append(path)
        parts = path.strip("/").split("/")
        if parts[-1] == "log":
            self.answer(200, f"ERROR {parts[3]} broke\n")
            return
        items = self.server.lists.get(parts[-1], [])
        if "namespaces" in parts[:-1]:
            items = [each for each in items if each["metadata"].get("namespace") == parts[-2]]
        self.answer(200, {"kind": "List", "metadata": {}, "items": items})

    def do_POST(self) -> None:
        spec = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["spec"]
        self.server.reviews.append(spec)
        if self.server.rights is None:
            self.answer(500, {"message": "broken"})
            return
        asked = spec["resourceAttributes"]
        what = "/".join(asked[key] for key in ("resource", "subresource") if key in asked)
        names = [spec["user"], *spec["groups"]]
        allowed = any((name, what, asked.get("namespace", "")) in self.server.rights for name in names)
        self.answer(201, {"status": {"allowed": allowed}})


@pytest.fixture
def serve() -> Iterator[Callable[..., Api]]:
    with ExitStack() as started:
        yield lambda *namespaces: started.enter_context(running(Api(*namespaces)))


def source(api: Api, folder: Path) -> str:
    """A kubeconfig for it."""
    folder.mkdir(exist_ok=True)
    config = {
        "current-context": "x",
        "clusters": [{"name": "c", "cluster": {"server": api.url}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u", "namespace": "default"}}],
    }
    (folder / "config").write_text(json.dumps(config))
    return f"kubeconfig:{folder}/config"


def cluster(source: str, bounds: Bounds = SHOP, reviews: Reviews | None = None) -> Dump | Live:
    def silent(stage: str, done: int, total: int) -> None: ...

    return opened(source, Here(), seconds=30, progress=silent, bounds=bounds, reviews=reviews)


async def told(seen: Dump | Live) -> dict[str, Any]:
    """Everything that a caller could ask of a cluster, with what it says or how it refuses."""
    answers: dict[str, Any] = {}

    async def ask(name: str, asking: Any) -> None:
        try:
            answers[name] = repr(await asking)
        except GroundswellError as error:
            answers[name] = (error.code, error.message, error.hint)

    pack = await seen.evidence(("billing",))
    answers["evidence"] = pack.model_copy(update={"taken": "", "origin": ""}).model_dump_json()
    for kind in KINDS:
        await ask(f"list {kind}", seen.objects(kind))
        for namespace in ("shop", "shop-eu", "billing", "nowhere", "default"):
            await ask(f"list {kind} {namespace}", seen.objects(kind, namespace))
            for name in ("shop-web", "billing-web", "billing", "pv-billing", "node-a"):
                await ask(f"get {kind} {namespace}/{name}", seen.object(kind, namespace, name))
    for namespace in ("", "shop", "billing", "nowhere", "default"):
        await ask(f"events {namespace}", seen.events(namespace))
        await ask(f"events {namespace} billing", seen.events(namespace, "billing"))
        for name in ("shop-web", "billing-web"):
            await ask(f"logs {namespace}/{name}", seen.logs(namespace, name))
    await seen.close()
    return answers


async def test_of_a_dump_nothing_of_another_namespace_is_to_be_learnt(tmp_path: Path) -> None:
    with_it = await told(cluster(dumped(tmp_path / "a", "shop", "shop-eu", "billing")))
    without = await told(cluster(dumped(tmp_path / "b", "shop", "shop-eu")))
    assert with_it == without
    assert "shop-web" in with_it["evidence"]
    assert "ERROR shop broke" in with_it["evidence"]
    assert "k8s:Node" not in with_it["evidence"]
    assert with_it["logs billing/billing-web"][0] == "namespace_not_allowed"
    assert with_it["get nodes shop/node-a"][0] == "object_not_allowed"
    assert with_it["list persistentvolumes"][0] == "kind_not_allowed"


async def test_of_a_live_cluster_nothing_of_another_namespace_is_to_be_learnt_or_even_asked(
    serve: Callable[..., Api], tmp_path: Path
) -> None:
    first, second = serve("shop", "shop-eu", "billing"), serve("shop", "shop-eu")
    with_it = await told(cluster(source(first, tmp_path / "a")))
    without = await told(cluster(source(second, tmp_path / "b")))
    assert with_it == without
    assert "shop-eu-web" in with_it["evidence"]
    assert "ERROR shop broke" in with_it["evidence"]
    assert not [path for path in first.seen if "namespaces/billing" in path]
    # only names of namespaces and kinds are listed for all; what is in them is asked for where it may be seen
    everywhere = {path for path in first.seen if "/namespaces/" not in path}
    assert everywhere <= {"/version", "/apis", "/api/v1/namespaces"}


async def test_the_control_without_bounds_does_tell_of_the_other_namespace(tmp_path: Path) -> None:
    seen = await told(cluster(dumped(tmp_path, "shop", "billing"), Bounds()))
    assert "ERROR billing broke" in seen["evidence"]
    assert "billing-web" in seen["logs billing/billing-web"]


async def test_a_granted_node_shows_how_it_is_and_not_what_it_carries(tmp_path: Path) -> None:
    bounds = Bounds(("shop",), ("Node/node-a",))
    seen = cluster(dumped(tmp_path, "shop"), bounds)
    text = (await seen.object("node", "", "node-a")).text
    assert "Ready" in text
    assert "allocatable" not in text
    with pytest.raises(Denied) as refused:
        await seen.object("node", "", "node-b")
    with pytest.raises(Denied) as other:
        await seen.object("node", "", "node-c")
    assert refused.value.message.replace("node-b", "node-c") == other.value.message
    pack = await seen.evidence()
    assert "Node" not in {each.kind for each in pack.listed}  # of one that is granted nobody learns that it is the only


async def test_a_caller_with_nothing_granted_opens_no_cluster(tmp_path: Path) -> None:
    with pytest.raises(Denied, match="nothing of a cluster"):
        cluster(dumped(tmp_path, "shop"), Bounds((), ()))


def reviewed(api: Api, source: str, answers: Answers | None = None, user: str = "ana", *groups: str) -> Dump | Live:
    reviews = Reviews(Subject(user, groups), source, answers or Answers())
    return cluster(source, Bounds(("shop", "billing"), ("Node/*",)), reviews)


async def test_a_caller_whom_the_cluster_knows_reads_what_its_roles_let_them_read(
    serve: Callable[..., Api], tmp_path: Path
) -> None:
    api = serve("shop", "billing")
    api.rights = {("ana", "pods", "shop"), ("devs", "pods/log", "shop"), ("devs", "events", "shop")}
    seen = reviewed(api, source(api, tmp_path), None, "ana", "devs")
    assert [row.name for row in await seen.objects("pods", "shop")] == ["shop-web"]
    assert "shop broke" in (await seen.logs("shop", "shop-web")).text
    assert (await seen.object("pod", "shop", "shop-web")).source == "k8s:shop/Pod/shop-web"
    for asking in (
        seen.objects("pods", "billing"),
        seen.objects("pods"),
        seen.objects("nodes"),
        seen.objects("services", "shop"),
        seen.object("pod", "billing", "billing-web"),
        seen.logs("billing", "billing-web"),
        seen.events("billing"),
    ):
        with pytest.raises(Denied) as refused:
            await asking
        assert refused.value.code == "review_denied"
    pack = await seen.evidence()
    assert "billing" not in "".join(each.text for each in (*pack.objects, *pack.events))
    assert "shop-web" in pack.model_dump_json()
    await seen.close()
    log_review = next(spec for spec in api.reviews if spec["resourceAttributes"].get("subresource") == "log")
    assert log_review["resourceAttributes"]["verb"] == "get"
    assert {spec["user"] for spec in api.reviews} == {"ana"}


async def test_an_answer_counts_for_a_while_and_only_for_its_own_caller(
    serve: Callable[..., Api], tmp_path: Path
) -> None:
    api, answers = serve("shop"), Answers()
    api.rights = {("ana", "pods", "shop")}
    where = source(api, tmp_path)
    for _ in range(3):
        ana = reviewed(api, where, answers)
        await ana.objects("pods", "shop")
        await ana.close()
    assert len(api.reviews) == 1
    bob = reviewed(api, where, answers, "bob")
    with pytest.raises(Denied):
        await bob.objects("pods", "shop")
    await bob.close()
    answers.known = type(answers.known)((key, (0.0, allowed)) for key, (_, allowed) in answers.known.items())
    api.rights = set()
    ana = reviewed(api, where, answers)
    with pytest.raises(Denied):
        await ana.objects("pods", "shop")
    await ana.close()


async def test_what_cannot_be_asked_is_denied(serve: Callable[..., Api], tmp_path: Path) -> None:
    api = serve("shop")
    api.rights = None
    seen = reviewed(api, source(api, tmp_path))
    with pytest.raises(Denied) as refused:
        await seen.objects("pods", "shop")
    await seen.close()
    assert refused.value.code == "review_unasked"
    assert not [path for path in api.seen if "pods" in path]


@pytest.mark.parametrize(
    "pod", ["../billing/billing-web", "../../billing/pods/billing-web", "billing-web/../x", "a?b", ""]
)
async def test_no_name_leads_out_of_the_namespace_that_is_granted(
    serve: Callable[..., Api], tmp_path: Path, pod: str
) -> None:
    api = serve("shop", "billing")
    for where in (dumped(tmp_path, "shop", "billing"), source(api, tmp_path)):
        seen = cluster(where, Bounds(("shop",), ()))
        with pytest.raises(GroundswellError):
            await seen.logs("shop", pod)
        await seen.close()
    assert not [path for path in api.seen if "log" in path]
