"""Pages become text in which tables and lists survive, and passages that know their headings."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import groundswell
from groundswell.backends.web.extraction import read
from groundswell.backends.web.passages import split
from groundswell.backends.web.robots import parsed

SHIPPED = Path(groundswell.__path__[0]) / "data" / "pages"


def test_tables_survive_and_menus_do_not() -> None:
    text = read((SHIPPED / "harbour-services.html").read_bytes(), "https://h.example/services", "text/html")
    assert text.title == "Services in the harbour"
    assert "| Fuel berth | 08:00 to 19:00 | 10:00 to 14:00 |" in text.text
    assert "Imprint" not in text.text
    assert any("Opening hours" in piece.headings for piece in split(text.text))


def test_a_heading_loses_its_markup_and_keeps_the_underscores_of_a_name() -> None:
    assert split("# OPT_APPEND_NEWLINE\n\nIt appends.")[0].headings == ("OPT_APPEND_NEWLINE",)
    assert split("# The _best_ `way`\n\nIt is.")[0].headings == ("The best way",)


def test_lines_of_a_file_are_the_lines_of_its_passages() -> None:
    body = (SHIPPED / "harbour-rules.md").read_bytes()
    text = read(body, "harbour-rules.md", "text/markdown")
    lines = body.decode().split("\n")
    for piece in split(text.text):
        assert piece.text == "\n".join(lines[piece.start - 1 : piece.end])
    assert [piece.headings[-1] for piece in split(text.text)][:3] == ["Harbour rules", "Speed", "Noise"]


def test_headings_with_a_line_below_and_described_names_are_headings() -> None:
    text = "Title\n=====\n\nOpening.\n\nPart\n----\n\nBody.\n\n.. py:data:: DEBUG\n\n    Whether it debugs.\n"
    assert [piece.headings for piece in split(text)] == [("Title",), ("Title", "Part"), ("Title", "Part", "DEBUG")]


def test_a_hash_in_code_is_no_heading() -> None:
    assert len({piece.headings for piece in split("# A\n\n```\n# not one\n```\n")}) == 1


def test_a_line_before_a_fence_is_no_heading_and_no_title() -> None:
    text = "# Streams\n\nRun it:\n```\n})\n```\n"
    assert read(text.encode(), "a.md", "text/markdown").title == "Streams"
    assert {piece.headings for piece in split(text)} == {("Streams",)}


def test_later_rows_of_a_long_table_keep_its_head() -> None:
    rows = "\n".join(f"| row {number} | {number * 7} |" for number in range(400))
    pieces = split(f"| name | value |\n| --- | --- |\n{rows}\n")
    assert len(pieces) > 2
    assert all(piece.columns == "| name | value |" for piece in pieces[1:])


@given(st.text(alphabet="ab #|-=\n`*.", max_size=400))
def test_no_line_with_words_is_lost_and_none_is_told_twice(text: str) -> None:
    covered = [line for piece in split(text) for line in range(piece.start, piece.end + 1)]
    assert len(covered) == len(set(covered))
    assert {number for number, line in enumerate(text.split("\n"), 1) if line.strip()} <= set(covered)


@pytest.mark.parametrize(
    ("body", "wanted"),
    [("Größe".encode("cp1252"), "Größe"), ("\ufeffTide".encode(), "Tide"), ("Tide".encode("utf-16"), "Tide")],
)
def test_any_usual_encoding_is_read(body: bytes, wanted: str) -> None:
    assert read(body, "x.txt", "text/plain").text == wanted


@pytest.mark.parametrize(
    ("path", "allowed"), [("/a", False), ("/a/b", True), ("/x.pdf", False), ("/x.pdf?y", True), ("/", True)]
)
def test_the_longest_rule_of_robots_wins(path: str, allowed: bool) -> None:
    text = "User-agent: other\nDisallow: /\n\nUser-agent: *\nDisallow: /a\nAllow: /a/b\nDisallow: /*.pdf$\n"
    assert parsed(text, "groundswell").allows(f"https://h.example{path}") is allowed


def test_a_group_of_our_own_stands_above_the_one_for_all() -> None:
    rules = parsed(
        "User-agent: *\nDisallow: /\nUser-agent: Groundswell\nCrawl-delay: 3\nDisallow: /no\n", "groundswell"
    )
    assert rules.allows("https://h.example/yes")
    assert rules.delay == 3.0


def test_a_site_cannot_write_a_rule_that_takes_long() -> None:
    rules = parsed(f"User-agent: *\nDisallow: /{'*a' * 30}b\nDisallow: /{'*a' * 30}$\n", "groundswell")
    assert rules.allows(f"https://h.example/{'a' * 20_000}c")
    assert not rules.allows(f"https://h.example/{'a' * 20_000}")
