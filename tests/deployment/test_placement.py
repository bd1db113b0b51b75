"""GPUs are asked for once, and rendered so that only right nodes fit and no GPU has two owners."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from groundswell.core.errors import ConfigError
from groundswell.deployment.inference import arguments, rendered
from groundswell.deployment.memory import checked, counted, known, table
from groundswell.deployment.placement import Claim, Gpu, NodeClass, affinity, fits, planned, takes_part
from groundswell.deployment.profile import Model, Profile

PAGE = Path(__file__).parents[2] / "docs/reference/gpus.md"
H100 = NodeClass(product="NVIDIA-H100-80GB-HBM3", family="hopper", memory_mib=81559, gpus=8)
B200 = NodeClass(product="NVIDIA-B200", family="blackwell", memory_mib=183359, gpus=8)
L4 = NodeClass(product="NVIDIA-L4", family="ada-lovelace", memory_mib=23034, gpus=1)
A100_40 = NodeClass(product="NVIDIA-A100-SXM4-40GB", family="ampere", memory_mib=40960, gpus=8)
LARGE = Gpu(count=1, memory=">=80Gi", family=("hopper", "blackwell"))


def shared(node: NodeClass) -> dict[str, str]:
    return node.model_copy(update={"replicas": 4}).labels()


def cut(node: NodeClass, profile: str, memory: int) -> dict[str, str]:
    """A node all of whose GPUs are cut by MIG alike."""
    labels = node.labels()
    return labels | {
        "nvidia.com/gpu.product": f"{node.product}-MIG-{profile}",
        "nvidia.com/gpu.memory": str(memory),
        "nvidia.com/gpu.slices.gi": "3",
        "nvidia.com/mig.strategy": "single",
    }


@pytest.mark.parametrize(
    ("labels", "right"),
    [
        (H100.labels(), True),
        (B200.labels(), True),
        (L4.labels(), False),
        (A100_40.labels(), False),
        (shared(H100), False),
        (cut(B200, "4g.90gb", 91648), False),  # as much memory as an H100, and not a whole card
        (cut(H100, "3g.40gb", 40448), False),
        ({}, False),
        ({key: value for key, value in H100.labels().items() if not key.endswith("replicas")}, False),
        (H100.labels() | {"nvidia.com/gpu.memory": "unknown"}, False),
    ],
)
def test_an_exclusive_claim_fits_whole_cards_of_its_families_only(labels: dict[str, str], right: bool) -> None:
    assert fits(affinity(LARGE), labels) is right


def test_a_product_gets_the_suffix_that_sharing_gives_it() -> None:
    plain = Gpu(product=("NVIDIA-L4",))
    assert fits(affinity(plain), L4.labels())
    assert not fits(affinity(plain), shared(L4))
    either = Gpu(product=("NVIDIA-L4",), share="shared")
    assert fits(affinity(either), shared(L4))
    assert fits(affinity(either), L4.labels())
    for name in ("NVIDIA-L4-SHARED", "NVIDIA-A100-SXM4-40GB-MIG-1g.5gb"):
        with pytest.raises(ValidationError, match="suffix"):
            Gpu(product=(name,))


def test_a_card_is_taken_at_its_word_less_what_it_keeps() -> None:
    assert fits(affinity(Gpu(memory=">=24Gi")), L4.labels()), "a 24 GB card has 23034 MiB"
    assert not fits(affinity(Gpu(memory=">=40Gi")), L4.labels())
    with pytest.raises(ValidationError, match="no size"):
        Gpu(memory="80GB")


def test_two_claims_on_one_gpu_are_refused() -> None:
    one = [NodeClass(product="NVIDIA-H100-80GB-HBM3", family="hopper", memory_mib=81559, gpus=1)]
    planned([Claim("planner", LARGE)], one)
    with pytest.raises(ConfigError, match="two claims would need the same GPU"):
        planned([Claim("planner", LARGE), Claim("code", LARGE)], one)


def test_a_claim_is_not_split_over_nodes() -> None:
    halves = [NodeClass(product="NVIDIA-H100-80GB-HBM3", family="hopper", memory_mib=81559, gpus=2, nodes=2)]
    with pytest.raises(ConfigError):
        planned([Claim("planner", LARGE.model_copy(update={"count": 4}))], halves)


def test_a_plan_is_found_where_the_first_try_leads_nowhere() -> None:
    """The small claim fits both nodes and the large one only the larger cards."""
    classes = [B200.model_copy(update={"gpus": 2}), H100.model_copy(update={"gpus": 2})]
    claims = [Claim("any", LARGE.model_copy(update={"count": 2})), Claim("big", Gpu(count=2, memory=">=140Gi"))]
    assert planned(claims, classes) == {"any#0": "NVIDIA-H100-80GB-HBM3-0", "big#1": "NVIDIA-B200-0"}


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.integers(1, 4), min_size=1, max_size=5),
    st.lists(st.tuples(st.integers(1, 4), st.integers(1, 2)), min_size=1, max_size=3),
)
def test_no_plan_gives_a_gpu_twice_and_none_is_refused_that_there_is(
    counts: list[int], sizes: list[tuple[int, int]]
) -> None:
    classes = [
        NodeClass(product=f"CARD-{n}", family="hopper", memory_mib=81559, gpus=g, nodes=k)
        for n, (g, k) in enumerate(sizes)
    ]
    room = {f"CARD-{n}-{k}": g for n, (g, nodes) in enumerate(sizes) for k in range(nodes)}

    def exists(left: list[int], free: dict[str, int]) -> bool:
        if not left:
            return True
        return any(free[name] >= left[0] and exists(left[1:], {**free, name: free[name] - left[0]}) for name in free)

    claims = [Claim(f"m{n}", LARGE.model_copy(update={"count": count})) for n, count in enumerate(counts)]
    try:
        plan = planned(claims, classes)
    except ConfigError:
        assert not exists(counts, room)
        return
    ordered = sorted(counts, reverse=True)
    used = dict.fromkeys(room, 0)
    for (_, node), count in zip(plan.items(), ordered, strict=True):
        used[node] += count
    assert all(used[node] <= room[node] for node in room)


def _engine(**changes: Any) -> dict[str, Any]:
    profile = Profile(name="x", models={"planner": Model(name="qwen3-8b", gpu=Gpu(memory=">=80Gi"), concurrency=4)})
    (deployment,) = [each for each in rendered(profile) if each["kind"] == "Deployment"]
    deployment["spec"]["template"]["spec"] |= changes
    return deployment["spec"]["template"]


def test_a_rendered_engine_has_its_gpus_to_itself() -> None:
    assert takes_part(_engine()) == []


def test_each_way_around_the_device_plugin_is_found() -> None:
    seen = _engine(volumes=[{"name": "devices", "hostPath": {"path": "/dev"}}], affinity={})
    container = seen["spec"]["containers"][0]
    container["env"] = [{"name": "NVIDIA_VISIBLE_DEVICES", "value": "all"}]
    container["securityContext"] = {"privileged": True}
    container["resources"] = {}
    found = "\n".join(takes_part(seen))
    for words in ("no whole", "NVIDIA_VISIBLE_DEVICES", "privileged", "path of the node", "shared"):
        assert words in found


def test_nothing_that_matters_of_an_engine_is_left_to_a_default() -> None:
    model = Model(name="qwen3-8b", gpu=Gpu(count=2, memory=">=80Gi"), concurrency=12, context=8192)
    words = arguments("planner", model)
    for flag in ("--max-num-seqs=12", "--max-model-len=8192", "--tensor-parallel-size=2", "--enable-prefix-caching"):
        assert flag in words
    assert {"--tool-call-parser=hermes", "--reasoning-parser=qwen3"} <= set(words)
    assert any(word.startswith("--max-num-batched-tokens=") for word in words)


@pytest.mark.parametrize("gpus", sorted(table().examples))
def test_the_examples_fit_their_gpus(gpus: str) -> None:
    models = table().examples[gpus]
    checked(models)
    classes = [NodeClass(product="CARD", family="hopper", memory_mib=81559, gpus=int(gpus))]
    claims = [Claim(role, model.gpu) for role, model in models.items() for _ in range(model.replicas)]
    planned(claims, classes)
    assert sum(claim.gpu.count for claim in claims) == int(gpus)


def test_the_arithmetic_is_weights_and_two_values_for_each_layer_head_and_token() -> None:
    model = Model(name="qwen3-8b", gpu=Gpu(memory=">=80Gi"), concurrency=4, context=32768)
    assert known("qwen3-8b").token_bytes == 147_456  # 2 · 36 layers · 8 heads · 128 · 2 bytes
    found = counted("planner", model)
    assert found.tokens == 131_072
    assert found.keys_and_values == pytest.approx(18.0)
    assert found.weights == pytest.approx(15.27, abs=0.01)


def test_a_model_that_does_not_fit_is_refused_with_what_would() -> None:
    model = Model(name="llama-3.3-70b", gpu=Gpu(memory=">=80Gi"), concurrency=1, context=1024)
    with pytest.raises(ConfigError, match="does not fit"):
        checked({"planner": model})


def test_the_page_shows_the_arithmetic_as_it_is() -> None:
    shown = PAGE.read_text().partition("```text\n")[2].partition("```")[0].splitlines()
    lines: list[str] = []
    for gpus, models in table().examples.items():
        lines.append(f"{gpus} × 80 GB")
        lines += [f"  {line}" for found in checked(models) for line in found.lines()]
    assert shown == lines
