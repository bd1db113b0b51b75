"""`groundswell gate`: what the gate Jobs of a cluster run; people read what they say."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from groundswell.cli.exits import FAILED
from groundswell.cli.groups import Group
from groundswell.cli.invocation import Invocation, here
from groundswell.cli.terminal import aside, say
from groundswell.core.errors import ConfigError

if TYPE_CHECKING:
    from groundswell.core.records import Profile, Subject, Verdict
    from groundswell.waves.boards import Board
    from groundswell.waves.opening import Asked

CLUSTER = "in-cluster:"
SAMPLE = "path:/data/groundswell/repos/sample"  # where the pods of the tools have it
group = typer.Typer(cls=Group, help="Run by gate Jobs in a cluster.", no_args_is_help=True)
Wave = Annotated[int, typer.Option(help="The wave.")]
Keys = Annotated[Path, typer.Option(help="The folder of the key that signs verdicts.")]
ProfileFile = Annotated[Path, typer.Option("--profile", help="The cluster's profile.toml.")]
Seconds = Annotated[int, typer.Option(min=0, help="How long to try.")]


def add_to(app: typer.Typer) -> None:
    """Add the group."""
    app.add_typer(group, name="gate")


@group.command()
def before(
    wave: Wave,
    proven: Annotated[list[str], typer.Option(metavar="WAVE=DIGEST", help="What must be proven; may be repeated.")],
    keys: Keys,
    seconds: Seconds = 60,
) -> None:
    """Hold a wave until all before it are proven as this revision has them."""
    from groundswell.waves.opening import await_before

    expected = {int(number): digest for number, _, digest in (each.partition("=") for each in proven)}

    async def waited() -> str:
        return await await_before(await _board(keys), expected, seconds, say)

    if why := asyncio.run(waited()):
        aside(f"wave {wave} stays closed. {why}", "bad")
        raise typer.Exit(FAILED)
    say(f"wave {wave} may begin: {len(expected)} before it are proven as this revision has them")


@group.command("open")
def opens(
    context: typer.Context,
    wave: Wave,
    digest: Annotated[str, typer.Option(help="Of the wave's manifests, as they were rendered.")],
    keys: Keys,
    profile: ProfileFile,
    seconds: Seconds = 300,
) -> None:
    """Prove a wave that was applied, and lay down the verdict."""
    from groundswell.waves.opening import opened
    from groundswell.waves.plan import plan

    invocation, place = here(context), _profile(profile)

    async def tried() -> "Verdict":
        board = await _board(keys)
        async with _asked(invocation, place) as asked:
            return await opened(asked, board, plan(), wave, _subject(digest, board), seconds=seconds, say=say)

    verdict = asyncio.run(tried())
    _told(verdict)
    if not verdict.open:
        raise typer.Exit(FAILED)


@group.command()
def again(context: typer.Context, keys: Keys, profile: ProfileFile) -> None:
    """Prove again what was reached, each proof at half its life, and lay down the verdicts."""
    from groundswell.waves.opening import renewed
    from groundswell.waves.plan import plan

    invocation, place = here(context), _profile(profile)

    async def tried() -> None:
        board = await _board(keys)
        async with _asked(invocation, place) as asked:
            async for verdict in renewed(asked, board, plan(), lambda digest: _subject(digest, board)):
                _told(verdict)

    asyncio.run(tried())


@group.command()
def sample(context: typer.Context) -> None:
    """Make the sample repository that agents are tried on, where the tools run."""
    from groundswell.cli.first_answer import sample as made

    say(str(made(here(context).data().create())))


def _told(verdict: "Verdict") -> None:
    passed = sum(proof.judged() == "pass" for proof in verdict.proofs)
    say(f"wave {verdict.wave} is {'open' if verdict.open else 'closed'}: {passed} of {len(verdict.proofs)} checks pass")
    for reason, lines in verdict.unproven.items():
        say(f"  not proven: {', '.join(lines)}: {reason}")
    if not verdict.open:
        aside(f"the next wave stays closed. {verdict.reason}", "bad")


def _subject(digest: str, board: "Board") -> "Subject":
    from groundswell.core.records import Subject
    from groundswell.runtime.base import VERSION

    return Subject(version=VERSION, settings=digest, place=board.place)


def _profile(file: Path) -> "Profile":
    from groundswell.waves.plan import profile

    return profile(file)


async def _board(keys: Path) -> "Board":
    from groundswell.backends.kube.configmaps import ConfigMaps
    from groundswell.waves.boards import NAMESPACE, Board, signer_of

    maps = ConfigMaps(CLUSTER, NAMESPACE)
    return Board(maps, signer_of(keys), await maps.cluster())


@contextlib.asynccontextmanager
async def _asked(invocation: Invocation, place: "Profile") -> AsyncGenerator["Asked"]:
    """The platform in this pod, and the one in the cluster."""
    from groundswell.client import Client
    from groundswell.core.check import Place
    from groundswell.waves.opening import Asked

    if not invocation.url:
        raise ConfigError("no_gateway", "a gate asks the cluster's platform, too", "name it: --url URL")
    parts = {**place.parts, "kubernetes": f"existing({CLUSTER})"}
    found = Place(place.model_copy(update={"parts": parts}), {"repo": SAMPLE})
    inside = Invocation(invocation.config)
    async with inside.platform(start=True) as own, Client(invocation.url, invocation.key) as platform:
        yield Asked(own, platform, found)
