"""What a cluster needs once, before the first wave: namespaces, Secrets, and what Argo CD is told."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from groundswell.core.errors import Denied
from groundswell.deployment import argocd, foundation, gates, secrets, workloads
from groundswell.deployment.core_services import OWNER, ROLES
from groundswell.deployment.kubectl import Kubectl
from groundswell.deployment.layout import Cluster
from groundswell.deployment.objects import Object, as_yaml
from groundswell.deployment.profile import Profile
from groundswell.deployment.secrets import Secret
from groundswell.deployment.workloads import QDRANT_KEYS
from groundswell.waves.boards import NAMESPACE

Say = Callable[[str], None]
RIGHTS = (
    ("create", "namespaces", ""),
    ("create", "clusterroles.rbac.authorization.k8s.io", ""),
    ("create", "clusterrolebindings.rbac.authorization.k8s.io", ""),
    ("create", "validatingadmissionpolicies.admissionregistration.k8s.io", ""),
    *(
        ("create", kind, namespace)
        for namespace in foundation.NAMESPACES
        for kind in ("secrets", "deployments.apps", "networkpolicies.networking.k8s.io", "resourcequotas")
    ),
)


@dataclass(frozen=True)
class Plan:
    """What will be done, where."""

    context: str
    server: str
    steps: tuple[str, ...]


def plan(profile: Profile, kubectl: Kubectl) -> Plan:
    """Where it would be done, and what. Raises Denied where the rights are not there."""
    context, server = kubectl.where()
    missing = [
        _right(*right)
        for right in RIGHTS
        if not kubectl.holds("auth", "can-i", "-q", right[0], right[1], *_in(right[2]))
    ]
    if missing:
        hint = "ask whoever administers the cluster to run this, or for these rights"
        raise Denied("rights_missing", f"in {context} you may not: {', '.join(missing[:6])}", hint)
    steps = [f"make the namespaces {', '.join(foundation.NAMESPACES)}, where they are missing"]
    steps += [f"make the Secrets {', '.join(names)}, where none of them is there" for names in _named(profile)]
    if argocd.wanted(profile):
        steps.append("tell Argo CD of two AppProjects and of one Application for each wave")
    return Plan(context, server, tuple(steps))


async def prepare(profile: Profile, kubectl: Kubectl, say: Say) -> None:
    """Namespaces and Secrets. What is there stays as it is."""
    _apply(kubectl, foundation.namespaces())
    say(f"namespaces: {', '.join(foundation.NAMESPACES)}")
    for together in groups(profile):
        made = await secrets.ensure(kubectl.source(), together)
        say(f"Secrets {'made' if made else 'there already'}: {', '.join(f'{e.namespace}/{e.name}' for e in together)}")


async def bootstrap(found: Cluster, kubectl: Kubectl, say: Say) -> None:
    """All of it."""
    profile = found.profile
    await prepare(profile, kubectl, say)
    if argocd.wanted(profile):
        _apply(kubectl, argocd.root(found))
        say("Argo CD knows the waves; it opens them in order")
        say(argocd.advice(profile))


def _apply(kubectl: Kubectl, objects: list[Object]) -> None:
    """Server-side, and never by force: what others own of an object stays theirs."""
    kubectl("apply", "--server-side", "--field-manager=groundswell", "-f", "-", text=as_yaml(objects))


def groups(profile: Profile) -> list[list[Secret]]:
    """The Secrets, as they belong together. A database that is there already has passwords of its own."""
    services = workloads.services()
    gated = gates.wanted(profile)
    found = [secrets.gateway_key(services["gateway"].namespace, *([NAMESPACE] if gated else []))]
    found += [secrets.signing(workloads.signers()), *([secrets.proofs(NAMESPACE)] if gated else [])]
    if profile.ours("postgresql"):
        passwords = {name: secrets.password() for name in services}
        owner = {"username": b"groundswell", "password": secrets.password()}
        found.append(
            [
                Secret("ai-vector", OWNER, owner, "kubernetes.io/basic-auth"),
                Secret("ai-vector", ROLES, passwords),
                *(
                    Secret(each.namespace, f"{workloads.DATABASE}-{name}", {"password": passwords[name]})
                    for name, each in services.items()
                ),
            ]
        )
    if profile.ours("qdrant"):
        keys = {"key": secrets.password(), "read-only-key": secrets.password()}
        found.append([Secret("ai-vector", QDRANT_KEYS, keys), Secret("ai-tools", QDRANT_KEYS, {"key": keys["key"]})])
    return found


def _named(profile: Profile) -> list[list[str]]:
    return [[f"{each.namespace}/{each.name}" for each in together] for together in groups(profile)]


def _right(verb: str, kind: str, namespace: str) -> str:
    return f"{verb} {kind}" + (f" in {namespace}" if namespace else "")


def _in(namespace: str) -> Sequence[str]:
    return ("-n", namespace) if namespace else ()
