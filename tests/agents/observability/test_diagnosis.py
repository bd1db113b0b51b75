"""The observability agent over small dumps: each cause is named with its object, and what is well is left in peace."""

# ruff: noqa: E501  # the data of a case stands on one line

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import groundswell
from agents.observability.dumps import (
    BEFORE,
    NOW,
    deployment,
    event,
    log,
    node,
    pod,
    replica_set,
    service,
    write,
)
from groundswell.agents.observability.diagnosis import all_rules
from groundswell.agents.observability.graph import agent
from groundswell.backends.kube.clusters import Dump
from groundswell.core.records import Answer
from groundswell.core.tool import Tool
from groundswell.runtime.discovery import discover
from groundswell.testing import DirectTools, FakeContext, run_context

GRAPH = agent.graph.compile()
TOOLS = discover("groundswell.tools", Tool)
NAME = "shop-5d4f-x"
CRASH = {"state": {"waiting": {"reason": "CrashLoopBackOff"}}, "restarts": 6, "ready": False, "last": {"exitCode": 1}}


class Here:
    """Work of a CPU, done at once."""

    async def run(self, function: Callable[..., Any], *arguments: Any, seconds: float) -> Any:
        return function(*arguments)


async def ask(folder: Path, question: str = "what is wrong?") -> Answer:
    tools = DirectTools(TOOLS, FakeContext(kubernetes=Dump(folder, Here(), 60)))
    state = await GRAPH.ainvoke({"question": question}, context=run_context(tools, question))
    json.dumps(state)  # a checkpoint holds nothing but JSON
    return Answer.model_validate(state["answer"])


def first(answer: Answer) -> str:
    return answer.text.split("\n")[0]


def crashing(lines: str, **fields: Any) -> dict[str, Any]:
    """The lists of a crashing shop, with what its log says."""
    return {
        "pods": [pod(NAME, **(CRASH | fields))],
        "deployments": [deployment(ready=0)],
        "logs": {f"{NAME}/logs.txt": log(lines)},
    }


def waiting(reason: str, message: str = "", **fields: Any) -> dict[str, Any]:
    """The lists of a shop whose container waits."""
    state = {"waiting": {"reason": reason, "message": message}}
    return {"pods": [pod(NAME, state=state, ready=False, **fields)], "deployments": [deployment(ready=0)]}


PENDING = {"phase": "Pending", "containerStatuses": []}


def pending(message: str) -> dict[str, Any]:
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
    unplaced = pod(NAME, spec={"nodeName": None}, status={**PENDING, "conditions": [condition]})
    return {"pods": [unplaced], "deployments": [deployment(ready=0)]}


def refused(reason: str, message: str) -> dict[str, Any]:
    events = [event("ReplicaSet", "shop-5d4f", reason, message)]
    return {"events": events, "deployments": [deployment(ready=0)]}


