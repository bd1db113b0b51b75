"""Makes the better of the embedders that run here, where it can be made."""

import subprocess
import sys
from pathlib import Path

from groundswell.backends.models import minilm
from groundswell.backends.models.embeddings import MINILM_FOLDER
from groundswell.core.errors import Unavailable
from groundswell.core.settings import Settings
from groundswell.runtime.datadir import DataDir

SECONDS = 150  # for fetching and building: a slow network must not hold up the first answer


def better(settings: Settings, data: DataDir) -> Path | None:
    """The folder where MiniLM is to be made; None where it is there, cannot run, or is not wanted."""
    folder = data.models / MINILM_FOLDER
    wanted = settings.embeddings.url in ("auto", "minilm:")
    return folder if wanted and not minilm.built(folder) and not minilm.missing_packages() else None


def make(folder: Path) -> None:
    """Build it in a process of its own, whose memory is free again afterwards; raises Unavailable."""
    folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    command = [sys.executable, "-m", "groundswell.backends.models.minilm_build", str(folder)]
    hint = "wordllama stands in; try again with: groundswell up --set-up"
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)  # noqa: S603
    except subprocess.TimeoutExpired as error:
        raise Unavailable("minilm_slow", f"MiniLM was not there after {SECONDS} s", hint) from error
    if done.returncode:
        said = done.stderr.strip().splitlines()
        raise Unavailable("minilm_failed", said[0] if said else "MiniLM could not be made", hint)
