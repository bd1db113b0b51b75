"""Which language server answers for which language, and how it is installed into the cache."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from language_server import LanguageServer
from material import go_environment

GOPLS = "v0.23.0"  # the last that builds with Go 1.26
TYPESCRIPT = ("typescript-language-server@5.3.0", "typescript@5.9.3")
LANGUAGE_IDS = {
    ".py": "python",
    ".ts": "typescript",
    ".mts": "typescript",
    ".cts": "typescript",
    ".tsx": "typescriptreact",
    ".js": "javascript",
    ".mjs": "javascript",
    ".cjs": "javascript",
    ".jsx": "javascriptreact",
    ".go": "go",
}
SUFFIXES = {
    "python": (".py",),
    "typescript": (".ts", ".tsx", ".mts", ".cts"),
    "javascript": (".js", ".jsx", ".mjs", ".cjs"),
    "go": (".go",),
}


def server(language: str, root: Path, cache: Path) -> tuple[LanguageServer, str]:
    """A server for a folder, and its name with version."""
    if language == "go":
        return _gopls(root, cache), f"gopls {GOPLS}"
    if language == "python":
        command = [str(Path(sys.executable).parent / "pyright-langserver"), "--stdio"]
        version = subprocess.run(
            [sys.executable, "-m", "pyright", "--version"], check=True, capture_output=True, text=True
        )
        return LanguageServer(command, root, dict(os.environ), {}), version.stdout.strip()
    return _typescript(root, cache), " + ".join(TYPESCRIPT)


def _typescript(root: Path, cache: Path) -> LanguageServer:
    folder = cache / "npm"
    if not (folder / "node_modules/typescript-language-server").exists():
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(["npm", "install", "-s", "--prefix", str(folder), *TYPESCRIPT], check=True, cwd=folder)
    command = [str(folder / "node_modules/.bin/typescript-language-server"), "--stdio"]
    options: dict[str, Any] = {
        "tsserver": {"path": str(folder / "node_modules/typescript/lib/tsserver.js")},
        "disableAutomaticTypingAcquisition": True,
    }
    return LanguageServer(command, root, dict(os.environ), options)


def _gopls(root: Path, cache: Path) -> LanguageServer:
    binary, environment = cache / "bin/gopls", go_environment(cache)
    if not binary.exists():
        module = f"golang.org/x/tools/gopls@{GOPLS}"
        subprocess.run(["go", "install", module], check=True, cwd=cache, env=environment)
    subprocess.run(["go", "mod", "download"], check=False, cwd=root, env=environment)
    return LanguageServer([str(binary)], root, environment, {})
