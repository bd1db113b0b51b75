"""Verdicts and proofs, without a platform."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from groundswell.cli.main import app
from groundswell.core.check import judged, measure, proved, skipped, unknown
from groundswell.core.records import Measure, Proof, Report, Subject, WaveProofs
from groundswell.waves.junit import document
from groundswell.waves.ledger import gates, verdicts
from groundswell.waves.plan import plan, profile
from groundswell.waves.proofs import Entry, Shelf, joined, signer
from groundswell.waves.report import Report as Published
from groundswell.waves.report import page
from groundswell.waves.standing import standings
from groundswell.waves.verifying import judged_again, owed

NOW = datetime(2026, 3, 4, 5, 6, tzinfo=UTC)
SUBJECT = Subject(version="1", settings="a", place="b")


def proof(name: str, value: Any = 1, *, hours: float = 24, **more: Any) -> Proof:
    made = judged("counted", measure("count", value, 1, relation=">="), simulated=more.pop("simulated", False))
    return made.model_copy(
        update={"check": name, "started": NOW, "ended": NOW, "expires": NOW + timedelta(hours=hours)} | more
    )


def all_proofs() -> dict[str, Proof]:
    names = {name for line in plan().lines for name in line.checks}
    return {name: proof(name) for name in names}


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path / "proofs", signer(tmp_path / "keys"))


def stored(shelf: Shelf, *proofs: Proof, subject: Subject = SUBJECT) -> Path:
    shelf.keep(WaveProofs(wave=3, subject=subject, profile="laptop", at=NOW, proofs=proofs))
    return shelf.folder / "wave-03.json"


values = st.one_of(st.none(), st.booleans(), st.integers(-5, 5), st.floats(-5, 5), st.text(max_size=3))


@given(
    st.lists(
        st.builds(
            Measure, name=st.just("m"), value=values, relation=st.sampled_from(["==", "<=", ">="]), threshold=values
        )
    ),
    st.sampled_from(["pass", "fail", "unknown", "skip"]),
)
def test_only_figures_that_all_hold_are_a_pass(measures: list[Measure], said: Any):
    status = Proof(status=said, message="", measures=tuple(measures)).judged()
    if status == "pass":
        assert said == "pass"
        assert measures
        assert all(each.value is not None and each.holds() for each in measures)
    assert (status == "skip") == (said == "skip")


def test_no_data_is_never_a_pass():
    assert judged("nothing was measured").status == "unknown"
    assert judged("it could not be read", measure("count", None, 1)).status == "unknown"
    assert judged("it could not be read", measure("count", None)).status == "unknown"
    assert proved("it is there").status == "unknown"
    assert proved("it is there", count=1).status == "pass"
    assert unknown("who knows").judged() == "unknown"
    assert skipped("not here").judged() == "skip"


def test_what_was_measured_wins_over_what_is_said():
    said = judged("well", measure("count", 0, 1, relation=">=")).model_copy(update={"status": "pass"})
    assert said.judged() == "fail"


def test_all_gates_open_where_every_required_line_passes():
    found = verdicts(plan(), all_proofs(), profile())
    assert all(gate.open for gate in gates(plan(), found))
    assert owed(plan(), range(11), found) == []


def test_one_failed_check_closes_its_wave_and_all_that_follow():
    proofs = all_proofs() | {"a_raising_node_ends_typed": proof("a_raising_node_ends_typed", 0)}
    found = verdicts(plan(), proofs, profile())
    stand = gates(plan(), found)
    assert [gate.wave for gate in stand if not gate.open] == list(range(3, 11))
    assert "w3.engine: fail" in stand[3].reason
    assert stand[4].reason == "wave 3 is closed"
    assert found["done.agents"].status == "pass"


@pytest.mark.parametrize("missing", ["skip", "unknown", "untried"])
def test_a_required_line_that_was_not_proven_keeps_its_gate_closed(missing: str):
    name, proofs = "database_answers", all_proofs()
    if missing == "untried":
        del proofs[name]
    else:
        proofs[name] = (skipped("not now") if missing == "skip" else unknown("who knows")).model_copy(
            update={"check": name}
        )
    found = verdicts(plan(), proofs, profile())
    assert not gates(plan(), found)[1].open
    assert {line.line for line in owed(plan(), [1], found)} == {"w1.postgresql", "w1.postgresql-reachable"}


def test_what_a_place_cannot_prove_is_told_and_not_owed():
    name = "the_limits_of_models_end_typed"
    proofs = all_proofs() | {name: skipped("no model is set").model_copy(update={"check": name})}
    line = verdicts(plan(), proofs, profile())["w5.termination"]
    assert line.status == "pass"
    assert name in line.reason
    strict = profile().model_copy(update={"cannot": {k: v for k, v in profile().cannot.items() if k != name}})
    assert verdicts(plan(), proofs, strict)["w5.termination"].status == "skip"


def test_a_stand_in_does_not_count_in_production():
    proofs = all_proofs() | {"collections_are_listed": proof("collections_are_listed", simulated=True)}
    there = profile()
    assert verdicts(plan(), proofs, there)["w1.collections"].status == "pass"
    assert verdicts(plan(), proofs, there)["w1.collections"].simulated
    assert verdicts(plan(), proofs, there.model_copy(update={"production": True}))["w1.collections"].status == "skip"


def test_a_kept_proof_counts_until_it_expires(shelf: Shelf):
    stored(shelf, proof("one"))
    assert shelf.kept(SUBJECT, NOW + timedelta(hours=23))["one"].judged() == "pass"
    late = shelf.kept(SUBJECT, NOW + timedelta(hours=25))["one"]
    assert late.judged() == "unknown"
    assert "expired on 2026-03-05" in late.message


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (('"value": 1', '"value": 2'), "changed after it was signed"),
        (('"value": 1', '"value": 0'), "changed after it was signed"),
        (('"status": "pass"', '"status": "skip"'), "changed after it was signed"),
        (("2026-03-05T05:06:00Z", "2036-03-05T05:06:00Z"), "changed after it was signed"),
        (('"signature": "', '"signature": "x'), "signature is not this platform's"),
    ],
)
def test_a_tampered_proof_is_unknown(shelf: Shelf, change: tuple[str, str], sentence: str):
    file = stored(shelf, proof("one"))
    assert change[0] in file.read_text()
    file.write_text(file.read_text().replace(*change))
    found = shelf.kept(SUBJECT, NOW)["one"]
    assert found.judged() == "unknown"
    assert sentence in found.message


def test_a_file_that_is_cut_off_proves_nothing(shelf: Shelf):
    file = stored(shelf, proof("one"))
    file.write_text(file.read_text()[:-40])
    assert shelf.kept(SUBJECT, NOW) == {}
    assert shelf.looked(SUBJECT, NOW)[1] == ["wave-03.json"]


def test_a_proof_signed_elsewhere_is_unknown(shelf: Shelf, tmp_path: Path):
    other = Shelf(shelf.folder, signer(tmp_path / "other"))
    stored(other, proof("one"))
    assert shelf.kept(SUBJECT, NOW)["one"].status == "unknown"


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [({"version": "2"}, "for version 1"), ({"settings": "c"}, "other settings"), ({"place": "c"}, "another place")],
)
def test_a_proof_of_something_else_is_unknown(shelf: Shelf, changed: dict[str, str], sentence: str):
    stored(shelf, proof("one"))
    found = shelf.kept(SUBJECT.model_copy(update=changed), NOW)["one"]
    assert found.status == "unknown"
    assert sentence in found.message


def test_a_skipped_drill_does_not_undo_its_last_proof():
    kept, skip = {"drill": proof("drill")}, {"drill": skipped("a drill")}
    assert joined(kept, skip) == kept
    assert joined({"drill": proof("drill", 0)}, skip)["drill"].status == "skip"
    assert joined(kept, {"drill": proof("drill", 0)})["drill"].judged() == "fail"


def report() -> Report:
    proofs = tuple(all_proofs().values())
    place = profile()
    lines = tuple(verdicts(plan(), {each.check: each for each in proofs}, place).values())
    return Report(
        subject=SUBJECT, profile=place, started=NOW, ended=NOW, waves=tuple(range(11)), proofs=proofs, lines=lines
    )


def test_a_report_is_judged_again_by_its_figures_alone():
    read = Report.model_validate_json(report().model_dump_json())
    assert judged_again(plan(), read)[1] == []
    body = json.loads(read.model_dump_json())
    forged = next(each for each in body["proofs"] if each["check"] == "database_answers")
    forged["measures"][0]["value"] = 0
    found, changed = judged_again(plan(), Report.model_validate(body))
    assert changed == ["w1.postgresql", "w1.postgresql-reachable"]
    assert found["w1.postgresql"].status == "fail"


def test_junit_counts_nothing_as_passed_that_was_not():
    proofs = {name: each for name, each in all_proofs().items() if name != "database_answers"}
    made = report().model_copy(update={"proofs": tuple(proofs.values())})
    text = document(made, plan(), [0, 1])
    assert text.count("<error ") == 2
    assert 'name="wave 1" ' in text
    deferred = sum(bool(line.deferred) for line in plan().of(0))
    assert text.count("<skipped ") == deferred


def test_the_published_page_is_whole_escaped_and_loads_nothing():
    hostile = proof("database_answers", message='<script>alert("x")</script> /srv/secret-folder/data')
    proofs = all_proofs() | {"database_answers": hostile}
    rows = standings(plan(), profile(), proofs, {})
    entry = Entry(at=NOW, wave=1, open=True, passed=7, owed=7, version="1")
    text = page(Published(plan(), profile(), rows, proofs, [entry], SUBJECT, NOW, ["/srv/secret-folder"]))
    assert text.endswith("</html>\n")
    assert "<script" not in text
    assert "/srv/secret-folder" not in text
    assert "http" not in text.replace('http-equiv="Content-Security-Policy"', "")
    for line in plan().lines:
        assert line.id in text


def test_a_history_survives_a_line_that_was_cut_off(shelf: Shelf):
    entries = [Entry(at=NOW, wave=n, open=True, passed=1, owed=1, version="1") for n in range(3)]
    shelf.remember(entries)
    with (shelf.folder / "history.jsonl").open("a") as stream:
        stream.write('{"at": "2026-')
    assert shelf.history() == entries


def test_two_places_stand_side_by_side(tmp_path: Path):
    """Each line with how it stands here and there, and why where it does not pass; asked of nobody."""
    node = profile(Path(__file__).parents[2] / "deploy" / "clusters" / "single-node" / "profile.toml")
    proofs = all_proofs() | {"database_answers": proof("database_answers", 0)}
    there = report().model_copy(update={"profile": node, "proofs": tuple(proofs.values())})
    for name, one in (("here", report()), ("there", there)):
        (tmp_path / f"{name}.json").write_text(one.model_dump_json())
    words = ["verify", "--wave", "1", "--replay", str(tmp_path / "here.json"), "--beside", str(tmp_path / "there.json")]
    lines = CliRunner().invoke(app, words).output.splitlines()
    assert lines[0].split() == ["laptop", node.name]
    assert "w1.postgresql  pass  fail" in [" ".join(line.split()).replace(" ", "  ") for line in lines]
    assert any(line.strip().startswith(f"{node.name}: ") for line in lines)
    assert lines[-2].startswith("laptop: ")
    assert max(map(len, lines)) <= 80
