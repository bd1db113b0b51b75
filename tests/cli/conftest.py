"""Runs as the platform tells them, for what the CLI makes of them."""

import fcntl
import os
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import groundswell
from groundswell.core.records import Run
from groundswell.core.settings import load

PROGRAM = [str(Path(sys.executable).with_name("groundswell"))]
SAMPLE = Path(groundswell.__path__[0]) / "data" / "sample"
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


def _interruptible() -> None:
    """As a shell does for what it runs in front: tests run in a script's background inherit that Ctrl-C is ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Terminal:
    """A program on a terminal of 80 columns."""

    def __init__(self, words: Sequence[str], folder: Path, environment: Mapping[str, str]) -> None:
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 80, 0, 0))
        self.file, self.shown = ours, ""
        # `setsid --ctty` makes the terminal its own, so that Ctrl-C and hanging up reach it as they do in life
        self.process = subprocess.Popen(
            ["setsid", "--ctty", "--wait", *words],
            cwd=folder,
            env=dict(environment),
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            preexec_fn=_interruptible,
        )
        os.close(theirs)

    def until(self, pattern: str, seconds: float = 90) -> re.Match[str]:
        """Read until it shows something."""
        deadline = time.monotonic() + seconds
        while not (match := re.search(pattern, self.shown)):
            assert time.monotonic() < deadline, f"{pattern!r} did not come within {seconds} s:\n{self.shown}"
            assert self._read(), f"it ended without {pattern!r}:\n{self.shown}"
        return match

    def type(self, text: str) -> None:
        """Press keys."""
        os.write(self.file, text.encode())

    def hang_up(self) -> None:
        """Close the terminal."""
        os.close(self.file)
        self.file = -1

    def ends(self, seconds: float = 60) -> int:
        """Read to its end: the exit code."""
        while self.file >= 0 and self._read():
            pass
        return self.process.wait(seconds)

    def close(self) -> None:
        """End it, however it is."""
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(30)
        if self.file >= 0:
            self.hang_up()

    def _read(self) -> bool:
        if not select.select([self.file], [], [], 60)[0]:
            return False
        try:
            data = os.read(self.file, 2**16)
        except OSError:  # how Linux says that the other end is closed
            return False
        self.shown += data.decode(errors="replace").replace("\r\n", "\n")
        return bool(data)


@dataclass
class Ground:
    """A home of its own for a platform, and a repository to ask about."""

    folder: Path
    repo: Path
    environment: dict[str, str]

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def call(self, *words: str, given: str | None = None, seconds: float = 90) -> subprocess.CompletedProcess[str]:
        """Run the program in the repository, in pipes."""
        return subprocess.run(
            [*PROGRAM, *words],
            cwd=self.repo,
            env=self.environment,
            input=given,
            stdin=subprocess.DEVNULL if given is None else None,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )

    def started(self, *words: str) -> subprocess.Popen[str]:
        """Run the program, without input, while the test goes on."""
        return subprocess.Popen(
            [*PROGRAM, *words],
            cwd=self.repo,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
        )

    def terminal(self, *words: str, folder: Path | None = None) -> Terminal:
        """Run the program on a terminal."""
        return Terminal([*PROGRAM, *words], folder or self.repo, self.environment)


@pytest.fixture(scope="session")
def grounds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Ground]]:
    """New grounds; what still runs on one at the end is stopped."""
    made: list[Ground] = []

    def make() -> Ground:
        folder = tmp_path_factory.mktemp("g")
        repo = folder / "harbour"
        shutil.copytree(SAMPLE, repo, ignore=shutil.ignore_patterns("__pycache__"))
        for words in ("init -q", "add .", "-c user.name=t -c user.email=t@t.invalid commit -qm sample"):
            subprocess.run(["git", "-C", str(repo), *words.split()], check=True, timeout=20)
        environment = {"HOME": str(folder), "PATH": os.environ["PATH"], "TERM": "xterm", "LANG": "C.UTF-8"}
        environment |= {"GROUNDSWELL_DATA": str(folder / "data"), "GROUNDSWELL_GATEWAY__PORT": "0"}
        made.append(Ground(folder, repo, environment))
        return made[-1]

    yield make
    for ground in made:
        assert ground.call("stop").returncode == 0


@pytest.fixture
def ground(grounds: Callable[[], Ground]) -> Ground:
    return grounds()


@pytest.fixture(scope="session")
def running(grounds: Callable[[], Ground]) -> Ground:
    """A ground on which a platform runs behind, with its repository indexed."""
    ground = grounds()
    started = ground.call("up", "-d", "--no-question")
    assert started.returncode == 0, started.stderr
    indexed = ground.call("index")
    assert indexed.returncode == 0, indexed.stderr
    return ground
