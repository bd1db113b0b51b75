"""A cluster's profile: for each part of the platform whether it is ours, already there, or not wanted."""

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, ValidationError, field_validator

from groundswell.core.errors import ConfigError
from groundswell.core.records import Record
from groundswell.deployment import names
from groundswell.deployment.graph import Addresses, Node, Others, Port, public
from groundswell.deployment.placement import Gpu, NodeClass

PartName = Literal[
    "argocd",
    "cert-manager",
    "git",
    "gpu-operator",
    "grafana",
    "inference",
    "ingress",
    "keda",
    "kubernetes",
    "postgresql",
    "prometheus",
    "qdrant",
    "search",
    "secrets",
]
_EXISTING = re.compile(r"existing\((?P<where>[^()\s]*)\)")
_PORTS = {"http": 80, "https": 443, "postgresql": 5432, "qdrant": 6333}
# what is never ours: it belongs to the cluster, or comes with a later wave
THEIRS = frozenset({"git", "grafana", "ingress", "keda", "kubernetes", "prometheus", "search", "secrets"})


class Reach(Record):
    """How the pods of an existing part are known, where its address does not tell."""

    namespace: dict[str, str] = {}  # labels of its namespace
    pods: dict[str, str] = {}
    port: int = 0  # of its pods, where its Service has another


class Part(Record):
    """How one part is there: `ours`, `existing(where)` or `none`."""

    how: Literal["ours", "existing", "none"]
    where: str = ""
    reach: Reach = Reach()

    def node(self, name: str) -> tuple[Node, Port]:
        """It as an end of edges. Raises ConfigError for an address that says nothing."""
        url = urlsplit(re.sub(r"^qdrant:(?=https?:)", "", self.where))
        host = url.hostname or ""
        port = Port(self.reach.port or url.port or _PORTS.get(url.scheme, 443))
        if self.reach.namespace or self.reach.pods:
            return Others(name, tuple(self.reach.namespace.items()), tuple(self.reach.pods.items())), port
        if inside := re.fullmatch(r"[^.]+\.([^.]+)\.svc(?:\..*)?", host):
            return Others(name, (("kubernetes.io/metadata.name", inside[1]),)), port
        if re.fullmatch(r"[\d.]+", host):
            return Addresses(name, (f"{host}/32",)), port
        if not host:
            hint = f'write {name} = "existing(URL)", or how its pods are known: [deployment.reach.{name}]'
            raise ConfigError("no_address", f"the profile does not say where {name} is", hint)
        return public(name), port


class Model(Record):
    """A model that vLLM serves in a role."""

    name: str = Field(description="As in the table of models that are known.")
    gpu: Gpu
    replicas: int = Field(default=1, ge=1)
    concurrency: int = Field(default=16, ge=1, description="Sequences at once: --max-num-seqs.")
    context: int = Field(default=32768, ge=1024, description="Tokens of one sequence: --max-model-len.")


class Profile(Record):
    """What is deployed on one cluster: `[parts]` and `[deployment]` of its profile; the rest is what waves prove."""

    name: str
    repository: str = Field(default="", description="The Git repository that Argo CD reads; its `deploy/` is this one.")
    revision: str = Field(default="main", description="The branch of it.")
    image: str = "localhost/groundswell:0.1.0"
    replicas: int = Field(default=1, ge=1, description="Of gateway, router, agents and models.")
    database: Literal["cnpg", "statefulset"] = Field(default="statefulset", description="How ours runs.")
    storage_class: str = Field(default="", description="Empty: the cluster's default one.")
    storage: dict[str, str] = Field(default={}, description="Sizes of volumes, where the default does not fit.")
    dns: tuple[str, ...] = names.USUAL
    api_server: tuple[str, ...] = Field(default=(), description="Its addresses as blocks; empty: any.")
    monitors: bool = Field(default=False, description="Whether the cluster has the Prometheus operator's kinds.")
    git: tuple[str, ...] = Field(default=(), description="Blocks of Git servers in private networks.")
    parts: dict[PartName, Part] = {}
    models: dict[Literal["planner", "code"], Model] = {}
    gpus: tuple[NodeClass, ...] = Field(default=(), description="The nodes with GPUs: no two claims may need one.")

    @field_validator("parts", mode="before")
    @classmethod
    def _parts(cls, value: Mapping[str, Any]) -> dict[str, Any]:
        return {name: _part(name, str(each), {}) if isinstance(each, str) else each for name, each in value.items()}

    def part(self, name: PartName) -> Part:
        """How a part is there; what is not named is not wanted."""
        return self.parts.get(name, Part(how="none"))

    def ours(self, name: PartName) -> bool:
        """Whether we bring it."""
        return self.part(name).how == "ours"

    def existing(self, name: PartName) -> Part | None:
        """The part, if it is there already."""
        part = self.part(name)
        return part if part.how == "existing" else None


def _part(name: str, written: str, reach: Mapping[str, Any]) -> dict[str, Any]:
    if found := _EXISTING.fullmatch(written):
        return {"how": "existing", "where": found["where"], "reach": reach}
    if written == "ours" and name in THEIRS:
        raise ValueError(f"{name} is brought by the cluster or by a later wave: write existing(where) or none")
    if written in ("ours", "none"):
        return {"how": written}
    raise ValueError(f"{name} is {written!r}: write ours, existing(where) or none")


def load(file: Path) -> Profile:
    """A cluster's profile. Raises ConfigError."""
    try:
        tree = tomllib.loads(file.read_text(encoding="utf-8"))
        deployment = dict(tree.get("deployment", {}))
        reach = deployment.pop("reach", {})
        parts = {name: _part(name, str(each), reach.get(name, {})) for name, each in tree.get("parts", {}).items()}
        return Profile.model_validate({"name": file.parent.name, "parts": parts, **deployment})
    except FileNotFoundError as error:
        there = sorted(each.parent.name for each in file.parent.parent.glob("*/profile.toml"))
        hint = f"there are: {', '.join(there)}" if there else "name the folder of the manifests: --from DIR"
        raise ConfigError("no_profile", f"there is no {file}", hint) from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError("bad_toml", f"{file} is not TOML: {error}") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ConfigError("bad_profile", f"{file}, {where}: {first['msg']}") from error
    except ValueError as error:
        raise ConfigError("bad_profile", f"{file}: {error}") from error
