"""The operators that are ours on a cluster, as pinned charts."""

import tomllib
from importlib import resources
from typing import Any

from groundswell.core.records import Record
from groundswell.deployment.profile import PartName, Profile


class Chart(Record):
    """One chart, at one version."""

    name: str
    part: PartName
    repository: str
    chart: str
    version: str
    namespace: str
    values: dict[str, Any] = {}

    def line(self) -> str:
        """The same for people who use helm."""
        where = f"--namespace {self.namespace} --create-namespace"
        return (
            f"helm upgrade --install {self.name} {self.chart} --repo {self.repository} --version {self.version} {where}"
        )


def ours(profile: Profile) -> list[Chart]:
    """Those that a profile calls ours, in the order in which they are needed."""
    text = resources.files("groundswell.deployment").joinpath("charts.toml").read_text(encoding="utf-8")
    found = [Chart(name=name, **each) for name, each in tomllib.loads(text).items()]
    operated = profile.database == "cnpg"
    return [each for each in found if profile.ours(each.part) and (each.part != "postgresql" or operated)]
