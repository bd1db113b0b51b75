"""A cluster, through the `kubectl` of whoever deploys: their context, their rights, their proxies and plugins."""

import json
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from groundswell.core.errors import ConfigError, Denied, Unavailable

HINT = "see what `kubectl get nodes` says, or name another: --kubeconfig FILE --context NAME"


@dataclass(frozen=True)
class Kubectl:
    """One context of one kubeconfig; empty: kubectl's own choice, which is shown before anything is done."""

    kubeconfig: Path | None = None
    context: str = ""

    def __call__(self, *words: str, text: str = "", seconds: float = 120) -> str:
        """What a command says. Raises Denied, Unavailable, and ConfigError where there is no kubectl."""
        done = self._run(words, text, seconds)
        if done.returncode == 0:
            return done.stdout
        said = " ".join(done.stderr.split())
        if "forbidden" in said.lower():
            raise Denied("cluster_forbids", f"the cluster refuses: {said[-600:]}", "ask for the rights that are named")
        raise Unavailable("kubectl_failed", f"kubectl {' '.join(words[:3])}: {said[-600:]}", HINT)

    def holds(self, *words: str) -> bool:
        """Whether a command ends well."""
        return self._run(words, "", 60).returncode == 0

    def json(self, *words: str) -> Any:
        """What a command says, as JSON."""
        return json.loads(self(*words, "-o", "json"))

    def where(self) -> tuple[str, str]:
        """The context, and the server behind it."""
        config = self.json("config", "view", "--minify")
        return str(config.get("current-context", "")), str(config["clusters"][0]["cluster"]["server"])

    def source(self) -> str:
        """The same as a source of the platform's own client."""
        return f"kubeconfig:{self.kubeconfig or ''}#{self.context}".rstrip("#")

    def line(self) -> list[str]:
        """The words that every command begins with. Raises ConfigError where there is no kubectl."""
        program = shutil.which("kubectl")
        if program is None:
            raise ConfigError(
                "no_kubectl", "kubectl is not there", "install it: https://kubernetes.io/docs/tasks/tools"
            )
        line = [program]
        line += [f"--kubeconfig={self.kubeconfig}"] if self.kubeconfig else []
        return line + ([f"--context={self.context}"] if self.context else [])

    def _run(self, words: Sequence[str], text: str, seconds: float) -> "subprocess.CompletedProcess[str]":
        line = self.line()
        try:
            return subprocess.run(  # noqa: S603 - the user's own program with our own arguments
                [*line, *words], input=text, capture_output=True, text=True, timeout=seconds, check=False
            )
        except subprocess.TimeoutExpired as error:
            said = f"kubectl {' '.join(words[:3])} did not end in {seconds:g} s"
            raise Unavailable("kubectl_slow", said, HINT) from error
