"""How stored bytes are shown: with the numbers of the lines they were, and the quote marked."""

from hypothesis import given
from hypothesis import strategies as st
from inline_snapshot import snapshot

from groundswell.cli.evidence import first_line, numbered, quoted_lines

TEXT = "def a():\n    return 1\n\n\ndef b(x,\n      y):\n    return 2\n"


def test_lines_have_the_numbers_they_have_in_their_file() -> None:
    marked = quoted_lines(TEXT, "return 2")
    shown = [text for text, _ in numbered(TEXT, first_line("repo:a.py#L98-L104"), marked, 80)]
    assert "\n".join(shown) == snapshot("""\
   98  def a():
   99      return 1
  100
  101
  102  def b(x,
  103        y):
> 104      return 2\
""")


def test_a_quote_is_found_over_lines_whatever_the_white_space() -> None:
    assert quoted_lines(TEXT, "def b(x, y):") == [4, 5]
    assert quoted_lines(TEXT, "def c") == []
    assert quoted_lines(TEXT, "  ") == []


def test_a_terminal_gets_what_is_around_the_quote_and_a_pipe_gets_all() -> None:
    text = "".join(f"line {number}\n" for number in range(1, 301))
    marked = quoted_lines(text, "line 150")
    on_terminal = [line for line, _ in numbered(text, 1, marked, 80)]
    assert on_terminal[0] == "… 137 lines before: --all shows them"
    assert on_terminal[-1] == "… 138 lines after: --all shows them"
    assert "> 150  line 150" in on_terminal
    assert len(list(numbered(text, 1, marked, None))) == 300


@given(st.text(st.sampled_from("ab \t\n"), max_size=60), st.data())
def test_every_piece_of_a_text_is_found_on_its_lines(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text)))
    piece = text[start : data.draw(st.integers(start, len(text)))]
    if piece.split():
        found = quoted_lines(text, piece)
        lines = text.split("\n")
        assert "".join("".join(lines[number] for number in found).split()).count("".join(piece.split())) >= 1


def test_a_source_without_lines_begins_at_one() -> None:
    assert first_line("https://example.org/#L7x") == 1
    assert first_line("repo:a.py#L7") == 7
