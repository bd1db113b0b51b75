"""What the tools may read of a cluster: the kinds they know how to look at, by name, and never a Secret."""

from collections import defaultdict

from groundswell.backends.kube.kinds import KINDS
from groundswell.core.settings import PolicyFile
from groundswell.deployment.objects import Object, made

READ = ["get", "list", "watch"]


def reading() -> list[Object]:
    """Rules for the kinds that tools look at; logs; and asking whether a caller may see something."""
    groups: dict[str, list[str]] = defaultdict(list)
    for kind in KINDS:
        if kind.name != "Secret":
            groups["" if kind.path == "api/v1" else kind.path.split("/")[1]].append(kind.plural)
    rules: list[Object] = [
        {"apiGroups": [group], "resources": sorted(names), "verbs": READ} for group, names in sorted(groups.items())
    ]
    rules.append({"apiGroups": [""], "resources": ["pods/log"], "verbs": ["get"]})
    reviews = {"apiGroups": ["authorization.k8s.io"], "resources": ["subjectaccessreviews"], "verbs": ["create"]}
    return [*rules, reviews]


def custom(account: str, namespace: str, policy: PolicyFile) -> list[Object]:
    """What the tenants' `custom_kinds` add to the rights of one ServiceAccount; nothing where none are named."""
    groups: dict[str, set[str]] = defaultdict(set)
    for tenant in policy.tenants.values():
        for each in tenant.custom_kinds or ():
            plural, _, group = each.partition(".")
            groups[group].add(plural)
    rules: list[Object] = [
        {"apiGroups": [group], "resources": sorted(names), "verbs": READ} for group, names in sorted(groups.items())
    ]
    return _bound(account, namespace, f"{namespace}:{account}-custom", rules) if rules else []


def granted(account: str, namespace: str) -> list[Object]:
    """The role and its binding to one ServiceAccount."""
    return _bound(account, namespace, f"{namespace}:{account}", reading())


def _bound(account: str, namespace: str, name: str, rules: list[Object]) -> list[Object]:
    group = "rbac.authorization.k8s.io"
    role = made("ClusterRole", f"{group}/v1", name, rules=rules)
    binding = made(
        "ClusterRoleBinding",
        f"{group}/v1",
        name,
        roleRef={"apiGroup": group, "kind": "ClusterRole", "name": name},
        subjects=[{"kind": "ServiceAccount", "name": account, "namespace": namespace}],
    )
    return [role, binding]
