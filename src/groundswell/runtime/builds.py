"""Which version of the platform and of an agent this is: the package's version, and a digest of the agents' files."""

import hashlib
import inspect
from functools import cache
from pathlib import Path

import groundswell.agents
from groundswell.core.agent import Agent
from groundswell.runtime.base import VERSION

FOLDER = Path(groundswell.agents.__path__[0])


def build_of(agent: Agent) -> str:
    """`0.1.0+3f5a…`: another one where a file of the agents, their prompts among them, is another."""
    own = {_file(node.runnable) for node in agent.graph.nodes.values()} - {None}
    digest = hashlib.sha256(_ours().encode())
    for file in sorted(path for path in own if path is not None and FOLDER not in path.parents):
        digest.update(file.read_bytes())
    return f"{VERSION}+{digest.hexdigest()[:12]}"


@cache
def _ours() -> str:
    digest = hashlib.sha256()
    for file in sorted(FOLDER.rglob("*")):
        if file.is_file() and "__pycache__" not in file.parts:
            digest.update(f"{file.relative_to(FOLDER)}\0".encode() + file.read_bytes())
    return digest.hexdigest()


def _file(runnable: object) -> Path | None:
    function = getattr(runnable, "afunc", None) or getattr(runnable, "func", None)
    try:
        return Path(inspect.getfile(inspect.unwrap(function))) if function else None
    except TypeError:
        return None
