"""Wave 2: models answer, in pieces and in time, several at once, on the GPUs they asked for and on nobody else's."""

import asyncio
import re
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from groundswell.client import Client
from groundswell.core.check import Place, check, judged, measure, seen, skipped
from groundswell.core.records import Proof
from groundswell.waves.acting import objects
from groundswell.waves.w00_foundation import FAKE

ROLES = ("planner", "code")
AT_ONCE = 4
SHARE = 0.7  # of what so many would take one after another
FIRST_SECONDS = 5.0  # until the first piece of a short reply
GPU = "nvidia.com/gpu"
INFERENCE = "ai-inference"
SAY = ({"role": "user", "content": "Count from one to twenty, in words."},)
Manifest = Mapping[str, Any]


@dataclass(frozen=True)
class Reply:
    """A streamed reply: when its pieces came, and what was counted."""

    at: tuple[float, ...]  # seconds after asking, of each piece with text
    tokens: int | None
    text: str

    @property
    def seconds(self) -> float:
        """Until the last piece."""
        return self.at[-1] if self.at else 0.0


async def roles(platform: Client) -> list[str]:
    """The roles that have a model here."""
    return [str(each["id"]).removeprefix("llm:") for each in await platform.models() if each["id"].startswith("llm:")]


async def replied(platform: Client, role: str) -> Reply:
    """One short reply of a role's model."""
    began, at, text, tokens = time.monotonic(), list[float](), "", None
    async for chunk in platform.completion(f"llm:{role}", SAY, max_tokens=64):
        for choice in chunk.get("choices", []):
            delta = choice.get("delta", {})
            piece = delta.get("content") or delta.get("reasoning_content") or ""
            if piece:
                text += piece
                at.append(time.monotonic() - began)
        tokens = (chunk.get("usage") or {}).get("completion_tokens", tokens)
    return Reply(tuple(at), tokens, text)


@check(proves=("w2.planner", "w2.code", "w2.endpoints"), seconds=300)
async def endpoints_answer(platform: Client) -> Proof:
    """The models of the planner and of code answer, and each names itself."""
    there = await roles(platform)
    missing = [role for role in ROLES if role not in there]
    if len(missing) == len(ROLES):
        return skipped("no model is set: [models.planner] and [models.code]")
    replies = {role: await replied(platform, role) for role in ROLES if role in there}
    return judged(
        f"{', '.join(replies)} answered" + (f"; {', '.join(missing)} has no model" if missing else ""),
        measure("roles that answer", sum(bool(reply.text) for reply in replies.values()), len(ROLES)),
        seen=[seen(f"llm:{role}", reply.text) for role, reply in replies.items()],
    )


@check(proves=("w2.token-streaming", "w2.streaming"), seconds=300)
async def replies_stream(platform: Client) -> Proof:
    """The first piece of a reply comes well before the last one, and the tokens are counted."""
    there = await roles(platform)
    if not there:
        return skipped("no model is set: [models.planner]")
    reply = await replied(platform, there[0])
    first = reply.at[0] / reply.seconds if reply.seconds else None
    return judged(
        f"{len(reply.at)} pieces; the first after {reply.at[0] if reply.at else 0:.2f} s of {reply.seconds:.2f} s",
        measure("pieces", len(reply.at), 2, relation=">="),
        measure("first piece", round(first, 3) if first is not None else None, 0.5, relation="<", unit="of the time"),
        measure("tokens counted", reply.tokens, 1, relation=">="),
        seen=[seen(f"llm:{there[0]}", reply.text)],
    )


@check(proves="w2.batching", seconds=300)
async def requests_are_batched(platform: Client) -> Proof:
    """Four requests at once take clearly less than four one after another."""
    there = await roles(platform)
    if not there:
        return skipped("no model is set: [models.planner]")
    solo = min([(await replied(platform, there[0])).seconds for _ in range(2)])
    began = time.monotonic()
    replies = await asyncio.gather(*(replied(platform, there[0]) for _ in range(AT_ONCE)))
    makespan = time.monotonic() - began
    return judged(
        f"{AT_ONCE} at once took {makespan:.2f} s, one alone {solo:.2f} s",
        measure("answered", sum(bool(reply.text) for reply in replies), AT_ONCE),
        measure(
            "share of the serial time",
            round(makespan / (AT_ONCE * solo), 3) if solo else None,
            SHARE,
            relation="<",
        ),
    )


@check(proves="w2.latency", seconds=300)
async def replies_come_in_time(platform: Client) -> Proof:
    """The first piece of each of five short replies comes within five seconds."""
    there = await roles(platform)
    if not there:
        return skipped("no model is set: [models.planner]")
    firsts = [reply.at[0] for reply in [await replied(platform, there[0]) for _ in range(5)] if reply.at]
    return judged(
        f"the slowest first piece came after {max(firsts, default=0):.2f} s",
        measure("replies", len(firsts), 5),
        measure(
            "slowest first piece", round(max(firsts), 3) if firsts else None, FIRST_SECONDS, relation="<=", unit="s"
        ),
    )