SHOP = "Deployment demo/shop"
CAUSES: dict[str, tuple[dict[str, Any], list[str]]] = {
    "a setting that is not there": (
        crashing(
            "2026-03-01T11:59:00Z INFO starting\n2026-03-01T11:59:01Z ERROR environment variable PAY_URL is not set"
        ),
        [SHOP, "configuration", "PAY_URL"],
    ),
    "the last exception below a traceback": (
        crashing(
            'Traceback (most recent call last):\n  File "/a.py", line 3, in <module>\n    x["A_KEY"]\nKeyError: \'A_KEY\''
        ),
        [SHOP, "KeyError"],
    ),
    "a login that is refused": (
        crashing('FATAL: password authentication failed for user "shop"'),
        [SHOP, "login", "password authentication failed"],
    ),
    "a full disk": (crashing("write /data/a: no space left on device"), [SHOP, "disk is full"]),
    "an image whose tag is not there": (
        waiting("ImagePullBackOff", "Back-off pulling image")
        | {
            "events": [
                event(
                    "Pod",
                    NAME,
                    "Failed",
                    'Failed to pull image "registry.example.com/shop:1.0": rpc error: code = NotFound desc = failed to resolve reference "registry.example.com/shop:1.0": registry.example.com/shop:1.0: not found',
                    container="app",
                )
            ]
        },
        [SHOP, "registry.example.com/shop:1.0", "not found"],
    ),
    "a node that is too small": (
        pending("0/3 nodes are available: 3 Insufficient memory. preemption: 0/3 nodes are available"),
        [SHOP, "requests more memory", "Insufficient memory"],
    ),
    "a taint": (
        pending("0/3 nodes are available: 3 node(s) had untolerated taint {gpu: yes}."),
        [SHOP, "taint"],
    ),
    "memory beyond its limit": (
        {
            "pods": [
                pod(
                    NAME,
                    **(CRASH | {"last": {"exitCode": 137, "reason": "OOMKilled"}}),
                    container={"resources": {"limits": {"memory": "64Mi"}}},
                )
            ],
            "deployments": [deployment(ready=0)],
        },
        [SHOP, "OOMKilled", "64Mi"],
    ),
    "a probe at the wrong port": (
        {
            "pods": [pod(NAME, ready=False, container={"readinessProbe": {"httpGet": {"port": 9090, "path": "/"}}})],
            "deployments": [deployment(ready=0)],
            "events": [
                event(
                    "Pod",
                    NAME,
                    "Unhealthy",
                    'Readiness probe failed: Get "http://10.0.0.9:9090/": dial tcp 10.0.0.9:9090: connect: connection refused',
                    container="app",
                )
            ],
        },
        [SHOP, "readiness probe", "9090", "8080"],
    ),
    "a ConfigMap that is not there": (
        waiting("CreateContainerConfigError", 'configmap "shop-settings" not found'),
        [SHOP, "configmap", "shop-settings", "not found"],
    ),
    "a key that a Secret does not have": (
        waiting("CreateContainerConfigError", "couldn't find key token in Secret demo/shop-login"),
        [SHOP, "key `token`", "shop-login"],
    ),
    "a quota": (
        refused(
            "FailedCreate",
            'Error creating: pods "shop-5d4f-z" is forbidden: exceeded quota: team, requested: cpu=1, used: cpu=4, limited: cpu=4',
        ),
        [SHOP, "quota `team`"],
    ),
    "a webhook that does not answer": (
        refused(
            "FailedCreate",
            'Error creating: Internal error occurred: failed calling webhook "check.example.com": failed to call webhook: Post "https://check.guard.svc:443/": context deadline exceeded',
        ),
        [SHOP, "webhook", "check.example.com"],
    ),
    "a node that is silent": (
        {
            "nodes": [
                node(
                    ready="Unknown",
                    conditions=[
                        {
                            "type": "Ready",
                            "status": "Unknown",
                            "reason": "NodeStatusUnknown",
                            "message": "Kubelet stopped posting node status.",
                        }
                    ],
                )
            ],
            "pods": [pod(NAME, ready=False)],
            "deployments": [deployment(ready=0)],
        },
        ["Node node-a", "Kubelet stopped posting"],
    ),
    "a claim without its class": (
        {
            "pods": [
                pod(
                    NAME,
                    spec={"nodeName": None, "volumes": [{"name": "d", "persistentVolumeClaim": {"claimName": "data"}}]},
                    status={
                        **PENDING,
                        "conditions": [
                            {
                                "type": "PodScheduled",
                                "status": "False",
                                "message": "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims.",
                            }
                        ],
                    },
                )
            ],
            "deployments": [deployment(ready=0)],
            "persistentvolumeclaims": [
                {
                    "metadata": {"name": "data", "namespace": "demo", "creationTimestamp": BEFORE},
                    "spec": {"storageClassName": "quick"},
                    "status": {"phase": "Pending"},
                }
            ],
            "events": [
                event(
                    "PersistentVolumeClaim",
                    "data",
                    "ProvisioningFailed",
                    'storageclass.storage.k8s.io "quick" not found',
                )
            ],
        },
        ["PersistentVolumeClaim demo/data", "quick"],
    ),
    "a selector that fits no pod": (
        {
            "pods": [pod(NAME)],
            "deployments": [deployment()],
            "services": [service("shop", {"app": "shopp"})],
        },
        ["Service demo/shop", "selector", "shopp"],
    ),
    "a Job at its deadline": (
        {
            "jobs": [
                {
                    "metadata": {"name": "import", "namespace": "demo", "creationTimestamp": BEFORE},
                    "spec": {"activeDeadlineSeconds": 60},
                    "status": {
                        "conditions": [
                            {
                                "type": "Failed",
                                "status": "True",
                                "reason": "DeadlineExceeded",
                                "message": "Job was active longer than specified deadline",
                                "lastTransitionTime": NOW,
                            }
                        ]
                    },
                }
            ]
        },
        ["Job demo/import", "deadline"],
    ),
    "an Ingress to a Service that is not there": (
        {
            "ingresses": [
                {
                    "metadata": {"name": "door", "namespace": "demo"},
                    "spec": {
                        "rules": [
                            {"http": {"paths": [{"backend": {"service": {"name": "gone", "port": {"number": 80}}}}]}}
                        ]
                    },
                }
            ]
        },
        ["Ingress demo/door", "gone"],
    ),
    "an autoscaler without metrics": (
        {
            "pods": [pod(NAME)],
            "deployments": [deployment()],
            "horizontalpodautoscalers": [
                {
                    "metadata": {"name": "shop", "namespace": "demo"},
                    "spec": {"scaleTargetRef": {"kind": "Deployment", "name": "shop"}},
                    "status": {
                        "conditions": [
                            {
                                "type": "ScalingActive",
                                "status": "False",
                                "reason": "FailedGetResourceMetric",
                                "message": "the HPA was unable to compute the replica count: unable to get metrics for resource cpu: no metrics returned from resource metrics API",
                            }
                        ]
                    },
                }
            ],
        },
        ["HorizontalPodAutoscaler demo/shop", "metrics"],
    ),
    "a finalizer": (
        {
            "configmaps": [
                {
                    "metadata": {
                        "name": "held",
                        "namespace": "demo",
                        "deletionTimestamp": BEFORE,
                        "finalizers": ["example.com/hold"],
                    }
                }
            ],
            "pods": [pod(NAME)],
            "deployments": [deployment()],
            "events": [event("Pod", "other", "X", "y")],
        },
        ["ConfigMap demo/held", "example.com/hold"],
    ),
    "a volume that another node has": (
        {
            "pods": [
                pod(NAME, ready=False, state={"waiting": {"reason": "ContainerCreating"}}, status={"phase": "Pending"})
            ],
            "deployments": [deployment(ready=0)],
            "events": [
                event(
                    "Pod",
                    NAME,
                    "FailedAttachVolume",
                    'Multi-Attach error for volume "pvc-1" Volume is already exclusively attached to one node and can\'t be attached to another',
                )
            ],
        },
        [SHOP, "volume", "Multi-Attach"],
    ),
}


