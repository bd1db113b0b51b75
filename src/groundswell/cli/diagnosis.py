"""What `doctor` looks at: each probe finds one thing well, broken, or worth knowing."""

import asyncio
import re
import resource
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from groundswell.cli.invocation import Invocation
from groundswell.cli.terminal import printable, size
from groundswell.core.errors import GroundswellError, NotFound

if TYPE_CHECKING:
    from groundswell.core.settings import Loaded
    from groundswell.runtime.datadir import DataDir
    from groundswell.runtime.instance import Instance

PYTHONS = ((3, 11), (3, 14))
OLDEST_GIT = (2, 30)
SPACE_NEEDED, SPACE_WISHED = 500 * 10**6, 2 * 10**9
FILES_NEEDED = 1024
SECONDS = 10


@dataclass(frozen=True)
class Finding:
    """One line: `well` is None for what is only worth knowing."""

    name: str
    well: bool | None
    text: str
    hint: str = ""


async def examined(invocation: Invocation) -> list[Finding]:
    """All findings, in the order in which to mend things."""
    return [finding async for finding in _probes(invocation)]


async def _probes(invocation: Invocation) -> AsyncIterator[Finding]:
    yield _python()
    yield _files()
    yield _clock()
    yield await asyncio.to_thread(_git)
    try:
        loaded = invocation.loaded()
    except GroundswellError as error:
        yield _broken("settings", error)
        return
    yield _settings(loaded)
    from groundswell.runtime.datadir import DataDir
    from groundswell.runtime.instance import find

    data = DataDir(loaded.settings.data)
    yield _data(data)
    yield _space(data)
    instance = find(data)
    yield _platform(data, instance)
    yield _port(loaded, instance)
    details = await _details(invocation) if instance or invocation.url else {}
    if isinstance(details, Finding):
        yield details
        details = {}
    yield _told("database", details) or await _database(loaded, data)
    yield _told("embeddings", details) or _embeddings(loaded, data)
    yield _egress(loaded)
    yield await _network(loaded)


def _python() -> Finding:
    ours = f"Python {sys.version.split()[0]}, Groundswell {version('groundswell')}"
    well = PYTHONS[0] <= sys.version_info[:2] <= PYTHONS[1]
    return Finding("python", well, ours, "use Python 3.11 to 3.14")


def _files() -> Finding:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    well = soft == resource.RLIM_INFINITY or soft >= FILES_NEEDED
    return Finding("open files", well, f"{soft} at once are allowed", f"ulimit -n {FILES_NEEDED * 4}")


def _clock() -> Finding:
    now = datetime.now().astimezone()
    made = datetime.fromtimestamp(Path(__file__).stat().st_mtime).astimezone()
    text = f"{now:%Y-%m-%d %H:%M %Z}"
    return Finding("clock", now > made - timedelta(days=1), text, f"set it: this program is of {made:%Y-%m-%d}")


def _git() -> Finding:
    program = shutil.which("git")
    if program is None:
        return Finding("git", False, "git is not on the PATH", "install git 2.30 or newer")
    command = [program, "--version"]
    try:
        said = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False).stdout  # noqa: S603
    except (OSError, subprocess.TimeoutExpired) as error:
        return Finding("git", False, f"{program} does not run: {error}", "install git 2.30 or newer")
    found = re.search(r"(\d+)\.(\d+)[\d.]*", said)
    well = bool(found) and (int(found[1]), int(found[2])) >= OLDEST_GIT
    return Finding("git", well, f"{found[0] if found else said.strip()} at {program}", "install git 2.30 or newer")


def _settings(loaded: "Loaded") -> Finding:
    if loaded.policy.tenants:
        from groundswell.runtime import discovery
        from groundswell.runtime.grants import check_policy

        try:
            check_policy(loaded.policy, discovery.tools())
        except GroundswellError as error:
            return _broken("settings", error)
    set_here = len(loaded.origins)
    file = loaded.folder / "groundswell.toml"
    where = f"{file} is read" if file.exists() else f"{file} is not there, which is fine"
    return Finding("settings", True, f"valid; {set_here} set, all else by default; {where}")


def _data(data: "DataDir") -> Finding:
    if not data.root.exists():
        there = next(parent for parent in data.root.absolute().parents if parent.exists())
        return Finding("data", None, f"{data.root} is not there yet; `up` makes it below {there}")
    try:
        data.create()
    except GroundswellError as error:
        return _broken("data", error)
    return Finding("data", True, f"{data.root} can be written")


def _space(data: "DataDir") -> Finding:
    there = next(place for place in (data.root, *data.root.absolute().parents) if place.exists())
    free = shutil.disk_usage(there).free
    well = False if free < SPACE_NEEDED else True if free >= SPACE_WISHED else None
    return Finding("disk", well, f"{size(free)} free at {there}", f"free some; {size(SPACE_WISHED)} are comfortable")


