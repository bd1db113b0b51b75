"""Everything that is rendered below `deploy/`: each file by its path, and whether what is there is the same."""

import tomllib
from collections.abc import Mapping
from pathlib import Path

from groundswell.core.errors import ConfigError
from groundswell.core.settings import PolicyFile
from groundswell.deployment import all_in_one, argocd, layout, profile
from groundswell.deployment.objects import RENDERED, as_yaml
from groundswell.deployment.placement import Claim, planned

ALL_IN_ONE = "all-in-one"


def files(folder: Path) -> dict[str, str]:
    """Path below `deploy/` → its text. Raises ConfigError for a profile that cannot be."""
    found = layout.waves() | layout.components()
    found[f"clusters/{ALL_IN_ONE}/platform.yaml"] = as_yaml(all_in_one.rendered())
    for name in names(folder):
        described = cluster(folder, name)
        found |= layout.cluster(described)
        if argocd.wanted(described.profile):  # applied by `groundswell bootstrap`, by no wave
            found[f"bootstrap/{name}.yaml"] = as_yaml(argocd.root(described))
    return dict(sorted(found.items()))


def names(folder: Path) -> list[str]:
    """The clusters that have a profile, but for the one that is one pod."""
    there = sorted(file.parent.name for file in folder.glob("clusters/*/profile.toml"))
    if not there:
        raise ConfigError("no_profile", f"there is no clusters/NAME/profile.toml below {folder}", "name it: --into DIR")
    return [name for name in there if name != ALL_IN_ONE]


def cluster(folder: Path, name: str) -> layout.Cluster:
    """A cluster's profile and policies; its own `policy.toml` stands in for that of all. Raises ConfigError."""
    described = folder / "clusters" / name / "profile.toml"
    found = profile.load(described)
    for role in found.models.values():
        if role.gpu.share != "exclusive":
            raise ConfigError(
                "shared_gpu", f"{name}: {role.name} shares its GPUs", 'an engine takes whole ones: share = "exclusive"'
            )
    claims = [Claim(role, model.gpu) for role, model in found.models.items() for _ in range(model.replicas)]
    if claims and found.gpus:
        planned(claims, found.gpus)
    own, common = folder / "clusters" / name / "policy.toml", folder / "policy.toml"
    file = own if own.is_file() else common
    text = file.read_text(encoding="utf-8") if file.is_file() else ""
    return layout.Cluster(found, PolicyFile(**tomllib.loads(text)), text, described.read_text(encoding="utf-8"))


def drifted(folder: Path, rendered: Mapping[str, str]) -> list[str]:
    """The rendered files that are missing below a folder, differ, or are there though nothing renders them any more."""
    missing = {name for name, text in rendered.items() if not _same(folder / name, text)}
    return sorted(missing | left_over(folder, rendered))


def left_over(folder: Path, rendered: Mapping[str, str]) -> set[str]:
    """Files that say they are rendered and are not."""
    there = {str(file.relative_to(folder)): file for file in folder.rglob("*.yaml")}
    return {name for name, file in there.items() if name not in rendered and _claims(file)}


def write(folder: Path, rendered: Mapping[str, str]) -> list[str]:
    """Write what differs, and remove what is left over; returns the names of both."""
    names = drifted(folder, rendered)
    for name in names:
        file = folder / name
        if name not in rendered:
            file.unlink()
            continue
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(rendered[name], encoding="utf-8")
    return names


def _same(file: Path, text: str) -> bool:
    return file.is_file() and file.read_text(encoding="utf-8") == text


def _claims(file: Path) -> bool:
    return file.read_text(encoding="utf-8").startswith(RENDERED)
