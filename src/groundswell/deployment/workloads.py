"""The services on a cluster, rendered from their records: Deployment, Service, ServiceAccount, settings, budget."""

import json
from collections.abc import Mapping

from groundswell.core.settings import PolicyFile, TenantPolicy
from groundswell.deployment import secrets
from groundswell.deployment.objects import (
    Container,
    Object,
    account,
    config,
    empty,
    from_secret,
    from_secrets,
    http_probes,
    made,
    pod,
    selector,
    service,
)
from groundswell.deployment.profile import Profile
from groundswell.runtime import discovery
from groundswell.runtime.service import Service

PORT = 8000
GATEWAY_PORT = 8080
IMAGE = "groundswell"
SETTINGS = "groundswell-settings"
DATABASE = "groundswell-database"
AUTHORITY = "groundswell-authority"
QDRANT_KEYS = "groundswell-qdrant"
VECTORS = "/run/secrets/groundswell/vectors"
SIGNERS = ("gateway", "router", "agents")
SIZES: dict[str, tuple[str, str, str]] = {  # cpu, memory asked for, memory at most
    "gateway": ("100m", "160Mi", "384Mi"),
    "router": ("150m", "320Mi", "768Mi"),
    "agents": ("250m", "320Mi", "768Mi"),
    "tools": ("250m", "512Mi", "1536Mi"),
    "models": ("100m", "192Mi", "384Mi"),
}
EXTENSION = ("100m", "256Mi", "512Mi")  # a service of a third party


def services() -> dict[str, Service]:
    """All services, by name."""
    return discovery.discover("groundswell.services", Service)


def port(name: str) -> int:
    """Where a service listens in its pod, and where its Service does."""
    return GATEWAY_PORT if name == "gateway" else PORT


def address(found: Service) -> str:
    """A service's URL inside the cluster."""
    return f"http://{found.name}.{found.namespace}.svc:{port(found.name)}"


def signers() -> dict[str, list[str]]:
    """Namespace → the services there that sign; every namespace of ours knows the public keys."""
    found: dict[str, list[str]] = {each.namespace: [] for each in services().values()}
    for name in SIGNERS:
        found[services()[name].namespace].append(name)
    return found


def rendered(found: Service) -> list[Object]:
    """All objects of one service, as on every cluster; a cluster's overlay says how many, and of which image."""
    return [
        account(found.name, found.namespace),
        _deployment(found),
        service(found.name, found.namespace, {"http": port(found.name)}),
        budget(found.name, found.namespace),
    ]


def settings(profile: Profile, policy: str, namespace: str) -> list[Object]:
    """What the services of a namespace read at their start: the same in all, but that only tools may read vectors."""
    files = {"groundswell.toml": _toml(profile, namespace)} | ({"policy.toml": policy} if policy else {})
    return [config(SETTINGS, namespace, files)]


def grants(policy: PolicyFile) -> Object:
    """Which tools each agent has for each tenant, for people and gates to hold a running platform against."""
    found: dict[str, dict[str, list[str]]] = {}
    for tenant, ruled in (policy.tenants or {"every tenant": TenantPolicy()}).items():
        allowed = None if ruled.tools is None else frozenset(ruled.tools)
        found[tenant] = {
            name: sorted(agent.tools if allowed is None else agent.tools & allowed)
            for name, agent in discovery.agents().items()
        }
    return config("groundswell-grants", "ai-agents", {"grants.json": json.dumps(found, indent=2) + "\n"})


def budget(name: str, namespace: str) -> Object:
    """One pod at a time may be moved away; with one replica a drain still goes on."""
    spec = {"maxUnavailable": 1, "selector": {"matchLabels": selector(name)}}
    return made("PodDisruptionBudget", "policy/v1", name, namespace, spec=spec)


def spread(name: str) -> list[Object]:
    """Over nodes, then over zones, as far as there are any."""
    return [
        {
            "maxSkew": 1,
            "topologyKey": key,
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": {"matchLabels": selector(name)},
        }
        for key in ("kubernetes.io/hostname", "topology.kubernetes.io/zone")
    ]


