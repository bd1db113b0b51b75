"""Kill -9 of each kind of process at every step boundary of a run of each agent."""

import json
import os
import shutil
import signal
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import httpx2
import pytest

from groundswell.core.records import NewRun
from write_path.whole import KINDS, Asker, Whole, made, told, wrong_numbers

pytestmark = [pytest.mark.faults, pytest.mark.real, pytest.mark.timeout(600)]


def material(folder: Path) -> dict[str, NewRun]:
    """A question for each agent, and what it is asked of: the packaged samples."""
    data = resources.files("groundswell") / "data"
    for name, into in (("sample", "repo"), ("incident", "dump"), ("pages", "pages")):
        with resources.as_file(data / name) as path:
            shutil.copytree(path, folder / into, ignore=shutil.ignore_patterns("__pycache__", ".ruff_cache"))
    git = f"git -C {folder / 'repo'} -c user.name=a -c user.email=a@example.org"
    for words in ("init -q", "add -A", "commit -q -m one"):
        assert os.system(f"{git} {words}") == 0
    asked = {
        "coding": ("Where is retrying defined?", {"repo": f"path:{folder / 'repo'}"}),
        "observability": ("Why does the harbour fail?", {"kubernetes": f"dump:{folder / 'dump'}"}),
        "web": ("Who is the harbour master?", {"pages": "collection:harbour"}),
    }
    return {
        name: NewRun.model_validate({"input": [{"parts": [{"text": question}]}], "agent": name, "sources": sources})
        for name, (question, sources) in asked.items()
    }


def configured(folder: Path) -> None:
    (folder / "config").mkdir()
    (folder / "config" / "groundswell.toml").write_text('[embeddings]\nurl = "none:"\n')


@pytest.fixture
def scheduled(tmp_path: Path, database_url: str) -> Iterator[Whole]:
    configured(tmp_path)
    (tmp_path / "schedule").write_text("{}")
    started = Whole(tmp_path, database_url)
    yield started
    started.close()


def finished(platform: Whole, request: NewRun) -> tuple[str, dict[str, Any]]:
    """A run asked for and followed through the gateway, while what dies is started again."""
    asker = Asker(platform.url_of_gateway, [request])
    asker.start()
    platform.see_to(lambda: not asker.is_alive(), 120)
    assert asker.failed == []
    (run,) = asker.accepted.values()
    last = platform.rows("SELECT last_event FROM runs WHERE id = %s", run)[0]["last_event"]
    stored = told(platform, run)
    assert not wrong_numbers(asker.seen[run], stored, last)
    for damaged in (stored[:-1], [*stored, stored[-1]], [(n + 1, kind) for n, kind in stored]):  # it can tell
        assert wrong_numbers(damaged, stored, last)
    return run, made(platform, run)


def filled(platform: Whole, folder: Path) -> None:
    body = {"agent": "web", "arguments": {"name": "harbour"}, "sources": {"pages": f"path:{folder / 'pages'}"}}
    with httpx2.Client(base_url=platform.url_of_gateway, timeout=60, trust_env=False) as http:
        run = http.post("/v1/tools/collection_fill/calls", json=body).raise_for_status().json()["id"]
    platform.see_to(lambda: not platform.unfinished([run]))
    (row,) = platform.rows("SELECT status, error FROM runs WHERE id = %s", run)
    assert row["status"] == "succeeded", row


@pytest.mark.parametrize("agent", ["coding", "observability", "web"])
def test_any_process_killed_at_any_step_boundary_changes_nothing(scheduled: Whole, tmp_path: Path, agent: str) -> None:
    """Five runs: at each boundary each dies another kind of process, so that every kind dies at every one."""
    request = material(tmp_path)[agent]
    if agent == "web":
        filled(scheduled, tmp_path)
    run, expected = finished(scheduled, request)
    assert expected["status"][0] == "succeeded", expected
    assert expected["answer"]["text"]
    lines = (tmp_path / "boundaries.log").read_text().split()
    steps = [line.rpartition(":")[2] for line in lines if line.startswith(run)]
    assert len(steps) >= 3
    assert len(steps) == len(expected["steps"]) + 2, "each recorded step, and the two before the first"
    for shift in range(len(KINDS)):
        plan = {step: KINDS[(place + shift) % len(KINDS)] for place, step in enumerate(steps)}
        (tmp_path / "schedule").write_text(json.dumps(plan))
        run, outcome = finished(scheduled, request)
        scheduled.see_to(lambda: all(process.is_alive() for process in scheduled.alive.values()))
        log = (tmp_path / "kills.log").read_text().splitlines()
        died = {line.split()[0].rpartition(":")[2]: line.split()[1] for line in log if line.startswith(run)}
        assert died == plan
        assert outcome == expected, plan
        (tmp_path / "schedule").write_text("{}")


def test_without_a_takeover_a_killed_worker_loses_its_runs(tmp_path: Path, database_url: str) -> None:
    """The control: where the dead look alive, the tests above would not pass."""
    configured(tmp_path)
    platform = Whole(tmp_path, database_url, workers=())
    try:
        platform.begin("worker", rule="without_takeover")
        runs = platform.submit(3)
        platform.until(lambda: all(row["epoch"] for row in platform.unfinished(runs)))
        platform.signal("worker", signal.SIGKILL)
        platform.alive["worker"].join()
        assert platform.unfinished(runs)
        with pytest.raises(AssertionError, match="it hangs"):
            platform.see_to(lambda: not platform.unfinished(runs), 4)
    finally:
        platform.close()
