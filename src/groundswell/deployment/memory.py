"""Whether a model fits on its GPUs: weights, and keys and values at the declared concurrency, shown as arithmetic."""

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

from pydantic import Field

from groundswell.core.errors import ConfigError
from groundswell.core.records import Record
from groundswell.deployment.profile import Model

GIB = 2**30


class Engine(Record):
    """vLLM, and the flags that are set for all."""

    image: str
    tag: str
    gpu_memory_utilization: float = Field(gt=0, lt=1)
    batched_tokens: int
    queued_requests: int
    shutdown_seconds: int
    overhead_gib: float


class Known(Record):
    """A model that is known: where its weights are, and what it needs."""

    repository: str
    weights_gb: float
    layers: int
    kv_heads: int
    head: int
    kv_bytes: int = 2  # of one value: 16 bits
    tools: str = ""  # vLLM's parser of tool calls
    reasoning: str = ""

    @property
    def token_bytes(self) -> int:
        """Keys and values of one token, over all layers."""
        return 2 * self.layers * self.kv_heads * self.head * self.kv_bytes


class Table(Record):
    """All of `inference.toml`."""

    engine: Engine
    models: dict[str, Known]
    examples: dict[str, dict[str, Model]]


class Sum(Record):
    """The arithmetic of one model on one GPU of its set, in GiB."""

    role: str
    name: str
    gpus: int
    card: float
    usable: float
    weights: float
    overhead: float
    tokens: int
    keys_and_values: float

    @property
    def left(self) -> float:
        """What stays."""
        return self.usable - self.weights - self.overhead - self.keys_and_values

    def lines(self) -> list[str]:
        """For people."""
        each = "" if self.gpus == 1 else f", on each of {self.gpus}"
        return [
            f"{self.role}: {self.name}{each}",
            f"  usable          {self.usable:7.1f} GiB   of a card with {self.card:.1f}",
            f"  weights         {self.weights:7.1f} GiB",
            f"  engine          {self.overhead:7.1f} GiB",
            f"  keys and values {self.keys_and_values:7.1f} GiB   {self.tokens:,} tokens at once",
            f"  left            {self.left:7.1f} GiB",
        ]


@cache
def table() -> Table:
    """The models and the engine that are pinned."""
    text = resources.files("groundswell.deployment").joinpath("inference.toml").read_text(encoding="utf-8")
    return Table(**tomllib.loads(text))


def known(name: str) -> Known:
    """A model by its name here. Raises ConfigError."""
    models = table().models
    if name not in models:
        raise ConfigError("unknown_model", f"there is no model {name!r}", f"known: {', '.join(sorted(models))}")
    return models[name]


def counted(role: str, model: Model) -> Sum:
    """What a model takes of each of its GPUs. Tensor parallelism splits weights, and heads as far as there are any."""
    found, engine = known(model.name), table().engine
    gpus = model.gpu.count
    tokens = model.concurrency * model.context
    card = model.gpu.mebibytes / 1024
    return Sum(
        role=role,
        name=model.name,
        gpus=gpus,
        card=card,
        usable=card * engine.gpu_memory_utilization,
        weights=found.weights_gb * 1e9 / GIB / gpus,
        overhead=engine.overhead_gib,
        tokens=tokens,
        keys_and_values=tokens * found.token_bytes / GIB / min(gpus, found.kv_heads),
    )


def checked(models: Mapping[Any, Model]) -> list[Sum]:
    """The sums of all. Raises ConfigError for one that does not fit, saying what would."""
    sums = [counted(role, model) for role, model in models.items()]
    for each in sums:
        if each.left < 0:
            fits = max(0, int(each.tokens * (1 + each.left / each.keys_and_values)))
            hint = f"at most {fits:,} tokens at once fit: lower concurrency or context, or give it more GPUs"
            lines = "\n".join(each.lines())
            raise ConfigError("model_too_large", f"{each.name} does not fit as {each.role}:\n{lines}", hint)
    return sums
