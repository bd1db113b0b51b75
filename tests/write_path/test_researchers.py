"""Kill -9 while researchers work side by side in subgraphs: the same report, and no turn or call is made again."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from groundswell.testing import ScriptedModel
from write_path import trial
from write_path.test_faults import Platform

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]
TURNS = 1 + 2 * len(trial.PARTS) + 1  # brief, two of each researcher, lead


@pytest.fixture
def model() -> Iterator[ScriptedModel]:
    with ScriptedModel(trial.reports) as scripted:
        yield scripted


@pytest.fixture
def platform(tmp_path: Path, database_url: str, model: ScriptedModel) -> Iterator[Platform]:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "groundswell.toml").write_text(f'[models.planner]\nurl = "{model.url}"\n')
    started = Platform(tmp_path, database_url)
    started.service("models")
    yield started
    started.close()


def made(platform: Platform, run: str) -> dict[str, Any]:
    """What a run came to: all that must be the same however often its worker was killed."""
    row = platform.rows("SELECT * FROM runs WHERE id = %s", run)[0]
    calls = platform.rows("SELECT kind, state, arguments FROM calls WHERE run = %s", run)
    events = platform.rows("SELECT * FROM events WHERE run = %s ORDER BY number", run)
    assert [event["number"] for event in events] == list(range(1, row["last_event"] + 1))
    assert all(call["state"] == "done" for call in calls)
    assert not any(row[f"reserved_{name}"] for name in ("tool_calls", "tokens", "money", "bytes"))
    return {
        "status": (row["status"], row["mode"], row["error"]),
        "answer": (row["answer"] or {}).get("text"),
        "calls": Counter((call["kind"], call["arguments"].get("q", "")) for call in calls),
        "notes": Counter(event["body"]["name"] for event in events if event["kind"] == "note"),
        "steps": Counter(tuple(event["body"]["nodes"]) for event in events if event["kind"] == "step"),
    }


@pytest.mark.parametrize("point", ["before_writes", "after_writes", "after_checkpoint"])
def test_a_worker_killed_while_researchers_work_asks_no_reply_twice(
    platform: Platform, model: ScriptedModel, point: str
) -> None:
    worker = platform.worker()
    (whole,) = platform.submit(agent="reporter", steps=160, tokens=10**6)
    platform.until(lambda: not platform.unfinished([whole]))
    worker.kill()
    worker.join()
    expected = made(platform, whole)
    assert expected["status"] == ("succeeded", "L0", None)
    assert expected["answer"].startswith("There is a line of norths and a line of souths.\n\n1. Is")
    assert expected["notes"]["research"] == expected["notes"]["researched"] == len(trial.PARTS)
    assert expected["steps"]["think",] == 2 * len(trial.PARTS)
    assert expected["steps"]["research",] == 1
    kills = 0
    for number in range(6, 120, 4):
        before = len(model.requests)
        worker = platform.worker(f"{point}:{number}")
        (run,) = platform.submit(agent="reporter", steps=160, tokens=10**6)
        platform.until(lambda run=run, worker=worker: not (platform.unfinished([run]) and worker.is_alive()))
        if not platform.unfinished([run]):
            worker.kill()
            worker.join()
            break
        kills += 1
        second = platform.worker()
        platform.until(lambda run=run: not platform.unfinished([run]))
        second.kill()
        second.join()
        assert made(platform, run) == expected, f"killed at {point}:{number}"
        asked = platform.rows("SELECT sum(attempt) AS n FROM calls WHERE run = %s AND kind LIKE 'model:%%'", run)
        # a lease is short here: a reply that a busy database would not take in time is asked for again, and counted
        assert TURNS <= len(model.requests) - before <= asked[0]["n"], f"killed at {point}:{number}"
    assert kills >= 5
    executed = len(trial.lines("executions.log"))
    attempts = platform.rows("SELECT sum(attempt) AS n FROM calls WHERE kind = 'trial_look'")[0]["n"]
    assert executed <= attempts, "a call whose reply was there is not made again"
