"""A platform that `up` started prunes by itself what its settings say, with the rights that its services have."""

from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from e2e.program import Home, until
from groundswell.backends.databases.embedded import ROLE
from groundswell.core.records import PARTS

pytestmark = [pytest.mark.real, pytest.mark.timeout(240)]
SECOND = 1 / 86400
SETTINGS = {
    "EMBEDDINGS__URL": "none:",
    "RETENTION__CHECKPOINTS_HOURS": str(SECOND * 24),
    "RETENTION__CALLS_DAYS": str(SECOND),
    "RETENTION__EVENTS_DAYS": str(SECOND),
    "RETENTION__EVIDENCE_DAYS": str(SECOND),
    "RETENTION__RUNS_DAYS": "2",
    "RETENTION__EVERY_SECONDS": "0.2",
}


def test_what_runs_keep_goes_in_its_time_while_the_platform_runs(homes: Callable[..., Home]) -> None:
    home = homes(**{f"GROUNDSWELL_{name}": value for name, value in SETTINGS.items()})
    home.well("up", "-d", "--no-question")
    old, new = (home.told("ask", "Where is high_waters defined?")["run"] for _ in range(2))
    with home.http() as http:

        def shown() -> dict[str, Any] | None:
            run = http.get(f"/v1/runs/{new}").raise_for_status().json()
            return run if set(run["pruned"]) == set(PARTS) else None

        run = until(shown, "all parts of a run have been pruned")
        assert run["answer"]["text"]
        assert {grave["reason"].rpartition("retention.")[0] != "" for grave in run["pruned"].values()} == {True}
        assert len(http.get("/v1/runs").json()["runs"]) == 2
        url = f"postgresql://{ROLE}@/postgres?host={home.data / 'postgres' / 'data'}"
        with psycopg.connect(url, autocommit=True) as database:
            database.execute("UPDATE groundswell.runs SET ended = ended - interval '2 days' WHERE id = %s", (old,))
        until(lambda: http.get(f"/v1/runs/{old}").status_code == 404, "a run that is too old is gone")
        assert [each["id"] for each in http.get("/v1/runs").json()["runs"]] == [new]
    home.well("stop")
