"""What is written of an object reads back to it."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as some

from groundswell.core.manifests import SEPARATOR, parsed, written

WORDS = some.text(alphabet=some.characters(codec="utf-8", exclude_categories=["C", "Z"]), max_size=12)
KEYS = some.from_regex(r"[a-z][a-z0-9./-]{0,10}[a-z]", fullmatch=True)
LEAVES = some.one_of(some.none(), some.booleans(), some.integers(), WORDS, some.lists(WORDS, max_size=3))
OBJECTS = some.recursive(
    some.dictionaries(KEYS, LEAVES, min_size=1, max_size=4),
    lambda inner: some.dictionaries(
        KEYS, some.one_of(LEAVES, inner, some.lists(inner, min_size=1, max_size=3)), min_size=1
    ),
    max_leaves=12,
)


@given(OBJECTS)
def test_an_object_reads_back_as_it_was_written(manifest: dict[str, Any]) -> None:
    assert parsed(written(manifest)) == [manifest]


def test_lines_that_were_replaced_or_cut_leave_the_rest_readable() -> None:
    text = written({"kind": "Pod", "name": "a", "env": {"A": "b"}, "phase": "Running"})
    damaged = text.replace("  A: b", "  [secret:token]")
    assert parsed(damaged) == [{"kind": "Pod", "name": "a", "env": {}, "phase": "Running"}]
    assert [each["name"] for each in parsed(f"{text}\n{SEPARATOR}\n{text}")] == ["a", "a"]
