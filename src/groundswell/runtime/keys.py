"""Ed25519 keys of the services, and the two tokens they sign (architecture §5.6).

Each service that signs has a private key of its own: the router for run tokens, the gateway for callers, agent workers
for themselves. All know all public keys. Private files have mode 0600.

A token names its key (`kid`), and the files are read again when they change: `rotate` gives every signer a new key
while the platform runs. A file of public keys may hold an old one, after a line `Until: SECONDS`: it verifies tokens
that end before then.
"""

import contextlib
import fcntl
import os
import re
import time
from collections.abc import Generator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import GuestProtocol, OKPKey

from groundswell.core.errors import ConfigError, Unauthenticated

SIGNERS = ("gateway", "router", "agents")
ALGORITHM = "Ed25519"
LOOK_SECONDS = 1.0
RENEWED = ("token_expired", "key_dropped")  # refusals that another token may cure
OLD_SECONDS = 3600.0  # no token lives longer
PUBLIC = re.compile(
    r"(?:^Until: (\d+)\s+)?(-----BEGIN PUBLIC KEY-----.+?-----END PUBLIC KEY-----)", re.DOTALL | re.MULTILINE
)


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
class PublicKey:
    """A key that verifies; an old one only what ends before `until`."""

    key: OKPKey
    until: float = float("inf")


@dataclass
class Keys:
    """The keys that one process holds; those of a folder as they stand there, a second ago at most."""

    private: dict[str, OKPKey] = field(default_factory=dict[str, OKPKey], repr=False)
    public: dict[str, tuple[PublicKey, ...]] = field(default_factory=dict[str, tuple[PublicKey, ...]])
    folder: Path | None = None
    state: tuple[Any, ...] = ()
    looked: float = 0.0

    def sign(self, signer: str, token: Token, seconds: float) -> str:
        """A token as a JWT."""
        self._look(0.0)
        key = self.private[signer]
        claims = {**asdict(token), "iss": signer, "kind": type(token).__name__, "exp": int(time.time() + seconds)}
        return jwt.encode({"alg": ALGORITHM, "kid": key.kid}, claims, key, algorithms=[ALGORITHM])

    def read(self, kind: type[T], signer: str, text: str) -> T:
        """A token of a kind that a service signed; raises Unauthenticated."""
        used: list[PublicKey] = []

        def key_of(token: GuestProtocol) -> OKPKey:
            used.append(self._named(signer, token.headers().get("kid")))
            return used[0].key

        self._look(LOOK_SECONDS)
        try:
            claims = jwt.decode(text, key_of, algorithms=[ALGORITHM]).claims
        except (JoseError, ValueError) as error:
            raise Unauthenticated("bad_token", "this token was not signed by us") from error
        told = _checked(kind, signer, claims)
        if claims["exp"] > used[0].until:
            raise _dropped()
        return told

    def _named(self, signer: str, kid: Any) -> PublicKey:
        for seconds in (LOOK_SECONDS, 0.0):  # one that is not known may have come this moment
            self._look(seconds)
            for each in self.public[signer]:
                if each.key.kid == kid:
                    return each
        if any(each.key.kid == kid for others in self.public.values() for each in others):
            raise Unauthenticated("bad_token", f"the {signer} has not signed this token")
        raise _dropped()

    def _look(self, seconds: float) -> None:
        """Read the folder again where it has changed, unless that was looked at within so many seconds."""
        now = time.monotonic()
        if self.folder is None or now - self.looked < seconds:
            return
        self.looked = now
        with contextlib.suppress(ConfigError, OSError):  # it is being changed: what was read holds until it can be read
            if (state := _state(self.folder)) != self.state:
                self.private, self.public = _read(self.folder)
                self.state = state


def _dropped() -> Unauthenticated:
    return Unauthenticated(
        "key_dropped", "the key that signed this token is none of ours, or no more", "ask for a new one"
    )


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
    private = {name: _new() for name in SIGNERS}
    return Keys(private, {name: (PublicKey(_public(key)),) for name, key in private.items()})


def pems() -> dict[str, bytes]:
    """New keys for all, as the files that `load` reads."""
    return {file: text for name in SIGNERS for file, text in pair(name).items()}


