"""The first start proves itself: a real question to each agent, and what to try next."""

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
    from groundswell.client import Client
    from groundswell.core.records import Run
    from groundswell.runtime.datadir import DataDir
    from groundswell.runtime.instance import Instance

PACKAGE = Path(groundswell.__path__[0])
SAMPLE = PACKAGE / "data" / "sample"
GIT_SECONDS = 20
IDENTITY = ("-c", "user.name=Groundswell", "-c", "user.email=sample@groundswell.invalid", "-c", "commit.gpgsign=false")
OF_CHECKOUT = ("Where is Redactor defined, and who uses it?", "What does src/groundswell/core/errors.py do?")
INCIDENT = PACKAGE / "data" / "incident"
SHELF, PAGES = "harbour", {"pages": f"path:{PACKAGE / 'data' / 'pages'}"}
OF_INCIDENT = "Why does the board show no tides?"
OF_PAGES = "What does a night in summer cost for a boat of 10 m?"
ABOUT_PAGES = "When is the harbour office open?"
OF_SAMPLE = ("Where is next_high_water defined, and who calls it?", "What does harbour/retry.py do?")


async def proved(instance: "Instance", data: "DataDir") -> list[tuple[str, str]]:
    """Ask each agent a question and print the answers; the rows are commands and what they are for."""
    from groundswell.client import Client

    top = work_tree(Path.cwd())
    own = top is not None and _is_ours(top)
    repo = top if top is not None and own else sample(data)
    question, another = OF_CHECKOUT if own else OF_SAMPLE
    async with Client(instance.url, instance.key.get_secret_value()) as client:
        place = "this checkout" if own else "a small sample repository"
        code = await _asked(client, f"A first question, about {place}", question, "coding", {"repo": f"path:{repo}"})
        cluster = {"kubernetes": f"dump:{INCIDENT}"}
        await _asked(client, "A second one, about a dump of a cluster", OF_INCIDENT, "observability", cluster)
        await _ended(client, await client.call_tool("collection_fill", {"name": SHELF}, agent="web", sources=PAGES))
        shelf = {"pages": f"collection:{SHELF}"}
        await _asked(client, f"A third one, about the pages of a harbour (collection {SHELF})", OF_PAGES, "web", shelf)
    return tries(code, another, "" if own else f"--repo {shlex.quote(str(repo))} ")


async def _asked(client: "Client", title: str, question: str, agent: str, sources: dict[str, str]) -> "Run":
    """Ask, and print the answer."""
    from groundswell.cli.ask import show
    from groundswell.core.records import NewRun

    say()
    say(f"{title}:")
    say(f"  {question}", "bold")
    say()
    request = NewRun.model_validate({"input": question, "agent": agent, "sources": sources})
    run = await _ended(client, await client.start(request))
    show(run)
    return run


async def _ended(client: "Client", run: "Run") -> "Run":
    from groundswell.cli.ask import follow
    from groundswell.cli.progress import progress

    with progress() as watch:
        return await follow(client, run, watch)


def tries(run: "Run", question: str, repo: str) -> list[tuple[str, str]]:
    """Commands that run as they stand, in the shell that called this."""
    called = program()
    incident, shelf = f"--source kubernetes=dump:{shlex.quote(str(INCIDENT))}", f"--source pages=collection:{SHELF}"
    rows = [
        (f'{called} ask {repo}"{question}"', "another question"),
        (f'{called} ask {incident} "{OF_INCIDENT}"', "about a cluster"),
        (f'{called} ask {shelf} "{ABOUT_PAGES}"', "about pages"),
    ]
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
