"""Gates of a rollout: what is due when, and what keeps the next wave closed."""

from pathlib import Path

from groundswell.core.check import Check
from groundswell.core.records import Measure, Proof
from groundswell.runtime.checks import DRILL
from groundswell.waves.gating import ASKABLE, due, tried
from groundswell.waves.plan import plan, profile

SINGLE = Path(__file__).parents[2] / "deploy" / "clusters" / "single-node" / "profile.toml"


def proofs(checks: list[Check], **broken: str) -> dict[str, Proof]:
    """Proofs of all that could be tried; the named ones did not hold."""
    good = Measure(name="found", value=1, threshold=1)
    found = {each.name: Proof(check=each.name, status="pass", message="", measures=(good,)) for each in checks}
    return found | {name: Proof(check=name, status="fail", message=why) for name, why in broken.items()}


def test_before_the_tools_stand_only_what_reads_a_cluster_is_tried() -> None:
    for wave in range(ASKABLE):
        for each in tried(plan(), wave):
            assert "kubernetes" in each.needs
    names = {each.name for each in tried(plan(), 0)}
    assert "no_policy_blocks_dns" in names
    assert "no_workload_names_a_node" not in names, "there is none yet"
    assert {"vectors_come_back", "no_workload_names_a_node"} <= {each.name for each in tried(plan(), ASKABLE)}


def test_what_could_not_be_tried_yet_is_told_and_closes_nothing() -> None:
    place = profile(SINGLE)
    checks = tried(plan(), 1)
    made = proofs(checks)
    gpus = "gpu_nodes_are_labelled"
    made[gpus] = Proof(check=gpus, status="skip", message="there is no gpu-operator here")
    found = due(plan(), place, 1, made, checks)
    assert found.open
    late = next(lines for reason, lines in found.unproven.items() if f"wave {ASKABLE}" in reason)
    assert "w1.vector-round-trip" in late
    assert "w0.gpu-operator" in found.unproven["no node here has a GPU"]


def test_what_rests_on_lines_that_are_not_due_yet_is_not_due_either() -> None:
    place = profile(SINGLE)
    cannot = {line: why for line, why in place.cannot.items() if line != "w2.*"}
    cannot |= {f"w2.{name}": "no GPU" for name in ("gpu-scheduling", "gpu-placement", "gpu-models", "no-contention")}
    with_models = place.model_copy(update={"must": (*place.must, "w2.*"), "cannot": cannot})
    checks = tried(plan(), 2)
    found = due(plan(), with_models, 2, proofs(checks), checks)
    assert found.open, found.closing
    assert {"w2.endpoints", "w2.vllm"} <= {line for lines in found.unproven.values() for line in lines}
    checks = tried(plan(), ASKABLE)
    made = proofs(checks, endpoints_answer="no model answers")
    closing = due(plan(), with_models, ASKABLE, made, checks).closing
    assert {"w2.endpoints", "w2.vllm"} <= {each.line for each in closing}


def test_a_failed_line_closes_the_gate_of_every_wave_after_it() -> None:
    place = profile(SINGLE)
    for wave in (0, 1, 3, ASKABLE):
        checks = tried(plan(), wave)
        found = due(plan(), place, wave, proofs(checks, no_policy_blocks_dns="DNS is blocked in ai-tools"), checks)
        assert [(line.line, line.reason) for line in found.closing] == [("w0.dns", "DNS is blocked in ai-tools")]
        assert not found.open


def test_once_the_tools_stand_what_was_not_tried_closes_the_gate() -> None:
    place = profile(SINGLE)
    checks = tried(plan(), ASKABLE)
    made = proofs(checks)
    assert due(plan(), place, ASKABLE, made, checks).open
    del made["vectors_come_back"]
    assert {line.line for line in due(plan(), place, ASKABLE, made, checks).closing} >= {"w1.vector-round-trip"}
    made = proofs(checks)
    name = "what_was_written_survives_a_restart"
    made[name] = Proof(check=name, status="skip", message=DRILL)
    found = due(plan(), place, ASKABLE, made, checks)
    assert found.open, "the profile does not require it"
    assert "w1.persistence" in next(lines for why, lines in found.unproven.items() if "--drills" in why)
    strict = place.model_copy(update={"must": (*place.must, "w1.persistence")})
    assert [line.line for line in due(plan(), strict, ASKABLE, made, checks).closing] == ["w1.persistence"]
