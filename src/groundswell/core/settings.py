"""Settings: one frozen tree. Defaults < `groundswell.toml` < `GROUNDSWELL_SECTION__FIELD`; secrets also as `…_file`.

This is the only module that reads the environment, and it does so when `load` is called.
"""

import difflib
import hashlib
import json
import os
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeGuard, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator, model_validator

from groundswell.core.errors import ConfigError
from groundswell.core.hosts import compared, host_of
from groundswell.core.masking import Personal
from groundswell.core.policy import ArgumentRule
from groundswell.core.records import Narrowing, Record, SourceKind
from groundswell.core.records.runs import Source
from groundswell.core.redaction import redact

PREFIX = "GROUNDSWELL_"
TENANT = r"^[a-z][a-z0-9-]{0,30}$"  # a tenant's name
ModelRole = Literal["planner", "code", "small", "embed"]
CallerScope = Literal["runs", "keys", "approve", "prune", "admin"]
# of asymmetric keys alone: with a shared secret whoever checks tokens could make them
Algorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519", "EdDSA"]


def _check_tenants(names: Iterable[str]) -> None:
    for name in names:
        if not re.fullmatch(TENANT, name):
            raise ValueError(f"{name!r} is no name of a tenant: lower-case letters, digits and `-`, at most 31")


