"""The built wheel: it holds what the tree tracks and nothing else, and alone in an empty folder it is the platform."""

import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from e2e.program import Home

pytestmark = [pytest.mark.real, pytest.mark.timeout(600), pytest.mark.xdist_group("wheel")]
ROOT = Path(__file__).parents[2]
UV = Path(sys.executable).with_name("uv")
CITATION = re.compile(r"^\[1\] (harbour/\w+\.py):\d+\S*  evidence ([0-9a-f]{8})$", re.M)


def run(*words: str | Path, cwd: Path = ROOT) -> str:
    done = subprocess.run(words, cwd=cwd, capture_output=True, text=True, timeout=400, check=False)
    assert done.returncode == 0, (words, done.stderr)
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run(UV, "build", "--quiet", "--wheel", "--out-dir", folder)
    [built] = folder.glob("*.whl")
    return built


def tracked(*folders: str) -> list[str]:
    return run("git", "ls-files", "--", *folders).splitlines()


def test_the_wheel_holds_every_file_of_the_package_that_is_tracked_and_no_other(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if not name.endswith("/") and ".dist-info/" not in name}
    wanted = {file.removeprefix("src/") for file in tracked("src/groundswell") if (ROOT / file).exists()}
    new = run("git", "ls-files", "--others", "--exclude-standard", "--", "src/groundswell").splitlines()
    assert held == wanted | {file.removeprefix("src/") for file in new}
    for needed in ("migrations/0001_bones.sql", "roles.sql"):
        assert f"groundswell/backends/databases/{needed}" in held
    assert "groundswell/data/sample/harbour/tides.py" in held


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """The wheel and what it needs, in the locked versions, in an environment of its own; and an empty folder."""
    folder = tmp_path_factory.mktemp("i")
    versions = folder / "versions.txt"
    export: Sequence[str] = ("export", "--quiet", "--frozen", "--no-dev", "--no-emit-project", "--no-hashes")
    versions.write_text(run(UV, *export))
    run(UV, "venv", "--quiet", "--python", sys.executable, folder / "venv")
    to = ("--python", folder / "venv")
    run(UV, "pip", "install", "--quiet", *to, "--constraint", versions, wheel, cwd=folder)
    empty = folder / "empty"
    empty.mkdir()
    home = Home(folder, empty, program=(str(folder / "venv" / "bin" / "groundswell"),))
    yield home
    home.close()


def test_alone_in_an_empty_folder_it_starts_answers_and_stops(installed: Home) -> None:
    assert installed.well("--version").stdout.startswith("groundswell ")
    started = installed.well("up", "-d", seconds=300)
    assert "A first question, about a small sample repository:" in started.stdout
    cited = CITATION.search(started.stdout)
    assert cited, started.stdout
    assert installed.well("evidence", cited[2]).stdout.startswith("evidence  ")
    commands = re.findall(r"^  [a-z ]+?  +(\S*groundswell .*)$", started.stdout, re.M)
    assert len(commands) == 7
    asks = [command for command in commands if " ask " in command]
    for command, said in zip(asks, ("harbour/retry.py", "no space left on device", "07:30"), strict=True):
        asked = subprocess.run(
            command,
            shell=True,
            cwd=installed.repo,
            env=installed.environment,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert (asked.returncode, said in asked.stdout) == (0, True), asked
    assert installed.run("doctor").returncode == 0
    assert "stopped" in installed.well("stop").stdout
    installed.nothing_is_left()
    assert list(installed.repo.iterdir()) == []
