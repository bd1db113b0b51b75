"""Pinned packages from the registries: what the callers bench is measured on. Never committed."""

import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Language = Literal["python", "typescript", "javascript", "go"]


@dataclass(frozen=True)
class Package:
    """One package at one version, and the part of it that is source."""

    language: Language
    spec: str
    keep: tuple[str, ...] = ()  # folders and files to keep; all of it where empty
    held_out: bool = False  # nobody looked at its misses while writing the resolver

    @property
    def name(self) -> str:
        """The name without its version, fit for a folder."""
        return self.spec.partition("==")[0].rpartition("@")[0].strip("@") or self.spec.partition("==")[0]


PACKAGES = (
    Package("python", "requests==2.32.5"),
    Package("python", "click==8.3.1"),
    Package("python", "starlette==0.50.0"),
    Package("python", "httpx==0.28.1"),
    Package("python", "flask==3.1.2", held_out=True),
    Package("python", "httpcore==1.0.9", held_out=True),
    Package("typescript", "rxjs@7.8.2", keep=("src/internal", "src/index.ts")),
    Package("typescript", "@reduxjs/toolkit@2.9.0", keep=("src",)),
    Package("typescript", "mobx@6.13.7", keep=("src",)),
    Package("typescript", "zod@4.1.12", keep=("src/v4",)),
    Package("typescript", "immer@10.1.3", keep=("src",)),
    Package("typescript", "@tanstack/query-core@5.108.0", keep=("src",), held_out=True),
    Package("typescript", "@tanstack/table-core@8.21.3", keep=("src",), held_out=True),
    Package("javascript", "axios@1.12.2", keep=("lib", "index.js")),
    Package("javascript", "express@5.1.0", keep=("lib", "index.js")),
    Package("javascript", "winston@3.18.0", keep=("lib",)),
    Package("javascript", "fastify@5.6.0", keep=("lib", "fastify.js")),
    Package("javascript", "eslint@9.36.0", keep=("lib",), held_out=True),
    Package("javascript", "commander@14.0.3", keep=("lib", "index.js"), held_out=True),
    Package("go", "github.com/spf13/cobra@v1.10.2"),
    Package("go", "github.com/go-chi/chi/v5@v5.5.0"),
    Package("go", "github.com/gin-gonic/gin@v1.11.0"),
    Package("go", "github.com/gorilla/mux@v1.8.1"),
    Package("go", "github.com/labstack/echo/v4@v4.15.4", held_out=True),
    Package("go", "github.com/urfave/cli/v3@v3.9.1", held_out=True),
)

OPTIONS: dict[str, str | bool] = {"allowJs": True, "jsx": "preserve", "target": "esnext", "noEmit": True}
RESOLUTION = {
    "typescript": OPTIONS | {"module": "esnext", "moduleResolution": "bundler"},
    "javascript": OPTIONS | {"module": "commonjs", "moduleResolution": "node10"},
}


def prepare(package: Package, cache: Path) -> Path:
    """The package's sources as a Git work tree under `cache`, fetched where they are not there yet."""
    root = cache / "material" / package.language / package.name.replace("/", "-") / "repository"
    if (root / ".git").exists():
        return root
    shutil.rmtree(root, ignore_errors=True)
    with tempfile.TemporaryDirectory(dir=cache) as folder:
        source = _go(package, cache) if package.language == "go" else _archive(package, Path(folder))
        for part in package.keep or (".",):
            _copy(source / part, root / part)
        _npm_dependencies(source / "package.json", root)
    if package.language in RESOLUTION and not (root / "tsconfig.json").exists():
        config = {"compilerOptions": RESOLUTION[package.language], "include": ["**/*"]}
        (root / "tsconfig.json").write_text(json.dumps(config))
    for command in (["init", "-q"], ["add", "-A"], ["-c", "user.name=b", "-c", "user.email=b", "commit", "-qm", "-"]):
        subprocess.run(["git", *command], cwd=root, check=True)
    return root


def _copy(source: Path, target: Path) -> None:
    if source.is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    else:
        shutil.copytree(source, target, dirs_exist_ok=True, copy_function=shutil.copyfile)
        for folder in (target, *(path for path in target.rglob("*") if path.is_dir())):
            folder.chmod(0o755)  # Go's module cache is read-only


def _archive(package: Package, folder: Path) -> Path:
    """Download and unpack an sdist or an npm tarball; its one folder."""
    if package.language == "python":
        command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", ":all:", package.spec]
    else:
        command = ["npm", "pack", "-s", package.spec]
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    (archive,) = folder.iterdir()
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    archive.unlink()
    (top,) = folder.iterdir()
    return top


def _npm_dependencies(said: Path, root: Path) -> None:
    """Install what a package needs in the folder above it: without its types the oracle knows less than we do."""
    if not said.exists():
        return
    manifest = json.loads(said.read_text())
    wanted = manifest.get("dependencies", {}) | manifest.get("peerDependencies", {})
    if wanted:
        (root.parent / "package.json").write_text(json.dumps({"private": True, "dependencies": wanted}))
        command = ["npm", "install", "-s", "--ignore-scripts", "--no-audit", "--legacy-peer-deps"]
        subprocess.run(command, cwd=root.parent, check=True, stdout=subprocess.DEVNULL)


def _go(package: Package, cache: Path) -> Path:
    """A module's folder in Go's own cache, with what it needs beside it."""
    answer = subprocess.run(
        ["go", "mod", "download", "-json", package.spec],
        cwd=cache,
        check=True,
        capture_output=True,
        env=go_environment(cache),
    )
    return Path(json.loads(answer.stdout)["Dir"])


def go_environment(cache: Path) -> dict[str, str]:
    """The environment with Go's caches under ours."""
    import os

    return {**os.environ, "GOPATH": str(cache / "go"), "GOBIN": str(cache / "bin"), "GOFLAGS": "-mod=mod"}
