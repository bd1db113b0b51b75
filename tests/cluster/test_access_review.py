"""Callers of an issuer read of a real cluster what its roles let them read; the API server itself is asked."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cluster.live import Live, server
from e2e.program import Home, made
from groundswell.client import Client
from groundswell.core.records import ToolResult
from groundswell.deployment.objects import Object, space
from groundswell.waves.acting import PROBE, called
from services.issuer import AUDIENCE, Issuer
from small_server import running

SEEN, HIDDEN = "reviewed-one", "reviewed-two"
SAYS = "print('said by the pod'); import signal; signal.pause()"
SETTINGS = """
[oidc]
issuer = "{issuer}"
audience = "{audience}"
access_review = true
user_prefix = "sso:"
groups_prefix = "sso:"
[oidc.tenants]
shop-devs = "shop"
other-devs = "other"
"""
POLICY = """
[tenants.shop]
namespaces = ["reviewed-*"]
sources = {{kubernetes = "{tools}"}}
[tenants.other]
namespaces = ["reviewed-*"]
sources = {{kubernetes = "{mute}"}}
"""


def role(name: str, namespace: str, kind: str, subject: str, *resources: str) -> list[Object]:
    """A Role for some resources, bound to one subject."""
    group = "rbac.authorization.k8s.io"
    about = {"apiVersion": f"{group}/v1", "metadata": {"name": name, "namespace": namespace}}
    who: Object = {"kind": kind, "name": subject}
    who |= {"namespace": namespace} if kind == "ServiceAccount" else {"apiGroup": group}
    rule = {"apiGroups": [""], "resources": list(resources), "verbs": ["get", "list"]}
    reference = {"apiGroup": group, "kind": "Role", "name": name}
    return [
        {**about, "kind": "Role", "rules": [rule]},
        {**about, "kind": "RoleBinding", "roleRef": reference, "subjects": [who]},
    ]


def kubeconfig(live: Live, folder: Path, namespace: str, account: str) -> str:
    """A source that is a ServiceAccount, with its rights and no more."""
    token = live.kubectl("-n", namespace, "create", "token", account, "--duration=1h").strip()
    there: Any = live.kubectl.json("config", "view", "--minify", "--raw")
    there["users"] = [{"name": account, "user": {"token": token}}]
    there["contexts"][0]["context"]["user"] = account
    file = folder / f"{namespace}-{account}.json"
    file.write_text(json.dumps(there))
    file.chmod(0o600)
    return f"kubeconfig:{file}"


def prepared(live: Live, folder: Path, issuer: Issuer) -> tuple[Home, dict[str, str]]:
    """Two namespaces with a pod each, roles of callers, and a platform that trusts the issuer."""
    bare = [{**each, "metadata": {"name": each["metadata"]["name"]}} for each in (space(SEEN), space(HIDDEN))]
    roles = [
        *role("ana", SEEN, "User", "sso:ana", "pods"),
        *role("devs", SEEN, "Group", "sso:shop-devs", "pods/log"),
        *role("mute", SEEN, "ServiceAccount", "default", "pods"),
    ]
    live.apply(*bare, *(server("web", name, live.image, SAYS, {}) for name in (SEEN, HIDDEN)), *roles)
    for name in (SEEN, HIDDEN):
        live.kubectl("-n", name, "wait", "--for=condition=Ready", "pod/web", "--timeout=90s", seconds=120)
    home = made(folder)
    config = folder / "config"
    config.mkdir()
    (config / "groundswell.toml").write_text(SETTINGS.format(issuer=issuer.url, audience=AUDIENCE))
    tools, mute = kubeconfig(live, folder, "ai-tools", "tools"), kubeconfig(live, folder, SEEN, "default")
    (config / "policy.toml").write_text(POLICY.format(tools=tools, mute=mute))
    home.more["GROUNDSWELL_CONFIG"] = str(config)
    return home, {"shop-devs": tools, "other-devs": mute}


@dataclass(frozen=True)
class Trusting:
    """The address of a platform that reads the cluster, its issuer, and as whom each group's tenant reads."""

    url: str
    issuer: Issuer
    sources: Mapping[str, str]

    async def asks(self, who: str, group: str, tool: str, **arguments: str) -> ToolResult:
        """What a tool says to a caller."""
        token, given = self.issuer.token(sub=who, groups=[group]), {"kubernetes": self.sources[group]}
        agent = "observability" if tool == "pod_logs" else PROBE
        async with Client(self.url, token, patience=60) as platform:
            return (await called(platform, tool, arguments, agent=agent, sources=given))[1]


@pytest.fixture
async def trusting(live: Live, opened: str, tmp_path: Path) -> AsyncIterator[Trusting]:
    """A platform on this machine that reads the cluster as the tools' account does."""
    with running(Issuer()) as issuer:
        home, sources = await asyncio.to_thread(prepared, live, tmp_path, issuer)
        try:
            await asyncio.to_thread(home.well, "up", "--detach", "--no-question")
            yield Trusting(home.instance["url"], issuer, sources)
        finally:
            await asyncio.to_thread(home.close)
            await asyncio.to_thread(live.kubectl, "delete", "namespace", SEEN, HIDDEN)


async def test_a_caller_of_an_issuer_reads_what_the_clusters_roles_let_them_read(
    trusting: Trusting,
) -> None:
    seen = await trusting.asks("ana", "shop-devs", "objects_read", kind="pods", namespace=SEEN)
    assert seen.status == "ok", seen
    assert f"{SEEN}/Pod/web" in str(seen.value)
    logs = await trusting.asks("ana", "shop-devs", "pod_logs", namespace=SEEN, pod="web")  # by her group
    assert "said by the pod" in str(logs.value), logs
    for who, tool, arguments in (
        ("ana", "objects_read", {"kind": "pods", "namespace": HIDDEN}),  # a granted namespace, and no role there
        ("ana", "objects_read", {"kind": "services", "namespace": SEEN}),  # no role for that kind
        ("bob", "objects_read", {"kind": "pods", "namespace": SEEN}),  # of her group, without her own role
        ("ana", "pod_logs", {"namespace": HIDDEN, "pod": "web"}),
    ):
        refused = await trusting.asks(who, "shop-devs", tool, **arguments)
        assert (refused.code, refused.value) == ("review_denied", None), (who, tool, arguments, refused)
        assert f"does not let sso:{who}" in refused.message
        assert "said by the pod" not in refused.model_dump_json()
    # the account of this source may list pods itself, and may not ask what others may
    unasked = await trusting.asks("ana", "other-devs", "objects_read", kind="pods", namespace=SEEN)
    assert (unasked.code, unasked.value) == ("review_unasked", None), unasked
