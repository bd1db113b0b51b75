"""The embedder that the services of a process share, and how the better one is made where it can be made."""

import subprocess
import sys
from pathlib import Path

from groundswell.backends.models import minilm
from groundswell.backends.models.embeddings import MINILM_FOLDER, Choice, choose
from groundswell.core.errors import Unavailable
from groundswell.core.settings import Settings
from groundswell.runtime.datadir import DataDir
from groundswell.runtime.egress import operators

SECONDS = 150  # for fetching and building: a slow network must not hold up the first answer


class SharedEmbedder:
    """One for all services of a process: a model is in memory once. The last to give it back closes it."""

    def __init__(self) -> None:
        self._choice: Choice | None = None
        self._users = 0

    def taken(self, settings: Settings, data: DataDir) -> Choice:
        """What `[embeddings]` picks; nothing is loaded before its first use."""
        if self._choice is None:
            embeddings, role = settings.embeddings, settings.models.get("embed")
            chosen = role if role is not None and embeddings.url == "auto" else embeddings
            key = chosen.key.get_secret_value() if chosen.key else ""
            transport = operators(settings.egress, chosen.url) if chosen.url.startswith("http") else None
            self._choice = choose(chosen.url, models=data.models, model=chosen.model, key=key, transport=transport)
        self._users += 1
        return self._choice

    async def given_back(self) -> None:
        """One user less."""
        self._users -= 1
        if not self._users and self._choice is not None:
            choice, self._choice = self._choice, None
            if choice.embedder is not None:
                await choice.embedder.close()


def better(settings: Settings, data: DataDir) -> Path | None:
    """The folder where MiniLM is to be made; None where it is there, cannot run, or is not wanted."""
    folder = data.models / MINILM_FOLDER
    wanted = settings.embeddings.url in ("auto", "minilm:") and "embed" not in settings.models
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