def pair(name: str) -> dict[str, bytes]:
    """A new key, as the files `NAME.private.pem` and `NAME.public.pem`."""
    key = _new()
    return {
        f"{name}.private.pem": key.as_pem(private=True),
        f"{name}.public.pem": _public(key).as_pem(private=False),
    }


def load(folder: Path, *, create: bool) -> Keys:
    """The keys in a folder: `NAME.private.pem` where this process may sign, `NAME.public.pem` for all.

    With `create` those that are missing are made. Raises ConfigError.
    """
    for name in SIGNERS if create else ():
        if not (folder / f"{name}.private.pem").exists():
            create_pair(folder / f"{name}.private.pem", folder / f"{name}.public.pem")
    state = _state(folder)
    return Keys(*_read(folder), folder, state, time.monotonic())


def rotate(folder: Path, *, drop: bool = False) -> list[str]:
    """A new key for each who may sign here; whoever runs reads it within a second.

    The old ones verify until the last token that they signed is over; with `drop` they verify nothing any more.
    Wherever this is cut off, what is signed is verified. Raises ConfigError.
    """
    with _locked(folder):
        held, public = _read(folder)
        for name in held:
            secret, shown = folder / f"{name}.private.pem", folder / f"{name}.public.pem"
            key, now = _new(), time.time()
            new = _public(key).as_pem(private=False)
            old = [each for each in public[name] if each.until > now]
            _write(shown, b"".join(_shown(each, each.until) for each in old) + new)  # first all must know it
            _write(secret, key.as_pem(private=True))
            kept = [] if drop else [_shown(each, min(each.until, now + OLD_SECONDS)) for each in old]
            _write(shown, b"".join([new, *kept]))
    return sorted(held)


def _shown(key: PublicKey, until: float) -> bytes:
    """As it stands in a file of public keys."""
    line = "" if until == float("inf") else f"Until: {until:.0f}\n"
    return line.encode() + key.key.as_pem(private=False)


def _state(folder: Path) -> tuple[Any, ...]:
    """What changes with a file; those of a Secret are other files each time."""
    found: list[tuple[int, int]] = []
    for name in (f"{signer}.{part}.pem" for signer in SIGNERS for part in ("private", "public")):
        with contextlib.suppress(OSError):
            stat = os.stat(f"{folder}/{name}")  # noqa: PTH116 - for each token that is signed
            found.append((stat.st_mtime_ns, stat.st_ino))
    return tuple(found)


def _read(folder: Path) -> tuple[dict[str, OKPKey], dict[str, tuple[PublicKey, ...]]]:
    private: dict[str, OKPKey] = {}
    public: dict[str, tuple[PublicKey, ...]] = {}
    for name in SIGNERS:
        secret, shown = folder / f"{name}.private.pem", folder / f"{name}.public.pem"
        try:
            if secret.exists():
                private[name] = _imported(secret.read_bytes())
            public[name] = tuple(
                PublicKey(_imported(pem.encode()), float(until or "inf"))
                for until, pem in PUBLIC.findall(shown.read_text())
            )
            if not public[name]:
                raise ValueError("it holds no public key")
        except (OSError, ValueError, JoseError) as error:
            hint = "start the platform with `groundswell up` once, or copy the keys here"
            raise ConfigError("no_keys", f"the key of {name} in {folder} cannot be read: {error}", hint) from error
    return private, public


def create_pair(secret: Path, shown: Path) -> None:
    """Make a key, unless another process that starts at the same time was faster."""
    secret.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _locked(secret.parent):
        if not secret.exists():
            key = _new()
            _write(shown, _public(key).as_pem(private=False))
            _write(secret, key.as_pem(private=True))


@contextlib.contextmanager
def _locked(folder: Path) -> Generator[None]:
    lock = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _new() -> OKPKey:
    key = OKPKey.generate_key(ALGORITHM)
    key.ensure_kid()
    return key


def _imported(pem: bytes) -> OKPKey:
    key = OKPKey.import_key(pem)
    key.ensure_kid()  # its thumbprint, which each process computes alike
    return key


def _public(key: OKPKey) -> OKPKey:
    return _imported(key.as_pem(private=False))


def _write(file: Path, content: bytes) -> None:
    """All or nothing, and readable by us alone."""
    part = file.with_name(f".{file.name}.{os.getpid()}")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    part.replace(file)
