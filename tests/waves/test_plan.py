"""The plan, the checks, the pages and the laptop's profile say the same."""

import re
from collections import Counter
from pathlib import Path

import pytest

from groundswell.core.errors import ConfigError
from groundswell.runtime import discovery
from groundswell.waves.pages import pages
from groundswell.waves.plan import LAPTOP, excuse, plan, profile, required

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "docs" / "waves"


def test_all_lines_of_the_roadmap_are_there():
    lines = plan().lines
    assert Counter(line.part for line in lines) == {
        "checklist": 24,
        "deliverable": 22,
        "completion": 5,
        "component": 48,
    }
    assert len({line.id for line in lines}) == len(lines)
    per_wave = Counter(line.wave for line in lines if line.part in ("checklist", "deliverable"))
    assert [per_wave[number] for number in range(11)] == [8, 6, 6, 4, 4, 4, 4, 3, 2, 3, 2]


def test_each_line_has_what_proves_it_or_a_reason_why_nothing_does():
    for line in plan().lines:
        ways = [bool(line.checks), bool(line.rests_on), bool(line.deferred)]
        assert sum(ways) == 1, line.id
        assert not line.id.startswith("done.") or line.wave is None


def test_every_line_of_the_first_waves_has_a_check():
    for line in plan().lines:
        if line.wave is not None and line.wave <= 5 and line.part != "component":
            assert line.checks, line.id


def test_a_line_rests_only_on_lines_that_stand_by_themselves():
    ledger = plan()
    for line in ledger.lines:
        assert all(not ledger.line(name).rests_on for name in line.rests_on), line.id


def test_plan_and_checks_name_each_other():
    ours = {name: check for name, check in discovery.checks().items() if name != "it_rains"}
    by_line = {line.id: set(line.checks) for line in plan().lines}
    stated = {(line, name) for name, check in ours.items() for line in check.proves}
    assert stated == {(line, name) for line, names in by_line.items() for name in names}


def test_a_check_stands_in_the_module_of_its_wave():
    numbers = {wave.number: wave.name for wave in plan().waves}
    for module in discovery.modules("groundswell.waves"):
        match = re.fullmatch(r"groundswell\.waves\.w(\d\d)_(\w+)", module.__name__)
        if match:
            assert numbers[int(match[1])] == match[2]
            own = [each for each in vars(module).values() if getattr(each, "proves", None) and hasattr(each, "drill")]
            assert own
            for check in own:
                assert {plan().line(line).wave for line in check.proves} == {int(match[1])}, check.name


def test_each_wave_has_a_module():
    names = {module.__name__.rpartition(".")[2] for module in discovery.modules("groundswell.waves")}
    assert {f"w{wave.number:02}_{wave.name}" for wave in plan().waves} <= names


def test_each_component_names_what_it_is():
    for line in plan().lines:
        assert bool(line.code) == (line.part == "component"), line.id
        assert [path for path in line.code if not (ROOT / path).exists()] == [], line.id


def test_the_pages_are_what_the_plan_says():
    written = {file.name: file.read_text(encoding="utf-8") for file in PAGES.glob("*.md") if file.name != "README.md"}
    assert written == pages(plan()), "python -m groundswell.waves.pages docs/waves"


def test_the_pages_hold_every_line_word_for_word():
    text = "\n".join(file.read_text(encoding="utf-8") for file in PAGES.glob("*.md"))
    for line in plan().lines:
        assert re.search(rf"^\| (?:&emsp;)?{re.escape(line.words)} \| `{line.id}` \|", text, re.M), line.id
    for wave in plan().waves:
        assert f"# Wave {wave.number} — {wave.title}" in text
        assert wave.objective in text


def test_a_check_needs_only_parts_that_a_profile_can_have():
    parts = set(profile().parts)
    assert {part for check in discovery.checks().values() for part in check.needs} <= parts


def test_the_laptop_owes_or_excuses_every_line():
    place = profile()
    for line in plan().lines:
        assert line.deferred or required(place, line) or excuse(place, line.id), line.id


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (('"w3.*", ', ""), "line_left_open"),
        (('"w6.redaction"', '"w6.redactoin"'), "unknown_line"),
        (('kubernetes = "none"', 'kubernetes = "theirs"'), "bad_profile"),
        (("[parts]", "[parts"), "bad_toml"),
    ],
)
def test_a_profile_that_leaves_something_open_is_refused(tmp_path: Path, change: tuple[str, str], code: str):
    file = tmp_path / "profile.toml"
    text = LAPTOP.read_text()
    assert change[0] in text
    file.write_text(text.replace(*change))
    with pytest.raises(ConfigError) as refused:
        profile(file)
    assert refused.value.code == code
    assert str(file) in refused.value.message
