"""The suite of incidents: its shape, and the judge that scores answers."""

import json
import re
import tomllib
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from incidents.judge import HELD_OUT, HERE, READ, TUNED, Case, cases, floor, judge

CAUSES = tomllib.loads((HERE / "causes.toml").read_text())
ALL = {name: (folder, case) for name, folder, _, case in cases(TUNED, *HELD_OUT)}
SETS = [{name for name, *_ in cases(each)} for each in (TUNED, *HELD_OUT)]
INCIDENTS = {name: case for name, (_, case) in ALL.items() if not case.healthy}
BYTES, OF_ALL = 150_000, 5_000_000
LARGE = "wharf-crane-rollout"
KNOWN = Case(
    question="Why does the desk fail?",
    answer="",
    cause="missing_config",
    objects=("Deployment shop/orders", "ConfigMap shop/orders-settings"),
    must_mention=(("config ?map", "setting"), ("missing", "not found")),
    must_not=("network ?policy",),
    provenance={},
)
WELL = replace(KNOWN, cause="none", objects=(), must_mention=(), must_not=(r"desk is (down|broken)",))


def test_there_are_enough_incidents_of_enough_causes_and_enough_that_are_none() -> None:
    causes = Counter(case.cause for _, case in ALL.values())
    healthy = causes.pop("none")
    assert causes.total() >= 40
    assert len(causes) >= 20
    assert healthy >= 15


def test_every_cause_is_defined_and_every_definition_is_used() -> None:
    assert {case.cause for _, case in ALL.values()} == set(CAUSES)
    assert all(sentence.endswith(".") for sentence in CAUSES.values())


@pytest.mark.parametrize("name", ALL)
def test_a_case_says_where_it_is_from_and_can_be_read(name: str) -> None:
    folder, case = ALL[name]
    assert case.provenance["how"] in {"captured", "edited", "composed"}
    assert case.provenance["source"]
    assert case.provenance["how"] == "captured" or len(case.provenance["edited"]) > 20
    assert case.question.rstrip().endswith(("?", "."))
    files = [file for file in folder.rglob("*") if file.is_file()]
    for file in files:
        if file.suffix == ".json":
            assert isinstance(json.loads(file.read_text())["items"], list), file
        else:
            assert file.name in {"logs.txt", "previous-logs.txt"}
    assert {"pods.json", "events.json", "nodes.json"} <= {file.name for file in files}


@pytest.mark.parametrize("name", ALL)
def test_a_case_is_small(name: str) -> None:
    assert _size(ALL[name][0]) <= BYTES or name == LARGE


def test_the_suite_is_small() -> None:
    assert sum(_size(folder) for folder, _ in ALL.values()) <= OF_ALL


def test_one_case_is_a_cluster_of_two_hundred_pods() -> None:
    assert _pods(ALL[LARGE][0]) >= 200


@pytest.mark.parametrize("name", ALL)
def test_the_known_truth_is_about_objects_of_the_dump_and_its_patterns_compile(name: str) -> None:
    folder, case = ALL[name]
    for pattern in (*case.must_not, *(one for group in case.must_mention for one in group)):
        re.compile(pattern)
    if case.healthy:
        assert not case.objects
        assert case.must_not
    else:
        assert case.must_mention
        text = "".join(file.read_text(errors="replace") for file in folder.rglob("*") if file.is_file())
        assert case.objects[0].split()[-1].rpartition("/")[2] in text


@pytest.mark.parametrize("name", INCIDENTS)
def test_the_answer_told_with_an_incident_is_right_and_that_of_no_other_is(name: str) -> None:
    own = next(each for each in SETS if name in each)
    those = {other: case for other, case in INCIDENTS.items() if other in own}
    right = [other for other, case in those.items() if judge(INCIDENTS[name], case.answer).kind == "right"]
    assert right == [name]


@pytest.mark.parametrize("name", INCIDENTS)
def test_neither_calm_nor_an_empty_answer_is_right_about_an_incident(name: str) -> None:
    case = INCIDENTS[name]
    assert judge(case, "Nothing is wrong here: all pods are ready.").kind == "missed"
    assert judge(case, "").kind == "missed"


def test_cause_and_object_in_any_competent_wording_are_right() -> None:
    for answer in (
        "orders cannot start: the ConfigMap orders-settings is missing.",
        "Root cause: Pod orders-6d5f7c9b4-x2x7k waits for settings that were not found. No network policy is involved.",
        "The desk fails because Deployment shop/orders has no pods: its config map was **not found**.",
    ):
        assert judge(KNOWN, answer).kind == "right", answer


def test_a_victim_a_longer_name_a_wrong_cause_and_a_late_answer_are_misses() -> None:
    right = "orders cannot start: the ConfigMap orders-settings is missing."
    for answer in (
        "The desk fails: a ConfigMap is missing.",
        "orders-db cannot start: a ConfigMap is missing.",
        "orders crashes by a fault of its own.",
        f"A NetworkPolicy cuts desk from orders. {right}",
        "x" * READ + right,
        "",
    ):
        assert judge(KNOWN, answer).kind == "missed", answer


def test_of_a_healthy_system_calm_is_right_and_a_cause_is_a_false_alarm() -> None:
    assert judge(WELL, "Nothing is wrong here: all 4 workloads are ready.").kind == "right"
    assert judge(WELL, "No current problem was found in shop.").kind == "right"
    assert judge(WELL, "Nothing is wrong: it is not so that desk is down.").kind == "right"
    assert judge(WELL, "desk is down. The rest is healthy.").kind == "false alarm"
    assert judge(WELL, "orders crash loops: nothing listens on 8080.").kind == "false alarm"
    assert judge(WELL, "I cannot tell from this dump.").kind == "missed"


def test_the_floor_is_twenty_lines_and_is_judged_as_an_answer() -> None:
    kinds: Counter[str] = Counter()
    for folder, case in ALL.values():
        lines = floor(folder)
        assert len(lines.splitlines()) <= 20
        kinds[("healthy " if case.healthy else "incident ") + judge(case, lines).kind] += 1
    right = sum(count for kind, count in kinds.items() if kind.endswith(" right"))
    assert right < kinds.total() / 2  # a suite that grep solves would measure nothing


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def _pods(folder: Path) -> int:
    return sum(len(json.loads(file.read_text())["items"]) for file in folder.rglob("pods.json"))
