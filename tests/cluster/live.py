"""What the tests do to a cluster, and ask of it: objects, pods, commands in pods, and the platform's own program."""

import asyncio
import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from cluster.places import Place
from e2e.program import Home
from groundswell.deployment import foundation
from groundswell.deployment.kubectl import Kubectl
from groundswell.deployment.objects import Container, Object, empty, made, pod, selector

DEPLOY = Path(__file__).parents[2] / "deploy"
OURS = (*foundation.NAMESPACES, "groundswell")
MADE = (
    *OURS,
    "shop",
    "probe-one",
    "probe-two",
    "reviewed-one",
    "reviewed-two",
    "engine",
)  # what these tests make, and take away
OURS_LABEL = "app.kubernetes.io/part-of=groundswell"
CLUSTER_WIDE = "clusterroles,clusterrolebindings,validatingadmissionpolicies,validatingadmissionpolicybindings"
STANDS = re.compile(r"^wave (\d+) \(.*\) stands after (\d+) s", re.MULTILINE)
PROVEN = re.compile(r"^wave (\d+): (\d+) lines are proven", re.MULTILINE)


@dataclass
class Live:
    """A cluster that is up, the program at home, and the figures that are told at the end."""

    kubectl: Kubectl
    home: Home
    profile: str
    image: str
    place: Place
    prometheus: str = ""  # the address of one that is there
    figures: dict[str, Any] = field(default_factory=dict[str, Any])

    def rollout(self, folder: Path = DEPLOY, *words: str, seconds: int = 180) -> tuple[int, str]:
        """Roll out; the exit status and all that was said."""
        fixed = (
            "--cluster",
            self.profile,
            "--from",
            str(folder),
            "--kubeconfig",
            str(self.kubectl.kubeconfig),
            "--yes",
        )
        done = self.home.run("rollout", *fixed, "--seconds", str(seconds), *words, seconds=1500)
        return done.returncode, done.stdout + done.stderr

    def apply(self, *objects: Object) -> None:
        """Make or change objects."""
        self.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", text=yaml.safe_dump_all(objects))

    def items(self, kind: str, *words: str) -> list[dict[str, Any]]:
        """All objects of a kind; of all namespaces, unless words name one."""
        return self.kubectl.json("get", kind, *(words or ("-A",)))["items"]

    def pods(self, namespace: str, name: str) -> list[dict[str, Any]]:
        """The pods of one workload of ours that are not going."""
        labels = ",".join(f"{key}={value}" for key, value in selector(name).items())
        found = self.items("pods", "-n", namespace, "-l", labels)
        return [each for each in found if "deletionTimestamp" not in each["metadata"]]

    def python(self, namespace: str, name: str, program: str, *words: str, seconds: float = 120) -> str:
        """What a Python program says in a pod of ours."""
        return self.kubectl("-n", namespace, "exec", name, "--", "python3", "-c", program, *words, seconds=seconds)

    def stands(self, namespace: str, kind: str, name: str, seconds: int = 180) -> None:
        """Wait until a workload stands."""
        self.kubectl(
            "-n", namespace, "rollout", "status", f"{kind}/{name}", f"--timeout={seconds}s", seconds=seconds + 15
        )

    def took(self) -> Mapping[str, Any]:
        """The figures, as JSON has them."""
        return json.loads(json.dumps(self.figures))


def server(name: str, namespace: str, image: str, program: str, ports: Mapping[str, int], **labels: str) -> Object:
    """A pod that runs a Python program, as restricted as ours are."""
    container = Container(
        name="main",
        image=image,
        command=["python3", "-u", "-c", program],
        args=[],
        cpu="10m",
        memory="64Mi",
        ports=ports,
        mounts={"/tmp": "tmp"},
    )
    found = pod(name, [container], [empty("tmp", "16Mi")], account="default", terminationGracePeriodSeconds=0)
    found["metadata"]["labels"] = labels
    return made("Pod", "v1", name, namespace, metadata={"labels": labels}, spec=found["spec"])


async def until(true: Callable[[], Any], what: str, seconds: float = 60, pause: float = 0.5) -> Any:
    """Wait for a condition, looked at in a thread; returns what it says."""
    deadline = time.monotonic() + seconds
    while not (found := await asyncio.to_thread(true)):
        assert time.monotonic() < deadline, f"within {seconds} s it did not come true that {what}"
        await asyncio.sleep(pause)
    return found


def clean(kubectl: Kubectl) -> None:
    """Take away all that was made on a cluster that stays."""
    kubectl("delete", "namespace", *MADE, "--ignore-not-found", seconds=300)
    kubectl("delete", CLUSTER_WIDE, "-l", OURS_LABEL, "--ignore-not-found")