class Section(BaseModel):
    """A part of the tree."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Gateway(Section):
    """The one door."""

    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65535)
    keyless: bool | None = Field(
        default=None, description="Answer loopback without a key; unset: only `up` does, never `serve`."
    )
    key: SecretStr | None = Field(
        default=None, min_length=24, description="The local caller's key; unset: made anew at each start."
    )
    hosts: tuple[str, ...] = Field(
        default=(), description="Names besides loopback's under which a gateway on loopback answers, with a key."
    )
    requests_per_minute: int = Field(default=600, ge=1, description="A caller's, over all routes.")
    max_body_bytes: int = Field(default=2 * 2**20, ge=1024)


class Database(Section):
    """PostgreSQL 17 or newer."""

    url: str = Field(default="embedded:", description="`embedded:` or `postgresql://user@host/name`.")
    password: SecretStr | None = None
    connections: int = Field(default=8, ge=2, description="At most, for each service.")
    migrate: bool = Field(default=True, description="Bring the schema up to date at the start; else it must be.")


class VectorStore(Section):
    """Where vectors live."""

    url: str = Field(
        default="embedded:",
        description="`embedded:`, in the data directory; `qdrant://HOST:6333` or `qdrant:https://HOST:6333`, a server.",
    )
    key: SecretStr | None = None


class Embeddings(Section):
    """What makes vectors of texts."""

    url: Source = Field(
        default="auto",
        description="`auto` (MiniLM where it is installed, else wordllama), `minilm:`, `wordllama:`, `none:`, or the "
        "address of an OpenAI-compatible endpoint, such as `http://127.0.0.1:8000/v1`.",
    )
    model: str = ""
    key: SecretStr | None = None


class Price(Section):
    """What a million tokens cost, in USD."""

    input: float = Field(default=0.0, ge=0)
    output: float = Field(default=0.0, ge=0)


class ModelEndpoint(Section):
    """A model behind any OpenAI-compatible endpoint."""

    url: Source = Field(description="Its base, such as `http://127.0.0.1:8000/v1`.")
    model: str = Field(default="", description="Empty: the first one it lists.")
    key: SecretStr | None = None
    headers: dict[str, SecretStr] = Field(default={}, description="Sent with every request.")
    query: dict[str, SecretStr] = Field(default={}, description="Added to every address.")
    window: int = Field(default=0, ge=0, description="Tokens; 0: what the endpoint says, else 8192.")
    tools: Literal["auto", "native", "text"] = Field(
        default="auto", description="How it calls tools: by the protocol, in its text, or as it turns out."
    )
    price: Price = Price()
    seconds: float = Field(default=300, gt=0, description="One turn at most; 600 is the longest that is useful.")
    at_once: int = Field(default=8, ge=1, description="Turns at once.")


class Oidc(Section):
    """Callers who come with a token of an OpenID Connect issuer, in place of an API key."""

    issuer: str = Field(default="", description="Exactly as its tokens say it; empty: no issuer is trusted.")
    audience: str = Field(default="", description="What its tokens for this platform say in `aud`.")
    algorithms: tuple[Algorithm, ...] = Field(default=("RS256", "ES256"), min_length=1)
    leeway_seconds: float = Field(default=30, ge=0, le=300, description="By which clocks may differ.")
    ca_file: Path | None = Field(default=None, description="Certificates to trust in place of the system's.")
    caller_claim: str = Field(default="sub", min_length=1, description="What names the caller.")
    tenant_claim: str = Field(default="groups", min_length=1, description="A text or a list, looked up in `tenants`.")
    tenants: dict[str, str] = Field(default={}, description="A value of that claim → the tenant; no other is let in.")
    scope_claim: str = Field(default="groups", min_length=1, description="A text or a list, looked up in `scopes`.")
    scopes: dict[str, tuple[CallerScope, ...]] = Field(default={}, description="A value of that claim → more scopes.")
    groups_claim: str = Field(default="groups", min_length=1, description="The groups that a cluster knows.")
    user_prefix: str = Field(default="", description="Of user names, as the cluster's API server has it.")
    groups_prefix: str = Field(default="", description="Of groups, as the cluster's API server has it.")
    access_review: bool = Field(
        default=False, description="Ask the cluster what the caller may read, before it is read (SubjectAccessReview)."
    )

    @field_validator("issuer")
    @classmethod
    def _address(cls, value: str) -> str:
        loopback = r"http://(?:127\.0\.0\.1|\[::1\]|localhost)(?::\d+)?(?:/[^?#]*)?"
        if value and not re.fullmatch(rf"https://[^/?#@]+(?:/[^?#]*)?|{loopback}", value):
            raise ValueError(f"{value!r} is not https://HOST/PATH")
        return value

    @field_validator("tenants")
    @classmethod
    def _tenants(cls, value: dict[str, str]) -> dict[str, str]:
        _check_tenants(value.values())
        return value

    @model_validator(mode="after")
    def _whole(self) -> "Oidc":
        if self.issuer and not self.audience:
            raise ValueError("an issuer needs an audience: a token for another service must not open this one")
        return self


class Services(Section):
    """Where the services are: `unix:` is a socket in the data directory, else `http://host:port`."""

    listen: str = Field(default="", description="The address to listen on, where a service's own is another's name.")
    keys: Path | None = Field(default=None, description="The folder of the signing keys; unset: made in `data`.")

    router: str = "unix:"
    agents: str = "unix:"
    tools: str = "unix:"
    models: str = "unix:"


class Runs(Section):
    """The run engine."""

    lease_seconds: float = Field(default=10.0, gt=0.1, description="After this a silent worker's runs are taken over.")
    at_once: int = Field(default=8, ge=1, description="Runs a worker moves at once.")
    token_seconds: int = Field(default=300, ge=5, le=3600)
    approval_seconds: float = Field(default=86_400, gt=0, description="A call that nobody approves ends its run then.")
    queued_per_tenant: int = Field(default=1000, ge=1, description="More are refused with 429.")


class Retention(Section):
    """What is kept for how long after its run has ended; 0: for ever. A run under way or waiting keeps everything."""

    checkpoints_hours: float = Field(default=1.0, ge=0, description="What a run resumes from; an ended one does not.")
    calls_days: float = Field(default=30.0, ge=0, description="What calls were asked and said, and what models said.")
    events_days: float = Field(default=90.0, ge=0, description="Steps and notes; how a run began and ended stays.")
    evidence_days: float = Field(default=90.0, ge=0, description="What answers cite.")
    evidence_bytes: int = Field(
        default=20 * 2**30, ge=0, description="A tenant's, as budgets count them; those of its oldest runs go first."
    )
    runs_days: float = Field(default=365.0, ge=0, description="Runs, with all that is theirs.")
    clones_days: float = Field(default=30.0, ge=0, description="Clones of repositories that nobody has opened since.")
    indexes_days: float = Field(default=90.0, ge=0, description="Indexes of repositories, the same.")
    every_seconds: float = Field(default=60.0, gt=0, description="Between two looks for what is due.")


class RouterSettings(Section):
    """Which agent answers."""

    fallback: str = Field(
        default="ask",
        pattern=r"^(?:ask|llm:planner)$",
        description="What no agent does: `ask` asks back; `llm:planner` lets that model chat, said to be ungrounded.",
    )
    threshold: float | None = Field(
        default=None, ge=0, le=1, description="The confidence from which an agent is chosen; unset: the trained one."
    )


class Index(Section):
    """How much of a repository is read."""

    files: int = Field(default=50_000, ge=1)
    file_bytes: int = Field(default=2**20, ge=1024)
    clone_bytes: int = Field(default=2**30, ge=2**20)
    clone_seconds: float = Field(default=300, gt=0)
    processes: int = Field(default=2, ge=1, description="For CPU-bound work.")


class GitCredential(Section):
    """What a private Git host wants: for most, any user name and an access token that may read."""

    username: str = "git"
    token: SecretStr


class EgressSettings(Section):
    """The way out: to pages, repositories and engines on the internet."""

    proxy: str = Field(default="", pattern=r"^(?:https?://[^@/]+/?)?$", description="Such as `http://proxy:3128`.")
    proxy_credentials: SecretStr | None = Field(
        default=None, description="`user:password`: as proxy_credentials_file, or in the environment."
    )
    no_proxy: tuple[str, ...] = Field(
        default=(), description="Hosts, domains with all below them, and networks that the proxy is not for."
    )
    ca_bundle: Path | None = Field(default=None, description="Certificates to trust in place of the system's.")
    trusted: tuple[str, ...] = Field(
        default=(),
        description="Places that pages and repositories may be read from though they are private: `host:port`.",
    )
    credentials: dict[str, GitCredential] = Field(
        default={}, description='`[egress.credentials."git.example.org"]`: for private repositories on that host.'
    )

    @field_validator("credentials")
    @classmethod
    def _hosts(cls, value: dict[str, GitCredential]) -> dict[str, GitCredential]:
        for place in value:
            if not host_of(f"https://{place}") or "/" in place:
                raise ValueError(f"{place!r} is not a host, nor host:port")
        return value

    @field_validator("trusted")
    @classmethod
    def _places(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for place in value:
            host, _, port = place.rpartition(":")
            if not compared(host.strip("[]")) or not port.isdecimal():
                raise ValueError(f"{place!r} is not host:port")
        return value


class WebSettings(Section):
    """How pages are read."""

    page_seconds: float = Field(default=15.0, gt=0, le=40, description="For one page, redirects and all.")
    page_bytes: int = Field(default=4 * 2**20, ge=1024, description="Of one page, packed and unpacked.")
    pause_seconds: float = Field(default=0.5, ge=0, description="Between two pages of a site that is crawled.")


class Sources(Section):
    """What the local caller's runs look at where they name none of that kind."""

    repo: Source = Field(default="", description="`path:/folder` or a https URL; `up` takes the checkout it starts in.")
    pages: Source = Field(default="", description="`collection:NAME`, `wikipedia:` or `searxng:URL`.")
    kubernetes: Source = Field(
        default="", description="`kubeconfig:[PATH][#CONTEXT]`, `in-cluster:` or `dump:/folder`."
    )
    prometheus: Source = Field(default="", description="Its address, such as `http://127.0.0.1:9090`.")


