"""Kill -9 around a real effect that a person approves: one commit on one branch, whoever dies at whatever moment."""

import itertools
import subprocess
import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from psycopg.types.json import Jsonb

from groundswell.runtime import keys
from groundswell.runtime.keys import CallerToken
from write_path.test_faults import Platform

pytestmark = [pytest.mark.faults, pytest.mark.real, pytest.mark.timeout(900)]
AROUND = {
    "tools": ("ask:1", "intent:2", "effect:1", "settle:2"),
    "router": ("decision:1",),
    "worker": ("park:1", "writes:2", "checkpoint:2", "end:1"),
}
POINTS = [
    (role, f"{side}_{point}") for role, points in AROUND.items() for point in points for side in ("before", "after")
]
BUDGET = {"steps": 400, "tool_calls": 400, "tokens": 1, "money": 1, "seconds": 200, "bytes": 10**9}


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    place = tmp_path / "clone"
    place.mkdir()
    (place / "f.txt").write_bytes(b"one\ntwo\n")
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "begin"]):
        git(place, "-c", "user.name=ana", "-c", "user.email=ana@example.org", *words)
    return place


@pytest.fixture
def platform(tmp_path: Path, clone: Path, database_url: str) -> Iterator[Platform]:
    (tmp_path / "config").mkdir()
    policy = f'[tenants.local]\neffects = ["trial_branch"]\nwritable = ["{clone}"]\n'
    (tmp_path / "config" / "policy.toml").write_text(policy)
    started = Platform(tmp_path, database_url)
    yield started
    started.close()


def git(place: Path, *words: str) -> str:
    return subprocess.run(["git", "-C", str(place), *words], capture_output=True, check=True, text=True).stdout.strip()


class Person:
    """Looks at what waits, and approves it; asks again where the router is away."""

    def __init__(self, platform: Platform) -> None:
        token = CallerToken("ana", "local", ("runs", "approve"))
        held = keys.load(platform.folder / "keys", create=True)
        headers = {"Authorization": f"Bearer {held.sign('gateway', token, 3600)}"}
        transport = httpx2.HTTPTransport(uds=str(platform.folder / "sockets" / "router.sock"))
        self.http = httpx2.Client(transport=transport, base_url="http://router", headers=headers, timeout=30)

    def looks(self, run: str) -> None:
        try:
            calls = self.http.get(f"/v1/runs/{run}/approvals").json()
            for call in calls:
                assert call["waits_for"] != "outcome", call
                if call["waits_for"]:
                    decision = {"call": call["call"], "digest": call["digest"], "choice": "approve"}
                    self.http.post(f"/v1/runs/{run}/approvals", json=decision)
        except httpx2.TransportError:
            pass


def submitted(platform: Platform, clone: Path, branch: str) -> str:
    run, source = f"run_{uuid.uuid4().hex[:12]}", f"path:{clone}"
    platform.db.execute(
        """INSERT INTO runs (id, tenant, thread, agent, caller, input, sources, granted, budget)
           VALUES (%s, 'local', %s, 'committer', 'local', %s, %s, %s, %s)""",
        (run, run, Jsonb([{"parts": [{"text": branch}]}]), Jsonb({"repo": source}), Jsonb([source]), Jsonb(BUDGET)),
    )
    return run


def finish(platform: Platform, processes: dict[str, Any], run: str) -> set[str]:
    """See a run to its end, replacing what dies; who died."""
    person, died = Person(platform), set[str]()

    def done() -> bool:
        for role, process in list(processes.items()):
            if not process.is_alive():
                died.add(role)
                processes[role] = platform.worker() if role == "worker" else platform.service(role)
        person.looks(run)
        return not platform.unfinished([run])

    platform.until(done, 120)
    person.http.close()
    return died


def faults(platform: Platform, clone: Path, run: str, branch: str) -> dict[str, int]:
    """Everything that is not as if nothing had happened."""
    wrong: Counter[str] = Counter()
    row = platform.rows("SELECT * FROM runs WHERE id = %s", run)[0]
    calls = platform.rows("SELECT * FROM calls WHERE run = %s", run)
    events = platform.rows("SELECT * FROM events WHERE run = %s ORDER BY number", run)
    kinds = Counter(event["kind"] for event in events)
    wrong["status"] += row["status"] != "succeeded"
    wrong["answer"] += (row["answer"] or {}).get("text") != f"{branch}: f.txt"
    wrong["calls"] += sorted((c["kind"], c["state"]) for c in calls) != [
        ("diff_make", "done"),
        ("trial_branch", "done"),
    ]
    wrong["numbers"] += [e["number"] for e in events] != list(range(1, row["last_event"] + 1))
    wrong["answers"] += kinds["answer"] != 1 or events[-1]["kind"] != "answer"
    decided = [e["body"]["state"] for e in events if e["kind"] == "approval"]
    wrong["approvals"] += decided != ["asked", "approved"]
    wrong["finished calls"] += kinds["call.finished"] != 2
    wrong["started calls"] += kinds["call.started"] != sum(c["attempt"] for c in calls)
    wrong["reserved"] += any(row[f"reserved_{name}"] for name in ("tool_calls", "tokens", "money", "bytes"))
    wrong["commits"] += git(clone, "rev-list", "--count", f"HEAD..{branch}") != "1"
    wrong["file"] += git(clone, "show", f"{branch}:f.txt") != "one\n2"
    return dict(+wrong)


def test_whoever_is_killed_around_an_effect_it_happens_once(platform: Platform, clone: Path):
    number = itertools.count()
    processes = {"tools": platform.tools, "router": platform.processes[0], "worker": platform.worker()}
    for role, point in [("", ""), *POINTS]:
        branch = f"fix-{next(number)}"
        if role:
            processes[role].kill()
            processes[role].join()
            processes[role] = platform.worker(point) if role == "worker" else platform.service(role, point)
        run = submitted(platform, clone, branch)
        died = finish(platform, processes, run)
        if point == "after_end:1":  # it may die when the run has ended already
            platform.until(lambda: not processes["worker"].is_alive())
            died.add("worker")
            processes["worker"] = platform.worker()
        assert died == ({role} if role else set()), f"killed at {point}: {died}"
        assert faults(platform, clone, run, branch) == {}, f"killed at {point}"
    commits = git(clone, "rev-list", "--count", "--all", "--not", "HEAD")
    assert commits == str(next(number))  # no second commit anywhere, on no branch and under no mark
    git(clone, "fsck", "--strict")