def needs(policy: PolicyFile) -> frozenset[str]:
    """What the granted tools reach of `cluster`, `metrics`, `repo` and `web`, read off what their code asks for.

    A tool that hides it from us gets no way out: that is the safe side.
    """
    declared = {name for agent in discovery.agents().values() for name in agent.tools}
    granted = set[str]()
    for tenant in policy.tenants.values():
        granted |= declared if tenant.tools is None else declared & set(tenant.tools)
    granted = granted if policy.tenants else declared
    direct = {name for name, tool in discovery.tools().items() if tool.direct}
    reached: set[str] = set()
    for name in granted | direct:
        if name in discovery.tools():
            reached |= set(discovery.tools()[name].function.__code__.co_names)
    return frozenset(reached & {"cluster", "metrics", "repo", "web"})


def database_url(profile: Profile) -> str:
    """Where PostgreSQL is; each service logs in as itself."""
    there = profile.existing("postgresql")
    if there:
        return there.where
    verified = "?sslmode=verify-full&sslrootcert=/run/secrets/groundswell/database/ca.crt"
    production = profile.database == "cnpg"
    host = "postgres-rw" if production else "postgres"
    return f"postgresql://{{role}}@{host}.ai-vector.svc:5432/groundswell{verified if production else ''}"


def _toml(profile: Profile, namespace: str) -> str:
    """`groundswell.toml`; what differs between pods is in their environment."""
    lines = ["[gateway]", 'host = "0.0.0.0"', f"port = {GATEWAY_PORT}", "keyless = false", ""]
    lines += ["[database]", f"url = {json.dumps(database_url(profile))}", "migrate = false", ""]
    if profile.part("qdrant").how != "none":
        there = profile.existing("qdrant")
        url = there.where if there else "qdrant://qdrant.ai-vector.svc:6333"
        key = [f"key_file = {json.dumps(f'{VECTORS}/key')}"] if namespace == services()["tools"].namespace else []
        lines += ["[vectors]", f"url = {json.dumps(url)}", *key, ""]
    lines += ["[services]", 'listen = "0.0.0.0"', 'keys = "/run/secrets/groundswell/signing"']
    inner = [each for each in services().values() if each.name != "gateway"]
    lines += [f"{each.name} = {json.dumps(address(each))}" for each in inner]
    lines += ["", "[sources]", 'kubernetes = "in-cluster:"']
    if there := profile.existing("prometheus"):
        lines.append(f"prometheus = {json.dumps(there.where)}")
    for role, url in model_urls(profile).items():
        lines += ["", f"[models.{role}]", f"url = {json.dumps(url)}"]
    return "\n".join(lines) + "\n"


def model_urls(profile: Profile) -> dict[str, str]:
    """Role → the base of its endpoint; with one model both roles are its."""
    if there := profile.existing("inference"):
        return {"planner": there.where, "code": there.where}
    if not profile.ours("inference"):
        return {}
    names = list(profile.models)
    return {
        role: f"http://{role if role in names else names[0]}.ai-inference.svc:8000/v1" for role in ("planner", "code")
    }


def replicas(profile: Profile) -> dict[str, int]:
    """How many of each. Tools that hold embedded vectors are one: those have one owner."""
    return {name: 1 if name == "tools" and holds_vectors(profile) else profile.replicas for name in services()}


def holds_vectors(profile: Profile) -> bool:
    """Whether vectors are embedded in the tools."""
    return profile.part("qdrant").how == "none"


def embedded_vectors() -> tuple[Object, Object]:
    """A volume for the tools, and what their Deployment is then: one pod that never has another beside it."""
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "8Gi"}}}
    volume = made("PersistentVolumeClaim", "v1", "tools-data", "ai-tools", spec=spec)
    data = {"name": "data", "emptyDir": None, "persistentVolumeClaim": {"claimName": "tools-data"}}
    strategy = {"type": "Recreate", "rollingUpdate": None}
    template = {"spec": {"volumes": [data]}}
    patch: Object = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "tools", "namespace": "ai-tools"},
        "spec": {"strategy": strategy, "template": template},
    }
    return volume, patch


