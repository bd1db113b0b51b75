"""`minilm:` – all-MiniLM-L6-v2 in 8-bit integers through onnxruntime, from files that `minilm_build` made."""

import importlib
import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

from groundswell.backends.models.embeddings_resident import Resident
from groundswell.core.errors import Unavailable

MODEL, TOKENIZER = "model.int8.onnx", "tokenizer.json"
LONGEST = 256  # tokens; what the model was trained on
PACKAGES = ("numpy", "onnxruntime", "tokenizers")


class MiniLMEmbedder:
    """384 dimensions, about 90 texts a second on two cores."""

    scheme: ClassVar[str] = "minilm"
    name: str = "minilm-l6-v2-int8"
    dimensions: int = 384

    def __init__(self, folder: Path, *, threads: int = 2, idle_seconds: float = 300.0) -> None:
        self._resident: Resident[_Session] = Resident(lambda: _Session(folder, threads), idle_seconds)

    @property
    def loaded(self) -> bool:
        """Whether the model is in memory."""
        return self._resident.loaded

    async def embed(self, texts: Sequence[str], *, kind: Literal["document", "query"]) -> list[list[float]]:
        """One vector a text, in order; of a long text its first 256 tokens."""
        return await self._resident.embed(texts, lambda session, batch: session.run(batch))

    async def close(self) -> None:
        """Let the model go."""
        await self._resident.close()


def missing_packages() -> list[str]:
    """The packages it needs that are not installed."""
    return [name for name in PACKAGES if importlib.util.find_spec(name) is None]


def built(folder: Path) -> bool:
    """Whether a folder holds the model."""
    return (folder / MODEL).is_file() and (folder / TOKENIZER).is_file()


class _Session:
    """The loaded model: tokens in, one vector a text out."""

    def __init__(self, folder: Path, threads: int) -> None:
        try:
            self._numpy: Any = importlib.import_module("numpy")
            runtime: Any = importlib.import_module("onnxruntime")
            tokenizers: Any = importlib.import_module("tokenizers")
        except ImportError as error:
            raise Unavailable(
                "minilm_missing",
                f"MiniLM needs a package that is not installed: {error.name}",
                "install groundswell[minilm]",
            ) from error
        if not built(folder):
            raise Unavailable(
                "minilm_missing",
                f"there is no MiniLM model in {folder}",
                "run `groundswell up --set-up`",
            )
        options = runtime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.enable_cpu_mem_arena = False  # an arena keeps the largest batch's memory for good
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session: Any = runtime.InferenceSession(str(folder / MODEL), options, providers=["CPUExecutionProvider"])
        self._tokenizer: Any = tokenizers.Tokenizer.from_file(str(folder / TOKENIZER))
        self._tokenizer.enable_truncation(LONGEST)
        self._tokenizer.enable_padding()

    def run(self, texts: list[str]) -> list[list[float]]:
        encoded = self._tokenizer.encode_batch(texts)
        ids = self._numpy.array([each.ids for each in encoded], "int64")
        mask = self._numpy.array([each.attention_mask for each in encoded], "int64")
        [vectors] = self._session.run(None, {"ids": ids, "mask": mask})
        return vectors.tolist()
