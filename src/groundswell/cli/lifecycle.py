"""`groundswell status`, `logs`, `stop` and `where`: the platform of this data directory."""

import asyncio
import json
import os
import shlex
import threading
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from groundswell.cli import exits
from groundswell.cli.invocation import JsonOption, here
from groundswell.cli.program import program
from groundswell.cli.terminal import aside, printable, say, size, table
from groundswell.cli.up import log_file
from groundswell.core.errors import NotFound

LOOK_SECONDS = 0.2
TAIL_BYTES = 2**20


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (status, logs, stop, where):
        app.command()(command)


def status(context: typer.Context, as_json: JsonOption = False) -> None:
    """Say whether a platform runs, and how it stands.

    Exit code 6 where none runs.
    """
    invocation = here(context, as_json=as_json)

    async def asked() -> tuple[str, dict[str, Any]]:
        async with invocation.platform() as client:
            return client.url, await client.platform()

    url, platform = asyncio.run(asked())
    well = all(service.get("status") == "ready" for service in platform["services"].values())
    if as_json:
        say(json.dumps({"url": url, **_instance(context), **platform}, ensure_ascii=False, indent=2))
    else:
        instance = _instance(context)
        process = f" (pid {instance['pid']}, started by {instance['started_by']})" if instance else ""
        say(f"Groundswell {platform['version']} at {url}{process}", "bold")
        table([_service(name, body) for name, body in platform["services"].items()], ("service", "status", "details"))
    raise typer.Exit(exits.ANSWERED if well else exits.UNAVAILABLE)


def _service(name: str, body: dict[str, Any]) -> tuple[str, str, str]:
    details = ", ".join(f"{key} {value}" for key, value in body.get("details", {}).items())
    return name, str(body.get("status", "not ready")), details or str(body.get("detail", body.get("message", "")))


def _instance(context: typer.Context) -> dict[str, Any]:
    from groundswell.runtime.instance import find

    invocation = here(context)
    found = find(invocation.data())
    if found is None or (invocation.url and invocation.url.rstrip("/") != found.url):
        return {}
    return found.model_dump(mode="json", exclude={"key", "began", "version", "url"})


def logs(
    context: typer.Context,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on with what comes.")] = False,
    lines: Annotated[int, typer.Option("-n", "--lines", min=0, help="How many of the last lines.")] = 50,
) -> None:
    """Print what the platform wrote into its log."""
    from groundswell.runtime.instance import find

    data = here(context).data()
    file = log_file(data, find(data))
    if not file.exists():
        raise NotFound("no_log", f"there is no log at {file}", f"{program()} up makes one")
    with file.open("rb") as stream:
        stream.seek(max(file.stat().st_size - TAIL_BYTES, 0))
        text = stream.read().decode(errors="replace")
    for line in text.splitlines()[-lines:] if lines else []:
        print(printable(line))
    if follow:
        _followed(file)


def _followed(file: Path) -> None:
    """Print what is added, until Ctrl-C; a log that is put aside is followed in its new file."""
    pause = threading.Event()
    stream = file.open("rb")
    stream.seek(0, os.SEEK_END)
    try:
        while not pause.wait(LOOK_SECONDS):
            print(printable(stream.read().decode(errors="replace")), end="", flush=True)
            if file.exists() and file.stat().st_ino != os.fstat(stream.fileno()).st_ino:
                stream.close()
                stream = file.open("rb")
    finally:
        stream.close()


def stop(context: typer.Context) -> None:
    """Stop the platform; nothing stored is lost."""
    from groundswell.runtime import instance

    data = here(context).data()
    began = time.monotonic()
    stopped = asyncio.run(instance.stop(data))
    if stopped is None:
        aside(f"no platform runs on {data.root}")
    else:
        say(f"stopped {stopped.url} (pid {stopped.pid}) in {time.monotonic() - began:.1f} s")


def where(context: typer.Context, as_json: JsonOption = False) -> None:
    """Say what is stored where, and how to remove it."""
    from groundswell.backends.databases.postgres_programs import SHARED_COPIES
    from groundswell.runtime.instance import find

    invocation = here(context, as_json=as_json)
    loaded = invocation.loaded()
    data = invocation.data()
    parts = data.usage()
    if as_json:
        body = {"data": str(data.root), "config": str(loaded.folder), "parts": [part.model_dump() for part in parts]}
        say(json.dumps(body, ensure_ascii=False, indent=2))
        return
    say(f"data      {data.root}")
    say(f"settings  {loaded.folder}{'' if loaded.folder.is_dir() else ' (not there: all is by default)'}")
    if not data.root.exists():
        say(f"\nnothing is stored yet: {program()} up begins")
        return
    say()
    rows = [(part.name, size(part.bytes).rjust(8), part.what) for part in parts]
    rows.append(
        ("total", size(sum(part.bytes for part in parts)).rjust(8), f"{size(data.free_bytes())} left on the disk")
    )
    table(rows, ("part", "    size", "what it is"))
    say()
    running = f"{program()} stop && " if find(data) else ""
    if SHARED_COPIES.is_dir():
        say(f"root's platforms share PostgreSQL's programs:  rm -r {SHARED_COPIES}")
    say(f"remove it all:  {running}rm -r {shlex.quote(str(data.root))}")