class Telemetry(Section):
    """What leaves the platform: nothing, unless an exporter is named."""

    otlp_url: Source = Field(default="", description="An OTLP/HTTP endpoint, such as `http://127.0.0.1:4318`.")
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    mask: tuple[Personal, ...] = Field(
        default=("email", "card"), description="Personal data that logs, spans and metrics do not show."
    )


class Settings(Section):
    """Everything that can be set."""

    data: Path = Field(default=Path(), description="The data directory; by default `$XDG_DATA_HOME/groundswell`.")
    tenant: str = Field(default="local", pattern=TENANT, description="The local caller's tenant.")
    idle_minutes: float = Field(default=30, gt=0, description="A platform that `ask` started stops after this.")
    gateway: Gateway = Gateway()
    database: Database = Database()
    vectors: VectorStore = VectorStore()
    embeddings: Embeddings = Embeddings()
    models: dict[ModelRole, ModelEndpoint] = Field(
        default={},
        description="`[models.planner]`, `[models.code]`, `[models.small]`, `[models.embed]`; none by default.",
    )
    oidc: Oidc = Oidc()
    services: Services = Services()
    runs: Runs = Runs()
    retention: Retention = Retention()
    router: RouterSettings = RouterSettings()
    index: Index = Index()
    egress: EgressSettings = EgressSettings()
    web: WebSettings = WebSettings()
    sources: Sources = Sources()
    telemetry: Telemetry = Telemetry()


