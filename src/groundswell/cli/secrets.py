"""`groundswell secrets`: make the Secrets of a platform on a cluster."""

import asyncio
from typing import Annotated

import typer

from groundswell.cli.groups import Group
from groundswell.cli.invocation import here
from groundswell.cli.terminal import say

group = typer.Typer(cls=Group, help="Make what a platform on a cluster keeps in Secrets.", no_args_is_help=True)
Source = Annotated[str, typer.Option("--cluster-source", help="in-cluster: or kubeconfig:PATH#CONTEXT.")]


def add_to(app: typer.Typer) -> None:
    """Add the group."""
    app.add_typer(group, name="secrets")


@group.command()
def key(
    context: typer.Context,
    namespace: Annotated[str, typer.Option(help="Where the gateway is.")] = "ai-router",
    source: Source = "in-cluster:",
) -> None:
    """Make the gateway's key, where there is none. It is not shown: its Secret holds it."""
    here(context)
    from groundswell.deployment import secrets

    made = asyncio.run(secrets.ensure(source, secrets.gateway_key(namespace)))
    say(f"{'made' if made else 'there already'}: Secret {namespace}/{secrets.GATEWAY_KEY}")
