"""The whole platform as one pod with one volume, for people who want to try it on the cluster they have."""

from groundswell.deployment import names, rights
from groundswell.deployment.graph import Edge, Port, Workload, anywhere, denied, policies, public
from groundswell.deployment.objects import (
    Container,
    Object,
    account,
    config,
    empty,
    from_secret,
    http_probes,
    made,
    pod,
    selector,
    service,
    space,
)

NAMESPACE = "groundswell"
NAME = "groundswell"
KEY = "groundswell-key"  # the Job, its ServiceAccount and what it makes
IMAGE = "groundswell"
PORT = 8080
SETTINGS = """\
# No model is named here: agents answer from evidence. Add [models.planner] with the address of an endpoint.
[gateway]
host = "0.0.0.0"
keyless = false

[sources]
kubernetes = "in-cluster:"
"""


def rendered() -> list[Object]:
    """All of it."""
    return [
        space(NAMESPACE),
        account(NAME, NAMESPACE),
        *rights.granted(NAME, NAMESPACE),
        denied(NAMESPACE),
        *policies(edges()),
        *_key(),
        config("groundswell-settings", NAMESPACE, {"groundswell.toml": SETTINGS}),
        _volume(),
        _deployment(),
        service(NAME, NAMESPACE, {"http": PORT}),
    ]


def edges() -> list[Edge]:
    """What the pods may reach. Nothing may reach them: a port-forward comes from their own node."""
    server = anywhere("the API server")
    https = (Port(443), Port(6443))
    platform = Workload(NAMESPACE, NAME)
    return [
        *names.lookups(NAMESPACE, names.USUAL),
        Edge(platform, server, https, "its tools read the cluster"),
        Edge(Workload(NAMESPACE, KEY), server, https, "it makes the Secret"),
        Edge(platform, public("the web"), (Port(80), Port(443)), "its tools read pages"),
    ]


def _key() -> list[Object]:
    """A Job that makes the key, once; its ServiceAccount may create Secrets here, and read none."""
    group = "rbac.authorization.k8s.io"
    name = KEY
    container = Container(
        name="key",
        image=IMAGE,
        args=["secrets", "key", "--namespace", NAMESPACE],
        cpu="50m",
        memory="128Mi",
        env={"HOME": "/tmp"},  # noqa: S108 - the pod's own
        mounts={"/tmp": "tmp"},  # noqa: S108
    )
    template = pod(name, [container], [empty("tmp", "16Mi")], account=name, token=True, restartPolicy="OnFailure")
    role = {"apiGroup": group, "kind": "Role", "name": name}
    subjects = [{"kind": "ServiceAccount", "name": name, "namespace": NAMESPACE}]
    return [
        account(name, NAMESPACE),
        made(
            "Role",
            f"{group}/v1",
            name,
            NAMESPACE,
            rules=[{"apiGroups": [""], "resources": ["secrets"], "verbs": ["create"]}],
        ),
        made("RoleBinding", f"{group}/v1", name, NAMESPACE, roleRef=role, subjects=subjects),
        made("Job", "batch/v1", name, NAMESPACE, spec={"backoffLimit": 6, "template": template}),
    ]


def _volume() -> Object:
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "4Gi"}}}
    return made("PersistentVolumeClaim", "v1", "groundswell-data", NAMESPACE, spec=spec)


def _deployment() -> Object:
    container = Container(
        name="platform",
        image=IMAGE,
        args=["--config", "/etc/groundswell", "up", "--no-question"],
        cpu="250m",
        memory="512Mi",
        memory_limit="1Gi",
        env={
            "HOME": "/data",
            "GROUNDSWELL_DATA": "/data/groundswell",
            "GROUNDSWELL_GATEWAY__KEY_FILE": "/run/secrets/groundswell/key",
        },
        ports={"http": PORT},
        mounts={
            "/data": "data",
            "/tmp": "tmp",  # noqa: S108
            "/etc/groundswell": "settings:ro",
            "/run/secrets/groundswell": "key:ro",
        },
        probes=http_probes("http"),
    )
    volumes = [
        {"name": "data", "persistentVolumeClaim": {"claimName": "groundswell-data"}},
        empty("tmp", "256Mi"),
        {"name": "settings", "configMap": {"name": "groundswell-settings"}},
        from_secret("key", KEY),
    ]
    template = pod(NAME, [container], volumes, account=NAME, token=True, terminationGracePeriodSeconds=30)
    spec = {
        "replicas": 1,
        "strategy": {"type": "Recreate"},  # one volume, one owner
        "selector": {"matchLabels": selector(NAME)},
        "template": template,
    }
    return made("Deployment", "apps/v1", NAME, NAMESPACE, spec=spec)
