"""What every command has in common: the options before it, the settings, and the platform it talks to."""

import sys
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from groundswell.cli.terminal import aside
from groundswell.core.errors import GroundswellError, Unavailable

if TYPE_CHECKING:
    from groundswell.client import Client
    from groundswell.core.settings import Loaded
    from groundswell.runtime.datadir import DataDir
    from groundswell.runtime.instance import Instance


JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@dataclass
class Invocation:
    """One call of the program."""

    config: Path | None = None
    url: str = ""
    key: str = ""
    debug: bool = False
    as_json: Callable[[GroundswellError], dict[str, Any]] | None = None  # how a command with --json tells an error

    def loaded(self, overrides: Mapping[str, Any] | None = None) -> "Loaded":
        """The settings; `overrides` are options as dotted names."""
        from groundswell.core.settings import load

        return load(self.config, overrides)

    def data(self) -> "DataDir":
        """The data directory."""
        from groundswell.runtime.datadir import DataDir

        return DataDir(self.loaded().settings.data)

    def command(self, *words: str) -> list[str]:
        """A command line of this same program, with the same configuration.

        `-P` keeps the current folder, which may be anybody's repository, off the module path.
        """
        config = ["--config", str(self.config.absolute())] if self.config else []
        return [sys.executable, "-P", "-m", "groundswell.cli.main", *config, *words]

    @asynccontextmanager
    async def platform(self, *, start: bool = False) -> AsyncGenerator["Client"]:
        """The platform of `--url`, else the one on the data directory; with `start` one is started where none runs."""
        from groundswell.client import Client

        instance = self._running()
        if self.url:
            ours = instance is not None and instance.url == self.url.rstrip("/")
            url, key = self.url, self.key or (instance.key.get_secret_value() if instance and ours else "")
        else:
            instance = instance or (await self._started() if start else None)
            if instance is None:
                message = "no platform runs on this data directory"
                raise Unavailable("platform_away", message, "start one: groundswell up, or name one: --url URL")
            url, key = instance.url, self.key or instance.key.get_secret_value()
        async with Client(url, key) as client:
            yield client

    def _running(self) -> "Instance | None":
        from groundswell.runtime.instance import find

        return find(self.data())

    async def _started(self) -> "Instance":
        from groundswell.runtime.instance import spawn
        from groundswell.runtime.tcp_ports import port_taken

        settings = self.loaded().settings
        data = self.data().create()
        aside("no platform runs: starting one in the background…", "dim")
        words = ["up", "--no-question", "--started-by", "ask"]
        if port_taken(settings.gateway.port, settings.gateway.host):
            words += ["--port", "0"]
        instance = await spawn(data, self.command(*words), data.logs / "platform.log")
        aside(f"started {instance.url}; it stops by itself after {settings.idle_minutes:g} idle minutes", "dim")
        return instance


def here(context: typer.Context, *, as_json: bool = False) -> Invocation:
    """The invocation a command belongs to; with `as_json` an error is told as one object, too."""
    invocation = cast("Invocation", context.find_root().obj)
    if as_json:
        invocation.as_json = plain_failure
    return invocation


def plain_failure(error: GroundswellError) -> dict[str, Any]:
    """An error as the one object of a command with `--json`."""
    return {"error": {"code": error.code, "message": error.message, "hint": error.hint}}