def _platform(data: "DataDir", instance: "Instance | None") -> Finding:
    if instance is None:
        return Finding("platform", None, f"none runs on {data.root}", "groundswell up")
    ours = version("groundswell")
    text = f"runs at {instance.url} (pid {instance.pid}, version {instance.version}, started by {instance.started_by})"
    return Finding("platform", instance.version == ours, text, f"this program is {ours}: groundswell up restarts it")


def _port(loaded: "Loaded", instance: "Instance | None") -> Finding:
    from groundswell.runtime.tcp_ports import port_taken

    host, port = loaded.settings.gateway.host, loaded.settings.gateway.port
    if instance and instance.url.endswith(f":{port}"):
        return Finding("port", True, f"{port} is this platform's")
    if taken := port_taken(port, host):
        return Finding("port", None if instance else False, taken.message, taken.hint)
    return Finding("port", True, f"{port} on {host} is free")


async def _details(invocation: Invocation) -> dict[str, Any] | Finding:
    """What the running platform says it works with."""
    try:
        async with asyncio.timeout(SECONDS), invocation.platform() as client:
            return (await client.ready()).get("details", {})
    except GroundswellError as error:
        return _broken("services", error)
    except TimeoutError:
        return Finding("services", False, f"no answer within {SECONDS} s", "groundswell logs")


def _told(name: str, details: dict[str, Any]) -> Finding | None:
    if name not in details:
        return None
    schema = f", schema {details['schema']}" if name == "database" and "schema" in details else ""
    return Finding(name, True, f"{details[name]}{schema}")


async def _database(loaded: "Loaded", data: "DataDir") -> Finding:
    """Ask it, starting the embedded one for as long as that takes."""
    url = loaded.settings.database.url
    if url == "embedded:" and not (data.postgres / "data").exists():
        return Finding("database", None, "embedded PostgreSQL; `up` makes it")
    from groundswell.backends.databases.connections import Database
    from groundswell.backends.databases.embedded import ROLE
    from groundswell.runtime.platform import database

    password = loaded.settings.database.password
    try:
        async with database(loaded, data) as reached:
            asked = Database(
                reached.replace("{role}", ROLE), password=password.get_secret_value() if password else None, size=2
            )
            await asked.open()
            try:
                there = await asked.row("SELECT to_regclass('groundswell.schema_migrations') IS NOT NULL AS there")
                if not (there and there["there"]):
                    return Finding("database", None, "it answers, and has no schema yet", "groundswell migrate")
                row = await asked.row("SELECT max(number) AS schema FROM schema_migrations")
            finally:
                await asked.close()
    except GroundswellError as error:
        return _broken("database", error)
    return Finding("database", True, f"it answers, schema {row['schema'] if row else 0}")


def _embeddings(loaded: "Loaded", data: "DataDir") -> Finding:
    from groundswell.backends.models.embeddings import choose

    asked = loaded.settings.embeddings
    try:
        choice = choose(asked.url, models=data.models, model=asked.model)
    except GroundswellError as error:
        return _broken("embeddings", error)
    return Finding("embeddings", True if choice.embedder else None, choice.sentence)


def _egress(loaded: "Loaded") -> Finding:
    """By which way pages and repositories are reached."""
    settings = loaded.settings.egress
    if settings.ca_bundle and not settings.ca_bundle.expanduser().is_file():
        return Finding("egress", False, f"{settings.ca_bundle} is not there", "mend [egress] ca_bundle")
    text = "names are resolved once, checked, and the checked address is dialled"
    if settings.proxy:
        besides = f", but for {', '.join(settings.no_proxy)}" if settings.no_proxy else ""
        text = f"through {settings.proxy}{besides}; its rules for hosts take the place of address pinning"
    trusted = f"; private places that may be read: {', '.join(settings.trusted)}" if settings.trusted else ""
    return Finding("egress", True, text + trusted)


async def _network(loaded: "Loaded") -> Finding:
    """What the settings name outside this machine, and whether somebody listens there."""
    settings = loaded.settings
    asked = [settings.telemetry.otlp_url, settings.embeddings.url, *(m.url for m in settings.models.values())]
    outside = [url for url in asked if url.startswith("http")]
    for url in outside:
        parts = urlsplit(url)
        try:
            async with asyncio.timeout(SECONDS):
                port = parts.port or (443 if parts.scheme == "https" else 80)
                _, writer = await asyncio.open_connection(parts.hostname, port)
                writer.close()
        except (OSError, TimeoutError, ValueError) as error:
            said = f"{printable(url)} does not answer: {str(error) or f'nothing within {SECONDS} s'}"
            return Finding("network", False, said, "start what should listen there, or take it out of the settings")
    text = f"{', '.join(outside)} can be reached" if outside else "none is needed"
    return Finding("network", True, f"{text}; repositories by https are fetched when you name them")


def _broken(name: str, error: GroundswellError) -> Finding:
    well = None if isinstance(error, NotFound) else False
    return Finding(name, well, error.message, error.hint)
