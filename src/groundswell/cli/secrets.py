"""`groundswell secrets`: make the Secrets of a platform on a cluster, and replace signing keys."""

import asyncio
from typing import Annotated

import typer

from groundswell.cli.groups import Group
from groundswell.cli.invocation import here
from groundswell.cli.terminal import aside, say

group = typer.Typer(cls=Group, help="Make what a platform keeps secret, and replace it.", no_args_is_help=True)
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


@group.command()
def rotate(
    context: typer.Context,
    drop: Annotated[
        bool, typer.Option("--drop", help="The old keys verify nothing any more, as when they leaked.")
    ] = False,
) -> None:
    """New signing keys for the services on this data directory, or in the folder of [services] keys; none stops.

    Tokens that the old keys signed are good until they end, an hour at most.
    """
    loaded = here(context).loaded()
    from groundswell.runtime import keys
    from groundswell.runtime.datadir import DataDir

    folder = loaded.settings.services.keys or DataDir(loaded.settings.data).keys
    for name in keys.rotate(folder, drop=drop):
        say(f"new key: {name}")
    aside("whatever was proven here is to be proven again: a place is known by its router's key", "dim")
