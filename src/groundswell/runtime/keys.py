"""Ed25519 keys of the services, and the two tokens they sign (architecture §5.6).

Each service that signs has a private key of its own: the router for run tokens, the gateway for callers, agent workers
for themselves. All know all public keys. Private files have mode 0600.
"""

import fcntl
import os
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

from groundswell.core.errors import ConfigError, Unauthenticated

SIGNERS = ("gateway", "router", "agents")
ALGORITHM = "Ed25519"


@dataclass(frozen=True)
class RunToken:
    """What a worker may do with one run, for some minutes, while it holds the lease."""

    run: str
    epoch: int
    agent: str
    caller: str
    tenant: str
    scopes: tuple[str, ...] = ()


@dataclass(frozen=True)
class CallerToken:
    """Whom the gateway has recognised. `local` is the person at this machine."""

    caller: str
    tenant: str
    scopes: tuple[str, ...] = ()
    local: bool = False
    user: str = ""  # and groups: as a cluster knows them
    groups: tuple[str, ...] = ()

    @property
    def subject(self) -> dict[str, Any]:
        """What a run keeps of who asked for it."""
        if self.local:
            return {"local": True}
        return {"user": self.user, "groups": list(self.groups)} if self.user else {}


@dataclass(frozen=True)
class WorkerToken:
    """Which worker asks the router."""

    worker: str


Token = RunToken | CallerToken | WorkerToken
T = TypeVar("T", RunToken, CallerToken, WorkerToken)


@dataclass(frozen=True)
class Keys:
    """The keys that one process holds."""

    private: dict[str, OKPKey] = field(default_factory=dict[str, OKPKey], repr=False)
    public: dict[str, tuple[OKPKey, ...]] = field(default_factory=dict[str, tuple[OKPKey, ...]])

    def sign(self, signer: str, token: Token, seconds: float) -> str:
        """A token as a JWT."""
        claims = {**asdict(token), "iss": signer, "kind": type(token).__name__, "exp": int(time.time() + seconds)}
        return jwt.encode({"alg": ALGORITHM}, claims, self.private[signer], algorithms=[ALGORITHM])

    def read(self, kind: type[T], signer: str, text: str) -> T:
        """A token of a kind that a service signed; raises Unauthenticated."""
        for key in self.public[signer]:
            try:
                claims = jwt.decode(text, key, algorithms=[ALGORITHM]).claims
            except (JoseError, ValueError):
                continue
            return _checked(kind, signer, claims)
        raise Unauthenticated("bad_token", "this token was not signed by us")


def _checked(kind: type[T], signer: str, claims: dict[str, Any]) -> T:
    if claims.get("kind") != kind.__name__ or claims.get("iss") != signer:
        raise Unauthenticated("bad_token", f"a {kind.__name__} is needed here, not a {claims.get('kind')}")
    if claims.get("exp", 0) < time.time():
        hint = "ask for a new one; if this comes at once, compare the clocks of the machines"
        raise Unauthenticated("token_expired", "this token's time is over", hint)
    told: dict[str, Any] = {name: claims[name] for name in kind.__dataclass_fields__ if name in claims}
    for name, value in told.items():
        told[name] = tuple(value) if isinstance(value, list) else value
    return kind(**told)


def generate() -> Keys:
    """New keys for all, in memory."""
    private = {name: OKPKey.generate_key(ALGORITHM) for name in SIGNERS}
    return Keys(private, {name: (_public(key),) for name, key in private.items()})


def pems() -> dict[str, bytes]:
    """New keys for all, as the files that `load` reads."""
    return {file: text for name in SIGNERS for file, text in pair(name).items()}


def pair(name: str) -> dict[str, bytes]:
    """A new key, as the files `NAME.private.pem` and `NAME.public.pem`."""
    key = OKPKey.generate_key(ALGORITHM)
    return {
        f"{name}.private.pem": key.as_pem(private=True),
        f"{name}.public.pem": _public(key).as_pem(private=False),
    }


def load(folder: Path, *, create: bool) -> Keys:
    """The keys in a folder: `NAME.private.pem` where this process may sign, `NAME.public.pem` for all.

    With `create` those that are missing are made. Raises ConfigError.
    """
    private: dict[str, OKPKey] = {}
    public: dict[str, tuple[OKPKey, ...]] = {}
    for name in SIGNERS:
        secret, shown = folder / f"{name}.private.pem", folder / f"{name}.public.pem"
        if create and not secret.exists():
            create_pair(secret, shown)
        try:
            if secret.exists():
                private[name] = OKPKey.import_key(secret.read_bytes())
            public[name] = (OKPKey.import_key(shown.read_bytes()),)
        except (OSError, ValueError, JoseError) as error:
            hint = "start the platform with `groundswell up` once, or copy the keys here"
            raise ConfigError("no_keys", f"the key of {name} in {folder} cannot be read: {error}", hint) from error
    return Keys(private, public)


def create_pair(secret: Path, shown: Path) -> None:
    """Make a key, unless another process that starts at the same time was faster."""
    secret.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = os.open(secret.parent, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not secret.exists():
            key = OKPKey.generate_key(ALGORITHM)
            _write(shown, _public(key).as_pem(private=False))
            _write(secret, key.as_pem(private=True))
    finally:
        os.close(lock)


def _public(key: OKPKey) -> OKPKey:
    return OKPKey.import_key(key.as_dict(private=False))


def _write(file: Path, content: bytes) -> None:
    """All or nothing, and readable by us alone."""
    part = file.with_name(f".{file.name}.{os.getpid()}")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    part.replace(file)
