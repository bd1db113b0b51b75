"""The program as a shell sees it: help, options, errors, exit codes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from groundswell.cli import exits
from groundswell.cli.main import app, parted
from groundswell.core.errors import KINDS, Conflict, Denied, Invalid, LimitReached, NotFound, Unavailable

HEAVY = (
    "fastapi",
    "starlette",
    "uvicorn",
    "langgraph",
    "pydantic",
    "httpx2",
    "psycopg",
    "rich",
    "psutil",
    "structlog",
    "opentelemetry",
    "groundswell.core.records",
    "groundswell.client",
    "groundswell.runtime",
)
LINES = (["--help"], ["ask", "--help"], ["up", "--help"], ["tools", "call", "--help"], ["--version"], [])


def called(*words: str) -> tuple[int, str, str]:
    """The exit code, and what was said on both streams."""
    result = CliRunner().invoke(app, list(words), prog_name="groundswell")
    return result.exit_code, result.stdout, result.stderr


@pytest.mark.parametrize("words", LINES, ids=" ".join)
def test_help_imports_nothing_heavy(words: list[str]) -> None:
    program = f"""
import sys
from groundswell.cli.main import app
try:
    app({words!r})
except SystemExit:
    pass
heavy = {HEAVY!r}
print([name for name in sys.modules if name.startswith(heavy)], file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30)
    assert done.stderr.strip().splitlines()[-1] == "[]"


def test_completion_imports_nothing_heavy_and_knows_the_commands(monkeypatch: pytest.MonkeyPatch) -> None:
    program = f"""
import sys
from groundswell.cli.main import app
try:
    app(prog_name="groundswell")
except SystemExit:
    pass
print([name for name in sys.modules if name.startswith({HEAVY!r})], file=sys.stderr)
"""
    monkeypatch.setenv("_GROUNDSWELL_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", "groundswell ru")
    monkeypatch.setenv("COMP_CWORD", "1")
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30)
    assert done.stdout.split() == ["runs"]
    assert done.stderr.strip().splitlines()[-1] == "[]"


def test_every_command_has_a_help_that_fits_80_columns() -> None:
    _, help_, _ = called("--help")
    assert "…" not in help_
    assert "..." not in help_.partition("Commands:")[2]
    assert max(map(len, help_.splitlines())) <= 80


@given(st.lists(st.sampled_from(["ask", "-i", "word", "--json"])), st.data())
def test_our_options_may_stand_anywhere(words: list[str], data: st.DataObject) -> None:
    line = [[word] for word in words]
    ours = [["--url", "ask"], ["--key=k"], ["--debug"], ["--config", "-i"]]
    for option in ours:
        line.insert(data.draw(st.integers(0, len(line))), option)
    found, rest = parted([word for part in line for word in part])
    assert rest == words
    assert sorted(found) == sorted(word for option in ours for word in option)


def test_after_two_dashes_nothing_is_an_option() -> None:
    assert parted(["ask", "--", "--url", "x"]) == ([], ["ask", "--", "--url", "x"])


@pytest.mark.parametrize("words", [["frobnicate"], ["ask", "--frobnicate"], ["up", "--port", "http"], ["runs", "show"]])
def test_a_line_that_cannot_be_understood_ends_with_2(words: list[str]) -> None:
    code, out, error = called(*words)
    assert (code, out) == (exits.USAGE, "")
    assert error


def test_where_no_platform_runs_it_says_how_to_start_one(home: Path) -> None:
    code, out, error = called("runs", "list")
    assert (code, out) == (exits.UNAVAILABLE, "")
    assert error == (
        "error: no platform runs on this data directory\nhint: start one: groundswell up, or name one: --url URL\n"
    )


def test_an_address_where_nobody_answers_is_told_in_a_sentence(home: Path, unused_tcp_port: int) -> None:
    code, _, error = called("agents", "list", "--url", f"http://127.0.0.1:{unused_tcp_port}")
    assert code == exits.UNAVAILABLE
    assert "no platform answers" in error
    assert "Traceback" not in error


def test_with_debug_an_error_keeps_its_traceback(home: Path) -> None:
    result = CliRunner().invoke(app, ["--debug", "runs", "list"])
    assert isinstance(result.exception, Unavailable)