@pytest.mark.parametrize("cause", CAUSES)
async def test_the_first_sentence_names_the_cause_and_its_object(cause: str, tmp_path: Path) -> None:
    lists, words = CAUSES[cause]
    answer = await ask(write(tmp_path, **lists))
    assert [word for word in words if word not in first(answer)] == [], answer.text
    assert answer.dropped == 0
    assert all(claim.citations for claim in answer.claims)


async def test_a_symptom_leads_along_its_edge_to_the_cause(tmp_path: Path) -> None:
    lines = "ERROR dial tcp db:5432: connect: connection refused"
    db = pod(
        "db-5d4f-y",
        "db",
        state={"waiting": {"reason": "CrashLoopBackOff"}},
        ready=False,
        restarts=4,
        last={"exitCode": 1},
    )
    folder = write(
        tmp_path,
        logs={
            f"{NAME}/logs.txt": log(lines),
            "db-5d4f-y/logs.txt": log("FATAL: could not write: No space left on device", name="db-5d4f-y"),
        },
        pods=[pod(NAME, **CRASH), db],
        deployments=[deployment(ready=0), deployment("db", ready=0)],
        replicasets=[replica_set(), replica_set("db")],
        services=[service("db", {"app": "db"}, 5432)],
    )
    answer = await ask(folder, "why is shop failing?")
    assert "Deployment demo/db" in first(answer)
    assert "disk is full" in first(answer)
    assert SHOP in answer.text


