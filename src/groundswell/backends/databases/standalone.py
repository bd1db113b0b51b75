"""The PostgreSQL that comes with this package as a server of its own, for small clusters: one pod, one volume.

Unlike the embedded one it listens on TCP, asks for passwords (SCRAM), and is whoever runs it: never root.
"""

import os
import shutil
import subprocess
from pathlib import Path

from groundswell.backends.databases import postgres_programs
from groundswell.backends.databases.embedded import ROLE
from groundswell.core.errors import ConfigError, Unavailable

DATABASE = "groundswell"
INITDB = (
    f"--username={ROLE}",
    "--auth-local=trust",  # its socket lies in the pod
    "--auth-host=scram-sha-256",
    "--encoding=UTF8",
    "--locale=C",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--data-checksums",
    "--no-instructions",
)
SETTINGS = {
    "listen_addresses": "*",
    "port": "5432",
    "unix_socket_directories": "/tmp",  # noqa: S108 - the pod's own
    "password_encryption": "scram-sha-256",
    "max_connections": "120",
    "shared_buffers": "64MB",
    "jit": "off",
    "io_method": "sync",
    "log_min_error_statement": "panic",  # the text of a statement may hold secrets
    "log_timezone": "UTC",
    "timezone": "UTC",
}


def command(folder: Path, password_file: Path) -> list[str]:
    """The server's command line, once there is a database in the folder. Raises ConfigError, Unavailable."""
    if os.geteuid() == 0:
        raise ConfigError("no_root", "PostgreSQL does not run as root", "run as another user: runAsUser")
    programs = postgres_programs.find_programs()
    data = folder / "data"
    if not (data / "PG_VERSION").exists():
        _create(programs, folder, data, password_file)
    found = (data / "PG_VERSION").read_text().strip()
    if found != postgres_programs.VERSION:
        message = f"the database in {data} was made by PostgreSQL {found}; this is {postgres_programs.VERSION}"
        raise ConfigError("database_version", message, "dump it with that release, and restore it here")
    settings = [part for name, value in SETTINGS.items() for part in ("-c", f"{name}={value}")]
    return [str(programs / "bin/postgres"), "-D", str(data), *settings]


def _create(programs: Path, folder: Path, data: Path, password_file: Path) -> None:
    """Make it beside its place, then move it there: half of one never looks like a whole one."""
    fresh = folder / "new"
    shutil.rmtree(fresh, ignore_errors=True)
    _run([str(programs / "bin/initdb"), "-D", str(fresh), f"--pwfile={password_file}", *INITDB])
    single = [str(programs / "bin/postgres"), "--single", "-D", str(fresh), "-c", "io_method=sync", "postgres"]
    _run(single, f"CREATE DATABASE {DATABASE};\n")
    with (fresh / "pg_hba.conf").open("a") as rules:
        rules.write("host all all 0.0.0.0/0 scram-sha-256\nhost all all ::/0 scram-sha-256\n")
    fresh.rename(data)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _run(words: list[str], text: str = "") -> None:
    environment = postgres_programs.ENVIRONMENT
    done = subprocess.run(words, input=text, capture_output=True, text=True, env=environment, check=False)  # noqa: S603
    if done.returncode:
        said = " ".join(done.stderr.split())[-400:]
        raise Unavailable("database_not_made", f"{Path(words[0]).name} failed: {said}")
