"""`groundswell up` and `serve`: run the platform here."""

import asyncio
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from groundswell.cli.invocation import Invocation, here
from groundswell.cli.program import program
from groundswell.cli.sources import work_tree
from groundswell.cli.terminal import aside, printable, say, span
from groundswell.core.errors import ConfigError, GroundswellError

if TYPE_CHECKING:
    from groundswell.core.settings import Loaded
    from groundswell.runtime.datadir import DataDir
    from groundswell.runtime.instance import Instance
    from groundswell.runtime.platform import Running

SHOWN = "first-answer"  # in the data directory, once the platform has proved itself there


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(up)
    app.command()(serve)


def up(
    context: typer.Context,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="By default 8080; 0 takes a free one.")] = None,
    host: Annotated[str, typer.Option(help="By default 127.0.0.1; elsewhere callers need keys.")] = "",
    detach: Annotated[bool, typer.Option("-d", "--detach", help="Return once it answers.")] = False,
    workers: Annotated[int, typer.Option(min=0, help="Agent workers as processes of their own.")] = 0,
    question: Annotated[bool, typer.Option(help="Ask a first question where none was asked.")] = True,
    set_up: Annotated[bool, typer.Option("--set-up", help="First fetch what makes answers better: MiniLM.")] = False,
    started_by: Annotated[str, typer.Option(hidden=True)] = "up",
) -> None:
    """Start the platform; Ctrl-C stops it. The first time it proves itself with a real question."""
    invocation = here(context)
    options = {"gateway.port": port, "gateway.host": host or None, "sources.repo": _checkout(invocation, started_by)}
    loaded = invocation.loaded({name: value for name, value in options.items() if value is not None})
    if set_up:
        _embeddings(loaded)
    asyncio.run(_up(invocation, loaded, detach, workers, question, "ask" if started_by == "ask" else "up"))


def _checkout(invocation: Invocation, started_by: str) -> str | None:
    """The Git checkout that it is started in, for questions that name no repository; what is set goes before."""
    top = work_tree(Path.cwd()) if started_by == "up" else None
    return f"path:{top}" if top and not invocation.loaded().settings.sources.repo else None


def _embeddings(loaded: "Loaded") -> None:
    """Make the int8 MiniLM, once; where it cannot be had the platform goes on with what is bundled."""
    from groundswell.runtime.datadir import DataDir
    from groundswell.runtime.embeddings import better, make

    if (folder := better(loaded.settings, DataDir(loaded.settings.data))) is None:
        return
    say("fetching MiniLM, a small embedding model (84 MB, once)…")
    began = time.monotonic()
    try:
        make(folder)
    except GroundswellError as error:
        aside(f"{printable(error.message)}; {error.hint}")
    else:
        say(f"  {'MiniLM':<10}{span(time.monotonic() - began)}", "dim")


async def _up(
    invocation: Invocation, loaded: "Loaded", detach: bool, workers: int, question: bool, started_by: Any
) -> None:
    from groundswell.runtime.datadir import DataDir

    began = time.monotonic()
    data = DataDir(loaded.settings.data).create()
    if await _stands(data, started_by):
        return
    if detach:
        await _behind(invocation, loaded, data, workers)
        if question:
            await _prove(data)
        return
    signal.signal(signal.SIGHUP, signal.default_int_handler)  # also while the imports run
    say(f"Groundswell, with its data in {data.root}")
    steps = Steps(began)
    steps("program")
    from groundswell.runtime import platform

    async def ready(running: "Running") -> None:
        instance = running.instance
        assert instance is not None
        steps("")
        say(f"ready at {instance.url} after {span(time.monotonic() - began)}; Ctrl-C stops it", "bold")
        if question:
            await _while_running(running, data)

    log = data.logs / "platform.log"
    keyless = loaded.settings.gateway.keyless is not False
    other = await platform.run(
        loaded,
        keyless=keyless,
        started_by=started_by,
        workers=workers,
        log=log,
        say=steps,
        ready=ready,
    )
    say("stopped" if other is None else _running(other))


