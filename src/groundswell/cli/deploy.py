"""`groundswell bootstrap` and `rollout`: bring the platform onto a cluster."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from groundswell.cli.exits import USAGE
from groundswell.cli.invocation import here
from groundswell.cli.terminal import aside, say

if TYPE_CHECKING:
    from groundswell.deployment.kubectl import Kubectl
    from groundswell.deployment.layout import Cluster

Name = Annotated[str, typer.Option("--cluster", help="The folder below clusters/ that describes it.")]
Folder = Annotated[Path, typer.Option("--from", help="The folder of the manifests.")]
Kubeconfig = Annotated[Path | None, typer.Option(help="By default kubectl's own choice.")]
Context = Annotated[str, typer.Option("--context", help="By default the current one.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do it; without this it is only said.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(bootstrap)
    app.command()(rollout)


def bootstrap(
    context: typer.Context,
    name: Name,
    folder: Folder = Path("deploy"),
    kubeconfig: Kubeconfig = None,
    cluster_context: Context = "",
    yes: Yes = False,
) -> None:
    """Make what a cluster needs once.

    Namespaces, Secrets, and what Argo CD is told. What is there stays.
    """
    here(context)
    from groundswell.deployment import bootstrap as deployment

    found, kubectl = _cluster(folder, name, kubeconfig, cluster_context)
    _agreed(found, kubectl, yes)
    asyncio.run(deployment.bootstrap(found, kubectl, say))


def rollout(
    context: typer.Context,
    name: Name,
    folder: Folder = Path("deploy"),
    kubeconfig: Kubeconfig = None,
    cluster_context: Context = "",
    yes: Yes = False,
    seconds: Annotated[int, typer.Option(min=10, help="For one workload to come to stand.")] = 300,
    drills: Annotated[bool, typer.Option("--drills", help="Also delete the database's pod: it keeps.")] = False,
) -> None:
    """Open the waves in order, without Argo CD.

    Each is applied, waited for and proven. One that is not proven keeps the next closed, and says by which line.
    """
    invocation = here(context)
    from groundswell.cli.gates import Gates
    from groundswell.deployment import bootstrap as deployment
    from groundswell.deployment import charts
    from groundswell.deployment import rollout as waves
    from groundswell.waves.plan import profile

    found, kubectl = _cluster(folder, name, kubeconfig, cluster_context)
    proven = profile(folder / "clusters" / name / "profile.toml")
    gates = Gates(invocation, kubectl, proven, drills=drills)
    operators = charts.ours(found.profile)
    charts.helm(operators)
    for chart in operators:
        say(f"  bring the chart {chart.name} {chart.version} into {chart.namespace}")
    _agreed(found, kubectl, yes)

    async def opened() -> dict[int, float]:
        await deployment.prepare(found.profile, kubectl, say)
        charts.install(operators, kubectl, say)
        return await waves.rollout(folder, name, kubectl, say, gates.prove, seconds=seconds)

    took = asyncio.run(opened())
    say(f"{len(took)} waves stand after {sum(took.values()):.0f} s", "bold")


def _cluster(folder: Path, name: str, kubeconfig: Path | None, context: str) -> "tuple[Cluster, Kubectl]":
    from groundswell.deployment import render
    from groundswell.deployment.kubectl import Kubectl

    return render.cluster(folder, name), Kubectl(kubeconfig, context)


def _agreed(found: "Cluster", kubectl: "Kubectl", yes: bool) -> None:
    """Say where, and what; go on only where it was agreed to."""
    from groundswell.deployment import bootstrap

    plan = bootstrap.plan(found.profile, kubectl)
    say(f"context {plan.context}, server {plan.server}", "bold")
    for step in plan.steps:
        say(f"  {step}")
    if not yes:
        aside("nothing was done; with --yes it is")
        raise typer.Exit(USAGE)
