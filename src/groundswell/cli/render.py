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


@group.command()
def placement(
    count: Annotated[int, typer.Option(min=1, max=16, help="GPUs.")] = 1,
    memory: Annotated[str, typer.Option(help="Of each, at least.")] = ">=0Gi",
    family: Annotated[list[str] | None, typer.Option(help="hopper, blackwell, …; any by default.")] = None,
    product: Annotated[list[str] | None, typer.Option(help="Plain names of cards.")] = None,
    share: Annotated[str, typer.Option(help="exclusive or shared.")] = "exclusive",
) -> None:
    """Print what a pod needs to land on the right GPUs: affinity, toleration and limit."""
    from groundswell.deployment.placement import gpu_of, pod_part

    asked = {"count": count, "memory": memory, "family": family or [], "product": product or [], "share": share}
    say(pod_part(gpu_of(asked)).rstrip())


@group.command()
def models(
    cluster: Annotated[str, typer.Option(help="A cluster's models; else the examples.")] = "",
    gpus: Annotated[str, typer.Option(help="The example for so many GPUs of 80 GB: 1, 2 or 8.")] = "",
    into: Folder = Path("deploy"),
) -> None:
    """Show the arithmetic: weights, keys and values of each model, against what its GPUs have."""
    from groundswell.core.errors import ConfigError
    from groundswell.deployment import memory, render

    examples = memory.table().examples
    if gpus and gpus not in examples:
        raise ConfigError("no_example", f"there is no example for {gpus} GPUs", f"there are: {', '.join(examples)}")
    if cluster:
        chosen = {cluster: dict(render.cluster(into, cluster).profile.models)}
    else:
        chosen = {f"{name} × 80 GB": dict(each) for name, each in examples.items() if gpus in ("", name)}
    for name, each in chosen.items():
        say(name, "bold")
        for found in memory.checked(each):
            for line in found.lines():
                say(f"  {line}")


@group.command("all")
def everything(
    cluster: Annotated[str, typer.Option(help="The folder below clusters/.")],
    to: Annotated[Path, typer.Option(help="Where one file for each wave is written.")],
    into: Folder = Path("deploy"),
) -> None:
    """Write a cluster's waves as plain YAML, for who needs no Kustomize, and list the charts that go before them."""
    from groundswell.deployment import charts, layout, render
    from groundswell.deployment.objects import as_yaml

    found = render.cluster(into, cluster)
    to.mkdir(parents=True, exist_ok=True)
    for number, name in layout.WAVES.items():
        file = to / f"{name}.yaml"
        file.write_text(as_yaml(layout.assembled(found, number)), encoding="utf-8")
        say(f"wrote {file}")
    for chart in charts.ours(found.profile):
        say(chart.line())