def _deployment(found: Service) -> Object:
    name = found.name
    cpu, memory, at_most = SIZES.get(name, EXTENSION)
    container = Container(
        name=name,
        image=IMAGE,
        args=["--config", "/etc/groundswell", "serve", name],
        cpu=cpu,
        memory=memory,
        memory_limit=at_most,
        env=environment(found),
        ports={"http": port(name)},
        mounts={
            "/data": "data",
            "/tmp": "tmp",  # noqa: S108 - the pod's own
            "/etc/groundswell": "settings:ro",
            "/run/secrets/groundswell/signing": "signing:ro",
            "/run/secrets/groundswell/database": "database:ro",
            **({"/run/secrets/groundswell/gateway": "key:ro"} if name == "gateway" else {}),
            **({VECTORS: "vectors:ro"} if name == "tools" else {}),
        },
        # without tools the gateway still shows runs, so others' readiness is not its own
        probes=http_probes("http", ready="/health" if name == "gateway" else "/ready"),
        # Endpoints forget a pod a moment after it is told to end: until then it still answers.
        more={"lifecycle": {"preStop": {"sleep": {"seconds": 5}}}} if name != "agents" else {},
    )
    volumes = [
        empty("data", "4Gi"),
        empty("tmp", "512Mi"),
        {"name": "settings", "configMap": {"name": SETTINGS}},
        from_secret("signing", secrets.SIGNING, items=_files_of(found)),
        database_volume(f"{DATABASE}-{name}"),
        *([from_secret("key", secrets.GATEWAY_KEY)] if name == "gateway" else []),
        # where vectors are embedded there is none
        *([from_secret("vectors", QDRANT_KEYS, optional=True)] if name == "tools" else []),
    ]
    more: Object = {"initContainers": [_sample().rendered()]} if name == "tools" else {}
    template = pod(
        name,
        [container],
        volumes,
        account=name,
        token=name == "tools",
        **more,
        terminationGracePeriodSeconds=45,
        topologySpreadConstraints=spread(name),
    )
    strategy: Object = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}
    spec = {
        "replicas": 1,
        "strategy": strategy,
        "selector": {"matchLabels": selector(name)},
        "template": template,
    }
    return made("Deployment", "apps/v1", name, found.namespace, spec=spec)


def _sample() -> Container:
    """Makes the small repository that gates try the tools on, where they run."""
    return Container(
        name="sample",
        image=IMAGE,
        args=["gate", "sample"],
        cpu="50m",
        memory="128Mi",
        env={"HOME": "/data", "GROUNDSWELL_DATA": "/data/groundswell"},
        mounts={"/data": "data", "/tmp": "tmp"},  # noqa: S108 - the pod's own
    )


def database_volume(secret: str) -> Object:
    """A password, and beside it the authority that vouches for the server, where there is one."""
    authority = {"name": AUTHORITY, "items": [{"key": "ca.crt", "path": "ca.crt"}], "optional": True}
    return from_secrets("database", {"name": secret}, authority)


def environment(found: Service) -> Mapping[str, str | Object]:
    """What differs between pods."""
    values: dict[str, str | Object] = {
        "HOME": "/data",
        "GROUNDSWELL_DATA": "/data/groundswell",
        "GROUNDSWELL_DATABASE__PASSWORD_FILE": "/run/secrets/groundswell/database/password",
    }
    if found.name == "gateway":
        values["GROUNDSWELL_GATEWAY__KEY_FILE"] = "/run/secrets/groundswell/gateway/key"
    return values


def _files_of(found: Service) -> list[Object]:
    """The public keys of all, and its own private one: two services of a namespace share a Secret, not a key."""
    names = [f"{name}.public.pem" for name in SIGNERS]
    names += [f"{found.name}.private.pem"] if found.name in SIGNERS else []
    return [{"key": name, "path": name} for name in names]


def claim(name: str, namespace: str, profile: Profile, size: str = "8Gi") -> Object:
    """A claim of the profile's storage class and size."""
    return made("PersistentVolumeClaim", "v1", name, namespace, spec=claimed(profile, name, size))


def claimed(profile: Profile, name: str, size: str) -> Object:
    """What a claim asks for: the profile's storage class, and its size where it names one."""
    spec: Object = {"accessModes": ["ReadWriteOnce"]}
    if profile.storage_class:
        spec["storageClassName"] = profile.storage_class
    return spec | {"resources": {"requests": {"storage": profile.storage.get(name, size)}}}
