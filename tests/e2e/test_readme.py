"""Every command that people are shown runs as it is printed: in README's tour, and under what to try next."""

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from e2e.program import Home

pytestmark = [pytest.mark.real, pytest.mark.timeout(300), pytest.mark.xdist_group("readme")]
ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```console\n(.*?)^```$", README, re.M | re.S)
COMMANDS = list(dict.fromkeys(line[2:] for block in BLOCKS for line in block.splitlines() if line.startswith("$ ")))
TOUR = [command for command in COMMANDS if not command.startswith("make")]
ENDS_WELL = (0, 3)  # 3: an evidence or a run of the machine on which the README was made is not found here


@pytest.fixture(scope="module")
def started(homes: Callable[..., Home]) -> tuple[Home, str]:
    """A first start in this checkout, and what it printed."""
    home = homes()
    return home, home.well("up", "-d", cwd=ROOT, seconds=240).stdout


def run(home: Home, command: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        command, shell=True, cwd=ROOT, env=home.environment, capture_output=True, text=True, timeout=120, check=False
    )


def test_readme_has_a_tour_of_five_commands_at_least() -> None:
    assert len(TOUR) >= 5
    assert any(" ask " in command for command in TOUR)


@pytest.mark.parametrize("command", TOUR)
def test_every_command_of_the_tour_runs_as_printed(started: tuple[Home, str], command: str) -> None:
    done = run(started[0], command)
    assert done.returncode in ENDS_WELL, done
    assert "Traceback" not in done.stderr
    if " ask " in command:
        assert (done.returncode, "[1] " in done.stdout) == (0, True), done


def test_every_command_to_try_next_runs_as_printed(started: tuple[Home, str]) -> None:
    home, said = started
    assert "A first question, about this checkout:" in said
    commands = re.findall(r"^  [a-z ]+?  +(\S*groundswell .*)$", said.partition("Try next:")[2], re.M)
    assert len(commands) == 7, said
    for command in commands:
        done = run(home, command)
        assert done.returncode == 0, (command, done)


def test_every_target_of_make_that_readme_names_is_there() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    named = set(re.findall(r"^(?:\$ )?make ([a-z-]+)", README, re.M))
    assert {"up", "test"} <= named
    assert named <= targets
