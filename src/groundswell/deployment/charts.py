"""The operators that are ours, as pinned charts: for Argo CD and for helm the same pins and values."""

import json
import shlex
import shutil
import subprocess
import tomllib
from collections.abc import Callable, Sequence
from importlib import resources
from typing import Any

from groundswell.core.errors import ConfigError, Unavailable
from groundswell.core.records import Record
from groundswell.deployment.kubectl import Kubectl
from groundswell.deployment.profile import PartName, Profile

Say = Callable[[str], None]


class Chart(Record):
    """One chart, at one version."""

    name: str
    part: PartName
    repository: str
    chart: str
    version: str
    namespace: str
    values: dict[str, Any] = {}

    def words(self) -> list[str]:
        """What helm is told."""
        found = ["upgrade", "--install", self.name, self.chart, "--repo", self.repository, "--version", self.version]
        found += ["--namespace", self.namespace, "--create-namespace"]
        for key, value in self.values.items():
            found += ["--set-json", f"{key}={json.dumps(value, separators=(',', ':'))}"]
        return found

    def line(self) -> str:
        """The same for people who use helm."""
        return shlex.join(["helm", *self.words()])


def ours(profile: Profile) -> list[Chart]:
    """Those that a profile calls ours, in the order in which they are needed."""
    text = resources.files("groundswell.deployment").joinpath("charts.toml").read_text(encoding="utf-8")
    found = [Chart(name=name, **each) for name, each in tomllib.loads(text).items()]
    operated = profile.database == "cnpg"
    return [each for each in found if profile.ours(each.part) and (each.part != "postgresql" or operated)]


def helm(charts: Sequence[Chart]) -> str:
    """The program that brings charts. Raises ConfigError with what it would do, where it is not there."""
    program = shutil.which("helm")
    if program is None and charts:
        lines = "\n".join(f"  {each.line()}" for each in charts)
        raise ConfigError(
            "no_helm",
            f"this profile calls {', '.join(each.name for each in charts)} ours, and helm is not there to bring them",
            f"install helm; or run these elsewhere, and say existing(NAMESPACE) in the profile:\n{lines}",
            charts=[each.line() for each in charts],
        )
    return program or ""


def install(charts: Sequence[Chart], kubectl: Kubectl, say: Say, *, seconds: int = 600) -> None:
    """Bring charts, or bring them up to date, and wait until they stand. Raises ConfigError, Unavailable."""
    program = helm(charts)
    where = [f"--kubeconfig={kubectl.kubeconfig}"] if kubectl.kubeconfig else []
    where += [f"--kube-context={kubectl.context}"] if kubectl.context else []
    for each in charts:
        line = [program, *each.words(), *where, "--wait", f"--timeout={seconds}s"]
        try:
            done = subprocess.run(line, capture_output=True, text=True, timeout=seconds + 30, check=False)  # noqa: S603
        except subprocess.TimeoutExpired as error:
            raise _failed(each, f"it did not end in {seconds} s") from error
        if done.returncode:
            raise _failed(each, " ".join(done.stderr.split())[-600:])
        say(f"chart {each.name} {each.version} stands in {each.namespace}")


def _failed(chart: Chart, why: str) -> Unavailable:
    return Unavailable("chart_not_installed", f"the chart {chart.name} {chart.version}: {why}", chart.line())
