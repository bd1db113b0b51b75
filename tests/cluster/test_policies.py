"""The evaluator of NetworkPolicies says of each connection what the cluster does with it."""

import json
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

import pytest

from cluster.live import OURS, Live, server
from cluster.random_policies import PODS, PORTS, SPACES, UDP, Chance
from groundswell.deployment.netpol import Outside, Pod, Policies

# A connection that is refused has reached its pod: nothing listens there, which is no policy's doing.
PROBE = """
import json, socket, sys
from concurrent.futures import ThreadPoolExecutor
def one(aim):
    address, port, protocol, seconds = aim
    kind = socket.SOCK_STREAM if protocol == "TCP" else socket.SOCK_DGRAM
    with socket.socket(socket.AF_INET, kind) as talk:
        talk.settimeout(seconds)
        for _ in range(1 if protocol == "TCP" else 2):
            try:
                talk.connect((address, port))
                if protocol == "UDP":
                    talk.send(b"?")
                    talk.recv(1)
                return True
            except ConnectionRefusedError:
                return True
            except OSError:
                pass
    return False
pool = ThreadPoolExecutor(32)
for line in sys.stdin:
    print(json.dumps(list(pool.map(one, json.loads(line)))), flush=True)
"""
LISTENER = f"""
import socket, threading
def accept(port):
    with socket.create_server(("", port), backlog=64) as server:
        while True:
            server.accept()[0].close()
for port in {list(PORTS.values())}:
    threading.Thread(target=accept, args=(port,)).start()
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as echo:
    echo.bind(("", {UDP}))
    while True:
        echo.sendto(b"!", echo.recvfrom(16)[1])
"""
LOOKS, PAUSE = 20, 0.3
SHUT = 0.5  # seconds without an answer; one that comes late is looked for again
LISTENED = (53, 5432, 6443, 8000, 8080)  # by anything of ours, or of the cluster's


@dataclass(frozen=True)
class Aim:
    """A connection that is tried."""

    source: Pod
    target: Pod | Outside
    port: int
    protocol: str = "TCP"

    def __str__(self) -> str:
        target = f"{self.target.namespace}/{self.target.name}" if isinstance(self.target, Pod) else self.target.address
        return f"{self.source.namespace}/{self.source.name} → {target}:{self.port}/{self.protocol}"


def read(pod: dict[str, Any]) -> Pod:
    """A pod of the API, as policies see it."""
    metadata, spec = pod["metadata"], pod["spec"]
    ports = {
        (port.get("name", ""), port.get("protocol", "TCP")): port["containerPort"]
        for container in spec["containers"]
        for port in container.get("ports", ())
    }
    address = pod["status"].get("podIP", "")
    labels = metadata.get("labels", {})
    return Pod(metadata["namespace"], metadata["name"], labels, address, ports, spec.get("hostNetwork", False))


def evaluator(live: Live) -> Policies:
    """The evaluator, over the cluster's own policies and namespaces."""
    spaces = {each["metadata"]["name"]: each["metadata"].get("labels", {}) for each in live.items("namespaces")}
    return Policies(live.items("networkpolicies"), spaces)


class Probers:
    """A program in each pod that connections start from; it tries what it is told, line by line."""

    def __init__(self, live: Live, aims: list[Aim]) -> None:
        self.aims = aims
        self.numbers: dict[tuple[str, str], list[int]] = {}
        for number, aim in enumerate(aims):
            self.numbers.setdefault((aim.source.namespace, aim.source.name), []).append(number)
        words = {
            source: ["-n", source[0], "exec", "-i", source[1], "--", "python3", "-c", PROBE] for source in self.numbers
        }
        pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self.running = {each: subprocess.Popen([*live.kubectl.line(), *words[each]], **pipes) for each in words}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for each in self.running.values():
            each.kill()
            each.communicate()

    def tried(self, seconds: float) -> list[bool]:
        """Which connections come to be; all pods at once."""
        for source, process in self.running.items():
            aims = [self.aims[number] for number in self.numbers[source]]
            assert process.stdin is not None
            process.stdin.write(json.dumps([(a.target.address, a.port, a.protocol, seconds) for a in aims]) + "\n")
            process.stdin.flush()
        found = [False] * len(self.aims)
        for source, process in self.running.items():
            assert process.stdout is not None
            said = process.stdout.readline()
            assert said, f"the program in {source} has ended"
            for number, answer in zip(self.numbers[source], json.loads(said), strict=True):
                found[number] = answer
        return found

    def differing(self, wanted: list[bool], seconds: float) -> list[str]:
        """Where cluster and evaluator differ, once a change has come to hold: two looks must agree."""
        found: list[str] = []
        alike = 0
        for _ in range(LOOKS):
            signal.sigtimedwait([], PAUSE)
            answers = zip(self.aims, self.tried(seconds), wanted, strict=True)
            found = [f"{aim}: is {'open' if seen else 'shut'}" for aim, seen, want in answers if seen != want]
            alike = 0 if found else alike + 1
            if alike == 2:
                return []
        return found or ["it does not stay as it is"]


