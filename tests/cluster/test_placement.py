"""Pods that ask for GPUs land on the right nodes, by the real scheduler. The nodes are played: `simulated`."""

import time
from collections.abc import Iterator

import pytest
import yaml

from cluster.live import Live
from cluster.places import Local
from groundswell.deployment.objects import Object, made, space
from groundswell.deployment.placement import Gpu, pod_part

# product, GPUs, MiB of each
NODES = (
    "NVIDIA-H100-80GB-HBM3:2:81559",
    "NVIDIA-B200:1:183359",
    "NVIDIA-L4:1:23034",
    "NVIDIA-A100-SXM4-40GB:4:40960",
)
# pod → what it asks for, and the product of the node that may take it; none: no node may
ASKED: dict[str, tuple[Gpu, str]] = {
    "large-one": (Gpu(memory=">=80Gi", family=("hopper",)), "NVIDIA-H100-80GB-HBM3"),
    "large-two": (Gpu(memory=">=80Gi", family=("hopper",)), "NVIDIA-H100-80GB-HBM3"),
    "larger": (Gpu(memory=">=141Gi"), "NVIDIA-B200"),
    "small": (Gpu(memory=">=16Gi", family=("ada-lovelace",)), "NVIDIA-L4"),
    "four": (Gpu(count=4, memory=">=40Gi"), "NVIDIA-A100-SXM4-40GB"),
    "by-name": (Gpu(product=("NVIDIA-A100-SXM4-40GB",)), ""),  # all four are taken
    "large-three": (Gpu(memory=">=80Gi", family=("hopper",)), ""),  # both are taken
    "older": (Gpu(family=("turing",)), ""),
}
SPACE = "probe-one"


@pytest.fixture
def products(live: Live) -> Iterator[dict[str, str]]:
    """Nodes with GPUs that are played: node → product."""
    if not isinstance(live.place, Local):
        pytest.skip("nobody plays nodes with GPUs here")
    for gpu in NODES:
        live.place.play(gpu)
    nodes = live.items("nodes", "-l", "type=kwok")
    yield {each["metadata"]["name"]: each["metadata"]["labels"]["nvidia.com/gpu.product"] for each in nodes}
    live.kubectl("delete", "namespace", SPACE)
    live.place.play("")


def asking(name: str, gpu: Gpu, image: str) -> Object:
    spec = yaml.safe_load(pod_part(gpu))["spec"]
    spec["containers"][0]["image"] = image
    return made("Pod", "v1", name, SPACE, spec=spec | {"terminationGracePeriodSeconds": 0})


def test_pods_land_on_the_gpus_they_ask_for_and_nowhere_else(live: Live, products: dict[str, str]) -> None:
    bare = space(SPACE)
    bare["metadata"]["labels"] = {}
    live.apply(bare)
    for name, (gpu, _) in ASKED.items():  # one after the other, so that who comes late is known
        live.apply(asking(name, gpu, live.image))
        deadline = time.monotonic() + 60
        while not (judged := verdict(live, name)):
            assert time.monotonic() < deadline, f"the scheduler says nothing of {name}"
        assert products.get(judged, "") == ASKED[name][1], f"{name}: {judged}"
    live.figures["pods placed by GPU (simulated)"] = len(ASKED)


def verdict(live: Live, name: str) -> str:
    """The node that takes a pod, or why none does; empty until the scheduler has looked at it."""
    pod = live.kubectl.json("-n", SPACE, "get", "pod", name)
    refused = [each for each in pod["status"].get("conditions", ()) if each.get("reason") == "Unschedulable"]
    return pod["spec"].get("nodeName") or "".join(each["message"] for each in refused)