@check(proves=("w2.gpu-scheduling", "w2.gpu-placement", "w2.gpu-models"), needs=("kubernetes", "gpu-operator"))
async def models_sit_on_the_gpus_they_ask_for(platform: Client, place: Place) -> Proof:
    """Each pod with a GPU runs on a node whose labels satisfy what its selector and affinity ask for."""
    nodes = {str(each["name"]): each for each in await objects(platform, place, "nodes")}
    pods = _with_gpus(await objects(platform, place, "pods", INFERENCE))
    free = [pod for pod in pods if not _terms(pod) and not pod.get("nodeSelector")]
    wrong = [pod for pod in pods if pod not in free and not _satisfied(pod, nodes.get(str(pod.get("node")), {}))]
    return judged(
        f"{len(pods) - len(wrong) - len(free)} of {len(pods)} pods sit where their labels say",
        measure("pods with a GPU", len(pods), 1, relation=">="),
        measure("on another GPU than asked for", len(wrong), 0, unit="pods"),
        measure("that ask for no model of GPU", len(free), 0, unit="pods"),
        seen=[seen(f"k8s:{INFERENCE}/Pod/{pod['name']}", f"on {pod.get('node', 'no node')}") for pod in pods],
        simulated=any(FAKE in node.get("labels", {}) for node in nodes.values()),
    )


@check(proves="w2.no-contention", needs=("kubernetes", "gpu-operator"))
async def no_gpu_is_asked_for_twice(platform: Client, place: Place) -> Proof:
    """On no node do pods ask for more GPUs than it has, and no GPU is shared among them."""
    nodes = [each for each in await objects(platform, place, "nodes") if _count(each)]
    asked: Counter[str] = Counter()
    for pod in _with_gpus(await objects(platform, place, "pods")):
        asked[str(pod.get("node", ""))] += _gpus(pod)
    over = [node for node in nodes if asked[str(node["name"])] > _count(node)]
    shared = [node for node in nodes if _is_shared(node) and asked[str(node["name"])]]
    return judged(
        f"{sum(asked.values())} GPUs are asked for on {len(nodes)} nodes",
        measure("GPU nodes", len(nodes), 1, relation=">="),
        measure("nodes asked for more than they have", len(over), 0),
        measure("nodes in use that share their GPUs", len(shared), 0),
        seen=[seen(f"k8s:Node/{n['name']}", f"{asked[str(n['name'])]} asked for, {_count(n)} there") for n in nodes],
        simulated=any(FAKE in node.get("labels", {}) for node in nodes),
    )


def _with_gpus(pods: Sequence[Manifest]) -> list[Manifest]:
    return [pod for pod in pods if _gpus(pod) and pod.get("phase") in ("Running", "Pending")]


def _gpus(pod: Manifest) -> int:
    return sum(int(each.get("limits", {}).get(GPU, 0)) for each in pod.get("containers", []))


def _count(node: Manifest) -> int:
    return int(node.get("labels", {}).get(f"{GPU}.count", 0))


def _is_shared(node: Manifest) -> bool:
    labels: Manifest = node.get("labels", {})
    return (
        str(labels.get(f"{GPU}.product", "")).endswith("-SHARED")
        or labels.get(f"{GPU}.sharing-strategy", "none") != "none"
    )


def _terms(pod: Manifest) -> list[Manifest]:
    affinity: Manifest = pod.get("affinity", {}).get("nodeAffinity", {})
    needed: Manifest = affinity.get("requiredDuringSchedulingIgnoredDuringExecution", {})
    return list(needed.get("nodeSelectorTerms", []))


def _satisfied(pod: Manifest, node: Manifest) -> bool:
    labels: Manifest = node.get("labels", {})
    selected = all(str(labels.get(name)) == str(value) for name, value in pod.get("nodeSelector", {}).items())
    terms = _terms(pod)
    return selected and (not terms or any(_fits(term, labels) for term in terms))


def _fits(term: Manifest, labels: Manifest) -> bool:
    return all(_holds(expression, labels) for expression in term.get("matchExpressions", []))


def _holds(expression: Manifest, labels: Manifest) -> bool:
    value = labels.get(expression["key"])
    wanted = [str(each) for each in expression.get("values", [])]
    operator = expression.get("operator")
    if operator == "In":
        return value is not None and str(value) in wanted
    if operator == "NotIn":
        return str(value) not in wanted
    if operator in ("Exists", "DoesNotExist"):
        return (value is not None) == (operator == "Exists")
    if value is None or not re.fullmatch(r"-?\d+", str(value)) or not wanted:
        return False
    return int(value) > int(wanted[0]) if operator == "Gt" else int(value) < int(wanted[0])
