"""One cause with many effects comes first and alone; what a question names, and how it asks, shapes the answer."""

# ruff: noqa: E501  # the data of a case stands on one line

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from agents.observability.dumps import deployment, event, log, node, pod, replica_set, service, write
from agents.observability.test_diagnosis import GRAPH, TOOLS, Here, ask, first
from groundswell.backends.kube.clusters import Dump
from groundswell.core.records import Answer, Turn
from groundswell.testing import DirectTools, FakeContext, run_context

Lists = dict[str, Any]


def workloads(*names: str) -> Lists:
    """Deployments of one ready pod each."""
    return {
        "pods": [pod(f"{name}-5d4f-x", name) for name in names],
        "deployments": [deployment(name) for name in names],
        "replicasets": [replica_set(name) for name in names],
        "nodes": [node()],
    }


def logs(**lines: str) -> dict[str, str]:
    """The log of each workload's pod: a line thirty times."""
    return {f"{name}-5d4f-x/logs.txt": log("\n".join([line] * 30)) for name, line in lines.items()}


async def test_what_two_workloads_complain_of_is_the_cause_and_they_are_its_effects(tmp_path: Path) -> None:
    said = logs(
        shop="ERROR GET https://api.pay.example/v1: status 429 Too Many Requests",
        till='level=error msg=charge err="https://api.pay.example/v1: 429 Too Many Requests"',
    )
    answer = await ask(write(tmp_path, said, **workloads("shop", "till")))
    assert first(answer).startswith("`api.pay.example` throttles Deployment demo/shop and Deployment demo/till")
    effects = answer.text.partition("What follows from it:")[2]
    assert "Deployment demo/shop runs" in effects
    assert "Deployment demo/till runs" in effects
    assert "Also wrong" not in answer.text


async def test_a_webhook_that_refuses_two_workloads_is_read_out_with_its_service(tmp_path: Path) -> None:
    lists = workloads("shop", "till", "gate")
    lists["pods"] = [each for each in lists["pods"] if each["metadata"]["name"].startswith("gate")]
    lists["deployments"] = [deployment("shop", ready=0), deployment("till", ready=0), deployment("gate")]
    message = 'Error creating: Internal error occurred: failed calling webhook "check.example.com": failed to call webhook: Post "https://gate.demo.svc:443/": no endpoints available for service "gate"'
    hook = {
        "metadata": {"name": "checks"},
        "webhooks": [
            {
                "name": "check.example.com",
                "failurePolicy": "Fail",
                "clientConfig": {"service": {"namespace": "demo", "name": "gate"}},
                "rules": [{"resources": ["pods"]}],
            }
        ],
    }
    lists |= {
        "services": [service("gate", {"app": "elsewhere"}, 443)],
        "validatingwebhookconfigurations": [hook],
        "events": [event("ReplicaSet", f"{name}-5d4f", "FailedCreate", message) for name in ("shop", "till")],
    }
    answer = await ask(write(tmp_path, **lists))
    assert first(answer).startswith("The selector of Service demo/gate (`app: elsewhere`) differs")
    effects = answer.text.partition("What follows from it:\n")[2].split("\n")
    for words in ("check.example.com", "`failurePolicy: Fail`", "Configuration demo/checks", "demo/gate stands empty"):
        assert words in effects[0], answer.text
    assert any(each.startswith("- Deployment demo/till waits for its pods") for each in effects)


async def test_a_kind_that_nobody_knows_is_told_by_its_conditions_and_one_without_is_named(tmp_path: Path) -> None:
    conditions = [{"type": "Ready", "status": "False", "reason": "NoLicence", "message": "the licence ended yesterday"}]
    lists = workloads("shop") | {
        "tunnels": [
            {"kind": "Tunnel", "metadata": {"name": "west", "namespace": "demo"}, "status": {"conditions": conditions}}
        ],
        "wires": [{"kind": "Wire", "metadata": {"name": "red", "namespace": "demo"}, "spec": {"length": 3}}],
    }
    answer = await ask(write(tmp_path, **lists))
    assert "Tunnel demo/west" in first(answer)
    assert "the licence ended yesterday" in first(answer)
    assert any("not understood" in each and "Wire (red)" in each for each in answer.missing)