class Steps:
    """Says what is being started, and how long each thing took."""

    def __init__(self, began: float) -> None:
        self.name, self.since = "", began

    def __call__(self, name: str) -> None:
        """The next step begins; an empty name ends the last one."""
        now = time.monotonic()
        if self.name and self.name != "stopping":
            say(f"  {self.name:<10}{span(now - self.since)}", "dim")
        if name == "stopping":
            say("stopping…")
        self.name, self.since = name, now


async def _stands(data: "DataDir", started_by: str) -> bool:
    """Whether a platform runs here that stays. One that `ask` started, or of another version, gives way to `up`."""
    from importlib.metadata import version

    from groundswell.runtime.instance import find, stop

    running = find(data)
    if running is None:
        return False
    ours = version("groundswell")
    if started_by == "ask" or (running.started_by == "up" and running.version == ours):
        say(_running(running))
        return True
    why = "`ask` started" if running.version == ours else f"has version {running.version}, not {ours}"
    say(f"taking over from the platform (pid {running.pid}) that {why}…")
    await stop(data)
    return False


def _running(instance: "Instance") -> str:
    return f"Groundswell already runs at {instance.url} (pid {instance.pid}); {program()} stop ends it"


async def _behind(invocation: Invocation, loaded: "Loaded", data: "DataDir", workers: int) -> None:
    """Start the same in a session of its own, and return once it answers."""
    from groundswell.runtime.instance import spawn
    from groundswell.runtime.tcp_ports import port_taken

    gateway = loaded.settings.gateway
    if taken := port_taken(gateway.port, gateway.host):
        raise taken
    words = ["up", "--no-question", "--port", str(gateway.port), "--host", gateway.host, "--workers", str(workers)]
    instance = await spawn(data, invocation.command(*words), data.logs / "platform.log")
    say(f"ready at {instance.url} (pid {instance.pid}); {program()} stop ends it", "bold")


async def _while_running(running: "Running", data: "DataDir") -> None:
    """Prove it, unless it is stopped meanwhile."""
    proof = asyncio.create_task(_prove(data))
    stopping = asyncio.create_task(running.stopping.wait())
    await asyncio.wait({proof, stopping}, return_when=asyncio.FIRST_COMPLETED)
    for task in (proof, stopping):
        task.cancel()
    await asyncio.gather(proof, stopping, return_exceptions=True)


async def _prove(data: "DataDir") -> None:
    """At the first start: ask each agent a real question, print the answers, and say what to try next."""
    from groundswell.cli import first_answer
    from groundswell.runtime.instance import find

    shown, instance = data.root / SHOWN, find(data)
    if instance is None or shown.exists():
        return
    try:
        tries = await first_answer.proved(instance, data)
    except GroundswellError as error:
        aside(f"the first questions failed: {printable(error.message)}", "bad")
        aside(f"hint: {error.hint or f'{program()} doctor'}")
        return
    say()
    say("Try next:", "bold")
    for words, purpose in tries:
        say(f"  {purpose:<19}{words}")  # whole, however long: it is there to be copied
    shown.touch(mode=0o600)


def serve(
    context: typer.Context,
    names: Annotated[list[str], typer.Argument(metavar="NAME…", help="gateway, router, agents, tools, models.")],
) -> None:
    """Run single services.

    They find the others on sockets in the data directory, or, by `[services]`, elsewhere. Callers need keys.
    """
    loaded = here(context).loaded()
    from groundswell.runtime import platform

    keyless = loaded.settings.gateway.keyless is True

    async def ready(_: "Running") -> None:
        say(f"serving {', '.join(names)}")

    other = asyncio.run(platform.run(loaded, names=names, keyless=keyless, ready=ready))
    if other is not None:
        raise ConfigError("already_running", _running(other), "stop it first, or name another data directory")


def log_file(data: "DataDir", instance: "Instance | None") -> Path:
    """Where the platform of a data directory writes its log."""
    return Path(instance.log) if instance and instance.log else data.logs / "platform.log"
