"""`wordllama:` – the static model that comes inside its own package: no download, a fifth of the memory, less sense."""

import importlib
import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

from groundswell.backends.models.embeddings_resident import Resident
from groundswell.core.errors import Unavailable


class WordLlamaEmbedder:
    """Mean of word vectors, 256 dimensions."""

    scheme: ClassVar[str] = "wordllama"
    name: str = "wordllama-l2-supercat-256"
    dimensions: int = 256

    def __init__(self, *, idle_seconds: float = 300.0) -> None:
        self._resident: Resident[Any] = Resident(_load, idle_seconds)

    @property
    def loaded(self) -> bool:
        """Whether the model is in memory."""
        return self._resident.loaded

    async def embed(self, texts: Sequence[str], *, kind: Literal["document", "query"]) -> list[list[float]]:
        """One vector a text, in order."""
        return await self._resident.embed(texts, lambda model, batch: model.embed(batch, norm=True).tolist())

    async def close(self) -> None:
        """Let the model go."""
        await self._resident.close()


def installed() -> bool:
    """Whether the package is there; it has no wheel for Linux on ARM."""
    return importlib.util.find_spec("wordllama") is not None


def _load() -> Any:
    try:
        package: Any = importlib.import_module("wordllama")
        # without these two it asks a model hub for files that lie in the package
        return package.WordLlama.load(cache_dir=Path(package.__file__).parent, disable_download=True)
    except (ImportError, OSError) as error:
        raise Unavailable(
            "wordllama_missing",
            f"the bundled embedding model cannot be loaded: {error}",
            "install the package wordllama, or name another embedder in [embeddings] url",
        ) from error
