"""The first start proves itself: one real question about real code, and what to try next."""

import shlex
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import groundswell
from groundswell.cli.program import program
from groundswell.cli.sources import work_tree
from groundswell.cli.terminal import say

if TYPE_CHECKING:
    from groundswell.core.records import Run
    from groundswell.runtime.datadir import DataDir
    from groundswell.runtime.instance import Instance

PACKAGE = Path(groundswell.__path__[0])
SAMPLE = PACKAGE / "data" / "sample"
GIT_SECONDS = 20
IDENTITY = ("-c", "user.name=Groundswell", "-c", "user.email=sample@groundswell.invalid", "-c", "commit.gpgsign=false")
OF_CHECKOUT = ("Where is Redactor defined, and who uses it?", "What does src/groundswell/core/errors.py do?")
OF_SAMPLE = ("Where is next_high_water defined, and who calls it?", "What does harbour/retry.py do?")


async def proved(instance: "Instance", data: "DataDir") -> list[tuple[str, str]]:
    """Ask the question and print its answer; the rows are commands and what they are for."""
    from groundswell.cli.ask import follow, show
    from groundswell.cli.progress import progress
    from groundswell.client import Client
    from groundswell.core.records import NewRun

    top = work_tree(Path.cwd())
    own = top is not None and _is_ours(top)
    repo = top if top is not None and own else sample(data)
    question, another = OF_CHECKOUT if own else OF_SAMPLE
    say()
    say(f"A first question, about {'this checkout' if own else 'a small sample repository'}:")
    say(f"  {question}", "bold")
    say()
    request = {"input": question, "agent": "coding", "sources": {"repo": f"path:{repo}"}}
    async with Client(instance.url, instance.key.get_secret_value()) as client:
        with progress() as watch:
            run = await follow(client, await client.start(NewRun.model_validate(request)), watch)
    show(run)
    return tries(run, another, "" if own else f"--repo {shlex.quote(str(repo))} ")


def tries(run: "Run", question: str, repo: str) -> list[tuple[str, str]]:
    """Commands that run as they stand, in the shell that called this."""
    called = program()
    rows = [(f'{called} ask {repo}"{question}"', "another question")]
    cited = [citation for claim in (run.answer.claims if run.answer else ()) for citation in claim.citations]
    if cited:
        rows.append((f"{called} evidence {cited[0].evidence[:8]}", "see what it cites"))
    rows.append((f"{called} runs show {run.id}", "what was done"))
    rows.append((f"{called} agents show coding", "what may be done"))
    rows.append((f"{called} doctor", "is all well"))
    return rows


def sample(data: "DataDir") -> Path:
    """The packaged repository, made one in the data directory."""
    folder = data.repos / "sample"
    if not (folder / ".git").exists():
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(SAMPLE, folder, ignore=shutil.ignore_patterns("__pycache__"))
        for words in (("init", "--quiet"), ("add", "."), ("commit", "--quiet", "--message", "A sample")):
            _git(folder, *words)
    return folder


def _git(folder: Path, *words: str) -> None:
    from groundswell.core.errors import ConfigError

    git = shutil.which("git")
    if git is None:
        raise ConfigError("no_git", "git is not installed", "install git 2.30 or newer")
    command = [git, "-C", str(folder), *IDENTITY, "-c", "core.hooksPath=/dev/null", *words]
    done = subprocess.run(command, capture_output=True, timeout=GIT_SECONDS, check=False)  # noqa: S603 - our own words
    if done.returncode:
        raise ConfigError("git_failed", f"git {words[0]} failed: {done.stderr.decode(errors='replace').strip()}")


def _is_ours(top: Path) -> bool:
    """Whether a work tree is the checkout that this program runs from."""
    source = top / "src" / "groundswell"
    return source.is_dir() and source.samefile(PACKAGE)
