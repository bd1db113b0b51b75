"""The program `groundswell`: options that every command takes, the commands, and how errors are told.

Commands import what they need when they run, so that `--help` and shell completion come at once.
"""

import io
import json
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import typer

from groundswell.cli import (
    agents,
    approvals,
    ask,
    collections,
    config,
    deploy,
    doctor,
    evidence,
    gate,
    keys,
    lifecycle,
    models,
    policy,
    postgres,
    prune,
    render,
    route,
    runs,
    secrets,
    tenants,
    tools,
    up,
    verify,
    waves,
)
from groundswell.cli.exits import INTERRUPTED, of_error
from groundswell.cli.groups import Group, asks_help_of_command
from groundswell.cli.invocation import Invocation
from groundswell.cli.terminal import aside, look, printable, styled
from groundswell.core.errors import GroundswellError

TAKES_VALUE = ("--config", "--url", "--key")
FLAGS = ("--debug",)


class Root(Group):
    """Takes its own options anywhere in the line, and tells errors as a sentence and a hint."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Bring our options to the front; where only help is asked for they are left out."""
        ours, rest = parted(args)
        return super().parse_args(ctx, rest if asks_help_of_command(rest) else ours + rest)

    def invoke(self, ctx: Any) -> Any:
        """Run a command; what goes wrong on purpose ends in an exit code, not in a traceback."""
        try:
            return super().invoke(ctx)
        except GroundswellError as error:
            invocation: Invocation = ctx.obj or Invocation()
            if invocation.debug:
                raise
            told(error, invocation)
            raise typer.Exit(of_error(error)) from error
        except KeyboardInterrupt as interrupt:
            aside()
            raise typer.Exit(INTERRUPTED) from interrupt


def parted(words: list[str]) -> tuple[list[str], list[str]]:
    """Our options, wherever they stand, and all other words; after `--` nothing is an option."""
    ours: list[str] = []
    rest: list[str] = []
    waiting = iter(words)
    for word in waiting:
        if word == "--":
            rest += [word, *waiting]
        elif word in TAKES_VALUE:
            ours += [word, *([value] if (value := next(waiting, None)) is not None else [])]
        elif word in FLAGS or word.startswith(tuple(f"{name}=" for name in TAKES_VALUE)):
            ours.append(word)
        else:
            rest.append(word)
    return ours, rest


def told(error: GroundswellError, invocation: Invocation) -> None:
    """Print an error: for people on standard error, and as one object where a command was asked for JSON."""
    if invocation.as_json is not None:
        print(json.dumps(invocation.as_json(error), ensure_ascii=False, indent=2))
    aside(f"{styled('error:', 'bad', sys.stderr)} {printable(error.message)}")
    if error.hint:
        aside(f"{styled('hint:', 'mark', sys.stderr)} {printable(error.hint)}")


app = typer.Typer(
    cls=Root,
    name="groundswell",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Options above may also stand after a command.",
)


def _version(asked: bool) -> None:
    if asked:
        print(f"groundswell {version('groundswell')}")
        raise typer.Exit


@app.callback()
def options(
    context: typer.Context,
    config: Annotated[
        Path | None,
        typer.Option(
            envvar="GROUNDSWELL_CONFIG", metavar="DIR", help="The folder of groundswell.toml and policy.toml."
        ),
    ] = None,
    url: Annotated[str, typer.Option(envvar="GROUNDSWELL_URL", metavar="URL", help="Another platform.")] = "",
    key: Annotated[str, typer.Option(envvar="GROUNDSWELL_KEY", metavar="KEY", help="An API key.")] = "",
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
    no_color: Annotated[str, typer.Option(envvar="NO_COLOR", hidden=True)] = "",
    shown: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Groundswell: agents that answer on evidence, on your own machine or cluster."""
    look.plain = bool(no_color)
    context.obj = Invocation(config, url, key, debug)


for group in (
    up,
    ask,
    route,
    runs,
    approvals,
    prune,
    evidence,
    collections,
    agents,
    tools,
    models,
    keys,
    tenants,
    policy,
    lifecycle,
    config,
    doctor,
    postgres,
    render,
    deploy,
    secrets,
    verify,
    waves,
    gate,
):
    group.add_to(app)


def main() -> None:
    """The entry point."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without UTF-8 gets question marks, not a traceback
    app()


if __name__ == "__main__":
    main()
