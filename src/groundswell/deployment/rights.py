"""What the tools may read of a cluster: the kinds they know how to look at, by name, and never a Secret."""

from collections import defaultdict

from groundswell.backends.kube.kinds import KINDS
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


def granted(account: str, namespace: str) -> list[Object]:
    """The role and its binding to one ServiceAccount."""
    group, name = "rbac.authorization.k8s.io", f"{namespace}:{account}"
    role = made("ClusterRole", f"{group}/v1", name, rules=reading())
    binding = made(
        "ClusterRoleBinding",
        f"{group}/v1",
        name,
        roleRef={"apiGroup": group, "kind": "ClusterRole", "name": name},
        subjects=[{"kind": "ServiceAccount", "name": account, "namespace": namespace}],
    )
    return [role, binding]