async def test_a_policy_that_leaves_a_way_out_is_named_where_somebody_waits_on_it(tmp_path: Path) -> None:
    lines = "\n".join(f"ERROR call {n}: dial tcp db:5432: i/o timeout" for n in range(5))
    policy = {
        "metadata": {"name": "closed", "namespace": "demo"},
        "spec": {
            "podSelector": {"matchLabels": {"app": "db"}},
            "policyTypes": ["Ingress"],
            "ingress": [{"from": [{"podSelector": {"matchLabels": {"app": "other"}}}]}],
        },
    }
    lists: dict[str, Any] = {
        "logs": {f"{NAME}/logs.txt": log(lines)},
        "pods": [pod(NAME), pod("db-5d4f-y", "db", container={"ports": [{"containerPort": 5432}]})],
        "deployments": [deployment(), deployment("db")],
        "replicasets": [replica_set(), replica_set("db")],
        "services": [service("db", {"app": "db"}, 5432)],
    }
    answer = await ask(write(tmp_path / "closed", networkpolicies=[policy], **lists))
    assert "NetworkPolicy demo/closed" in first(answer)
    policy["spec"]["ingress"][0]["from"][0]["podSelector"]["matchLabels"]["app"] = "shop"
    answer = await ask(write(tmp_path / "open", networkpolicies=[policy], **lists))
    assert "NetworkPolicy" not in answer.text


WELL: dict[str, dict[str, Any]] = {
    "nothing at all": {"pods": [pod(NAME)], "deployments": [deployment()]},
    "a restart of long ago": {
        "pods": [pod(NAME, restarts=1, last={"exitCode": 1, "finishedAt": "2026-02-01T00:00:00Z"})],
        "deployments": [deployment()],
    },
    "a deployment that is scaled to nothing": {"deployments": [deployment(replicas=0, ready=0)]},
    "a pod that is done": {"pods": [pod(NAME, status={"phase": "Succeeded"}, ready=False)]},
    "an error that is loud and harmless": {
        "pods": [pod(NAME)],
        "deployments": [deployment()],
        "logs": {
            f"{NAME}/logs.txt": log(
                "ERROR optional plugin x failed to load, continuing without it\n" * 50 + "INFO served"
            )
        },
    },
    "a retry that succeeded": {
        "pods": [pod(NAME)],
        "deployments": [deployment()],
        "logs": {
            f"{NAME}/logs.txt": log("WARN dial tcp db:5432: connection refused, retry\n" * 5 + "INFO connected to db")
        },
    },
    "an event that is over": {
        "pods": [pod(NAME)],
        "deployments": [deployment()],
        "events": [event("Pod", NAME, "FailedScheduling", "0/1 nodes are available: 1 Insufficient cpu.")],
    },
}


@pytest.mark.parametrize("what", WELL)
async def test_what_only_looks_like_trouble_is_no_alarm(what: str, tmp_path: Path) -> None:
    answer = await ask(write(tmp_path, **WELL[what]))
    assert first(answer).startswith("Nothing is wrong here"), answer.text
    assert answer.dropped == 0


async def test_a_kind_without_a_list_is_named_as_unknown_and_never_called_absent(tmp_path: Path) -> None:
    answer = await ask(write(tmp_path, **CAUSES["a setting that is not there"][0]))
    assert any("ConfigMap" in each and "no list of these kinds" in each for each in answer.missing)
    assert "ConfigMap" not in answer.text


async def test_a_question_about_one_namespace_sets_apart_what_is_wrong_elsewhere(tmp_path: Path) -> None:
    folder = write(tmp_path, **CAUSES["a setting that is not there"][0])
    write(folder, namespace="calm", pods=[pod("a-5d4f-x", "a", "calm")], deployments=[deployment("a", "calm")])
    answer = await ask(folder, "is anything wrong in namespace calm?")
    assert first(answer).startswith("Nothing is wrong here")
    assert "Wrong elsewhere:" in answer.text
    answer = await ask(folder, "what is broken in namespace demo?")
    assert SHOP in first(answer)


SAMPLE = Path(groundswell.__path__[0]) / "data" / "incident"


async def test_the_incident_that_is_shipped_is_told_from_its_symptom_to_its_cause() -> None:
    answer = await ask(SAMPLE, "Why does the board show no tides?")
    assert "Deployment harbour/readings" in first(answer)
    assert "disk is full" in first(answer)
    assert "Deployment harbour/board" in answer.text
    assert answer.dropped == 0