def allowed(policies: Policies, aims: list[Aim]) -> list[bool]:
    """What the evaluator says of each."""
    return [policies.allow(aim.source, aim.target, aim.port, aim.protocol) for aim in aims]


@pytest.mark.usefixtures("opened")
def test_the_evaluator_equals_live_probes_on_the_whole_matrix(live: Live) -> None:
    """From each pod of ours to each pod, on every port that anything listens on, and to the API server."""
    found = [pod for pod in live.items("pods") if "deletionTimestamp" not in pod["metadata"]]
    running = [
        pod for pod in map(read, (each for each in found if each["status"]["phase"] == "Running")) if pod.address
    ]
    ours = [pod for pod in running if pod.namespace in OURS]
    (slices,) = [each for each in live.items("endpointslices") if each["metadata"]["name"] == "kubernetes"]
    api = Outside(slices["endpoints"][0]["addresses"][0])
    aims = [
        Aim(source, target, port)
        for source in ours
        for target in running
        if source != target
        for port in sorted({*LISTENED, *target.ports.values()})
    ]
    aims += [Aim(source, api, slices["ports"][0]["port"]) for source in ours]
    wanted = allowed(evaluator(live), aims)
    live.figures.setdefault("policies", {})["matrix"] = {"connections": len(aims), "open": sum(wanted)}
    assert 5 < sum(wanted) < len(aims) / 2
    with Probers(live, aims) as probers:
        assert probers.differing(wanted, 2.5) == []


@pytest.fixture(scope="module")
def probes(live: Live) -> Iterator[list[Pod]]:
    """A few pods that listen, in two namespaces without any policy."""
    level = {"pod-security.kubernetes.io/enforce": "restricted"}
    for name, labels in SPACES.items():
        live.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {**labels, **level}}})
    for (namespace, name), labels in PODS.items():
        live.apply(server(name, namespace, live.image, LISTENER, PORTS, **labels))
    for namespace in SPACES:
        live.kubectl("-n", namespace, "wait", "--for=condition=Ready", "pod", "--all", "--timeout=120s", seconds=150)
    yield [read(pod) for namespace in SPACES for pod in live.items("pods", "-n", namespace)]
    live.kubectl("delete", "namespace", *SPACES, "--wait=false")


def among(pods: list[Pod]) -> list[Aim]:
    """Each of them to each other, on every port that they listen on."""
    found = [Aim(s, t, port) for s in pods for t in pods if s != t for port in PORTS.values()]
    return found + [Aim(s, t, UDP, "UDP") for s in pods for t in pods if s != t]


def by_chance(live: Live, probes: list[Pod], seeds: range) -> None:
    """Sets of policies, one after the other; each is judged as it was drawn, without what the API server fills in."""
    aims = among(probes)
    wrong: dict[int, list[str]] = {}
    opened = 0
    with Probers(live, aims) as probers:
        assert probers.differing([True] * len(aims), SHUT) == [], "without a policy all is open"
        for seed in seeds:
            drawn = Chance(probes, seed).policies()
            live.kubectl("delete", "networkpolicies", "-A", "-l", "by=chance", "--ignore-not-found")
            live.apply(*drawn)
            wanted = allowed(Policies(drawn, SPACES), aims)
            opened += sum(wanted)
            if found := probers.differing(wanted, SHUT):
                wrong[seed] = [json.dumps(drawn), *found]
    figures = {"sets": len(seeds), "connections": len(seeds) * len(aims), "open": opened, "differ": len(wrong)}
    live.figures.setdefault("policies", {})[f"{len(seeds)} sets by chance"] = figures
    assert wrong == {}
    assert 0 < opened < len(seeds) * len(aims)


def test_it_equals_them_on_policies_by_chance(live: Live, probes: list[Pod]) -> None:
    by_chance(live, probes, range(20))


@pytest.mark.long
@pytest.mark.timeout(5400)
def test_it_equals_them_on_many(live: Live, probes: list[Pod]) -> None:
    by_chance(live, probes, range(100, 400))
