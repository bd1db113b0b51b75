"""`groundswell render`: the manifests below `deploy/`."""

from pathlib import Path
from typing import Annotated

import typer

from groundswell.cli.exits import FAILED
from groundswell.cli.groups import Group
from groundswell.cli.terminal import aside, say

group = typer.Typer(cls=Group, help="Render manifests.", invoke_without_command=True)
Folder = Annotated[Path, typer.Option("--into", help="The folder of the manifests.")]


def add_to(app: typer.Typer) -> None:
    """Add the group."""
    app.add_typer(group, name="render")


@group.callback()
def default(
    context: typer.Context,
    into: Folder = Path("deploy"),
    check: Annotated[bool, typer.Option("--check", help="Write nothing; fail where a file differs.")] = False,
) -> None:
    """Write the manifests that are made from the services, the policies and the profiles."""
    if context.invoked_subcommand is not None:
        return
    from groundswell.deployment import render

    files = render.files(into)
    names = render.drifted(into, files) if check else render.write(into, files)
    for name in names:
        say(f"{'differs' if check else 'wrote'} {into / name}")
    aside(f"{len(files)} files, {len(names)} of them {'differ' if check else 'written'}", "dim")
    if check and names:
        raise typer.Exit(FAILED)
