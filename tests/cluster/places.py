"""Where the tests' cluster comes from. One interface hides which it is: boot, load an image, tell the kubeconfig, end.

`Given` is a cluster that people name, `Kind` is one that kind makes in Docker, and `Local` is one that a program on
this machine boots by itself: `PROGRAM up --name N [--with A,B]` prints `export` lines for a shell, `PROGRAM load FILE`
imports an image, `PROGRAM fake-nodes` adds nodes that run nothing, `PROGRAM push FOLDER` brings a repository to the Git
server of its add-on `argocd`, whose address `PROGRAM git-url` tells, `PROGRAM down --name N --wipe` ends it all.
"""

import re
import shlex
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from groundswell.core.errors import ConfigError, Unavailable

NAME = "groundswell-test"
BOOT_SECONDS = 600


@dataclass(frozen=True)
class Booted:
    """A cluster that answers."""

    kubeconfig: Path
    programs: str = ""  # a folder with its own kubectl, to be looked at first


class Place(Protocol):
    """A cluster to be."""

    addons: Sequence[str]  # what of the add-ons that were asked for it has

    def boot(self, *, fresh: bool) -> Booted:
        """Bring it up, and wait until it answers; if not `fresh`, one of a run before is as good."""
        ...

    def load(self, archive: Path) -> None:
        """Bring an image to its nodes, so that no registry is asked."""
        ...

    def down(self) -> None:
        """End it. What was there before it stays."""
        ...


@dataclass
class Given:
    """A cluster that is there, with our image where it finds it. It stays; what the tests made there goes."""

    kubeconfig: Path
    addons: Sequence[str] = ()

    def boot(self, *, fresh: bool) -> Booted:
        if not self.kubeconfig.is_file():
            raise ConfigError("no_kubeconfig", f"there is no {self.kubeconfig}", "name a kubeconfig: CLUSTER=FILE")
        return Booted(self.kubeconfig)

    def load(self, archive: Path) -> None:
        raise ConfigError("not_loadable", f"{archive} cannot be loaded into a cluster of others", "push it to them")

    def down(self) -> None:
        """It is not ours to end."""


@dataclass
class Kind:
    """A cluster in Docker."""

    folder: Path
    addons: Sequence[str] = ()

    def boot(self, *, fresh: bool) -> Booted:
        kubeconfig = self.folder / "kubeconfig"
        if not fresh and NAME in run("kind", "get", "clusters").split():
            run("kind", "export", "kubeconfig", "--name", NAME, "--kubeconfig", str(kubeconfig))
        else:
            run("kind", "create", "cluster", "--name", NAME, "--kubeconfig", str(kubeconfig), "--wait", "300s")
        return Booted(kubeconfig)

    def load(self, archive: Path) -> None:
        run("kind", "load", "image-archive", str(archive), "--name", NAME)

    def down(self) -> None:
        run("kind", "delete", "cluster", "--name", NAME, "--kubeconfig", str(self.folder / "kubeconfig"))


@dataclass
class Local:
    """A cluster that a program on this machine boots."""

    program: str
    addons: Sequence[str] = ()
    name: str = NAME
    said: dict[str, str] = field(default_factory=dict[str, str])

    def boot(self, *, fresh: bool) -> Booted:
        if fresh:  # of a run that was ended before it could end its own
            run(self.program, "down", "--name", self.name, "--wipe")
        more = ("--with", ",".join(self.addons)) if self.addons else ()
        exported = run(self.program, "up", "--name", self.name, *more)
        self.said = {name: shlex.split(value)[0] for name, value in re.findall(r"^export (\w+)=(.*)$", exported, re.M)}
        return Booted(Path(self.said["KUBECONFIG"]), self.said.get("PATH", "").partition(":")[0])

    def load(self, archive: Path) -> None:
        run(self.program, "load", "--name", self.name, str(archive))

    def play(self, gpu: str) -> None:
        """Add a node that runs nothing and has GPUs by its word: PRODUCT:COUNT:MIB; empty: they all go."""
        words = ("1", "--gpu", gpu) if gpu else ("--remove",)
        run(self.program, "fake-nodes", "--name", self.name, *words)

    def push(self, folder: Path) -> None:
        """Bring a repository's HEAD to the Git server that Argo CD reads."""
        run(self.program, "push", "--name", self.name, str(folder))

    def git_url(self) -> str:
        """That server's address in the cluster."""
        return run(self.program, "git-url", "--name", self.name).strip()

    def down(self) -> None:
        run(self.program, "down", "--name", self.name, "--wipe")


def chosen(kubeconfig: str, program: str, folder: Path, addons: Sequence[str]) -> Place:
    """The place that was named on the line; else one by kind. The ambient KUBECONFIG is never looked at."""
    if kubeconfig:
        return Given(Path(kubeconfig))
    if program:
        return Local(program, addons)
    if shutil.which("kind") and subprocess.run(["docker", "info"], capture_output=True, check=False).returncode == 0:
        return Kind(folder)
    raise ConfigError(
        "no_cluster",
        "there is no cluster to test on: none was named, and kind with a Docker that runs is not here",
        "make test-cluster CLUSTER=FILE (a kubeconfig), or install https://kind.sigs.k8s.io",
    )


def run(*words: str, seconds: float = BOOT_SECONDS) -> str:
    """What a command prints. Raises Unavailable with what it said."""
    done = subprocess.run(words, capture_output=True, text=True, timeout=seconds, check=False)
    if done.returncode:
        said = " ".join((done.stderr or done.stdout).split())[-800:]
        raise Unavailable("cluster_program_failed", f"{Path(words[0]).name} {words[1]}: {said}")
    return done.stdout
