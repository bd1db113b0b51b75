"""A cluster's profile: for each part of the platform whether it is ours, already there, or not wanted."""

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import ConfigDict, Field, ValidationError, field_validator

from groundswell.core.errors import ConfigError
from groundswell.core.records import Record
from groundswell.deployment.graph import Addresses, Node, Others, Port, public
from groundswell.deployment.placement import Gpu, NodeClass

PartName = Literal[
    "argocd",
    "cert-manager",
    "gpu-operator",
    "grafana",
    "inference",
    "ingress",
    "keda",
    "postgresql",
    "prometheus",
    "qdrant",
    "search",
    "secrets",
]
_EXISTING = re.compile(r"existing\((?P<where>[^()\s]*)\)")
# what is never ours: it belongs to the cluster, or comes with a later wave
THEIRS = frozenset({"grafana", "ingress", "keda", "prometheus", "search", "secrets"})


class Part(Record):
    """How one part is there: `ours`, `existing(where)` or `none`; and, if it is there, how its pods are known."""

    how: Literal["ours", "existing", "none"]
    where: str = ""
    namespace: dict[str, str] = {}  # labels of its namespace, where its address does not say which one it is
    pods: dict[str, str] = {}
    port: int = 0  # of its pods, where its Service has another

    def node(self, name: str) -> tuple[Node, Port]:
        """It as an end of edges. Raises ConfigError for an address that says nothing."""
        url = urlsplit(self.where)
        host = url.hostname or ""
        port = Port(self.port or url.port or {"http": 80, "https": 443, "postgresql": 5432}.get(url.scheme, 443))
        if self.namespace or self.pods:
            return Others(name, tuple(self.namespace.items()), tuple(self.pods.items())), port
        if inside := re.fullmatch(r"[^.]+\.([^.]+)\.svc(?:\..*)?", host):
            return Others(name, (("kubernetes.io/metadata.name", inside[1]),)), port
        if re.fullmatch(r"[\d.]+", host):
            return Addresses(name, (f"{host}/32",)), port
        if not host:
            hint = f'write {name} = {{ is = "existing(URL)", namespace = {{…}} }}'
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
    """What is declared of one cluster."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    image: str = "localhost/groundswell:0.1.0"
    replicas: int = Field(default=1, ge=1, description="Of gateway, router, agents and models.")
    database: Literal["cnpg", "statefulset"] = Field(default="statefulset", description="How ours runs.")
    storage_class: str = Field(default="", description="Empty: the cluster's default one.")
    storage: dict[str, str] = Field(default={}, description="Sizes of volumes, where the default does not fit.")
    dns: tuple[str, ...] = ("kube-dns", "node-local", "openshift")
    api_server: tuple[str, ...] = Field(default=(), description="Its addresses as blocks; empty: any.")
    monitors: bool = Field(default=False, description="Whether the cluster has the Prometheus operator's kinds.")
    git: tuple[str, ...] = Field(default=(), description="Blocks of Git servers in private networks.")
    parts: dict[PartName, Part] = {}
    models: dict[Literal["planner", "code"], Model] = {}
    gpus: tuple[NodeClass, ...] = Field(default=(), description="The nodes with GPUs: no two claims may need one.")
    lines: dict[str, Any] = Field(default={}, description="What waves must prove here; the checks read it.")

    @field_validator("parts", mode="before")
    @classmethod
    def _parts(cls, value: Mapping[str, Any]) -> dict[str, Any]:
        return {name: _part(name, each) for name, each in value.items()}

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


def _part(name: str, value: Any) -> dict[str, Any]:
    rest = dict(value) if isinstance(value, Mapping) else {}
    written = str(rest.pop("is", "")) if rest else str(value)
    found = _EXISTING.fullmatch(written)
    if found:
        return {"how": "existing", "where": found["where"], **rest}
    if written == "ours" and name in THEIRS:
        raise ValueError(f"{name} is brought by the cluster or by a later wave: write existing(where) or none")
    if written in ("ours", "none"):
        return {"how": written, **rest}
    raise ValueError(f"{name} is {written!r}: write ours, existing(where) or none")


def load(file: Path) -> Profile:
    """A profile. Raises ConfigError."""
    try:
        tree = tomllib.loads(file.read_text(encoding="utf-8"))
        return Profile(name=file.parent.name, **tree)
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