class TenantPolicy(Record):
    """What `policy.toml` says of one tenant: what it may do is narrowed, what it may read is listed (with `*` and `?`).

    A list of what may be read that is left out grants nothing; to the person at this machine it states no bound.
    """

    tools: tuple[str, ...] | None = None
    effects: tuple[str, ...] = ()  # tools that change something outside; an agent has only those named here
    writable: tuple[str, ...] = ()  # folders below which they may
    approve: tuple[str, ...] | None = None  # what a person is asked about: tools, or `effects`; unset: as tools say
    arguments: dict[str, dict[str, ArgumentRule]] = {}
    sources: dict[SourceKind, Source] = {}  # given to this tenant: allowed as they stand, and its runs' defaults
    schemes: tuple[str, ...] = ()
    roots: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()
    namespaces: tuple[str, ...] | None = None
    cluster_objects: tuple[str, ...] | None = None  # `Node/worker-*`
    custom_kinds: tuple[str, ...] | None = None  # `PLURAL.GROUP`, as the cluster names their definitions
    labels: dict[str, tuple[str, ...]] | None = None  # {namespace = ["shop"]}
    repositories: tuple[str, ...] | None = None  # `https://git.example.org/shop/*`
    collections: tuple[str, ...] | None = None
    limits: Narrowing = Narrowing()

    @field_validator("cluster_objects")
    @classmethod
    def _kinds(cls, value: tuple[str, ...] | None) -> tuple[str, ...] | None:
        for each in value or ():
            if not re.fullmatch(r"[A-Z][A-Za-z]*/[^/]+", each):
                raise ValueError(f"{each!r} is not Kind/name, such as Node/worker-*")
        return value

    @field_validator("custom_kinds")
    @classmethod
    def _definitions(cls, value: tuple[str, ...] | None) -> tuple[str, ...] | None:
        for each in value or ():
            if not re.fullmatch(r"[a-z0-9][a-z0-9-]*(?:\.[a-z0-9-]+){2,}", each) or each.endswith(".k8s.io"):
                raise ValueError(f"{each!r} is no custom kind as PLURAL.GROUP, such as postgresqls.acid.zalan.do")
            if each.startswith("secrets."):
                raise ValueError(f"{each!r} is not to be had: secrets are never read")
        return value

    @field_validator("labels")
    @classmethod
    def _names(cls, value: dict[str, tuple[str, ...]] | None) -> dict[str, tuple[str, ...]] | None:
        for name, values in (value or {}).items():
            if not re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_]*", name) or not values or "" in values:
                raise ValueError(f"{name!r} needs the values that its series may have")
        return value

    @field_validator("repositories")
    @classmethod
    def _addresses(cls, value: tuple[str, ...] | None) -> tuple[str, ...] | None:
        for each in value or ():
            if not re.fullmatch(r"https://[^/?#@%]+/[^?#@%]+", each):
                raise ValueError(f"{each!r} is not https://HOST/PATH, such as https://git.example.org/shop/*")
        return value


class PolicyFile(Record):
    """`policy.toml`: what each tenant may do and read."""

    tenants: dict[str, TenantPolicy] = {}

    @field_validator("tenants")
    @classmethod
    def _named(cls, value: dict[str, TenantPolicy]) -> dict[str, TenantPolicy]:
        _check_tenants(value)
        return value


@dataclass(frozen=True)
class Loaded:
    """The tree, the policies, and where each value came from."""

    settings: Settings
    policy: PolicyFile
    folder: Path
    origins: Mapping[str, str]  # `gateway.port` → `default`, a file's path, or a variable's name


def load(
    folder: Path | None = None, overrides: Mapping[str, Any] | None = None, environment: Mapping[str, str] | None = None
) -> Loaded:
    """Read the tree; `overrides` are a command's options as dotted names. Raises ConfigError for what is wrong."""
    environment = dict(os.environ) if environment is None else environment
    home = Path(environment.get("HOME") or Path.home())
    folder = folder or Path(environment.get("XDG_CONFIG_HOME") or home / ".config") / "groundswell"
    data_home = Path(environment.get("XDG_DATA_HOME") or home / ".local" / "share")
    origins: dict[str, str] = {}
    tree: dict[str, Any] = {"data": str(data_home / "groundswell")}
    file = folder / "groundswell.toml"
    layers = [(str(file), _read(file)), ("environment", _environment(environment))]
    layers.append(("option", _nested(overrides or {})))
    for origin, layer in layers:
        _check(layer, Settings, origin)
        if origin == str(file) and "proxy_credentials" in layer.get("egress", {}):
            hint = f"write it to a file of its own and set proxy_credentials_file, or {PREFIX}EGRESS__PROXY_CREDENTIALS"
            raise ConfigError("secret_in_settings", f"{file} holds the credentials of the proxy", hint)
        layer = _secrets(layer, origin)
        for name, _ in _leaves(layer):
            variable = PREFIX + name.upper().replace(".", "__")
            origins[name] = variable if origin == "environment" else origin
        tree = _merged(tree, layer)
    settings = _validated(Settings, tree, origins)
    return Loaded(settings, _policy(folder / "policy.toml"), folder, origins)


def described(loaded: Loaded) -> list[tuple[str, str, str]]:
    """Every value as (name, text, origin), secrets masked."""
    rows = _leaves(loaded.settings.model_dump(mode="json"))
    return [
        (name, "" if value is None else redact(str(value)), loaded.origins.get(name, "default")) for name, value in rows
    ]


