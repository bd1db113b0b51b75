"""`groundswell policy` says what a tenant may do, and by which line."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from groundswell.cli.main import app

POLICY = """# who shares this
[tenants.shop]
namespaces = ["shop", "shop-*"]
domains = ["docs.example.org"]
repositories = ["https://git.example.org/shop/*"]

[tenants.shop.labels]
namespace = ["shop"]

[tenants.shop.sources]
kubernetes = "in-cluster:"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "policy.toml").write_text(POLICY)
    return tmp_path


def policy(folder: Path, *words: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["--config", str(folder), "policy", *words])
    return result.exit_code, result.stdout


@pytest.mark.parametrize(
    ("tool", "arguments", "source", "allowed", "line"),
    [
        ("pod_logs", {"namespace": "shop-eu", "pod": "x"}, "kubernetes=in-cluster:", True, "policy.toml:3: namespaces"),
        ("pod_logs", {"namespace": "billing", "pod": "x"}, "", False, "policy.toml:3: namespaces"),
        ("pod_logs", {"namespace": "shop", "pod": "x"}, "kubernetes=kubeconfig:", False, ""),
        ("metrics_query", {"promql": "sum(up)"}, "", True, "policy.toml:7: [tenants.shop.labels]"),
        ("metrics_query", {"promql": "info(up)"}, "", False, "policy.toml:7: [tenants.shop.labels]"),
        ("object_get", {"kind": "node", "name": "a"}, "", False, ""),
        ("web_fetch", {"url": "https://docs.example.org/a"}, "", True, "policy.toml:4: domains"),
        ("web_fetch", {"url": "https://evil.example/a"}, "", False, "policy.toml:4: domains"),
        ("file_read", {"path": "a.py"}, "repo=https://git.example.org/shop/app", True, "policy.toml:5: repositories"),
        ("file_read", {"path": "a.py"}, "repo=https://git.example.org/other/app", False, "policy.toml:5: repositories"),
    ],
)
def test_a_call_is_explained_by_the_line_that_decides(
    folder: Path, tool: str, arguments: dict[str, str], source: str, allowed: bool, line: str
) -> None:
    words = ["explain", "--tenant", "shop", "--tool", tool, "--args", json.dumps(arguments), "--json"]
    code, told = policy(folder, *words, *(["--source", source] if source else []))
    reason = json.loads(told)
    assert reason["allowed"] is allowed, reason
    assert code == (0 if allowed else 4)
    assert any(line in each for each in reason["lines"]) or not line, reason
    assert bool(reason["asked_as"]) == (allowed and tool == "metrics_query")


def test_a_tenant_without_an_entry_is_denied_with_what_would_grant_it(folder: Path) -> None:
    words = ("explain", "--tenant", "other", "--tool", "pod_logs", "--args", '{"namespace": "shop", "pod": "x"}')
    code, told = policy(folder, *words)
    assert code == 4
    assert 'namespaces = ["shop"]' in told


def test_what_the_file_says_is_shown_and_what_it_leaves_out_grants_nothing(folder: Path) -> None:
    code, told = policy(folder, "show", "--json")
    shop = json.loads(told)["tenants"]["shop"]
    assert code == 0
    assert (shop["namespaces"], shop["collections"]) == ("shop, shop-*", "(nothing)")
    assert policy(folder, "check")[0] == 0


@pytest.mark.parametrize(
    "wrong",
    [
        "[tenants.shop]\nnamespace = ['shop']\n",
        "[tenants.Shop]\n",
        "[tenants.shop]\ncluster_objects = ['nodes/a']\n",
        "[tenants.shop]\nlabels = {namespace = []}\n",
        "[tenants.shop]\nlabels = {'a\"b' = ['x']}\n",
        "[tenants.shop]\nrepositories = ['git.example.org/shop']\n",
        "[tenants.shop]\nrepositories = ['https://me@git.example.org/shop']\n",
    ],
)
def test_a_policy_that_would_guard_nothing_is_refused(tmp_path: Path, wrong: str) -> None:
    (tmp_path / "policy.toml").write_text(wrong)
    assert policy(tmp_path, "check")[0] == 2
