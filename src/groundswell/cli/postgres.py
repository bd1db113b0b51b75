"""`groundswell postgres`: the PostgreSQL that comes with this program, as a server of its own."""

import os
from pathlib import Path
from typing import Annotated

import typer

from groundswell.cli.invocation import here


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(postgres)


def postgres(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(help="Where its data are; made at the first start.")],
    password_file: Annotated[Path, typer.Option(help="The owner's password, for the first start.")],
) -> None:
    """Serve PostgreSQL on port 5432, for small clusters.

    This process becomes the server. SIGINT ends it at once and in order; SIGTERM waits for its clients.
    """
    here(context)
    from groundswell.backends.databases import postgres_programs, standalone

    words = standalone.command(folder, password_file)
    os.execve(words[0], words, postgres_programs.ENVIRONMENT)  # noqa: S606