PASSING = ("data", "gateway.port", "idle_minutes", "sources.", "telemetry.log_level")  # say nothing of what it does


def digest(loaded: Loaded) -> str:
    """Of all settings and policies that change what the platform does; secrets are no part of it."""
    rows = [[name, text] for name, text, _ in described(loaded) if not name.startswith(PASSING)]
    whole = json.dumps([sorted(rows), loaded.policy.model_dump(mode="json")], sort_keys=True)
    return hashlib.sha256(whole.encode()).hexdigest()[:24]


def _policy(file: Path) -> PolicyFile:
    layer = _read(file)
    _check(layer, PolicyFile, str(file))
    return _validated(PolicyFile, layer, dict.fromkeys((name for name, _ in _leaves(layer)), str(file)))


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError("bad_toml", f"{file} is not TOML: {error}", f"mend it, or move {file.name} away") from error
    except OSError as error:
        raise ConfigError("unreadable_config", f"{file} cannot be read: {error.strerror}") from error


def _environment(environment: Mapping[str, str]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for name, value in environment.items():
        if name.startswith(PREFIX) and name not in _NOT_SETTINGS:
            tree = _merged(tree, _nested({name[len(PREFIX) :].lower().replace("__", "."): value}))
    return tree


_NOT_SETTINGS = frozenset({"GROUNDSWELL_COMPLETE", "GROUNDSWELL_URL", "GROUNDSWELL_KEY", "GROUNDSWELL_CONFIG"})


def _nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for name, value in flat.items():
        *path, leaf = name.split(".")
        place = tree
        for part in path:
            place = place.setdefault(part, {})
        place[leaf] = value
    return tree


def _merged(under: dict[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    both = dict(under)
    for name, value in over.items():
        old = both.get(name)
        both[name] = _merged(old, value) if isinstance(old, dict) and isinstance(value, Mapping) else value
    return both


def _leaves(tree: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in tree.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, f"{path}{name}.")
        else:
            yield f"{path}{name}", value


def _check(layer: Mapping[str, Any], model: type[BaseModel], origin: str, path: str = "") -> None:
    """Refuse a key that is not known, naming the nearest one that is."""
    fields = model.model_fields
    for name, value in layer.items():
        annotation = fields[name].annotation if name in fields else None
        secret = name.removesuffix("_file")
        if annotation is None and not (secret != name and secret in fields and _is_secret(fields[secret].annotation)):
            written = f"{path}{name}"
            if origin == "environment":
                written = PREFIX + written.upper().replace(".", "__")
            near = difflib.get_close_matches(name, list(fields), n=1, cutoff=0.5)
            hint = f"did you mean {path}{near[0]!s}?" if near else f"known here: {', '.join(sorted(fields))}"
            raise ConfigError("unknown_setting", f"{origin} sets {written!r}, which is no setting", hint)
        if not isinstance(value, Mapping):
            continue
        if _is_model(annotation):
            _check(value, annotation, origin, f"{path}{name}.")
        elif get_origin(annotation) is dict and _is_model(of := get_args(annotation)[1]):
            for key, each in value.items():
                if isinstance(each, Mapping):
                    _check(each, of, origin, f"{path}{name}.{key}.")


def _is_model(annotation: Any) -> TypeGuard[type[BaseModel]]:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _is_secret(annotation: Any) -> bool:
    return SecretStr in getattr(annotation, "__args__", (annotation,))


def _secrets(layer: Mapping[str, Any], origin: str) -> dict[str, Any]:
    """Read every `…_file` in place of the secret it stands for."""
    out: dict[str, Any] = {}
    for name, value in layer.items():
        if isinstance(value, Mapping):
            out[name] = _secrets(value, origin)
        elif name.endswith("_file"):
            try:
                out[name.removesuffix("_file")] = Path(str(value)).expanduser().read_text(encoding="utf-8").strip()
            except OSError as error:
                raise ConfigError("unreadable_secret", f"{origin} names {value!r}: {error.strerror}") from error
        else:
            out[name] = value
    return out


def _validated(model: Any, tree: Mapping[str, Any], origins: Mapping[str, str]) -> Any:
    try:
        return model(**tree)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = ".".join(str(part) for part in first["loc"])
        origin = origins.get(name, "settings")
        secret = any(word in name for word in ("password", "key", "token", "credentials", "proxy"))
        given = "" if secret or "@" in str(first["input"]) else f" (it is {first['input']!r})"
        raise ConfigError("bad_setting", f"{origin} sets {name}: {first['msg']}{given}") from error
