"""Every suite asked three times, by processes that hash differently and build all anew: the same answers, to a byte."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from incidents.judge import HELD_OUT, TUNED, cases
from questions.suite import questions

ROOT = Path(__file__).parents[1]
SIZES = {"router": 300, "observability": len(list(cases(TUNED, *HELD_OUT))), "web": len(questions())}
ALL, SOME = 1, 8  # every question, every eighth


@pytest.mark.real
@pytest.mark.timeout(900)
@pytest.mark.parametrize("suite", SIZES)
@pytest.mark.parametrize("every", [pytest.param(ALL, marks=pytest.mark.long), SOME])
def test_three_processes_give_the_same_answers(suite: str, every: int, tmp_path: Path) -> None:
    said: list[bytes] = []
    for seed in ("1", "2", "3"):  # of Python's hashes: the order of sets and of what is made from them
        file = tmp_path / f"{seed}.json"
        own = {"PYTHONHASHSEED": seed, "PYTHONPATH": f"{ROOT / 'tests'}:{ROOT / 'bench'}"}
        words = [sys.executable, str(ROOT / "tests" / "every_suite.py"), suite, str(file), str(every)]
        subprocess.run(words, env=os.environ | own, check=True, timeout=300)
        said.append(file.read_bytes())
    assert said[0] == said[1] == said[2]
    assert len(json.loads(said[0])) >= SIZES[suite] // every
