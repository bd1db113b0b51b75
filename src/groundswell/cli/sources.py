"""What a question looks at: the repository of `--repo`, else of the current folder, `--source`, and piped input."""

import os
import select
import stat
import sys
from pathlib import Path

from groundswell.cli.terminal import aside, size
from groundswell.core.errors import ConfigError

KINDS = ("repo", "pages", "kubernetes", "prometheus")
PATIENCE_SECONDS = 2.0
CHUNK = 2**16


def work_tree(folder: Path) -> Path | None:
    """The top of the Git work tree that a folder lies in."""
    folder = folder.resolve()
    return next((place for place in (folder, *folder.parents) if (place / ".git").exists()), None)


def sources(repo: str, named: list[str]) -> dict[str, str]:
    """The sources of a run: what is named, else the repository of the current folder. Raises ConfigError."""
    found: dict[str, str] = {}
    for text in named:
        kind, _, url = text.partition("=")
        if kind not in KINDS or not url:
            hint = f"write --source KIND=URL, with a kind of {', '.join(KINDS)}"
            raise ConfigError("bad_source", f"{text!r} names no source", hint)
        found[kind] = _address(url) if kind == "repo" else _cluster(url) if kind == "kubernetes" else url
    if repo:
        found["repo"] = _address(repo)
    elif not found and (top := work_tree(Path.cwd())):
        found["repo"] = f"path:{top}"
    return found


def _address(text: str) -> str:
    """A repository as a source: an address as it is, a folder by its whole path."""
    scheme, _, rest = text.partition(":")
    if "://" in text or (scheme != "path" and "@" in scheme and rest):
        return text  # the platform says which addresses it opens
    folder = Path(rest if scheme == "path" else text).expanduser()
    if not folder.is_dir():
        raise ConfigError(
            "no_such_folder", f"{folder} is no folder", "name a folder of a Git repository, or a https URL"
        )
    bare = (folder / "HEAD").is_file() and (folder / "objects").is_dir()
    top = folder.resolve() if bare else work_tree(folder)
    if top is None:
        message = f"{folder.resolve()} is in no Git repository"
        raise ConfigError("not_a_repository", message, "make it one with `git init`, or name another with --repo")
    return f"path:{top}"


def _cluster(text: str) -> str:
    """A cluster as a source: `dump:` and `kubeconfig:` by their whole paths, since the platform runs elsewhere."""
    scheme, _, rest = text.partition(":")
    if scheme not in ("dump", "kubeconfig") or not rest or rest.startswith("#"):
        return text
    path, mark, context = rest.partition("#") if scheme == "kubeconfig" else (rest, "", "")
    place = Path(path).expanduser().resolve()
    if not place.exists():
        hint = "kubectl cluster-info dump --all-namespaces --output-directory=DIR writes a dump"
        raise ConfigError("no_such_source", f"{place} is not there", hint if scheme == "dump" else "name a kubeconfig")
    return f"{scheme}:{place}{mark}{context}"


def piped(most: int) -> str:
    """What was piped to standard input, at most so many characters of it: of a log, the end says most."""
    if sys.stdin.closed or sys.stdin.isatty():
        return ""
    try:
        file = sys.stdin.fileno()
    except OSError:  # not a file of the operating system
        return sys.stdin.read()[-most:]
    mode = os.fstat(file).st_mode
    if not (stat.S_ISFIFO(mode) or stat.S_ISREG(mode) or stat.S_ISSOCK(mode)):
        return ""
    if not select.select([file], [], [], PATIENCE_SECONDS)[0]:
        aside("reading standard input until it ends (</dev/null skips it)…", "dim")
    kept, read = bytearray(), 0
    while chunk := os.read(file, CHUNK):
        kept += chunk
        read += len(chunk)
        if len(kept) > 8 * most:
            del kept[: len(kept) - 4 * most]
    text = kept.decode("utf-8", "replace")
    if len(text) > most or read > len(kept):
        text = text[-most:]
        text = text[text.find("\n") + 1 :] or text
        aside(f"of {size(read)} on standard input the last {size(len(text))} are sent", "dim")
    return text
