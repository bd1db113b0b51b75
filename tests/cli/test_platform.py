"""The program with a real platform: in pipes and on a terminal, as people use it."""

import dataclasses
import json
import os
import re
import signal
import socket
import subprocess
from typing import Any

import psutil
import pytest

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]
ESCAPE = "\x1b"
CITATION = re.compile(r"^\[1\] (\S+?):(\d+)(?:-\d+)?  evidence ([0-9a-f]{8})$", re.M)


def test_an_answer_in_a_pipe_is_plain_text_whose_citations_open(running: Any) -> None:
    asked = running.call("ask", "Where is high_waters defined?")
    assert asked.returncode == 0
    assert ESCAPE not in asked.stdout
    cited = CITATION.search(asked.stdout)
    assert cited
    path, line, digest = cited.groups()
    assert path == "harbour/tides.py"
    opened = running.call("evidence", digest)
    assert opened.returncode == 0
    marked = [text for text in opened.stdout.splitlines() if text.startswith(">")]
    assert marked
    number, text = marked[0][2:].split(maxsplit=1)
    in_file = (running.repo / path).read_text().splitlines()
    assert in_file[int(number) - 1].strip() == text.strip()
    assert re.search(r"^origin +path:.*@[0-9a-f]{12}$", opened.stdout, re.M)
    assert re.search(r"^read +\d{4}-\d\d-\d\d ", opened.stdout, re.M)


def test_json_is_one_object_and_nothing_else_is_on_standard_output(running: Any) -> None:
    asked = running.call("ask", "--json", "Where is high_waters defined?")
    told = json.loads(asked.stdout)
    assert (asked.returncode, told["status"], told["agent"], told["error"]) == (0, "succeeded", "coding", None)
    assert told["claims"][0]["citations"][0]["source"].startswith("repo:harbour/tides.py#L")
    assert asked.stderr == ""


def test_what_is_not_there_is_not_found_and_ends_with_3(running: Any) -> None:
    asked = running.call("ask", "--json", "Where is frobnicate_the_moon defined?")
    told = json.loads(asked.stdout)
    assert (asked.returncode, told["status"], told["answer"]) == (3, "succeeded", "")


def test_a_piped_traceback_is_part_of_the_question(running: Any) -> None:
    traceback = 'Traceback:\n  File "harbour/retry.py", line 22, in retrying\n    return action()\nOSError: gone\n'
    asked = running.call("ask", "What does this mean?", given=traceback)
    assert asked.returncode == 0
    assert "harbour/retry.py:" in asked.stdout
    shown = running.call("runs", "show", "--json", run_of(running))
    parts = json.loads(shown.stdout)["run"]["input"][0]["parts"]
    assert parts == [{"kind": "text", "text": "What does this mean?"}, {"kind": "attachment", "text": traceback}]


def run_of(ground: Any) -> str:
    return json.loads(ground.call("runs", "list", "-n", "1", "--json").stdout)["runs"][0]["id"]


def test_a_conversation_stays_in_one_thread(running: Any) -> None:
    talked = running.call("ask", "-i", given="Who calls retrying?\n\nWhere is it defined?\n")
    assert talked.returncode == 0
    assert talked.stdout.count("[1] ") == 2
    runs = json.loads(running.call("runs", "list", "-n", "2", "--json").stdout)["runs"]
    assert len({run["thread"] for run in runs}) == 1


def test_a_tool_is_called_under_an_agent_and_prints_its_result(running: Any) -> None:
    called = running.call("tools", "call", "symbol_find", "name=high_waters", "limit=1", "--as", "coding", "--json")
    result = json.loads(called.stdout)
    assert (called.returncode, result["status"]) == (0, "ok")
    assert result["value"][0]["path"] == "harbour/tides.py"
    refused = running.call("tools", "call", "symbol_find", "nam=x", "--json")
    assert (refused.returncode, json.loads(refused.stdout)["status"]) == (1, "error")
    nothing = running.call("tools", "call", "symbol_find", "name=frobnicate_the_moon", "--json")
    assert (nothing.returncode, json.loads(nothing.stdout)["status"]) == (3, "no_data")


def test_a_run_is_told_event_by_event_to_its_end(running: Any) -> None:
    running.call("ask", "Where is read_gauge defined?")
    followed = running.call("runs", "follow", run_of(running), "--json")
    events = [json.loads(line) for line in followed.stdout.splitlines()]
    assert [event["number"] for event in events] == list(range(1, len(events) + 1))
    assert events[-1]["body"]["kind"] == "answer"


def test_a_key_lets_others_in_until_it_is_revoked(running: Any) -> None:
    made = json.loads(running.call("keys", "create", "ana", "--json").stdout)
    url = json.loads(running.call("status", "--json").stdout)["url"]
    stranger = dataclasses.replace(
        running, environment={**running.environment, "GROUNDSWELL_DATA": str(running.folder / "elsewhere")}
    )

    def listed(key: str) -> int:
        return stranger.call("runs", "list", "--url", url, "--key", key).returncode

    assert listed(made["key"]) == 0
    assert running.call("keys", "revoke", made["record"]["id"]).returncode == 0
    assert listed(made["key"]) == 4


@pytest.mark.parametrize("words", [["runs", "show", "run_0"], ["evidence", "0" * 12], ["agents", "show", "nobody"]])
def test_what_does_not_exist_ends_with_3_and_a_hint(running: Any, words: list[str]) -> None:
    asked = running.call(*words)
    assert asked.returncode == 3
    assert re.fullmatch(r"error: .+\nhint: .+\n", asked.stderr)


