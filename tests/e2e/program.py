"""The installed program with a home of its own: no settings, caches or data of whoever runs the tests."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import psutil

import groundswell

PROGRAM = Path(sys.executable).with_name("groundswell")
SAMPLE = Path(groundswell.__path__[0]) / "data" / "sample"
IDENTITY = ("-c", "user.name=t", "-c", "user.email=t@t.invalid")
Done = subprocess.CompletedProcess[str]


def until(true: Callable[[], Any], what: str, seconds: float = 60) -> Any:
    """Wait for a condition and return what it says; a short pause lies between two looks."""
    deadline = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < deadline, f"within {seconds} s it did not come true that {what}"
        signal.sigtimedwait([], 0.02)
    return found


def repository(folder: Path, files: Mapping[str, str | bytes]) -> Path:
    """A Git repository with one commit."""
    for name, content in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
    for words in (("init", "-q"), ("add", "."), (*IDENTITY, "commit", "-qm", "one")):
        subprocess.run(["git", "-C", str(folder), *words], check=True, timeout=30)
    return folder


@dataclass
class Home:
    """A folder with a home, a data directory and a repository, and the program run there."""

    folder: Path
    repo: Path
    program: Sequence[str] = (str(PROGRAM),)
    more: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def environment(self) -> dict[str, str]:
        fixed = {"HOME": str(self.folder), "PATH": os.environ["PATH"], "LANG": "C.UTF-8"}
        return fixed | {"GROUNDSWELL_DATA": str(self.data), "GROUNDSWELL_GATEWAY__PORT": "0"} | self.more

    def run(self, *words: str, given: str | None = None, cwd: Path | None = None, seconds: float = 120) -> Done:
        """Run a command to its end."""
        return subprocess.run(
            [*self.program, *words],
            cwd=cwd or self.repo,
            env=self.environment,
            input=given,
            stdin=subprocess.DEVNULL if given is None else None,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )

    def well(self, *words: str, **options: Any) -> Done:
        """Run a command that must succeed."""
        done = self.run(*words, **options)
        assert done.returncode == 0, (words, done.stdout, done.stderr)
        return done

    def told(self, *words: str, **options: Any) -> Any:
        """The one object that a command with `--json` prints, whatever its exit code."""
        done = self.run(*words, "--json", **options)
        assert done.stdout, (words, done.returncode, done.stderr)
        return json.loads(done.stdout)

    def begin(self, *words: str, **options: Any) -> "subprocess.Popen[str]":
        """Start a command that goes on."""
        options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT} | options
        return subprocess.Popen([*self.program, *words], cwd=self.repo, env=self.environment, text=True, **options)

    @property
    def instance(self) -> dict[str, Any]:
        """What `platform.json` says."""
        return json.loads((self.data / "platform.json").read_text())

    @contextmanager
    def http(self, key: str | None = None) -> Generator[httpx2.Client]:
        """HTTP to the gateway, with the local key unless another is given."""
        instance = self.instance
        headers = {"Authorization": f"Bearer {instance['key'] if key is None else key}"}
        with httpx2.Client(base_url=instance["url"], headers=headers, timeout=60, trust_env=False) as client:
            yield client

    def processes(self) -> list[psutil.Process]:
        """Every process of this data directory: the platform, its helpers and PostgreSQL."""
        return [process for process in psutil.process_iter() if _belongs(process, self.data)]

    def postgres(self) -> psutil.Process:
        """The database server."""
        return psutil.Process(int((self.data / "postgres/data/postmaster.pid").read_text().split()[0]))

    def nothing_is_left(self) -> None:
        """Wait until no process of this data directory is there any more."""
        until(lambda: not self.processes(), f"no process of {self.data} is left", 30)

    def close(self) -> None:
        """End whatever still runs here."""
        self.run("stop")
        for process in self.processes():
            process.kill()


def made(folder: Path, **more: str) -> Home:
    """A home in a folder, with the packaged sample as its repository."""
    repo = folder / "harbour"
    shutil.copytree(SAMPLE, repo, ignore=shutil.ignore_patterns("__pycache__"))
    return Home(folder, repository(repo, {}), more=more)


def _belongs(process: psutil.Process, data: Path) -> bool:
    try:
        if process.status() == psutil.STATUS_ZOMBIE or process.pid == os.getpid():
            return False
        here = str(data)
        return (
            here in " ".join(process.cmdline())
            or process.cwd().startswith(here)
            or process.environ().get("GROUNDSWELL_DATA") == here
        )
    except psutil.Error:
        return False
