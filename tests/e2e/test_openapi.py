"""Whatever its OpenAPI document allows and much that it does not, a platform answers without an error of its own."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from e2e.program import Home

SCHEMATHESIS = Path(sys.executable).with_name("st")
pytestmark = [pytest.mark.real, pytest.mark.xdist_group("openapi")]


def tried(home: Home, *options: str) -> dict[str, Any]:
    """Requests from the document to a platform that `up` started; no error may be in its log."""
    home.well("up", "-d", "--no-question")
    there, report = home.instance, home.folder / "report.json"
    words = [str(SCHEMATHESIS), "run", f"{there['url']}/openapi.json", "-H", f"Authorization: Bearer {there['key']}"]
    words += ["-c", "not_a_server_error", "--continue-on-failure", "--request-timeout", "30"]
    words += ["--generation-database", "none", "--report", "json", "--report-json-path", str(report), *options]
    done = subprocess.run(
        words, cwd=home.folder, env=home.environment, capture_output=True, text=True, timeout=1000, check=False
    )
    assert done.returncode == 0, done.stdout[-8000:]
    log = Path(there["log"]).read_text().splitlines()
    errors = [line for line in log if '"level": "error"' in line or "Traceback" in line]
    assert errors == []
    home.well("stop")
    return json.loads(report.read_text())


def bounds(**more: str) -> dict[str, str]:
    return {"GROUNDSWELL_EMBEDDINGS__URL": "none:", "GROUNDSWELL_GATEWAY__REQUESTS_PER_MINUTE": "100000", **more}


@pytest.mark.timeout(300)
def test_no_request_is_answered_by_a_server_error(homes: Callable[..., Home]) -> None:
    report = tried(homes(**bounds()), "--seed", "1", "--max-examples", "3", "--phases", "examples,coverage,fuzzing")
    assert report["operations"]["tested"] == report["operations"]["total"] > 20
    assert report["test_cases"]["generated"] > 100
    accepted = {name: sum(n["accepted"] for n in phases.values()) for name, phases in report["valid_rates"].items()}
    assert accepted["POST /v1/runs"] >= 1  # what lies behind the check of a request was reached, too
    assert accepted["POST /v1/keys"] >= 1


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_no_request_of_very_many_is_answered_by_a_server_error(homes: Callable[..., Home]) -> None:
    tried(homes(**bounds()), "--max-time", "600")