def test_all_is_well_where_a_platform_runs(running: Any) -> None:
    examined = running.call("doctor", "--json")
    found = {finding["name"]: finding for finding in json.loads(examined.stdout)["findings"]}
    assert not [finding for finding in found.values() if finding["well"] is False]
    assert {"python", "git", "settings", "data", "disk", "platform", "port", "database", "embeddings"} <= set(found)
    assert running.call("status").returncode == 0


def test_up_where_it_runs_already_says_so_and_succeeds(running: Any) -> None:
    again = running.call("up")
    assert again.returncode == 0
    assert "already runs at http://127.0.0.1:" in again.stdout


def test_the_first_start_proves_itself_and_every_command_it_prints_runs(ground: Any) -> None:
    empty = ground.folder / "empty"
    empty.mkdir()
    first = ground.terminal("up", folder=empty)
    try:
        first.until(r"is all well +(\S.*)\n")
        assert CITATION.search(plain(first.shown))
        commands = re.findall(r"^  [a-z ]+?  +(\S*groundswell .*)$", plain(first.shown), re.M)
        assert len(commands) == 7
        for command in commands:
            done = subprocess.run(
                command, shell=True, cwd=empty, env=ground.environment, capture_output=True, timeout=90
            )
            assert done.returncode == 0, (command, done.stderr)
        first.type("\x03")
        assert first.ends() == 0
        assert "stopping…\nstopped\n" in plain(first.shown)
    finally:
        first.close()
    assert not still_running(ground)
    second = ground.terminal("up", folder=empty)
    try:
        second.until("ready at")
        second.hang_up()
        second.ends()
    finally:
        second.close()
    assert "first question" not in second.shown
    assert not still_running(ground)


def plain(text: str) -> str:
    """What stays on the screen of a line that was written over, roughly: the text without its escapes."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)


def still_running(ground: Any) -> list[str]:
    """Processes that have to do with a data directory."""
    found: list[str] = []
    for process in psutil.process_iter():
        try:
            words = process.cmdline()
            environment = process.environ()
        except psutil.Error:
            continue
        if str(ground.data) in " ".join(words) or environment.get("GROUNDSWELL_DATA") == str(ground.data):
            found.append(" ".join(words))
    return found


def test_of_two_that_ask_one_starts_a_platform_and_up_takes_it_over(ground: Any) -> None:
    words = [ground.terminal("ask", f"Where is {name} defined?") for name in ("high_waters", "entry_window")]
    try:
        for each in words:
            assert each.ends() == 0, each.shown
            assert CITATION.search(plain(each.shown))
    finally:
        for each in words:
            each.close()
    status = json.loads(ground.call("status", "--json").stdout)
    assert status["started_by"] == "ask"
    up = ground.terminal("up", "--no-question")
    try:
        up.until("ready at")
        assert "taking over" in up.shown
        assert json.loads(ground.call("status", "--json").stdout)["started_by"] == "up"
        assert not psutil.pid_exists(status["pid"])
        os.kill(json.loads(ground.call("status", "--json").stdout)["pid"], signal.SIGHUP)
        assert up.ends() == 0, up.shown
    finally:
        up.close()


def test_the_end_of_standard_input_does_not_stop_the_platform(ground: Any) -> None:
    process = ground.started("up", "--no-question")
    try:
        assert any("ready at" in line for line in process.stdout)
        assert ground.call("status").returncode == 0
        assert ground.call("stop").returncode == 0
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.communicate()


def test_ctrl_c_cancels_the_question_under_way(ground: Any) -> None:
    for number in range(1500):
        (ground.repo / f"part{number}.py").write_text(f"def part_{number}() -> int:\n    return {number}\n" * 20)
    asking = ground.terminal("ask", "Where is high_waters defined?")
    try:
        asking.until(r"repo_index|index ")
        asking.type("\x03")
        assert asking.ends() == 130, asking.shown
        assert "cancelling run_" in asking.shown
        assert "Cancelled." in asking.shown
    finally:
        asking.close()
    assert json.loads(ground.call("runs", "list", "--json").stdout)["runs"][0]["status"] == "cancelled"


def test_a_port_that_is_taken_is_never_stolen(ground: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        for words in (["up"], ["up", "-d"]):
            refused = ground.call(*words, "--port", str(port))
            assert refused.returncode == 2
            assert f"Port {port} is held by " in refused.stderr
            assert f"(pid {os.getpid()})" in refused.stderr
            assert "--port" in refused.stderr
    assert not still_running(ground)


def test_what_a_run_kept_is_pruned_and_a_run_is_deleted(running: Any) -> None:
    running.call("ask", "Where is retrying defined?")
    run = run_of(running)
    counted = running.call("prune", "--older-than", "0m", "--dry-run")
    assert (counted.returncode, "would lose calls" in counted.stdout) == (0, True)
    assert re.search(r"^\d+ runs? lost calls$", running.call("prune", "--older-than", "0m").stdout, re.M)
    shown = running.call("runs", "show", run)
    assert re.search(r"^pruned +calls on \d{4}-\d\d-\d\d: pruned by local$", shown.stdout, re.M)
    assert "retrying" in shown.stdout
    assert running.call("runs", "follow", run).returncode == 0
    assert running.call("prune", "--older-than", "0m").stdout == "nothing to prune\n"
    assert running.call("runs", "delete", run).stdout == f"{run} is deleted\n"
    assert running.call("runs", "show", run).returncode == 3
    assert [running.call("prune", *words).returncode for words in (["--older-than", "soon"], ["--runs"])] == [2, 2]
