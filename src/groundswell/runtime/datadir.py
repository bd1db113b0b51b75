"""The data directory: all that a platform keeps on this machine.

root/                   mode 0700
 ├── postgres/          the embedded database
 ├── vectors/           the embedded vectors
 ├── repos/             clones and indexes of repositories
 ├── models/            embedding models made or fetched here
 ├── sockets/           where the services listen
 ├── logs/              of a platform in the background
 ├── keys/              signing keys
 ├── proofs/            what checks measured here
 ├── platform.json      the platform that runs now
 └── platform.lock      held by it
"""

import errno
import os
import pwd
import shutil
import stat
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from groundswell.core.errors import ConfigError, GroundswellError, Unavailable
from groundswell.core.records import Record

SOCKET_PATH_BYTES = 107 if sys.platform == "linux" else 103
LONGEST_SOCKET = "sockets/gateway.sock"
LOG_BYTES = 10 * 2**20  # of a platform's log; a longer one is put aside, in the place of the one before

PARTS = {
    "postgres": "runs, events, evidence, threads, API keys",
    "vectors": "embeddings of what was indexed",
    "repos": "clones and indexes of repositories",
    "models": "embedding models",
    "sockets": "where the services listen",
    "logs": "what a platform in the background said",
    "keys": "signing keys",
    "proofs": "what checks measured here",
}


class Part(Record):
    """One part of the data directory and the room it takes on the disk."""

    name: str
    path: str
    what: str
    bytes: int


@dataclass(frozen=True)
class DataDir:
    """The layout below one folder; nothing is made or read before `create`."""

    root: Path

    @property
    def postgres(self) -> Path:
        """The embedded database's folder."""
        return self.root / "postgres"

    @property
    def vectors(self) -> Path:
        """The embedded vectors' folder."""
        return self.root / "vectors"

    @property
    def repos(self) -> Path:
        """Clones and indexes of repositories."""
        return self.root / "repos"

    @property
    def models(self) -> Path:
        """Embedding models."""
        return self.root / "models"

    @property
    def sockets(self) -> Path:
        """Where the services listen."""
        return self.root / "sockets"

    @property
    def logs(self) -> Path:
        """What a platform in the background said."""
        return self.root / "logs"

    @property
    def keys(self) -> Path:
        """Signing keys."""
        return self.root / "keys"

    @property
    def proofs(self) -> Path:
        """What checks measured here, signed."""
        return self.root / "proofs"

    @property
    def platform(self) -> Path:
        """The description of the platform that runs now."""
        return self.root / "platform.json"

    @property
    def lock(self) -> Path:
        """The file that the platform that runs now holds locked."""
        return self.root / "platform.lock"

    def create(self) -> "DataDir":
        """Make what is missing, for this user's eyes only, and show that it can be written."""
        with _explained(self.root):
            self._check_length()
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._check_owner()
            self._close()
            for name in PARTS:
                (self.root / name).mkdir(mode=0o700, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.root) as probe:
                probe.write(b"\0" * 4096)
        return self

    def usage(self) -> list[Part]:
        """The room each part takes; what cannot be read counts as nothing."""
        return [
            Part(name=name, path=str(self.root / name), what=what, bytes=_room(self.root / name))
            for name, what in PARTS.items()
        ]

    def free_bytes(self) -> int:
        """The room that is left on the disk."""
        return shutil.disk_usage(self.root).free

    def _check_length(self) -> None:
        longest = len(os.fsencode(self.root.absolute() / LONGEST_SOCKET))
        if longest > SOCKET_PATH_BYTES:
            raise ConfigError(
                "data_path_too_long",
                f"The path of the data directory {self.root} is {longest - SOCKET_PATH_BYTES} bytes too long for the"
                " sockets in it; operating systems limit those.",
                "Name a folder with a shorter path with GROUNDSWELL_DATA.",
            )

    def _check_owner(self) -> None:
        owner = self.root.stat().st_uid
        if os.geteuid() == 0:  # root may begin in a folder that a user mounts for it, but not go on in a user's
            owner = self.postgres.stat().st_uid if self.postgres.exists() else 0
        if owner != os.geteuid():
            raise ConfigError(
                "data_not_ours",
                f"The data directory {self.root} belongs to {_name(owner)}, not to {_name(os.geteuid())}.",
                "Run as that user, or name another folder with GROUNDSWELL_DATA.",
            )

    def _close(self) -> None:
        """Close a folder that others may write, if it is plainly ours: they could move our folders away."""
        mode = self.root.stat().st_mode
        if not mode & (stat.S_IWGRP | stat.S_IWOTH):
            return
        entries = [entry.name for entry in self.root.iterdir()]
        if mode & stat.S_ISVTX or (entries and self.lock.name not in entries):
            raise ConfigError(
                "data_shared",
                f"The data directory {self.root} can be written by other users, and holds other things than ours.",
                "Name a folder of its own with GROUNDSWELL_DATA.",
            )
        self.root.chmod(0o700)


def _room(folder: Path) -> int:
    """The disk blocks below a folder: files made larger than they are (sparse ones) count as they are."""
    total = 0
    waiting = [folder]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    total += entry.stat(follow_symlinks=False).st_blocks * 512
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(Path(entry.path))
        except OSError:
            continue  # gone meanwhile, or not for this user to see
    return total


@contextmanager
def _explained(root: Path) -> Generator[None]:
    """Turn what the operating system says of the folder into what a person can do about it."""
    try:
        yield
    except OSError as error:
        raise _explanation(root, error) from error


def _explanation(root: Path, error: OSError) -> GroundswellError:
    elsewhere = "Name a folder that can be written with GROUNDSWELL_DATA."
    if error.errno == errno.EROFS:
        return ConfigError("data_read_only", f"The data directory {root} is on a read-only file system.", elsewhere)
    if error.errno in (errno.EACCES, errno.EPERM):
        message = f"{_name(os.geteuid())} may not write the data directory {root}."
        return ConfigError("data_read_only", message, elsewhere)
    if error.errno in (errno.EEXIST, errno.ENOTDIR):
        return ConfigError("data_not_a_folder", f"{error.filename or root} is not a folder.", elsewhere)
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return Unavailable("disk_full", f"The disk of the data directory {root} is full.", "Free some space.")
    return Unavailable("data_unusable", f"The data directory {root} cannot be used: {error.strerror}.", elsewhere)


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user id {uid}"