def beside_a_killed_one(folder: Path, rests_on_it: bool = False) -> Path:
    """`shop` is ready; `cart`, in its namespace and on its node, is killed for want of memory."""
    backs_off = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 5m0s restarting failed container"}}
    cart = pod(
        "cart-5d4f-y",
        "cart",
        ready=False,
        restarts=7,
        state=backs_off,
        last={"exitCode": 137, "reason": "OOMKilled"},
        container={"resources": {"limits": {"memory": "64Mi"}}},
    )
    shop = deployment()
    if rests_on_it:
        app = {"name": "app", "env": [{"name": "CART", "value": "http://cart:8080"}]}
        shop["spec"]["template"]["spec"] = {"containers": [app]}
    return write(
        folder,
        {"shop-5d4f-x/logs.txt": log("INFO served\nINFO served")},
        pods=[pod("shop-5d4f-x"), cart],
        deployments=[shop, deployment("cart", ready=0)],
        replicasets=[replica_set(), replica_set("cart")],
        services=[service("shop", {"app": "shop"}), service("cart", {"app": "cart"})],
        nodes=[node()],
    )


@pytest.mark.parametrize(
    "question",
    [
        "Why is the deployment shop in namespace demo slow?",
        "shop takes ages to load since this morning, what is going on?",
        "latency of shop went up, why?",
    ],
)
async def test_what_is_slow_without_a_fault_of_its_own_is_not_answered_with_a_neighbours(
    question: str, tmp_path: Path
) -> None:
    answer = await ask(beside_a_killed_one(tmp_path), question)
    assert answer.text.startswith("No signs of trouble were seen: Deployment demo/shop has 1 of 1 replicas ready.")
    before, _, after = answer.text.partition("Wrong elsewhere, and not seen to reach it:")
    assert "cart" not in before
    assert "Deployment demo/cart is killed for want of memory" in after
    assert any("how fast Deployment demo/shop is" in each and "prometheus" in each for each in answer.missing)


@pytest.mark.parametrize(
    "question", ["why is shop slow?", "why does cart take ages?", "what is slow in namespace demo?"]
)
async def test_what_is_slow_by_its_own_fault_or_by_one_that_it_rests_on_is_told_that_one(
    question: str, tmp_path: Path
) -> None:
    answer = await ask(beside_a_killed_one(tmp_path, rests_on_it=True), question)
    assert answer.text.startswith("Deployment demo/cart is killed for want of memory")


async def test_whether_one_thing_is_well_is_answered_for_that_thing() -> None:
    answer = await ask(SAMPLE, "is mooring healthy?")
    assert first(answer).startswith("Nothing is wrong here: Deployment harbour/mooring has 1 of 1")
    assert "Wrong elsewhere:" in answer.text


JUNK: list[Any] = [None, "", 3, -1, [], {}, ["a"], [{}], {"": ""}, True, "x\ny: z", "“q”"]


def damaged(value: Any, chance: random.Random) -> Any:
    if chance.random() < 0.04:
        return chance.choice(JUNK)
    if isinstance(value, dict):
        return {key: damaged(each, chance) for key, each in value.items() if chance.random() > 0.02}
    return [damaged(each, chance) for each in value] if isinstance(value, list) else value


@pytest.mark.parametrize("seed", range(12))
async def test_objects_of_any_shape_get_an_answer_and_no_claim_without_its_evidence(seed: int, tmp_path: Path) -> None:
    chance = random.Random(seed)
    folder = tmp_path / "dump"
    shutil.copytree(SAMPLE, folder)
    for file in folder.rglob("*.json"):
        document = json.loads(file.read_text())
        document["items"] = [damaged(item, chance) for item in document["items"]]
        file.write_text(json.dumps(document))
    answer = await ask(folder, "Why does the board show no tides?")
    assert answer.text
    assert answer.dropped == 0


async def test_the_same_question_gets_the_same_answer(tmp_path: Path) -> None:
    folder = write(tmp_path, **CAUSES["a probe at the wrong port"][0])
    assert len({(await ask(folder)).text for _ in range(3)}) == 1


def test_every_module_of_the_folder_is_a_rule() -> None:
    assert len(all_rules()) >= 18
