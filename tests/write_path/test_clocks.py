"""A process has its clock an hour off: leases do not care, a refused token ends typed, and nothing is done twice."""

import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from groundswell.core.records import NewRun
from write_path import trial
from write_path.test_every_process import configured, material
from write_path.test_faults import faults
from write_path.whole import KINDS, Whole

pytestmark = [pytest.mark.faults, pytest.mark.real, pytest.mark.timeout(600)]
HOUR = 3600.0
# whose token another process then takes for one whose time is over
REFUSED = {
    ("worker", -HOUR),  # its own, at the router
    ("router", HOUR),  # a worker's, and a caller's
    ("router", -HOUR),  # a run's, at the tools service
    ("tools", HOUR),
    ("gateway", -HOUR),  # a caller's
}


@pytest.fixture
def platform(tmp_path: Path, database_url: str) -> Iterator[Whole]:
    configured(tmp_path)
    started = Whole(tmp_path, database_url, lease=10)  # none is over because this machine is slow
    yield started
    started.close()


def asked(platform: Whole, request: NewRun) -> httpx2.Response:
    with httpx2.Client(base_url=platform.url_of_gateway, timeout=60, trust_env=False) as http:
        return http.post("/v1/runs", json=request.model_dump(mode="json"))


def test_a_clock_an_hour_off_makes_no_run_twice_and_its_refusals_have_a_name(platform: Whole, tmp_path: Path) -> None:
    request = material(tmp_path)["coding"]
    refused: set[tuple[str, float]] = set()
    for kind in KINDS:
        for off in (HOUR, -HOUR):
            platform.clocks = {kind: off}
            platform.signal(kind, signal.SIGKILL)
            platform.alive[kind].join()
            platform.supervise()
            reply = asked(platform, request)
            runs = platform.submit(2)
            platform.until(lambda runs=runs: not platform.unfinished(runs), 60)
            rows = platform.rows("SELECT status, reason, epoch FROM runs WHERE id = ANY(%s)", runs)
            if reply.status_code == 401:
                assert reply.json()["code"] == "token_expired"
                assert "clocks" in reply.json()["hint"]
                refused.add((kind, off))
            else:
                assert reply.status_code == 201, reply.text
                accepted = [reply.json()["id"]]
                platform.until(lambda accepted=accepted: not platform.unfinished(accepted), 60)
                rows += platform.rows("SELECT status, reason, epoch FROM runs WHERE id = ANY(%s)", accepted)
            for row in rows:
                assert row["epoch"] == 1, "a lease does not end for a clock"
                assert (row["status"], row["reason"]) in (("succeeded", ""), ("failed", "token_expired")), (kind, off)
            if any(row["status"] == "failed" for row in rows):
                refused.add((kind, off))
            if (kind, off) not in REFUSED:
                assert faults(platform, runs) == {}, (kind, off)
            platform.clocks = {}
            platform.signal(kind, signal.SIGKILL)
            platform.alive[kind].join()
            platform.supervise()
    # the models service is asked by the coding agent alone
    assert refused - {("models", HOUR)} == REFUSED
    assert max(Counter(trial.lines("effects.log")).values()) == 1
    assert max(Counter(line.split()[0] for line in trial.lines("executions.log")).values()) == 1
    runs = platform.submit(2)
    platform.until(lambda: not platform.unfinished(runs))
    assert faults(platform, runs) == {}
