"""Kill -9 while researchers work side by side in subgraphs: the same report; what was finished is asked for once."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from groundswell.testing import ScriptedModel
from write_path import trial
from write_path.test_faults import Platform

pytestmark = [pytest.mark.faults, pytest.mark.real, pytest.mark.timeout(300)]
KILLED_AT = (8, 16, 24)  # passings of a point, while researchers work


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
    taken = [event for event in events if event["kind"] == "step"]
    assert row["steps"] == len(taken), "a researcher's supersteps are the run's"
    return {
        "status": (row["status"], row["mode"], row["error"]),
        "answer": (row["answer"] or {}).get("text"),
        "calls": Counter((call["kind"], call["arguments"].get("q", "")) for call in calls),
        "notes": Counter(event["body"]["name"] for event in events if event["kind"] == "note"),
        "steps": Counter(tuple(event["body"]["nodes"]) for event in taken),
    }


def attempts(platform: Platform, run: str, state: str = "%") -> dict[str, int]:
    """How often each call of a run was begun, by its name."""
    sql = """SELECT concat_ws('/', task, kind, left(request_digest, 16), n) AS name, attempt FROM calls
             WHERE run = %s AND state LIKE %s"""
    return {row["name"]: row["attempt"] for row in platform.rows(sql, run, state)}


def ended(platform: Platform, run: str) -> None:
    """See a run to its end with one more worker."""
    worker = platform.worker()
    platform.until(lambda: not platform.unfinished([run]))
    worker.kill()
    worker.join()


@pytest.mark.parametrize("point", ["before_writes", "after_writes", "after_checkpoint"])
def test_a_worker_killed_while_researchers_work_asks_for_nothing_that_was_finished(
    platform: Platform, model: ScriptedModel, point: str
) -> None:
    (whole,) = platform.submit(agent="reporter", steps=160, tokens=10**6)
    ended(platform, whole)
    expected = made(platform, whole)
    assert expected["status"] == ("succeeded", "L0", None)
    assert expected["answer"].startswith("There is a line of norths and a line of souths.\n\n1. Is")
    assert expected["notes"]["research"] == expected["notes"]["researched"] == len(trial.PARTS)
    assert expected["steps"]["think",] == 2 * len(trial.PARTS)
    assert expected["steps"]["research",] == 1
    kept = 0
    for number in KILLED_AT:
        before = len(model.requests)
        worker = platform.worker(f"{point}:{number}")
        (run,) = platform.submit(agent="reporter", steps=160, tokens=10**6)
        platform.until(lambda worker=worker: not worker.is_alive())
        worker.join()
        finished = attempts(platform, run, "done")
        kept += len(finished)
        ended(platform, run)
        assert made(platform, run) == expected, f"killed at {point}:{number}"
        begun = attempts(platform, run)
        again = {name for name, times in finished.items() if begun[name] != times}
        assert not again, f"killed at {point}:{number}"
        # only what was intended when the kill came is asked for again: each attempt is one request, and no more are
        executed = Counter(line.split()[0] for line in trial.lines("executions.log"))
        assert len(model.requests) - before == sum(times for name, times in begun.items() if "/model:" in name)
        looks = {name: times for name, times in begun.items() if "/trial_look/" in name}
        assert {name: executed[name] for name in looks} == looks
    assert kept > len(KILLED_AT)


def test_the_limit_on_steps_is_one_for_all_graphs_of_a_run_and_for_all_its_workers(platform: Platform) -> None:
    for steps, point in [(5, ""), (7, ""), (8, ""), (9, ""), (9, "after_checkpoint:9")]:
        (run,) = platform.submit(agent="reporter", steps=steps, tokens=10**6)
        if point:
            worker = platform.worker(point)
            platform.until(lambda worker=worker: not worker.is_alive())
            worker.join()
        ended(platform, run)
        row = platform.rows("SELECT * FROM runs WHERE id = %s", run)[0]
        assert (row["status"], row["reason"]) == ("exhausted", "steps"), (steps, point)
        # one that has begun counts, a researcher's and that of the run around it: not all of them are over
        assert steps - 2 <= row["steps"] <= steps, (steps, point)
