"""Runs as the platform tells them, for what the CLI makes of them."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from groundswell.core.records import Run
from groundswell.core.settings import load

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.fixture
def a_run() -> Callable[..., Run]:
    def make(**values: Any) -> Run:
        given: dict[str, Any] = {
            "id": "run_1",
            "tenant": "local",
            "thread": "thread_1",
            "agent": "coding",
            "caller": "local",
            "input": [{"parts": [{"text": "Where is the retry policy defined?"}]}],
            "status": "succeeded",
            "created": NOW,
        }
        return Run.model_validate(given | values)

    return make


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home, and an empty folder in it to work in."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("XDG_DATA_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GROUNDSWELL_DATA", str(tmp_path / "data"))
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    assert load().settings.data == tmp_path / "data"
    return tmp_path