async def test_a_resource_that_is_suspended_on_purpose_or_was_repeated_with_success_is_no_fault(tmp_path: Path) -> None:
    def run(name: str, status: str, at: str) -> dict[str, Any]:
        done = [{"type": "Complete", "status": status, "reason": "Timeout", "message": "took too long"}]
        return {
            "kind": "Copy",
            "metadata": {"name": name, "namespace": "demo", "creationTimestamp": at},
            "status": {"conditions": done},
        }

    off = {
        "kind": "Tunnel",
        "metadata": {"name": "east", "namespace": "demo"},
        "spec": {"suspend": True},
        "status": {"conditions": [{"type": "Ready", "status": "False", "message": "suspended"}]},
    }
    copies = [run("day-1", "False", "2026-02-27T00:00:00Z"), run("day-2", "True", "2026-02-28T00:00:00Z")]
    answer = await ask(write(tmp_path, **workloads("shop"), tunnels=[off], copies=copies))
    assert first(answer).startswith("Nothing is wrong here")


async def test_a_reported_failure_that_nothing_shows_is_not_denied(tmp_path: Path) -> None:
    folder = write(tmp_path, logs(shop="INFO served"), **workloads("shop"))
    assert first(await ask(folder, "shop loses orders since nine")).startswith("No signs of trouble were seen")
    assert first(await ask(folder, "is shop healthy?")).startswith("Nothing is wrong here")


async def test_a_static_pod_is_found_by_the_name_people_use(tmp_path: Path) -> None:
    static = pod("kube-apiserver-cp-1", "api", metadata={"ownerReferences": [{"kind": "Node", "name": "cp-1"}]})
    static["spec"]["nodeName"] = "cp-1"
    lists = workloads("shop")
    lists["pods"].append(static)
    said = {"kube-apiserver-cp-1/logs.txt": log("\n".join(["I0301 11:59:00.000000       1 x.go:1] serving"] * 3))}
    answer = await ask(write(tmp_path, said, **lists), "how is kube-apiserver doing?")
    assert "The log of Pod demo/kube-apiserver-cp-1 ends with" in answer.text


async def test_a_question_for_a_log_or_a_field_is_answered_with_it(tmp_path: Path) -> None:
    lists = workloads("shop", "till")
    folder = write(tmp_path, logs(shop="ERROR cannot post: lookup till on 10.0.0.10:53: no such host"), **lists)
    answer = await ask(folder, "what errors are in the logs of shop?")
    assert first(answer) == "As asked:"
    assert "Pod demo/shop-5d4f-x logs, again and again: “cannot post: lookup till" in answer.text
    assert "Deployment demo/till: `replicas: 1`" in (await ask(folder, "how many replicas does till have?")).text


async def test_a_follow_up_that_names_nothing_means_what_its_thread_named(tmp_path: Path) -> None:
    folder = write(tmp_path, logs(shop="INFO served"), **workloads("shop", "till"))
    tools = DirectTools(TOOLS, FakeContext(kubernetes=Dump(folder, Here(), 60)))
    before = Turn(
        run="r", agent="observability", question="is till healthy?", answer=Answer(text="Nothing is wrong here.")
    )
    state = await GRAPH.ainvoke(
        {"question": "and is it still so?"}, context=run_context(tools, "and is it still so?", history=[before])
    )
    assert "Deployment demo/till has 1 of 1 replicas ready" in Answer.model_validate(state["answer"]).text
    json.dumps(state)


async def test_a_rollout_of_seconds_ago_is_no_alarm_because_its_probe_is_not_met_yet(tmp_path: Path) -> None:
    lists = workloads("shop")
    young = datetime(2026, 3, 1, 11, 59, 40, tzinfo=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    fresh = pod(
        "shop-5d4f-y",
        "shop",
        ready=False,
        state={"running": {"startedAt": young}},
        metadata={"creationTimestamp": young},
    )
    lists["pods"].append(fresh)
    lists["events"] = [
        event(
            "Pod",
            "shop-5d4f-y",
            "Unhealthy",
            "Readiness probe failed: connection refused",
            count=2,
            lastTimestamp="2026-03-01T12:00:00Z",
        )
    ]
    assert first(await ask(write(tmp_path, **lists))).startswith("Nothing is wrong here")