def test_json_is_one_object_also_where_it_fails(home: Path, unused_tcp_port: int) -> None:
    url = f"http://127.0.0.1:{unused_tcp_port}"
    code, out, _ = called("ask", "--json", "--url", url, "where?")
    told = json.loads(out)
    assert code == exits.UNAVAILABLE
    assert (told["status"], told["error"]["code"]) == ("failed", "platform_away")
    code, out, _ = called("runs", "list", "--json", "--url", url)
    assert json.loads(out)["error"]["code"] == "platform_away"


@pytest.mark.parametrize("question", ["", "   ", "\n"])
def test_an_empty_question_is_refused_before_anything_is_started(home: Path, question: str) -> None:
    code, _, error = called("ask", question)
    assert code == exits.USAGE
    assert "there is no question" in error
    assert not (home / "data").exists()


def test_a_question_of_a_megabyte_is_refused_in_a_sentence(home: Path) -> None:
    code, _, error = called("ask", "why " * 250_000)
    assert code == exits.USAGE
    assert "at most 200000 are accepted" in error
    assert len(error) < 500


def test_a_folder_that_is_no_repository_is_refused_before_anything_is_started(home: Path) -> None:
    code, _, error = called("ask", "where?", "--repo", str(home))
    assert code == exits.USAGE
    assert "is in no Git repository" in error
    assert "git init" in error


def test_a_typing_error_in_the_settings_names_the_nearest_one(home: Path) -> None:
    (home / "groundswell.toml").write_text("[gateway]\nprot = 1\n")
    code, _, error = called("--config", str(home), "config")
    assert code == exits.USAGE
    assert "did you mean gateway.port?" in error


def test_config_tells_each_value_and_its_source_and_no_secret(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "groundswell.toml").write_text('[database]\npassword = "hunter2"\n')
    monkeypatch.setenv("GROUNDSWELL_GATEWAY__PORT", "9090")
    code, out, _ = called("config", "--config", str(home))
    rows = [line.split() for line in out.splitlines()]
    assert code == 0
    assert "hunter2" not in out
    assert ["gateway.port", "=", "9090", "GROUNDSWELL_GATEWAY__PORT"] in rows
    assert ["database.password", "=", "**********", str(home / "groundswell.toml")] in rows
    assert ["gateway.host", "=", "127.0.0.1", "default"] in rows


def test_where_says_how_to_remove_all_of_it(home: Path) -> None:
    (home / "data" / "repos").mkdir(parents=True)
    (home / "data" / "repos" / "clone").write_bytes(b"x" * 100_000)
    code, out, _ = called("where")
    assert code == 0
    assert out.splitlines()[-1] == f"remove it all:  rm -r {home / 'data'}"
    assert "clones and indexes of repositories" in out


def test_stop_where_none_runs_says_so_and_is_no_failure(home: Path) -> None:
    code, out, error = called("stop")
    assert (code, out) == (0, "")
    assert "no platform runs" in error


def test_logs_prints_the_last_lines_and_nothing_that_could_steer_a_terminal(home: Path) -> None:
    (home / "data" / "logs").mkdir(parents=True)
    (home / "data" / "logs" / "platform.log").write_text("one\ntwo\n\x1b[2Jthree\n")
    assert called("logs", "-n", "2") == (0, "two\n\N{REPLACEMENT CHARACTER}[2Jthree\n", "")


def test_logs_where_there_are_none_ends_with_3(home: Path) -> None:
    assert called("logs")[0] == exits.ABSTAINED


def test_every_kind_of_error_has_its_exit_code() -> None:
    codes = {kind: exits.of_error(kind("c", "m")) for kind in KINDS}
    assert codes[NotFound] == 3
    assert codes[Denied] == 4
    assert codes[LimitReached] == 5
    assert codes[Unavailable] == 6
    assert codes[Invalid] == 2
    assert codes[Conflict] == 1


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"answer": {"text": "here"}}, 0),
        ({"answer": {"text": " "}}, 3),
        ({"answer": {"question": "which?"}}, 3),
        ({"status": "failed", "reason": "agent_crashed"}, 1),
        ({"status": "failed", "reason": "denied"}, 4),
        ({"status": "exhausted", "reason": "steps"}, 5),
        ({"status": "waiting", "reason": "approval"}, 7),
        ({"status": "cancelled"}, 130),
    ],
)
def test_every_end_of_a_run_has_its_exit_code(a_run, values, code: int) -> None:
    assert exits.of_run(a_run(**values)) == code
