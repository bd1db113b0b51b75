"""The telling lines of a log: the first error, one for all that are like it, and what stands around them."""

import pytest

from groundswell.backends.kube.logs import digest, level


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("2026-03-01T10:00:00Z ERROR it broke", "error"),
        ('{"level":"warn","msg":"error: slow"}', "warning"),
        ('level=info msg="0 errors"', "info"),
        ("INFO connection refused earlier, fine now", "info"),
        ("E0301 10:00:00.000000 1 main.go:3] lost lease", "error"),
        ("panic: runtime error: index out of range", "fatal"),
        ("connection refused", "error"),
        ("served 200 with errors=0", "info"),
        ("[error] 7#7: upstream timed out", "error"),
        ('FATAL:  role "x" does not exist', "fatal"),
    ],
)
def test_a_line_is_as_bad_as_it_says_itself(line: str, expected: str) -> None:
    assert level(line) == expected


def of(lines: str, most: int = 1000) -> list[tuple[int, int, int, str]]:
    found = digest(lines, namespace="n", pod="p", container="c", previous=False, most=most)
    return [(mark.line, mark.last, mark.count, mark.level) for mark in found.marks]


def test_lines_that_differ_only_in_numbers_are_one() -> None:
    lines = "\n".join(f"ERROR call {n} to 10.0.0.{n}:80 took {n}ms and failed" for n in range(1, 31))
    assert of(f"INFO up\n{lines}\nINFO down")[0] == (2, 31, 30, "error")


def test_the_first_error_comes_before_the_loudest() -> None:
    loud = "\n".join("ERROR cannot serve" for _ in range(100))
    assert [mark[0] for mark in of(f"INFO up\nERROR schema is too old\n{loud}")][:2] == [2, 3]


def test_the_end_of_a_traceback_is_what_counts() -> None:
    lines = 'Traceback (most recent call last):\n  File "a.py", line 1, in <module>\n    go()\nValueError: bad port'
    assert of(lines) == [(4, 4, 1, "error")]


def test_a_long_log_is_read_at_its_beginning_and_its_end() -> None:
    lines = ["ERROR first", *(f"INFO {n}" for n in range(10_000)), "ERROR last"]
    found = digest("\n".join(lines), namespace="n", pod="p", container="c", previous=True, most=100)
    assert found.truncated
    assert {mark.line for mark in found.marks} == {1, 10_002}
    assert found.excerpts[0].source == "k8s:n/Pod/p/c/previous-logs#L1-L3"


def test_an_empty_log_says_nothing() -> None:
    assert of(" \n") == []
