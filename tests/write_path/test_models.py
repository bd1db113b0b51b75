"""Kill -9 around the turns of a model: the run goes on, and no reply that was there is asked for again."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from groundswell.testing import ScriptedModel
from write_path import trial
from write_path.test_faults import Platform

pytestmark = [pytest.mark.faults, pytest.mark.real, pytest.mark.timeout(300)]
TURNS = 3


@pytest.fixture
def model() -> Iterator[ScriptedModel]:
    with ScriptedModel(trial.says) as scripted:
        yield scripted


@pytest.fixture
def platform(tmp_path: Path, database_url: str, model: ScriptedModel) -> Iterator[Platform]:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "groundswell.toml").write_text(f'[models.planner]\nurl = "{model.url}"\n')
    started = Platform(tmp_path, database_url)
    yield started
    started.close()


def faults(platform: Platform, run: str) -> dict[str, int]:
    """Everything that is not as if nothing had happened."""
    wrong: Counter[str] = Counter()
    row = platform.rows("SELECT * FROM runs WHERE id = %s", run)[0]
    calls: list[dict[str, Any]] = platform.rows("SELECT * FROM calls WHERE run = %s AND kind LIKE 'model:%%'", run)
    events = platform.rows("SELECT * FROM events WHERE run = %s ORDER BY number", run)
    kinds = Counter(event["kind"] for event in events)
    wrong["status"] += row["status"] != "succeeded"
    wrong["mode"] += row["mode"] != "L0"
    wrong["answer"] += (row["answer"] or {}).get("text") != trial.TALKED
    wrong["turns"] += abs(len(calls) - TURNS)
    wrong["turns not done"] += sum(call["state"] != "done" for call in calls)
    wrong["numbers"] += [e["number"] for e in events] != list(range(1, row["last_event"] + 1))
    wrong["answers"] += kinds["answer"] != 1
    wrong["tokens"] += row["tokens"] != sum(call["tokens"] for call in calls) or row["tokens"] == 0
    wrong["reserved"] += any(row[f"reserved_{name}"] for name in ("tool_calls", "tokens", "money", "bytes"))
    return dict(+wrong)


@pytest.mark.parametrize("point", ["before_writes", "after_checkpoint"])
def test_a_worker_killed_at_any_step_of_the_loop_asks_no_reply_twice(
    platform: Platform, model: ScriptedModel, point: str
):
    platform.service("models")
    kills = 0
    for number in range(1, 40):
        before = len(model.requests)
        worker = platform.worker(f"{point}:{number}")
        (run,) = platform.submit(agent="talker", tokens=10**6)
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
        assert faults(platform, run) == {}, f"killed at {point}:{number}"
        assert len(model.requests) - before == TURNS, f"killed at {point}:{number}"
    assert kills >= 8


@pytest.mark.parametrize("point", ["before_intent", "after_intent", "before_text", "before_settle", "after_settle"])
def test_a_models_service_killed_in_a_turn_changes_nothing(platform: Platform, model: ScriptedModel, point: str):
    kills = 0
    for number in range(1, 6):
        service = platform.service("models", f"{point}:{number}")
        worker = platform.worker()
        before = len(model.requests)
        (run,) = platform.submit(agent="talker", tokens=10**6)
        platform.until(lambda run=run, service=service: not (platform.unfinished([run]) and service.is_alive()))
        if died := bool(platform.unfinished([run])):
            service = platform.service("models")
            platform.until(lambda run=run: not platform.unfinished([run]))
        for process in (worker, service):
            process.kill()
            process.join()
        assert faults(platform, run) == {}, f"killed at {point}:{number}"
        asked = platform.rows("SELECT sum(attempt) AS n FROM calls WHERE run = %s AND kind LIKE 'model:%%'", run)
        assert len(model.requests) - before <= asked[0]["n"]
        if not died:
            break
        kills += 1
    assert kills >= 1
