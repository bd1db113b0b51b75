"""What every service of one process shares: settings, the data directory, keys, and where the others are."""

import hashlib
import secrets
import socket
from dataclasses import dataclass, field
from importlib.metadata import version

from groundswell.backends.databases.connections import Database
from groundswell.backends.peers import Peer
from groundswell.core.records import Subject
from groundswell.core.settings import Loaded, PolicyFile, Settings, digest
from groundswell.runtime import telemetry
from groundswell.runtime.datadir import DataDir
from groundswell.runtime.embeddings import SharedEmbedder
from groundswell.runtime.keys import Keys

VERSION = version("groundswell")


@dataclass
class Base:
    """The ground a service stands on."""

    loaded: Loaded
    data: DataDir
    keys: Keys
    database_url: str  # `{role}` may still stand in it
    keyless: bool = False  # `up` answers loopback without a key
    local_key: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    worker: str = field(default_factory=lambda: f"{socket.gethostname()}-{secrets.token_hex(4)}")  # if this is one
    embedder: SharedEmbedder = field(default_factory=SharedEmbedder, repr=False)
    last_asked: float = 0.0  # by the event loop's clock; a platform that `ask` started ends when it idles

    @property
    def settings(self) -> Settings:
        """The tree."""
        return self.loaded.settings

    @property
    def policy(self) -> PolicyFile:
        """What `policy.toml` says."""
        return self.loaded.policy

    @property
    def subject(self) -> Subject:
        """What is proven when something is proven here: a place is its router's key, which no other place has."""
        key = self.keys.public["router"][0].key.thumbprint()
        place = hashlib.sha256(f"{key} {self.data.root.absolute()}".encode()).hexdigest()[:24]
        return Subject(version=VERSION, settings=digest(self.loaded), place=place)

    def database(self, role: str) -> Database:
        """A service's own connections, not yet open."""
        settings = self.settings.database
        password = settings.password.get_secret_value() if settings.password else None
        return Database(
            self.database_url,
            role=role,
            password=password,
            size=settings.connections,
            transaction_seconds=self.settings.runs.lease_seconds / 2,
            emit=telemetry.emit,
        )

    def address(self, service: str) -> str:
        """Where a service listens: `unix:PATH` or `http://host:port`."""
        url: str = getattr(self.settings.services, service, "unix:")  # an extension's
        return f"unix:{self.data.sockets / f'{service}.sock'}" if url == "unix:" else url

    def peer(self, service: str) -> Peer:
        """A client of another service."""
        return Peer(service, self.address(service))
